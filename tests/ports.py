"""Ports for whoever has to be told beforehand where to listen, and ports on which nobody listens."""

import itertools
import os
import socket

# Below those that systems give to whoever takes any: none of the many tests that run at once is given the same one
# between the moment it was found and the moment somebody listens there. Each process begins at a place of its own.
_FIRST, _LAST = 12_000, 32_000
_numbers = itertools.count(os.getpid() * 50)


def free_port() -> int:
    """Return a port of this machine on which nobody listens, another one each time."""
    for number in _numbers:
        port = _FIRST + number % (_LAST - _FIRST)
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError
