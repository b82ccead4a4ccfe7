"""Ports that are free now. All rigs of a machine share the loopback addresses, so nothing is fixed."""

import random
import socket

from words import RigError

# Below Linux's ephemeral ports (32768), so that an outgoing connection does not take one from us. Media have a range of
# their own: an Asterisk binds them on all addresses and while calls are up, between our look and our use.
FIRST, LAST = 12000, 21000
MEDIA_FIRST, MEDIA_LAST = 21000, 32000


def _is_free(host, port, kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host, kind=socket.SOCK_DGRAM, beside=0):
    """A port of `host` nobody listens on, nor on the one `beside` it. Another process may take it before we do."""
    for _ in range(1000):
        port = random.randrange(FIRST, LAST, 2)
        if _is_free(host, port, kind) and (not beside or _is_free(host, port + beside, kind)):
            return port
    raise RigError(f"no free port on {host} between {FIRST} and {LAST}")


def media_range(size):
    """`size` ports for one Asterisk, or so; which of them are free it finds out itself."""
    first = random.randrange(MEDIA_FIRST, MEDIA_LAST - size, 2)
    return first, first + size


def free_tcp_port(host):
    return free_port(host, socket.SOCK_STREAM)
