"""Dear calls for those who do not judge: what a row of the log teaches, and whose windows may wait.

What a call costs is ``detectors/call_cost.py``'s; when it is news, ``judgement.py``'s.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerting.watch.lesson import TEACHES_LEVEL, Lesson
from alerting.watch.row_groups import Bools
from alerting.watch.tally_columns import CALLS, CELL_COST
from detectors.call_cost import CallCostDetector
from detectors.detector import State
from detectors.observation import BESIDE, COUNTER_INDEX
from detectors.window import Window

ERRORS, REFUSALS = map(BESIDE.index, (COUNTER_INDEX["errors"], COUNTER_INDEX["refusals"]))
FAILING_SHARE = 0.1
"""With more calls that fail, a window does not say what a call costs."""

ROUNDING = 1e-9
"""More than a product of whole numbers loses as a float."""


def learn_call_cost(
    detector: CallCostDetector, state: State, window: Window, row: Sequence[Any]
) -> None:
    """How dear the calls of unusual windows are is learned, too: the same may come again.

    Args:
        detector: what a call costs.
        state: the scope's.
        window: of the row.
        row: of the log, but for quiet ones.
    """
    lesson, cost, requests = row[:3]
    if lesson == Lesson.HELD:
        detector.hold(state, window)
    elif row[5][ERRORS] + row[5][REFUSALS] <= FAILING_SHARE * requests:
        detector.learn(state, window, cost, requests, is_odd=lesson not in TEACHES_LEVEL)


def may_be_dear(each: NDArray[np.void]) -> Bools:
    """Whose open window may cost too much a call; of calls that it waited with, fewer are known.

    The cost of a call is that of when the scope was read, and a second window may close on paper
    after one was. But all windows that are opened there stay below ``least``, which is no more than
    ``dear_from``: none of them can be dear.

    Args:
        each: records of ``tally_columns.py``.
    """
    cost = each["open"][:, CELL_COST] + each["known_cost"]
    calls = each["open"][:, CALLS] + each["known_calls"]
    at_most = calls.astype(np.float64) * each["dear_call"] * (1 - ROUNDING)
    found: Bools = (cost >= each["dear_from"]) & (cost > at_most)
    return found
