"""Whether what a span of hours cost more than usual is the usual of another hour.

Clocks are put forward, and a nightly job comes an hour early for half a year; somebody gives it
another hour; or a queue that stood still is worked off. Its six hours are dear beside those of
other days, and the day is as dear as ever. This file must not know edges.

Without it, a scope with a job of an hour a day paged on 13 of 14 nights after a clock was put
forward, and on as many after the job was given another hour (``tests/evaluation/moved.py``).
"""

from collections.abc import Mapping

from detectors.detector import State
from detectors.hour_ring import FIRST_HOUR, HOUR, levels_of, nanousd_of
from detectors.same_hours import DAY_HOURS, WEEK_DAYS

WEEK_HOURS = WEEK_DAYS * DAY_HOURS

MOST = 2
"""An excess is moved if one part in so many of it is: what a day costs in all is uneven, and has
edges of its own, which judge it."""


def moved(
    ring: State, expected_nanousd: Mapping[int, int], spent_nanousd: Mapping[int, int]
) -> dict[int, int]:
    """How much of what was spent in the spans that end with the hour going on may be moved to it.

    Of a span shorter than a day, as much as the rest of the last 24 hours cost less than it did a
    week ago and is expected to. And of every span, what came with the next hour yesterday and a
    week ago: it may have come an hour early, and then the last 24 hours have it twice.

    Args:
        ring: of a scope's hours.
        expected_nanousd: hours of a span to what is expected of it.
        spent_nanousd: hours of a span to what it cost before the hour going on.

    Returns:
        Hours of a span to nano-dollars; nothing where no day is expected, or no week is known.
    """
    day, now = expected_nanousd.get(DAY_HOURS), ring[HOUR]
    first = now + 1 - DAY_HOURS
    if day is None or first - WEEK_HOURS < ring[FIRST_HOUR]:
        return {}
    week_ago = levels_of(ring, first - WEEK_HOURS, now + 1 - WEEK_HOURS)
    usual = min(day, nanousd_of(week_ago))
    following = min(nanousd_of(levels_of(ring, each, each + 1)) for each in _after(now))
    early = max(following - day // DAY_HOURS, 0)
    found = {}
    for hours, expected in expected_nanousd.items():
        missing = 0
        if hours < DAY_HOURS:
            rest = spent_nanousd[DAY_HOURS] - spent_nanousd[hours]
            missing = usual - min(expected, usual) - rest
        found[hours] = max(missing + early, 0)
    return found


def _after(hour: int) -> tuple[int, int]:
    """The next hour, of yesterday and of a week ago."""
    return hour + 1 - DAY_HOURS, hour + 1 - WEEK_HOURS
