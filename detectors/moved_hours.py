"""Whether what a span of hours cost more than usual is the usual of another hour.

Clocks are put forward, and a nightly job comes an hour early for half a year; somebody gives it
another hour; or a queue that stood still is worked off. Its six hours are dear beside those of
other days, and the day is as dear as ever. This file must not know edges.

Without it, a scope with a job of an hour a day paged on 13 of 14 nights after a clock was put
forward, and on as many after the job was given another hour (``tests/evaluation/moved.py``).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from detectors.detector import State
from detectors.hour_ring import FIRST_HOUR, HOUR, levels_of, nanousd_of
from detectors.same_hours import DAY_HOURS, WEEK_DAYS

WEEK_HOURS = WEEK_DAYS * DAY_HOURS

MOST = 2
"""An excess is moved if one part in so many of it is: what a day costs in all is uneven."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What of the spans that end with the hour going on may be the usual of another hour.

    Attributes:
        early_nanousd: what came with the next hour yesterday and a week ago, beyond what came with
            this one: it may have come an hour early, and then a day has it twice.
        missing_nanousd: hours of a span shorter than a day to what the rest of the last 24 hours
            cost less than it did a week ago and is expected to.
    """

    early_nanousd: int
    missing_nanousd: Mapping[int, int]

    def forgiven(self, hours: int, *, is_usual_day: bool) -> int:
        """The excess of a span up to which it is no more than usual.

        Args:
            hours: of the span.
            is_usual_day: whether the last 24 hours are usual in all; else no hours are missing.
        """
        missing = self.missing_nanousd.get(hours, 0) if is_usual_day else 0
        return MOST * (self.early_nanousd + missing)


NOTHING = Moved(0, {})


def moved(
    ring: State, expected_nanousd: Mapping[int, int], spent_nanousd: Mapping[int, int]
) -> Moved:
    """What may be moved; nothing where no day is expected, or no week is known.

    Args:
        ring: of a scope's hours.
        expected_nanousd: hours of a span to what is expected of it.
        spent_nanousd: hours of a span to what it cost before the hour going on.
    """
    day, now = expected_nanousd.get(DAY_HOURS), ring[HOUR]
    first = now + 1 - DAY_HOURS
    if day is None or first - WEEK_HOURS < ring[FIRST_HOUR]:
        return NOTHING
    usual = min(day, nanousd_of(levels_of(ring, first - WEEK_HOURS, now + 1 - WEEK_HOURS)))
    before = [now - DAY_HOURS, now - WEEK_HOURS]
    following = min(nanousd_of(levels_of(ring, each + 1, each + 2)) for each in before)
    same = max(nanousd_of(levels_of(ring, each, each + 1)) for each in before)
    missing = {}
    for hours, expected in expected_nanousd.items():
        if hours < DAY_HOURS:
            rest = spent_nanousd[DAY_HOURS] - spent_nanousd[hours]
            missing[hours] = max(usual - min(expected, usual) - rest, 0)
    return Moved(max(following - same, 0), missing)
