"""Expected spend and spread of one scope, from its own past windows: the EWMA baseline.

Also how two baselines speak with one voice (``combine_bands``). Thresholds in dollars are not
decided here (``spike.py``), and neither is which windows may be learned (``alerting``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from detectors.detector import State
from detectors.observation import Observation
from detectors.signal import Band

WINDOWS, FAST, SLOW, SECOND, CALLS = range(5)
"""Of a state: windows learned; means of cost, fast and slow; mean square of cost; mean calls."""

KNOWN_RATIO = 2
"""Times what the last days make one expect: from there on an hour is known for more."""

NEGLIGIBLE_NANOUSD = 1.0
"""A mean below one nano-dollar is zero: so a quiet scope's state becomes exactly zero."""


def gain(half_life_hours: float, window_seconds: int) -> float:
    """The weight of the newest window in a mean with that half-life.

    >>> gain(1.0, 3600)
    0.5
    """
    return 1.0 - math.pow(0.5, window_seconds / (half_life_hours * 3600.0))


@dataclass(frozen=True, slots=True)
class Moments:
    """What an EWMA says of the next window, in nano-dollars.

    Attributes:
        fast: mean over about the last hour.
        slow: mean over about the last days.
        spread: standard deviation about ``slow``; at least what calls of the usual size, arriving
            at random, have by themselves (a compound Poisson process: the root of mean x size).
        call: usual cost of one call.
    """

    fast: float
    slow: float
    spread: float
    call: float


@dataclass(frozen=True, slots=True)
class Ewma:
    """Two exponentially weighted means and a spread, robust against what was not yet an alert.

    With gain ``g`` and the window's cost ``x``: ``mean += g (x - mean)``, and likewise the mean of
    ``x * x``. While there are fewer windows than ``1 / g`` the gain is ``1 / windows``, so the
    first window is no more than one of many. Once warm, ``x`` is winsorised: cut at
    ``slow + clip_spreads * spread + clip_floor`` before it is learned. Nothing is cut from below:
    a low window cannot hide a later high one for longer than the slow mean remembers.

    Attributes:
        fast_gain: of the mean that follows the hours.
        slow_gain: of the mean and the spread that remember the days.
        warm_windows: below this many windows nothing is known.
        clip_spreads: how many spreads above the slow mean are believed at once.
        clip_floor: nano-dollars that are believed in any case.

    Sources:
        Roberts, "Control chart tests based on geometric moving averages", Technometrics 1 (1959);
        winsorised updates: Gelper, Fried, Croux, "Robust forecasting with exponential and
        Holt-Winters smoothing", J. Forecasting 29 (2010).
    """

    fast_gain: float
    slow_gain: float
    warm_windows: int
    clip_spreads: float
    clip_floor: float

    def fresh(self) -> State:
        """Nothing learned."""
        return [0, 0.0, 0.0, 0.0, 0.0]

    def moments(self, state: State) -> Moments | None:
        """What is known; ``None`` while warming up."""
        return _moments(state) if state[WINDOWS] >= self.warm_windows else None

    def learn(self, state: State, cost_nanousd: int, requests: int) -> None:
        """Take one window into account."""
        cost = float(cost_nanousd)
        if state[WINDOWS] >= self.warm_windows:
            known = _moments(state)
            cost = min(cost, known.slow + (self.clip_spreads * known.spread + self.clip_floor))
        self._fold(state, cost, float(requests))

    def skip(self, state: State, count: int) -> None:
        """Take ``count`` windows of zero into account, exactly as one by one.

        The loop ends early once everything is zero: after 40 half-lives at the most. No power in
        its place: how a silence is cut into windows would then show in the last digits. A scope
        of three hours a day spent a sixth of its CPU here while each window was a call.
        """
        fast_gain, slow_gain = self.fast_gain, self.slow_gain
        least = min(fast_gain, slow_gain)
        while count and 1.0 / (state[WINDOWS] + 1) > least and (state[FAST] or state[SLOW]):
            self._fold(state, 0.0, 0.0)
            count -= 1
        windows, fast, slow, second, calls = state
        for _ in range(count):
            if not (fast or slow):
                break
            fast -= fast_gain * fast
            slow -= slow_gain * slow
            second -= slow_gain * second
            calls -= slow_gain * calls
            if fast < NEGLIGIBLE_NANOUSD:
                fast = 0.0
            if slow < NEGLIGIBLE_NANOUSD:
                slow = second = calls = 0.0
        state[:] = windows + count, fast, slow, second, calls

    def reset_level(self, state: State, observations: Sequence[Observation]) -> None:
        """Make the mean of ``observations`` the level, when a shift turned out to be legitimate.

        The number of windows learned stays; the spread is the observations' own.
        """
        if not observations:
            return
        size = len(observations)
        costs = [float(observation.cost_nanousd) for observation in observations]
        state[FAST] = state[SLOW] = sum(costs) / size
        state[SECOND] = sum(cost * cost for cost in costs) / size
        state[CALLS] = sum(observation.requests for observation in observations) / size
        state[WINDOWS] = max(state[WINDOWS], size)

    def _fold(self, state: State, cost: float, requests: float) -> None:
        windows, fast, slow, second, calls = state
        least = 1.0 / (windows + 1)
        fast_gain = max(self.fast_gain, least)
        slow_gain = max(self.slow_gain, least)
        fast += fast_gain * (cost - fast)
        slow += slow_gain * (cost - slow)
        second += slow_gain * (cost * cost - second)
        calls += slow_gain * (requests - calls)
        if fast < NEGLIGIBLE_NANOUSD:
            fast = 0.0
        if slow < NEGLIGIBLE_NANOUSD:
            slow = second = calls = 0.0
        state[:] = windows + 1, fast, slow, second, calls


def _moments(state: State) -> Moments:
    _, fast, slow, second, calls = state
    call = slow / calls if calls else 0.0
    return Moments(fast, slow, math.sqrt(max(second - slow * slow, slow * call)), call)


def combine_bands(ewma: Band | None, seasonal: Band | None) -> Band | None:
    """The band above which *both* baselines find a window unusual.

    The one with the higher upper edge speaks, expectation and source included. But of an hour that
    is known for more than the last days make one expect, the season speaks until they have caught
    up: else, half an hour into a nightly job, its last windows were held against the quiet before
    it, and a scope paged in 1 of 6 weeks for a job of every day. A baseline that is warming up has
    no say; if both are, the answer is ``None``.
    """
    if ewma is None or seasonal is None:
        return ewma or seasonal
    if seasonal.upper_nanousd > ewma.upper_nanousd:
        return seasonal
    if seasonal.expected_nanousd > KNOWN_RATIO * ewma.expected_nanousd:
        return replace(seasonal, upper_nanousd=ewma.upper_nanousd)
    return ewma
