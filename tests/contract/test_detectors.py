"""One suite for every registered detector, and proof that it rejects wrong ones."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec
import pytest

from detectors.detector import Detector, State, Verdict, judge_above
from detectors.observation import COST, REQUESTS, Observation, zero_counts
from detectors.registry import DETECTORS
from detectors.signal import Band
from detectors.window import Window

SIZE = 300
START = 1_699_833_600  # 2023-11-13, a Monday
DAY_WINDOWS = 288
AHEAD = 2  # a band is computed two windows before its window

Build = Callable[[Sequence[Observation]], Detector]
"""Makes a detector. It is shown the series, which an honest one ignores."""


def observation(index: int, cost_nanousd: int, *, is_closed: bool = True) -> Observation:
    counts = zero_counts()
    counts[COST], counts[REQUESTS] = cost_nanousd, 7
    start = START + index * SIZE
    return Observation(Window(start, start + SIZE), counts, is_closed)


def ordinary(windows: int, first: int = 0) -> list[Observation]:
    return [
        observation(index, 300_000_000 + 10_000_000 * (index * 7919 % 13))
        for index in range(first, first + windows)
    ]


def watch(
    detector: Detector, state: State, series: Sequence[Observation]
) -> tuple[list[Band | None], list[Verdict | None]]:
    """What the chain does: band two windows ahead, judge, then learn."""
    bands = [detector.band(state, one.window) for one in series[:AHEAD]]
    verdicts: list[Verdict | None] = []
    for index, one in enumerate(series):
        band = bands[index]
        verdicts.append(None if band is None else detector.judge(band, one))
        detector.learn(state, one)
        if index + AHEAD < len(series):
            bands.append(detector.band(state, series[index + AHEAD].window))
    return bands, verdicts


def next_band(detector: Detector, state: State, index: int) -> Band | None:
    return detector.band(state, observation(index, 0).window)


def check_warming_up_is_said_aloud(build: Build) -> None:
    series = ordinary(4 * DAY_WINDOWS)
    detector = build(series)
    state = detector.fresh()
    assert detector.band(state, series[0].window) is None
    bands, _ = watch(detector, state, series)
    warm = [band is not None for band in bands]
    assert warm == sorted(warm), "once warm, always warm"
    assert warm[-1], "a detector that never speaks is none"
    cold = detector.cold_band(series[0].window)
    assert cold is None or min(cold.expected_nanousd, cold.upper_nanousd) > 0


def check_a_band_knows_nothing_of_its_own_window_or_later(build: Build) -> None:
    past = ordinary(3 * DAY_WINDOWS)
    quiet = [*past, *ordinary(20, first=len(past))]
    loud = [*past, *(observation(len(past) + index, 59_000_000_000) for index in range(20))]
    seen = []
    for series in (quiet, loud):
        detector = build(series)
        bands, verdicts = watch(detector, detector.fresh(), series)
        seen.append((bands[: len(past) + AHEAD], verdicts[: len(past)]))
    assert seen[0] == seen[1]


def check_judging_teaches_nothing(build: Build) -> None:
    series = ordinary(3 * DAY_WINDOWS)
    detector = build(series)
    state = detector.fresh()
    watch(detector, state, series)
    before = copy.deepcopy(detector.snapshot(state))
    band = next_band(detector, state, len(series))
    assert band is not None
    huge = observation(len(series), 59_000_000_000)
    verdicts = {detector.judge(band, huge) for _ in range(50)}
    assert len(verdicts) == 1
    assert verdicts.pop().is_anomalous
    assert detector.snapshot(state) == before
    assert next_band(detector, state, len(series)) == band


def check_an_open_window_is_judged_monotonely(build: Build) -> None:
    series = ordinary(3 * DAY_WINDOWS)
    detector = build(series)
    state = detector.fresh()
    watch(detector, state, series)
    band = next_band(detector, state, len(series))
    assert band is not None
    upper = band.upper_nanousd
    costs = sorted({0, 1, band.expected_nanousd, upper, upper + 1, 10**14})
    open_ = [
        detector.judge(band, observation(len(series), cost, is_closed=False)) for cost in costs
    ]
    closed = [detector.judge(band, observation(len(series), cost)) for cost in costs]
    scores = [verdict.score for verdict in open_]
    assert scores == sorted(scores)
    assert all(0 <= score <= 1 for score in scores)
    assert open_ == closed, "what an open window says, its close confirms"
    for cost, verdict in zip(costs, open_, strict=True):
        assert verdict.is_anomalous == (cost > upper)
        assert verdict.is_anomalous == (verdict.score > 0.5)
        assert verdict.excess_nanousd == cost - band.expected_nanousd


def check_skipping_is_learning_zeros_however_it_is_cut(build: Build) -> None:
    series = ordinary(2 * DAY_WINDOWS + 100)
    detector = build(series)
    quiet = 2 * DAY_WINDOWS + 5
    states = []
    for cuts in ([1] * quiet, [quiet], [0, 3, quiet - 5, 2]):
        state = detector.fresh()
        watch(detector, state, series)
        at = len(series)
        for count in cuts:
            detector.skip(state, observation(at, 0).window, count)
            at += count
        states.append(detector.snapshot(state))
    state = detector.fresh()
    watch(detector, state, series)
    for index in range(len(series), len(series) + quiet):
        empty = Observation(observation(index, 0).window, zero_counts())
        detector.learn(state, empty)
    assert states == [detector.snapshot(state)] * 3


def check_a_snapshot_goes_on_exactly(build: Build) -> None:
    series = ordinary(4 * DAY_WINDOWS)
    detector = build(series)
    cut = 3 * DAY_WINDOWS + 7
    through = detector.fresh()
    watch(detector, through, series[:cut])
    wire = msgspec.msgpack.encode(detector.snapshot(through))
    restored = detector.restore(msgspec.msgpack.decode(wire))
    expected = watch(detector, through, series[cut:])
    assert watch(detector, restored, series[cut:]) == expected
    assert detector.snapshot(restored) == detector.snapshot(through)
    again = detector.restore(msgspec.msgpack.decode(wire))
    assert msgspec.msgpack.encode(detector.snapshot(again)) == wire


def check_a_snapshot_shares_no_memory(build: Build) -> None:
    series = ordinary(3 * DAY_WINDOWS)
    detector = build(series)
    state = detector.fresh()
    watch(detector, state, series[:-50])
    snapshot = detector.snapshot(state)
    kept = copy.deepcopy(snapshot)
    restored = detector.restore(snapshot)
    watch(detector, state, series[-50:])
    watch(detector, restored, series[-50:])
    assert snapshot == kept


def check_what_is_no_snapshot_is_refused(build: Build) -> None:
    detector = build([])
    for wrong in ([], [1], [None] * 5, ["a", "b", "c", "d", "e"], list(range(6)), list(range(7))):
        with pytest.raises(ValueError, match="snapshot"):
            detector.restore(wrong)


def check_scopes_know_nothing_of_each_other(build: Build) -> None:
    series = ordinary(3 * DAY_WINDOWS)
    detector = build(series)
    one, other = detector.fresh(), detector.fresh()
    watch(detector, one, series)
    band = next_band(detector, one, len(series))
    watch(detector, other, [observation(index, 59_000_000_000) for index in range(len(series))])
    assert next_band(detector, one, len(series)) == band
    assert detector.fresh() == build(series).fresh()


CHECKS = [
    check_warming_up_is_said_aloud,
    check_a_band_knows_nothing_of_its_own_window_or_later,
    check_judging_teaches_nothing,
    check_an_open_window_is_judged_monotonely,
    check_skipping_is_learning_zeros_however_it_is_cut,
    check_a_snapshot_goes_on_exactly,
    check_a_snapshot_shares_no_memory,
    check_what_is_no_snapshot_is_refused,
    check_scopes_know_nothing_of_each_other,
]


def registered(kind: str) -> Build:
    return lambda _: DETECTORS[kind].build(DETECTORS[kind].config(), SIZE)


class Mean:
    """An honest, plain detector, which the wrong ones below spoil in one point each."""

    kind: ClassVar[str] = "mean"

    def fresh(self) -> State:
        return [0, 0]

    def band(self, state: State, window: Window) -> Band | None:
        windows, total = state
        if windows < 12:
            return None
        mean = total // windows
        return Band(mean, 0, 3 * mean + 1_000_000_000, mean, "mean")

    def cold_band(self, window: Window) -> Band | None:
        return None

    def judge(self, band: Band, observation: Observation) -> Verdict:
        return judge_above(band, observation)

    def learn(self, state: State, observation: Observation) -> None:
        state[:] = state[0] + 1, state[1] + observation.cost_nanousd

    def skip(self, state: State, first: Window, count: int) -> None:
        state[0] += count

    def snapshot(self, state: State) -> State:
        return list(state)

    def restore(self, snapshot: Sequence[Any]) -> State:
        if len(snapshot) != 2:
            raise ValueError("no snapshot")
        return list(snapshot)


class LooksAhead(Mean):
    """Scales by the largest window of the whole series."""

    def __init__(self, series: Sequence[Observation]) -> None:
        self.largest = max((one.cost_nanousd for one in series), default=0)

    def band(self, state: State, window: Window) -> Band | None:
        band = super().band(state, window)
        return band and Band(band.expected_nanousd, 0, self.largest + 10**9, 1, "mean")


class LearnsBeforeScoring(Mean):
    """Folds a window in when it is asked to judge it."""

    def __init__(self) -> None:
        self.last: State = []

    def band(self, state: State, window: Window) -> Band | None:
        self.last = state
        return super().band(state, window)

    def judge(self, band: Band, observation: Observation) -> Verdict:
        super().learn(self.last, observation)
        informed = super().band(self.last, observation.window) or band
        return judge_above(informed, observation)

    def learn(self, state: State, observation: Observation) -> None:
        if self.last is not state:
            super().learn(state, observation)


class SaysZero(Mean):
    """Answers with a band around zero while it knows nothing."""

    def band(self, state: State, window: Window) -> Band | None:
        return super().band(state, window) or Band(0, 0, 0, 0, "mean")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", DETECTORS)
def test_every_registered_detector_keeps_the_contract(
    kind: str, check: Callable[[Build], None]
) -> None:
    check(registered(kind))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite_accepts_the_plain_detector_that_the_wrong_ones_spoil(
    check: Callable[[Build], None],
) -> None:
    check(lambda _: Mean())


@pytest.mark.parametrize(
    ("build", "check"),
    [
        (LooksAhead, check_a_band_knows_nothing_of_its_own_window_or_later),
        (lambda _: LearnsBeforeScoring(), check_judging_teaches_nothing),
        (lambda _: SaysZero(), check_warming_up_is_said_aloud),
    ],
    ids=["looks_ahead", "learns_before_scoring", "says_zero_while_warming_up"],
)
def test_the_suite_rejects_a_detector_that(build: Build, check: Callable[[Build], None]) -> None:
    with pytest.raises(AssertionError):
        check(build)
