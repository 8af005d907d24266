from decimal import Decimal

import pytest

from detectors.baseline import combine_bands
from detectors.levels import EDGES_NANOUSD, level_of
from detectors.observation import COST, REQUESTS, Observation, zero_counts
from detectors.seasonal import SeasonalConfig, SeasonalDetector
from detectors.signal import Band
from detectors.spike import SpikeConfig, SpikeDetector
from detectors.window import Window

USD = 1_000_000_000
HOUR = 3600
DAY = 24 * HOUR
WEEK = 7 * DAY
MONDAY = 1_699_833_600  # 2023-11-13T00:00:00Z


def window(at: int, size: int = 300) -> Window:
    return Window.tumbling(at, size)


def observation(at: int, cost_nanousd: int, requests: int = 10) -> Observation:
    counts = zero_counts()
    counts[COST], counts[REQUESTS] = cost_nanousd, requests
    return Observation(window(at), counts)


def run(
    detector: SeasonalDetector,
    until: int,
    jobs: dict[int, int],
    *,
    background: int = 0,
    first: int = MONDAY,
) -> list[object]:
    """Windows of ``background`` from ``first`` on; hours named in ``jobs`` spend that a window."""
    state = detector.fresh()
    for at in range(first, until, 300):
        cost = jobs.get(at - at % HOUR, background)
        if cost:
            detector.learn(state, observation(at, cost))
        else:
            detector.skip(state, window(at), 1)
    return state


def upper(detector: SeasonalDetector, state: list[object], at: int) -> int:
    band = detector.band(state, window(at))
    assert band is not None
    return band.upper_nanousd


def detector(**settings: Decimal | float) -> SeasonalDetector:
    return SeasonalDetector(SeasonalConfig(**settings), 300)  # type: ignore[arg-type]


def mondays(count: int, cost: int) -> dict[int, int]:
    return {MONDAY + week * WEEK + 9 * HOUR: cost for week in range(count)}


def test_levels_never_read_back_lower_and_at_most_a_tenth_higher() -> None:
    for cost in (100_000, 123_456, USD, 59 * USD, 10**14):
        assert cost <= EDGES_NANOUSD[level_of(cost)] <= cost * 1.0906
    assert level_of(0) == 0
    assert level_of(1) == 1
    assert level_of(10**18) == 255


def test_nothing_is_known_before_two_days() -> None:
    seasonal = detector()
    state = run(seasonal, MONDAY + 2 * DAY, {}, background=USD)
    assert seasonal.band(seasonal.fresh(), window(MONDAY)) is None
    assert seasonal.band(state, window(MONDAY + 2 * DAY - 300)) is None
    assert seasonal.band(state, window(MONDAY + 2 * DAY)) is not None
    assert seasonal.cold_band(window(MONDAY)) is None


def test_a_job_of_three_mondays_is_usual_on_the_fourth_and_on_no_sunday() -> None:
    seasonal = detector()
    state = run(seasonal, MONDAY + 3 * WEEK, mondays(3, 10 * USD), background=USD // 10)
    assert upper(seasonal, state, MONDAY + 3 * WEEK + 9 * HOUR) > 14 * USD
    sunday = MONDAY + 3 * WEEK - DAY + 3 * HOUR
    state = run(seasonal, sunday, mondays(3, 10 * USD), background=USD // 10)
    assert upper(seasonal, state, sunday) < 2 * USD


def test_the_combined_band_holds_for_the_job_and_alerts_on_sunday() -> None:
    spike, seasonal = SpikeDetector(SpikeConfig(), 300), detector()
    jobs = mondays(4, 10 * USD) | {MONDAY + 4 * WEEK - DAY + 3 * HOUR: 10 * USD}
    learned, profile = spike.fresh(), seasonal.fresh()
    anomalous: dict[int, int] = {}
    for at in range(MONDAY, MONDAY + 4 * WEEK, 300):
        one = observation(at, jobs.get(at - at % HOUR, USD // 10))
        band = combine_bands(spike.band(learned, one.window), seasonal.band(profile, one.window))
        is_anomalous = band is not None and spike.judge(band, one).is_anomalous
        if is_anomalous:
            hour = at - at % HOUR
            anomalous[hour] = anomalous.get(hour, 0) + 1
        else:
            spike.learn(learned, one)
        seasonal.learn(profile, one)
    monday, sunday = MONDAY + 9 * HOUR, MONDAY + 4 * WEEK - DAY + 3 * HOUR
    assert anomalous == {monday: 12, monday + WEEK: 12, sunday: 12}


def test_one_past_runaway_raises_nothing_not_even_over_midnight() -> None:
    seasonal = detector()
    quiet = run(seasonal, MONDAY + 3 * WEEK, {}, background=USD // 10)
    night = {MONDAY + 2 * WEEK + 3 * DAY + hour * HOUR: 59 * USD for hour in range(20, 28)}
    burnt = run(seasonal, MONDAY + 3 * WEEK, night, background=USD // 10)
    for hour in range(7 * 24):
        at = MONDAY + 3 * WEEK + hour * HOUR
        assert upper(seasonal, burnt, at) == upper(seasonal, quiet, at)
        band, usual = seasonal.band(burnt, window(at)), seasonal.band(quiet, window(at))
        assert band is not None
        assert usual is not None
        assert band.expected_nanousd == usual.expected_nanousd


def test_a_daily_job_is_believed_after_two_days_and_in_the_hours_beside_it() -> None:
    seasonal = detector(any_hour_ratio=0)
    jobs = {MONDAY + day * DAY + 9 * HOUR: 10 * USD for day in range(2)}
    state = run(seasonal, MONDAY + 2 * DAY, jobs, background=USD // 10)
    uppers = {
        hour: upper(seasonal, state, MONDAY + 2 * DAY + hour * HOUR) > 14 * USD
        for hour in (7, 8, 9, 10, 11)
    }
    assert uppers == {7: False, 8: True, 9: True, 10: True, 11: False}


def test_with_more_weeks_known_the_hour_of_the_day_counts_less() -> None:
    """Every day at nine, save Sundays: the Sunday forgets what only other days do."""
    seasonal = detector(any_hour_ratio=0)
    found = []
    for weeks in (1, 2, 3, 4):
        jobs = {
            MONDAY + day * DAY + 9 * HOUR: 10 * USD for day in range(7 * weeks + 6) if day % 7 != 6
        }
        sunday = MONDAY + weeks * WEEK + 6 * DAY + 9 * HOUR
        found.append(upper(seasonal, run(seasonal, sunday, jobs), sunday) / USD)
    believed = EDGES_NANOUSD[level_of(10 * USD)] / USD * 1.5
    assert found == pytest.approx([believed, believed / 3, believed / 4, believed / 5])


def test_bursts_at_any_hour_are_usual_once_three_of_seven_days_had_one() -> None:
    seasonal = detector()
    bursts = {MONDAY + day * DAY + hour * HOUR: 8 * USD for day, hour in ((0, 2), (2, 9), (4, 18))}
    state = run(seasonal, MONDAY + 6 * DAY, bursts, background=USD // 10)
    assert upper(seasonal, state, MONDAY + 6 * DAY + 13 * HOUR) > 11 * USD
    assert upper(detector(any_hour_ratio=0), state, MONDAY + 6 * DAY + 13 * HOUR) < 2 * USD
    del bursts[MONDAY + 9 * HOUR + 2 * DAY]
    state = run(seasonal, MONDAY + 6 * DAY, bursts, background=USD // 10)
    assert upper(seasonal, state, MONDAY + 6 * DAY + 13 * HOUR) < 2 * USD


def test_what_is_expected_is_the_hours_mean_per_window_less_its_largest() -> None:
    seasonal = detector()
    jobs = {
        MONDAY + week * WEEK + 9 * HOUR: dollars * USD
        for week, dollars in enumerate((2, 4, 6, 100))
    }
    state = run(seasonal, MONDAY + 4 * WEEK, jobs)
    band = seasonal.band(state, window(MONDAY + 4 * WEEK + 9 * HOUR))
    assert band is not None
    # weeks: (2 + 4 + 6 + 6) / 4 = 4.5 a window; days: 0; shrunk by a fifth
    assert band.expected_nanousd == pytest.approx(3.6 * USD, rel=0.05)
    assert 0 < band.spread_nanousd < 3 * USD
    assert band.source == "hour_of_week"
    hourly = seasonal.band(state, window(MONDAY + 4 * WEEK + 9 * HOUR, HOUR))
    assert hourly is not None
    assert hourly.expected_nanousd == pytest.approx(12 * band.expected_nanousd)


def test_a_quiet_hour_may_still_exceed_nothing_by_the_floor() -> None:
    seasonal = detector(min_excess_usd=Decimal(3))
    state = run(seasonal, MONDAY + 3 * DAY, {})
    assert seasonal.band(state, window(MONDAY + 3 * DAY)) == Band(0, 0, 3 * USD, 0, "hour_of_week")


def test_four_weeks_are_remembered_and_no_more() -> None:
    seasonal = detector()
    state = run(seasonal, MONDAY + 6 * WEEK, mondays(2, 10 * USD))
    assert upper(seasonal, state, MONDAY + 6 * WEEK + 9 * HOUR) == USD
    assert seasonal.snapshot(state)[4:] == []


def test_a_sparse_scope_costs_bytes_and_a_busy_one_48_a_day() -> None:
    seasonal = detector()
    sparse = seasonal.snapshot(run(seasonal, MONDAY + 4 * WEEK, mondays(4, 10 * USD)))
    assert [len(part) for part in sparse if isinstance(part, bytes)] == [3] * 4
    busy = seasonal.snapshot(run(seasonal, MONDAY + 4 * WEEK, {}, background=USD))
    assert {len(part) for part in busy if isinstance(part, bytes)} == {48}
    assert len(busy) == 4 + 2 * 28


@pytest.mark.parametrize("background", [0, USD // 10])
def test_sparse_and_busy_days_both_come_back_from_a_snapshot(background: int) -> None:
    seasonal = detector()
    state = run(seasonal, MONDAY + 3 * WEEK, mondays(3, 10 * USD), background=background)
    assert seasonal.restore(seasonal.snapshot(state)) == state


@pytest.mark.parametrize("packed", [b"\x18\x01\x01", b"\x00\x01", 7])
def test_a_day_that_is_no_day_is_refused(packed: object) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        detector().restore([0, 0, 0, 0, 19_000, packed])


def test_time_does_not_run_backwards() -> None:
    seasonal = detector()
    state = run(seasonal, MONDAY + 3 * HOUR, {}, background=USD)
    with pytest.raises(ValueError, match="comes before"):
        seasonal.learn(state, observation(MONDAY, USD))
    with pytest.raises(ValueError, match="comes before"):
        seasonal.skip(state, window(MONDAY), 1)
    before = seasonal.snapshot(state)
    seasonal.skip(state, window(MONDAY), 0)
    assert seasonal.snapshot(state) == before
