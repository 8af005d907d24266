from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from alerting.alert import Severity
from alerting.watch.drift_judgement import judge_drift
from alerting.watch.judgement import (
    NO_MORE,
    Floors,
    Spend,
    judge_contributors,
    judge_spike,
    spike_trigger,
)
from alerting.watch.lifecycle import JudgedWindow
from alerting.watch.rules import ContributorRule, SeverityFloors
from detectors.attribution import Attribution, AttributionConfig
from detectors.drift import DriftConfig, DriftDetector
from detectors.signal import Band
from detectors.window import Window

USD = 10**9
WINDOW = Window(1_700_000_100, 1_700_000_400)
FLOORS = Floors.of(SeverityFloors(), 300)
BAND = Band(1 * USD, 0, 2 * USD, USD // 4, "ewma")


FIRM = Band(1 * USD, 0, 2 * USD, USD // 4, "ewma", 10 * USD, None)
NARROW = Band(1 * USD, 0, 4 * USD, USD, "ewma", 2 * USD, None)
QUICK = Band(1 * USD, USD // 2, 2 * USD, USD // 4, "ewma", 10 * USD, 1 * USD)
BUSY = Band(1 * USD, USD // 2, 2 * USD, USD // 4, "ewma", 10 * USD, 5 * USD, 3)
BANDS = (BAND, FIRM, NARROW, QUICK, BUSY, Band(1000, 0, 2000, 100, "ewma", 3000, 1000, 2))


def judged(band: Band | None, cost: int, minute: int = 0, calls: int = 1) -> JudgedWindow:
    return judge_spike(FLOORS, band, WINDOW, Spend(cost, minute, calls if cost else 0, calls))


def test_floors_of_a_window_are_the_hourly_ones_rounded_up() -> None:
    assert FLOORS.critical_nanousd == -(-25 * USD // 12)
    assert FLOORS.warning_nanousd == -(-10 * USD // 12)
    assert FLOORS.info_nanousd == -(-1 * USD // 12)
    assert FLOORS.minute_nanousd == -(-25 * USD // 60)


def test_severity_is_by_the_excess_at_or_above_a_floor() -> None:
    critical, warning = FLOORS.critical_nanousd, FLOORS.warning_nanousd
    assert FLOORS.severity(critical) is Severity.CRITICAL
    assert FLOORS.severity(critical - 1) is Severity.WARNING
    assert FLOORS.severity(warning) is Severity.WARNING
    assert FLOORS.severity(warning - 1) is Severity.INFO


def test_a_window_is_anomalous_above_its_band_only() -> None:
    at_edge, above = judged(BAND, 2 * USD), judged(BAND, 2 * USD + 1)
    assert (at_edge.is_anomalous, above.is_anomalous) == (False, True)
    assert above.excess_nanousd == USD + 1
    assert above.severity is Severity.WARNING
    assert above.has_data
    assert above.score > 0.5 >= at_edge.score


def test_what_chance_explains_is_information_however_dear() -> None:
    at_edge, beyond = judged(FIRM, 10 * USD), judged(FIRM, 10 * USD + 1)
    assert at_edge.is_anomalous
    assert at_edge.severity is Severity.INFO
    assert beyond.severity is Severity.CRITICAL
    assert beyond.upper_nanousd == 2 * USD


def test_a_scope_that_never_goes_far_is_anomalous_beyond_its_firm_edge_already() -> None:
    at_edge, beyond = judged(NARROW, 2 * USD), judged(NARROW, 2 * USD + 1)
    assert (at_edge.is_anomalous, beyond.is_anomalous) == (False, True)
    assert beyond.severity is Severity.WARNING
    assert beyond.upper_nanousd == 2 * USD
    assert beyond.score > 0.5


def test_one_minute_beyond_its_edge_is_critical_and_its_excess_counts() -> None:
    at_edge = judged(QUICK, 1 * USD, 1 * USD)
    beyond = judged(QUICK, 1 * USD + 1, 1 * USD + 1)
    assert not at_edge.is_anomalous
    assert beyond.is_anomalous
    assert beyond.severity is Severity.CRITICAL
    assert beyond.excess_nanousd == 1 * USD + 1 - USD // 5
    assert beyond.observed_nanousd - beyond.expected_nanousd == beyond.excess_nanousd
    assert beyond.lower_nanousd <= beyond.expected_nanousd < beyond.upper_nanousd
    assert beyond.score > 0.5
    busy = judged(QUICK, 9 * USD, 1 * USD + 1)
    assert busy.severity is Severity.CRITICAL
    assert busy.excess_nanousd == 8 * USD


def test_a_minute_needs_the_pace_of_what_is_critical() -> None:
    tight = Band(1000, 0, 2 * USD, 100, "ewma", 2 * USD, 1000)
    floor = 1000 // 5 + FLOORS.minute_nanousd
    assert not judged(tight, floor - 1, floor - 1).is_anomalous
    assert judged(tight, floor, floor).severity is Severity.CRITICAL


def test_more_calls_in_a_minute_than_chance_explains_are_critical_if_they_cost_enough() -> None:
    floor = USD // 5 + FLOORS.minute_nanousd
    assert not judged(BUSY, floor, floor, 3).is_anomalous
    assert not judged(BUSY, floor - 1, floor - 1, 4).is_anomalous
    busy = judged(BUSY, floor, floor, 4)
    assert busy.severity is Severity.CRITICAL
    assert busy.excess_nanousd == floor - USD // 5
    assert busy.upper_nanousd == busy.expected_nanousd + floor * 3 // 4 - USD // 5
    assert busy.lower_nanousd <= busy.expected_nanousd < busy.upper_nanousd < busy.observed_nanousd
    more = judged(BUSY, 9 * USD, floor, 4)
    assert more.severity is Severity.CRITICAL
    assert (more.upper_nanousd, more.excess_nanousd) == (2 * USD, 8 * USD)


def test_a_window_above_a_narrow_band_and_below_the_lowest_floor_is_calm() -> None:
    narrow = Band(1000, 0, 2000, 100, "ewma")
    floor = 1000 + FLOORS.info_nanousd
    assert not judged(narrow, floor - 1).is_anomalous
    assert judged(narrow, floor).is_anomalous


def test_spending_less_than_expected_is_no_negative_excess() -> None:
    low = judged(BAND, 0)
    assert (low.excess_nanousd, low.is_anomalous, low.has_data) == (0, False, False)


def test_without_a_band_nothing_is_anomalous() -> None:
    unknown = judged(None, 10**15, 10**15)
    assert not unknown.is_anomalous
    assert unknown.score == 0.0


@given(
    band=st.sampled_from(BANDS),
    costs=st.lists(st.tuples(st.integers(0, 3 * USD), st.integers(0, 3)), max_size=12),
    more=st.integers(0, 20 * USD),
)
@example(
    band=BUSY,
    costs=[(0, 3), (0, 0), (0, 0), (800_000_002, 0), (800_000_002, 0)],
    more=0,
)
def test_below_the_trigger_nothing_is_new(
    band: Band, costs: list[tuple[int, int]], more: int
) -> None:
    """Whatever minutes the money is spent in; and an open window's verdict only grows."""
    minutes, calls, before = [0] * 5, [0] * 5, judged(band, 0)
    for index, (cost, called) in enumerate([*costs, (more, 1)]):
        spend = Spend(sum(minutes), max(minutes), sum(calls), max(calls))
        is_told = before.is_anomalous
        trigger = spike_trigger(
            FLOORS,
            band,
            WINDOW,
            spend,
            is_told=is_told,
            is_critical=is_told and before.severity is Severity.CRITICAL,
        )
        minutes[index % 5] += cost
        calls[index % 5] += called
        spend = Spend(sum(minutes), max(minutes), sum(calls), max(calls))
        after = judge_spike(FLOORS, band, WINDOW, spend)
        if not trigger.is_reached(spend.cost_nanousd, spend.requests):
            assert after.is_anomalous == is_told
            if is_told:
                assert after.severity is Severity.CRITICAL or (
                    before.severity is not Severity.CRITICAL
                )
                assert (after.severity is Severity.CRITICAL) == (
                    before.severity is Severity.CRITICAL
                )
        assert after.is_anomalous >= before.is_anomalous
        assert after.severity.rank >= before.severity.rank or not before.is_anomalous
        # What no one is told may become the lesser excess of a minute that everyone is told.
        assert after.excess_nanousd >= before.excess_nanousd or not before.is_anomalous
        before = after


def test_the_trigger_is_the_least_cost_that_brings_news() -> None:
    for band in BANDS:
        nothing = Spend(0, 0, 0, 0)
        least = spike_trigger(FLOORS, band, WINDOW, nothing, is_told=False, is_critical=False)
        for cost, expected in ((least.cost_nanousd - 1, False), (least.cost_nanousd, True)):
            assert judged(band, cost, cost).is_anomalous is expected
        told = spike_trigger(FLOORS, band, WINDOW, nothing, is_told=True, is_critical=False)
        for cost, expected in ((told.cost_nanousd - 1, False), (told.cost_nanousd, True)):
            assert (judged(band, cost, cost).severity is Severity.CRITICAL) is expected
        floor, calls = told.floor_nanousd, told.calls
        if band.minute_calls is not None:
            assert judged(band, floor, floor, calls).severity is Severity.CRITICAL
            assert told.is_reached(floor, calls)
            assert not told.is_reached(min(floor, told.cost_nanousd - 1), calls - 1)


def test_there_is_no_trigger_without_a_band_or_after_critical() -> None:
    nothing = Spend(0, 0, 0, 0)
    assert spike_trigger(FLOORS, None, WINDOW, nothing, is_told=False, is_critical=False) == NO_MORE
    assert spike_trigger(FLOORS, BUSY, WINDOW, nothing, is_told=True, is_critical=True) == NO_MORE


RULE = ContributorRule(ratio=3.0, min_excess_usd=Decimal(1))
ATTRIBUTION = Attribution(AttributionConfig(), 300)


def known() -> list[object]:
    state = ATTRIBUTION.fresh()
    for _ in range(20):
        ATTRIBUTION.learn(state, {"agent": {"big": 2 * USD, "small": USD // 10}})
    return state


def test_a_part_needs_the_ratio_and_the_floor() -> None:
    state = known()
    big = ATTRIBUTION.expected_nanousd(state, "agent", "big")
    small = ATTRIBUTION.expected_nanousd(state, "agent", "small")
    at = {"big": int(big * 3.0), "small": small + USD, "new": USD}
    for name, limit in at.items():
        below = judge_contributors(RULE, ATTRIBUTION, state, WINDOW, {name: limit - 1})
        assert not below.judged.is_anomalous
        assert below.missing_nanousd == 1
        found = judge_contributors(RULE, ATTRIBUTION, state, WINDOW, {name: limit})
        assert found.judged.is_anomalous, name
        assert found.parts == {name: limit}
        assert found.judged.score >= 0.5


def test_the_rest_is_never_judged() -> None:
    found = judge_contributors(RULE, ATTRIBUTION, known(), WINDOW, {"__other__": 100 * USD})
    assert not found.judged.is_anomalous
    assert found.parts == {}
    assert found.missing_nanousd == USD, "somebody never seen needs the floor"


def test_unusual_parts_are_judged_together_and_the_usual_left_out() -> None:
    parts = {"big": 2 * USD, "new": 3 * USD, "other": 2 * USD}
    judged = judge_contributors(RULE, ATTRIBUTION, known(), WINDOW, parts).judged
    assert (judged.observed_nanousd, judged.expected_nanousd) == (5 * USD, 0)
    assert judged.excess_nanousd == 5 * USD
    assert judged.upper_nanousd == 2 * USD
    assert judged.severity is Severity.INFO


def test_a_window_in_which_nothing_is_spent_begins_no_drift_and_may_go_on_with_one() -> None:
    drift = DriftDetector(
        DriftConfig(), info_usd_per_hour=Decimal(1), chance_of_an_hour=2 / (10_000 * 168)
    )
    state, hour = drift.fresh(), 1_699_833_600
    for usd in [4] * 14 * 24 + [20] * 6:
        hours = Window(hour, hour + 3600)
        drift.learn(state, hours, usd * USD, 80, aside_nanousd=0, is_odd=False)
        hour += 3600
    window, band = Window(hour, hour + 300), Band(USD // 3, 0, 2 * USD, USD // 10, "ewma")

    def drifted(cost: int, *, is_going_on: bool) -> JudgedWindow | None:
        spend = Spend(cost, cost, min(cost, 1), min(cost, 1))
        return judge_drift(drift, state, band, window, spend, is_going_on=is_going_on)

    assert drifted(0, is_going_on=False) is None
    least = drifted(1, is_going_on=False)
    assert least is not None
    assert least.has_data
    empty = drifted(0, is_going_on=True)
    assert empty is not None
    assert not empty.has_data
    assert empty.observed_nanousd == least.observed_nanousd - 1
