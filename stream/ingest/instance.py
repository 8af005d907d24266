"""Which worker of its host this process is: the default of a static membership id.

A restarted worker keeps its partitions, without a rebalance of the others, if it comes back under
the id that it had; two workers under one id would throw each other out for ever. So a number is
held while the process lives, by a socket in Linux's abstract namespace: it leaves no file, goes
with the process however that ends, and reaches exactly as far as the network namespace does, so
that containers which share their host's name share its numbers too.
"""

import contextlib
import errno
import socket
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

_PLACES: Final = 1000
"""Workers on one host; further ones go without."""


@contextlib.contextmanager
def claimed_instance(group: str) -> Iterator[str | None]:
    """An id that is this process's alone within its host's name, held until the context ends.

    Args:
        group: consumer group; numbers are counted apart in each.

    Yields:
        ``<host>-<number>``, the lowest that is free; ``None`` where none can be held, as on systems
        that are not Linux: a member without an id is always safe.
    """
    scope = blake2b(group.encode(), digest_size=8).hexdigest()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as held:
        number = _first_free(held, scope)
        yield None if number is None else f"{socket.gethostname()}-{number}"


def _first_free(held: socket.socket, scope: str) -> int | None:
    for number in range(_PLACES):
        try:
            held.bind(f"\0spendwatch/{scope}/{number}")
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                continue
            return None
        return number
    return None
