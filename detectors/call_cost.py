"""What a call costs: a dearer model, a longer prompt, a cache that fails, whatever the volume.

How many calls a scope makes may vary tenfold from hour to hour; what one of them costs hardly does.
Of real clients (ServeGen, second week, bundles of 20 calls in windows of 5 minutes that cost $25 an
hour too much) none of 37 that are always active ever paid twice its usual, where their dollars gave
five false alarms; those active 10-90 % of the time did 55 times, and 8 times beyond a margin above
their own worst. So bundles of calls are judged by their mean, against what the scope knows.

Only closed windows are judged: of an open one the next call may make the mean smaller. Windows that
cost nothing, or in which calls fail, teach nothing: what failed or has no price is no cheap call.
This file must not know severities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from detectors.detector import State
from detectors.window import DAY_SECONDS, Window

CALL_COST_SOURCE = "call_cost"
"""``annotations.baseline`` of alerts that are about it."""

COST, CALLS, LEVEL, BUNDLES, WORST, FIRST, LAST, DEAR_UNTIL = range(8)
"""Of a state: nano-dollars and calls of the bundle going on, logarithm of a call's usual cost, how
many bundles it rests on, logarithm of the worst bundle over the usual, start of the first window
with calls (epoch seconds, -1: none) and of the last bundle's last, and end of the last dear one's
since calls were as usual (-1: none)."""

LEAST_CALLS = 20
WARM_UP_BUNDLES = 100
WARM_UP_SECONDS = 6 * DAY_SECONDS
"""A job of weekends is known by then, or is none."""

SETTLED_BUNDLES = 20
"""From then on a bundle's distance from the usual says something."""

GAIN = 0.02
MOST_AT_ONCE = 1.0
"""One bundle moves the usual by so much of its distance, and no farther one more than ``e``."""

GROWTH = 0.05
"""One bundle that nobody was told of takes the worst so much farther at most: a mix of tasks is
known after some hours, and a dear test of few calls does not hide the roll-out after it."""

MARGIN = 1.5
"""Times the worst bundle, as a logarithm, that is beyond chance."""

REPEATED = 0.8
"""Part of an unusual bundle that counts as seen: the same comes again (a nightly batch on a dear
model) without a word, what is half as much again does not. What has paused for longer than
``GOES_ON_SECONDS`` comes again."""

GOES_ON_SECONDS = 900
"""So long after a dear bundle half as far goes on with it, as a logarithm."""

FORGETS_SECONDS = 90 * DAY_SECONDS
"""Half-life of the worst: a job of Monday mornings is known a week later, with 28 days it was not.
"""

HIGHEST = 10**15
"""No edge is higher: a million dollars a call."""


class CallCostConfig(BaseModel):
    """From when on a scope's calls are dearer than usual."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ratio: float = Field(
        2.0,
        gt=1,
        le=1000,
        description="Times the usual cost of a call, over 20 of them, that is news.",
    )


@dataclass(frozen=True, slots=True)
class CallCost:
    """What a call may cost.

    Attributes:
        usual_nanousd: of one call.
        edge_nanousd: above it a bundle is no chance.
        goes_on: whether calls were dear a moment ago, and never as usual since.
    """

    usual_nanousd: int
    edge_nanousd: int
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class CallCostDetector:
    """Knows what a scope's calls cost; holds no state.

    The logarithm of a bundle's mean is followed by an EWMA whose steps are cut (as in
    ``baseline.py``); the edge is ``ratio`` times that, or ``MARGIN`` times as far as the worst
    bundle was, whichever is more.

    Attributes:
        config: the settings.
    """

    config: CallCostConfig

    def fresh(self) -> State:
        """Nothing learned."""
        return [0, 0, 0.0, 0, 0.0, -1, -1, -1]

    def expected(self, state: State, window: Window) -> CallCost | None:
        """What a call of a window costs; ``None`` while warming up."""
        if window.start_seconds - state[FIRST] < WARM_UP_SECONDS:
            return None
        return self._known(state, goes_on=_goes_on(state, window))

    def least(self, state: State) -> CallCost | None:
        """The least that is ever expected until something is learned; ``None`` if nothing is."""
        return self._known(state, goes_on=state[DEAR_UNTIL] >= 0)

    def _margin(self, state: State, *, goes_on: bool) -> float:
        """Logarithm of the edge over the usual."""
        margin: float = max(log(self.config.ratio), MARGIN * state[WORST])
        return margin / 2 if goes_on else margin

    def _known(self, state: State, *, goes_on: bool) -> CallCost | None:
        if state[BUNDLES] < WARM_UP_BUNDLES:
            return None
        margin = self._margin(state, goes_on=goes_on)
        usual = max(int(exp(state[LEVEL])), 1)
        edge = int(min(exp(state[LEVEL] + margin), HIGHEST))
        return CallCost(usual, max(edge, usual + 1), goes_on)

    def is_dear(self, state: State, known: CallCost, cost_nanousd: int, calls: int) -> bool:
        """Whether a window that closes, and the bundle that it ends, cost more than is usual.

        Of what goes on any window says that it does, however few its calls.
        """
        edge = known.edge_nanousd
        if cost_nanousd <= calls * edge:
            return False
        bundle, all_calls = state[COST] + cost_nanousd, state[CALLS] + calls
        return known.goes_on or (all_calls >= LEAST_CALLS and bundle > all_calls * edge)

    def learn(
        self, state: State, window: Window, cost_nanousd: int, calls: int, *, is_odd: bool
    ) -> None:
        """Take one closed window into account; an odd one says only how far it goes."""
        if not calls or not cost_nanousd:
            return
        if state[FIRST] < 0:
            state[FIRST] = state[LAST] = window.start_seconds
        cost, all_calls = state[COST] + cost_nanousd, state[CALLS] + calls
        if all_calls < LEAST_CALLS:
            if not is_odd:
                state[COST], state[CALLS] = cost, all_calls
            elif self._stays_dear(state, window, cost_nanousd, calls):
                state[DEAR_UNTIL] = window.end_seconds
            return
        state[COST] = state[CALLS] = 0
        mean = log(cost / all_calls)
        if state[BUNDLES]:
            self._learn_bundle(state, window, mean, is_odd=is_odd)
        elif not is_odd:
            state[LEVEL], state[BUNDLES] = mean, 1

    def _stays_dear(self, state: State, window: Window, cost_nanousd: int, calls: int) -> bool:
        known = self.expected(state, window)
        return known is not None and known.goes_on and cost_nanousd > calls * known.edge_nanousd

    def _learn_bundle(self, state: State, window: Window, mean: float, *, is_odd: bool) -> None:
        above = mean - state[LEVEL]
        if not is_odd:
            state[DEAR_UNTIL] = -1
        elif above > self._margin(state, goes_on=_goes_on(state, window)):
            state[DEAR_UNTIL] = window.end_seconds
        if state[BUNDLES] >= SETTLED_BUNDLES:
            passed = window.start_seconds - state[LAST]
            kept = state[WORST] * 0.5 ** (passed / FORGETS_SECONDS)
            state[WORST] = max(kept, REPEATED * above if is_odd else min(above, kept + GROWTH))
        state[LAST] = window.start_seconds
        if not is_odd:
            state[BUNDLES] += 1
            gain = max(GAIN, 1.0 / state[BUNDLES])
            state[LEVEL] += gain * min(max(above, -MOST_AT_ONCE), MOST_AT_ONCE)

    def hold(self, state: State, window: Window) -> None:
        """A window that an enforced action held down: what went on before it still does."""
        if _goes_on(state, window):
            state[DEAR_UNTIL] = window.end_seconds

    def snapshot(self, state: State) -> State:
        """Eight numbers."""
        return list(state)

    def restore(self, snapshot: Sequence[Any]) -> State:
        """The state of a snapshot.

        Raises:
            ValueError: if it is not one.
        """
        try:
            cost, calls, level, bundles, worst, first, last, dear_until = snapshot
            return [
                int(cost),
                int(calls),
                float(level),
                int(bundles),
                float(worst),
                int(first),
                int(last),
                int(dear_until),
            ]
        except (TypeError, ValueError) as error:
            raise ValueError("not a snapshot of what calls cost") from error


def _goes_on(state: State, window: Window) -> bool:
    since: int = state[DEAR_UNTIL]
    return since >= 0 and window.start_seconds - since < GOES_ON_SECONDS
