"""What a closed window may teach: the first element of its row in the log, and who hears of which.

Where an alert that people were told of ended with a window, its row has two elements more: ``[]``,
and a ``Told`` as ``[since, excess]``. That excess makes no span of hours dear any more: a job that
was stuck for six hours woke people again on the next three nights.

The rows are durable, so a number keeps its meaning. This file must not learn anything.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from alerting.alert import Severity
from alerting.watch.judgement import Floors, Spend, judge_spike
from detectors.signal import Band
from detectors.window import HOUR_SECONDS, Window

TOLD = 7
"""Place in a row of what was told of, where it has such an element."""


class Lesson(IntEnum):
    """What a row of the log says; its first element."""

    LEARN = 0
    """``[0, cost, calls, parts, minute, beside]``: learn it. ``minute`` are what its dearest minute
    cost and the calls of its busiest; ``beside`` the counters of that name, then dimension and name
    of each contributor that was never seen before."""
    ANOMALOUS = 1
    """``[1, cost, calls, {}, minute, beside]``: only for who believes nothing seen once."""
    LEAVE_OUT = 2
    """Likewise, but for nobody: late in a long episode."""
    ABSORB = 3
    """``[3, cost, calls, parts, minute, beside, recent]``: learn it, and take the recent windows
    for the level."""
    LEARN_WITHOUT_PARTS = 4
    """As ``LEARN``, but one contributor is unusual: the contributors are left out."""
    QUIET = 5
    """``[5, count]``: so many windows without spend, to be learned."""
    DRIFT = 6
    """``[6, cost, calls, {}, minute, beside]``: unusual only as part of a span of hours. It counts
    in its hour, and teaches nobody."""
    LOUD = 7
    """As ``ANOMALOUS``, of an episode that people were told of: what is above the expectation is
    set aside, and makes no span of hours dear. Else they were woken again a day later, by what was
    left of a price error in the last three days."""
    LOUD_LEFT_OUT = 8
    """As ``LEAVE_OUT``, likewise."""
    HELD = 9
    """As ``LEAVE_OUT``, under an enforced action: its calls are no usual mix, its silence says
    nothing."""


LEFT_OUT = frozenset({Lesson.LEAVE_OUT, Lesson.LOUD_LEFT_OUT, Lesson.HELD})
"""The rows that are for nobody."""

SEEN_ONCE = frozenset({Lesson.ANOMALOUS, Lesson.LOUD})
"""The rows for who believes nothing seen once."""

TOLD_LOUDLY = frozenset({Lesson.LOUD, Lesson.LOUD_LEFT_OUT})
"""The rows whose excess is set aside."""

TEACHES_PARTS = frozenset({Lesson.LEARN, Lesson.ABSORB})
"""The rows that name contributors."""

TEACHES_LEVEL = TEACHES_PARTS | {Lesson.LEARN_WITHOUT_PARTS}
"""The rows of windows that belong to no episode, or of one that was absorbed."""

EPISODE_TEACHES_SECONDS = 12 * HOUR_SECONDS
"""How long an episode teaches the baselines that believe nothing seen once. A nightly job of some
hours becomes known on its second night; a runaway that nobody stops for days does not, though it is
seen on several days."""


def of_episode(age_seconds: int, *, is_loud: bool) -> Lesson:
    """Of a window in an episode that is no drift's and goes on.

    Args:
        age_seconds: from the episode's start to the window's end.
        is_loud: whether people were told of it.
    """
    if age_seconds <= EPISODE_TEACHES_SECONDS:
        return Lesson.LOUD if is_loud else Lesson.ANOMALOUS
    return Lesson.LOUD_LEFT_OUT if is_loud else Lesson.LEAVE_OUT


def told_nanousd(floors: Floors, band: Band | None, window: Window, row: Sequence[Any]) -> int:
    """What of a window people have heard of: its excess, if it was loud or part of what was.

    Args:
        floors: from which excess a window is told loudly.
        band: of the window; ``None``: there was none.
        window: of the row.
        row: of the log, but for quiet ones.
    """
    lesson, cost, requests = row[:3]
    if band is None:
        return 0
    is_told = lesson in TOLD_LOUDLY and cost > min(band.upper_nanousd, band.edge_nanousd)
    if not is_told and band.is_passed(cost, *row[4]):
        minute_nanousd, minute_calls = row[4]
        spend = Spend(cost, minute_nanousd, requests, minute_calls)
        judged = judge_spike(floors, band, window, spend)
        is_told = judged.severity is not Severity.INFO
    return max(cost - band.expected_nanousd, 0) if is_told else 0
