"""Ports that are free now. All rigs of a machine share the loopback addresses, so nothing is fixed."""

import random
import socket

from words import RigError

# Below Linux's ephemeral ports (32768), so that an outgoing connection does not take one from us.
FIRST, LAST = 12000, 31000


def _is_free(host, port, kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host, kind=socket.SOCK_DGRAM):
    """A port of `host` nobody listens on. Another process may take it before we do: callers retry."""
    for _ in range(1000):
        port = random.randrange(FIRST, LAST, 2)
        if _is_free(host, port, kind):
            return port
    raise RigError(f"no free port on {host} between {FIRST} and {LAST}")


def free_tcp_port(host):
    return free_port(host, socket.SOCK_STREAM)
