"""An address to listen on, taken before anybody is told of it.

A port that is taken is an error with the fix: on another one nobody would look for the answers.
"""

import socket

from stream.exit import RoleRefusedError


class AddressTakenError(RoleRefusedError):
    """An address cannot be had; the text names the fix."""


def bind(host: str, port: int, *, key: str) -> socket.socket:
    """A socket bound to an address.

    Args:
        host: a name or an address.
        port: 0 picks one.
        key: of the configuration, to name in the error.

    Raises:
        AddressTakenError: if the address is taken or not ours.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise AddressTakenError(
            f"cannot listen on {host}:{port}: {error.strerror}; is another worker running here?"
            f" Give each its own {key}"
        ) from None
    return listener
