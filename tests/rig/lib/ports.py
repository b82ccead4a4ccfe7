"""Ports that are free now. All rigs of a machine share the loopback addresses, so nothing is fixed."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

from words import RigError

# Below Linux's ephemeral ports (32768), so that an outgoing connection does not take one from us. Media have a range of
# their own: an Asterisk binds them on all addresses and while calls are up, between our look and our use.
FIRST, LAST = 12000, 21000
MEDIA_FIRST, MEDIA_LAST = 21000, 32000

# Between our look and the program's use of a port, another rig may look too. So a port that was given stays locked
# until this process ends; whoever outlives it (Asterisk) has bound the port by then.
_leases = []


def _lease(port):
    """Whether the port is ours now: no rig of this machine was given it."""
    folder = Path(tempfile.gettempdir()) / f"ringdesk-rig-ports.{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = open(folder / str(port), "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return False
    _leases.append(lock)
    return True


def _is_free(host, port, kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host, kind=socket.SOCK_DGRAM, beside=0):
    """A port of `host` nobody listens on, nor on the one `beside` it; no other rig is given either of them."""
    for _ in range(1000):
        port = random.randrange(FIRST, LAST, 2)
        wanted = {port, port + beside}
        if all(_lease(p) for p in wanted) and all(_is_free(host, p, kind) for p in wanted):
            return port
    raise RigError(f"no free port on {host} between {FIRST} and {LAST}")


def media_range(size):
    """`size` ports for one Asterisk, or so; which of them are free it finds out itself."""
    first = random.randrange(MEDIA_FIRST, MEDIA_LAST - size, 2)
    return first, first + size


def free_tcp_port(host):
    return free_port(host, socket.SOCK_STREAM)
