"""What must hold of the detectors whatever is spent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.attribution import Attribution, AttributionConfig, by_dimension
from detectors.bank import SeasonalBank, SpikeBank, combine
from detectors.baseline import combine_bands
from detectors.budget import Period, period_of
from detectors.detector import State, judge_above
from detectors.observation import COST, REQUESTS, Observation, zero_counts
from detectors.scope import Scope
from detectors.seasonal import SeasonalConfig, SeasonalDetector
from detectors.signal import Band
from detectors.spike import SpikeConfig, SpikeDetector
from detectors.window import Window

START = 1_699_833_600
COSTS = st.integers(0, 10**14)


def observation(window: Window, cost_nanousd: int, requests: int) -> Observation:
    counts = zero_counts()
    counts[COST], counts[REQUESTS] = cost_nanousd, requests
    return Observation(window, counts)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    size_seconds=st.sampled_from([300, 3600, 7200]),
    days=st.integers(1, 40),
    cold_usd=st.sampled_from([None, 50]),
    any_hour_ratio=st.sampled_from([0.0, 1.5]),
)
def test_a_bank_says_and_learns_what_its_detectors_do_one_at_a_time(
    seed: int, size_seconds: int, days: int, cold_usd: int | None, any_hour_ratio: float
) -> None:
    """Sparse and dense scopes, born at different times, some windows left out, restored midway."""
    rng = np.random.default_rng(seed)
    spike = SpikeDetector(SpikeConfig(cold_start_usd_per_hour=cold_usd), size_seconds)
    seasonal = SeasonalDetector(SeasonalConfig(any_hour_ratio=any_hour_ratio), size_seconds)
    size = 6
    busy = np.array([1.0, 0.9, 0.5, 0.1, 0.02, 0.0])
    born = rng.integers(0, 300, size)
    spikes: list[State] = [spike.fresh() for _ in range(size)]
    rings: list[State] = [seasonal.fresh() for _ in range(size)]
    bank, ring = SpikeBank(spike, spikes), SeasonalBank(seasonal, rings)
    windows = min(days * 86400 // size_seconds, 900)
    for index in range(windows):
        at = START + index * size_seconds
        window = Window(at, at + size_seconds)
        scale = np.exp(rng.normal(0, 2, size)) * 10 ** rng.integers(0, 11)
        costs = np.where(rng.random(size) < busy, scale, 0.0).astype(np.int64)
        requests = np.where(costs > 0, rng.integers(0, 50, size), 0)
        learned = (rng.random(size) < 0.9) & (index >= born)
        seen = [observation(window, int(costs[row]), int(requests[row])) for row in range(size)]
        if index % 7 == 0:
            ewma_bands, season_bands = bank.bands(), ring.bands(window)
            both = combine(ewma_bands, season_bands)
            anomalous, score = both.judge(costs)
            for row in range(size):
                ewma = spike.band(spikes[row], window)
                season = seasonal.band(rings[row], window)
                band = combine_bands(ewma, season)
                assert (ewma_bands[row], season_bands[row]) == (ewma, season)
                assert both[row] == band
                if band is not None:
                    verdict = judge_above(band, seen[row])
                    assert verdict.is_anomalous == anomalous[row]
                    assert verdict.score == pytest.approx(score[row], rel=1e-12)
        for row in np.flatnonzero(learned).tolist():
            spike.learn(spikes[row], seen[row])
            seasonal.learn(rings[row], seen[row])
        bank.learn(costs, requests, learned)
        ring.learn(window, costs, learned)
        if index == windows // 2:
            bank, ring = SpikeBank(spike, bank.states()), SeasonalBank(seasonal, ring.states())
    assert bank.states() == spikes
    assert ring.states() == rings


@given(expected=COSTS, width=st.integers(0, 10**12), costs=st.lists(COSTS, min_size=2).map(sorted))
def test_more_dollars_never_score_less(expected: int, width: int, costs: list[int]) -> None:
    band = Band(expected, 0, expected + width, 0, "ewma")
    verdicts = [judge_above(band, observation(Window(0, 300), cost, 1)) for cost in costs]
    scores = [verdict.score for verdict in verdicts]
    assert scores == sorted(scores)
    flags = [verdict.is_anomalous for verdict in verdicts]
    assert flags == sorted(flags)


@given(
    costs=st.lists(st.integers(0, 10**11), min_size=12, max_size=40),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_a_quiet_time_is_the_same_however_it_is_cut(costs: list[int], cuts: list[int]) -> None:
    for detector in (
        SpikeDetector(SpikeConfig(), 300),
        SeasonalDetector(SeasonalConfig(), 300),
    ):
        states = []
        for parts in (cuts, [sum(cuts)]):
            state, at = detector.fresh(), START
            for cost in costs:
                detector.learn(state, observation(Window(at, at + 300), cost, 3))
                at += 300
            for count in parts:
                detector.skip(state, Window(at, at + 300), count)
                at += 300 * count
            states.append(detector.snapshot(state))
        assert states[0] == states[1]


NAMES = st.sampled_from([*"abcdefgh", "__other__"])
PARTS = st.lists(
    st.tuples(st.sampled_from(["agent", "user"]), NAMES, st.integers(0, 10**12)), max_size=20
)


@given(
    history=st.lists(PARTS, max_size=5),
    parts=PARTS,
    observed=COSTS,
    expected=COSTS,
    named=st.integers(1, 9),
)
def test_contributions_add_up_to_the_scope_in_every_dimension(
    history: list[list[tuple[str, str, int]]],
    parts: list[tuple[str, str, int]],
    observed: int,
    expected: int,
    named: int,
) -> None:
    attribution = Attribution(AttributionConfig(named=named, remembered=4), 300)
    state = attribution.fresh()
    for window in history:
        attribution.learn(state, by_dimension(window))
        attribution.skip(state, 2)
    found = attribution.contributions(
        state, observed_nanousd=observed, expected_nanousd=expected, parts=by_dimension(parts)
    )
    for dimension in {dimension for dimension, _, _ in parts}:
        own = [one for one in found if one.dimension == dimension]
        assert sum(one.observed_nanousd for one in own) == observed
        assert sum(one.expected_nanousd for one in own) == expected
        assert own[-1].name == "__other__"
        assert len(own) <= named + 1
        excess = [one.observed_nanousd - one.expected_nanousd for one in own[:-1]]
        assert excess == sorted(excess, reverse=True)


ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/St_Johns",
        "America/Sao_Paulo",
        "America/Havana",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Africa/Casablanca",
    ]
)
MINUTES = st.integers(946_684_800 // 60, 4_102_444_800 // 60)


@given(minute=MINUTES, zone=ZONES, period=st.sampled_from(Period))
def test_every_minute_has_one_period_and_periods_leave_no_gap(
    minute: int, zone: str, period: Period
) -> None:
    start, end = period_of(minute, zone, period)
    assert start <= minute * 60 < end
    assert period_of(start // 60, zone, period) == (start, end)
    assert period_of(end // 60 - 1, zone, period) == (start, end)
    assert period_of(end // 60, zone, period)[0] == end
    assert period_of(start // 60 - 1, zone, period)[1] == start


@given(
    kind=st.sampled_from(["agent", "tags.env", "agent+model"]),
    name=st.text(min_size=1),
    environment=st.text(min_size=1),
)
def test_any_scope_survives_its_one_string_form(kind: str, name: str, environment: str) -> None:
    scope = Scope(kind, name, environment)
    assert Scope.parse(str(scope)) == scope
