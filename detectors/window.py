"""Half-open spans of event time, in whole seconds since 1970, UTC.

Words from Beam: a *tumbling* window belongs to a grid; a *watermark* says that no more is expected
before it. This file must not read a clock.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

MINUTE_SECONDS = 60
HOUR_SECONDS = 3600
DAY_SECONDS = 86400


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """One half-open span ``[start, end)``.

    Attributes:
        start_seconds: first second inside, epoch UTC.
        end_seconds: first second after.
    """

    start_seconds: int
    end_seconds: int

    @classmethod
    def tumbling(cls, at_seconds: int, size_seconds: int) -> "Window":
        """The window of a grid of ``size_seconds`` that holds ``at_seconds``.

        >>> Window.tumbling(125, 60)
        Window(start_seconds=120, end_seconds=180)
        """
        start = at_seconds - at_seconds % size_seconds
        return cls(start, start + size_seconds)

    @property
    def size_seconds(self) -> int:
        """Length in seconds."""
        return self.end_seconds - self.start_seconds


def rfc3339(seconds: float) -> str:
    """An instant as RFC 3339 in UTC, to the second or, if it has a fraction, the millisecond.

    >>> rfc3339(1_700_000_000)
    '2023-11-14T22:13:20Z'
    """
    instant = datetime.fromtimestamp(seconds, UTC)
    spec = "milliseconds" if instant.microsecond else "seconds"
    return instant.isoformat(timespec=spec).replace("+00:00", "Z")
