from decimal import Decimal

from alerting.alert import Severity
from alerting.watch.judgement import (
    NEVER,
    Floors,
    judge_contributors,
    judge_spike,
    observation_of,
    spike_trigger,
)
from alerting.watch.rules import ContributorRule, SeverityFloors
from detectors.attribution import Attribution, AttributionConfig
from detectors.signal import Band
from detectors.spike import SpikeConfig, SpikeDetector
from detectors.window import Window

USD = 10**9
WINDOW = Window(1_700_000_100, 1_700_000_400)
DETECTOR = SpikeDetector(SpikeConfig(), 300)
FLOORS = Floors.of(SeverityFloors(), 300)
BAND = Band(1 * USD, 0, 2 * USD, USD // 4, "ewma")


def test_floors_of_a_window_are_the_hourly_ones_rounded_up() -> None:
    assert FLOORS.critical_nanousd == -(-50 * USD // 12)
    assert FLOORS.warning_nanousd == -(-10 * USD // 12)
    assert FLOORS.info_nanousd == -(-1 * USD // 12)


def test_severity_is_by_the_excess_at_or_above_a_floor() -> None:
    critical, warning = FLOORS.critical_nanousd, FLOORS.warning_nanousd
    assert FLOORS.severity(critical) is Severity.CRITICAL
    assert FLOORS.severity(critical - 1) is Severity.WARNING
    assert FLOORS.severity(warning) is Severity.WARNING
    assert FLOORS.severity(warning - 1) is Severity.INFO


def test_a_window_is_anomalous_above_its_band_only() -> None:
    at_edge = judge_spike(DETECTOR, FLOORS, BAND, observation_of(WINDOW, 2 * USD, 5))
    above = judge_spike(DETECTOR, FLOORS, BAND, observation_of(WINDOW, 2 * USD + 1, 5))
    assert (at_edge.is_anomalous, above.is_anomalous) == (False, True)
    assert above.excess_nanousd == USD + 1
    assert above.severity is Severity.WARNING
    assert above.has_data
    assert above.score > 0.5 >= at_edge.score


def test_a_window_above_a_narrow_band_and_below_the_lowest_floor_is_calm() -> None:
    narrow = Band(1000, 0, 2000, 100, "ewma")
    floor = 1000 + FLOORS.info_nanousd
    assert not judge_spike(
        DETECTOR, FLOORS, narrow, observation_of(WINDOW, floor - 1, 1)
    ).is_anomalous
    assert judge_spike(DETECTOR, FLOORS, narrow, observation_of(WINDOW, floor, 1)).is_anomalous


def test_spending_less_than_expected_is_no_negative_excess() -> None:
    low = judge_spike(DETECTOR, FLOORS, BAND, observation_of(WINDOW, 0, 0))
    assert (low.excess_nanousd, low.is_anomalous, low.has_data) == (0, False, False)


def test_without_a_band_nothing_is_anomalous() -> None:
    judged = judge_spike(DETECTOR, FLOORS, None, observation_of(WINDOW, 10**15, 1))
    assert not judged.is_anomalous
    assert judged.score == 0.0


def test_the_trigger_is_the_least_cost_that_brings_news() -> None:
    for band in (BAND, Band(1000, 0, 2000, 100, "ewma")):
        trigger = spike_trigger(FLOORS, band, is_told=False, is_critical=False)
        for cost, expected in ((trigger - 1, False), (trigger, True)):
            judged = judge_spike(DETECTOR, FLOORS, band, observation_of(WINDOW, cost, 1))
            assert judged.is_anomalous is expected
        told = spike_trigger(FLOORS, band, is_told=True, is_critical=False)
        for cost, severity in ((told - 1, Severity.WARNING), (told, Severity.CRITICAL)):
            judged = judge_spike(DETECTOR, FLOORS, band, observation_of(WINDOW, cost, 1))
            assert judged.severity is severity


def test_there_is_no_trigger_without_a_band_or_after_critical() -> None:
    assert spike_trigger(FLOORS, None, is_told=False, is_critical=False) == NEVER
    assert spike_trigger(FLOORS, BAND, is_told=True, is_critical=True) == NEVER


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
