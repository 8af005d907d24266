"""What on-call hears, in virtual time: at such an hour a scope spends so much, and is told once."""

from datetime import UTC, datetime

import pytest

from alerting.alert import Alert, ResolvedReason, Severity, Transition
from alerting.watch.rules import BudgetRule, RulesConfig
from detectors.observation import NANOUSD_PER_USD
from tests.support.timeline import MONDAY, Timeline

HOUR, DAY, WEEK = 3600, 86400, 7 * 86400
BURN_USD_PER_SECOND = 0.197
"""$17,000 a day."""


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def usd(nanousd: int) -> float:
    return nanousd / NANOUSD_PER_USD


@pytest.fixture
def calm() -> Timeline:
    """Three days at $100 a day."""
    timeline = Timeline()
    timeline.spend_steadily(MONDAY, MONDAY + 3 * DAY, 100)
    assert timeline.alerts == []
    return timeline


def burn(timeline: Timeline, start: int, seconds: int) -> list[tuple[int, float, Alert]]:
    """Spend at $17,000 a day; what was told after how many seconds and dollars."""
    told: list[tuple[int, float, Alert]] = []
    for second in range(seconds):
        alerts = timeline.spend(start + second, BURN_USD_PER_SECOND, requests=4)
        told += [(second + 1, (second + 1) * BURN_USD_PER_SECOND, alert) for alert in alerts]
    return told


def test_a_runaway_is_critical_with_its_first_word_and_within_three_dollars(
    calm: Timeline,
) -> None:
    """By its calls; by its dollars alone it was information for another three."""
    [(first_seconds, first_usd, fired)] = burn(calm, MONDAY + 3 * DAY + 120, 60)
    assert fired.transition is Transition.FIRED
    assert fired.severity is Severity.CRITICAL
    assert first_seconds <= 15
    assert first_usd <= 3


def test_a_runaway_that_begins_while_the_window_before_is_unclosed_fires_once_that_has_closed(
    calm: Timeline,
) -> None:
    """What still arrives for the window before decides where the episode starts."""
    told = burn(calm, MONDAY + 3 * DAY, 90)
    assert told[0][0] == pytest.approx(61, abs=1)
    assert told[0][2].severity is Severity.CRITICAL


def test_recovery_resolves_after_three_calm_windows_with_the_whole_excess(calm: Timeline) -> None:
    start = MONDAY + 3 * DAY + 600
    burn(calm, start, 600)
    calm.spend_steadily(start + 600, start + HOUR, 100)
    [fired] = calm.of(Transition.FIRED)
    [resolved] = calm.of(Transition.RESOLVED)
    assert resolved.alert_id == fired.alert_id
    assert resolved.resolved_reason is ResolvedReason.RECOVERED
    assert resolved.resolved_at == start + 600 + 3 * 300
    expected = 600 * BURN_USD_PER_SECOND - 2 * 100 * 300 / DAY
    assert usd(resolved.excess_nanousd) == pytest.approx(expected, rel=0.01)
    assert "back to normal after 25 min, with $117" in resolved.annotations["summary"]


def test_an_agent_that_stops_for_good_resolves_as_no_data(calm: Timeline) -> None:
    start = MONDAY + 3 * DAY + 600
    burn(calm, start, 600)
    calm.reach(start + DAY)
    [resolved] = calm.of(Transition.RESOLVED)
    assert resolved.resolved_reason is ResolvedReason.NO_DATA
    assert resolved.resolved_at == start + 600 + 3 * 300


def test_flapping_is_one_alert(calm: Timeline) -> None:
    start = MONDAY + 3 * DAY
    for flap in range(12):
        at = start + flap * 900  # one window of three is a spike
        burn(calm, at + 60, 30)
        calm.spend_steadily(at + 90, at + 900, 100)
    calm.spend_steadily(start + 12 * 900, start + 4 * HOUR, 100)
    assert len(calm.of(Transition.FIRED)) == 1
    assert len(calm.of(Transition.RESOLVED)) == 1
    assert len({alert.alert_id for alert in calm.alerts}) == 1
    [resolved] = calm.of(Transition.RESOLVED)
    assert usd(resolved.excess_nanousd) == pytest.approx(12 * 30 * BURN_USD_PER_SECOND, rel=0.02)


def test_a_monday_morning_job_seen_on_three_mondays_is_known_and_on_sunday_night_it_is_not() -> (
    None
):
    timeline = Timeline("workflow:weekly-report")

    def job(at: int) -> None:
        for minute in range(10):
            timeline.spend(at + minute * 60, 2.5, requests=5)

    def week(start: int, *, job_at: int) -> list[Alert]:
        before = len(timeline.alerts)
        timeline.spend_steadily(start, start + job_at, 20, every=300)
        job(start + job_at)
        timeline.spend_steadily(start + job_at + 600, start + WEEK, 20, every=300)
        return timeline.alerts[before:]

    nine = 9 * HOUR
    for number in range(3):
        week(MONDAY + number * WEEK, job_at=nine)
    assert week(MONDAY + 3 * WEEK, job_at=nine) == []
    sunday_at_three = 6 * DAY + 3 * HOUR
    told = week(MONDAY + 4 * WEEK, job_at=sunday_at_three)
    assert [alert.transition for alert in told].count(Transition.FIRED) == 1
    assert told[0].window.start_seconds == MONDAY + 4 * WEEK + sunday_at_three


def test_a_brand_new_agent_that_is_expensive_from_its_first_minute_fires_in_that_minute() -> None:
    timeline = Timeline("agent:new")
    told: list[Alert] = []
    spent = 0.0
    start = MONDAY + 120
    timeline.reach(start - 60)
    while not told and spent < 10:
        told = timeline.spend(start, 0.5)
        spent += 0.5
    assert [alert.transition for alert in told] == [Transition.FIRED]
    assert spent == 4.5  # above $50 an hour
    assert told[0].annotations["baseline"] == "cold_start"
    assert "no past yet" in told[0].annotations["summary"]


def test_late_rows_are_counted_and_never_alert(calm: Timeline) -> None:
    before = calm.state.totals[3]
    assert calm.spend(MONDAY + 3 * DAY - 90, 500.0, is_late=True) == []
    calm.spend_steadily(MONDAY + 3 * DAY, MONDAY + 3 * DAY + HOUR, 100)
    assert calm.alerts == []
    assert calm.state.late_rows == 1
    assert usd(calm.state.totals[3] - before) > 500


def test_rows_of_a_closed_window_are_counted_and_reported_but_never_judged(calm: Timeline) -> None:
    assert calm.spend(MONDAY + 3 * DAY - HOUR, 500.0) == []
    assert calm.state.skipped_rows == 1
    assert calm.alerts == []


def test_contained_stays_firing_and_teaches_nothing_until_released(calm: Timeline) -> None:
    start = MONDAY + 3 * DAY + 120
    burn(calm, start, 180)
    [fired] = calm.of(Transition.FIRED)
    calm.watch.set_held(calm.state, frozenset({fired.alert_id}))
    calm.reach(start + 240)
    learned = calm.watch.profile_snapshot(calm.state)[2:5]
    calm.reach(start + 6 * HOUR)  # blocked: not a cent
    assert calm.of(Transition.RESOLVED) == []
    held = calm.alerts[-1]
    assert held.is_contained
    assert held.transition is Transition.UPDATED
    assert calm.watch.profile_snapshot(calm.state)[2:5] == learned

    calm.watch.set_held(calm.state, frozenset())
    calm.spend_steadily(start + 6 * HOUR, start + 7 * HOUR, 100)
    [resolved] = calm.of(Transition.RESOLVED)
    assert resolved.resolved_reason is ResolvedReason.RELEASED
    assert not resolved.is_contained
    assert resolved.alert_id == fired.alert_id


def test_a_probe_that_lets_the_excess_through_keeps_the_alert(calm: Timeline) -> None:
    start = MONDAY + 3 * DAY + 120
    burn(calm, start, 180)
    [fired] = calm.of(Transition.FIRED)
    calm.watch.set_held(calm.state, frozenset({fired.alert_id}))
    calm.reach(start + HOUR)
    calm.watch.set_held(calm.state, frozenset())
    burn(calm, start + HOUR, 600)
    assert len(calm.of(Transition.FIRED)) == 1
    assert calm.of(Transition.RESOLVED) == []
    assert calm.alerts[-1].excess_nanousd > fired.excess_nanousd


def test_a_small_lasting_shift_is_absorbed_after_a_day_and_is_then_normal(calm: Timeline) -> None:
    timeline = Timeline(config=RulesConfig(absorb_max_usd_per_day=1000))
    timeline.spend_steadily(MONDAY, MONDAY + 3 * DAY, 100)
    timeline.spend_steadily(MONDAY + 3 * DAY, MONDAY + 6 * DAY, 800)
    [fired] = timeline.of(Transition.FIRED)
    [resolved] = timeline.of(Transition.RESOLVED)
    assert resolved.resolved_reason is ResolvedReason.ABSORBED
    assert resolved.resolved_at == fired.started_at + DAY
    assert timeline.state.tracks == {}


def test_a_large_lasting_shift_is_never_absorbed(calm: Timeline) -> None:
    calm.spend_steadily(MONDAY + 3 * DAY, MONDAY + 6 * DAY, 800)
    assert len(calm.of(Transition.FIRED)) == 1
    assert calm.of(Transition.RESOLVED) == []


BUDGET = RulesConfig(
    spikes=(),
    budgets=(
        BudgetRule(
            name="growth", kind="team", period="month", amount_usd="1000", zone="Asia/Tokyo"
        ),
    ),
)


def test_a_budget_is_near_reached_and_exceeded_in_order_and_fresh_next_month() -> None:
    timeline = Timeline("team:growth", BUDGET)
    start = instant("2026-03-10T00:00:00")
    story = [
        (alert.rule, alert.transition.value, alert.resolved_reason)
        for day in range(13)
        for alert in timeline.spend(start + day * DAY, 100.0)
        if alert.transition is not Transition.UPDATED
    ]
    assert story == [
        ("growth/near", "fired", None),
        ("growth/reached", "fired", None),
        ("growth/near", "resolved", ResolvedReason.SUPERSEDED),
        ("growth/exceeded", "fired", None),
        ("growth/reached", "resolved", ResolvedReason.SUPERSEDED),
    ]
    midnight_in_tokyo = instant("2026-03-31T15:00:00")
    assert [alert.transition for alert in timeline.reach(midnight_in_tokyo - 1)] == [
        Transition.UPDATED
    ]
    [fresh] = timeline.reach(midnight_in_tokyo)
    assert (fresh.rule, fresh.resolved_reason) == ("growth/exceeded", ResolvedReason.RECOVERED)
    assert fresh.resolved_at == midnight_in_tokyo
    assert timeline.spend(midnight_in_tokyo + 60, 799.0) == []
    [near] = timeline.spend(midnight_in_tokyo + 120, 1.0)
    assert near.window.start_seconds == midnight_in_tokyo


def test_a_crossed_budget_is_told_with_its_newer_figure_once_a_day_while_money_comes_in() -> None:
    timeline = Timeline("team:growth", BUDGET)
    start = instant("2026-03-09T15:00:00")  # a midnight in Tokyo
    timeline.spend(start + 3600, 850.0)
    story = [
        (hours, alert)
        for hours in range(6, 96, 6)
        for alert in timeline.spend(start + hours * 3600 + 120, 1.0)
    ]
    assert [hours for hours, _ in story] == [24, 48, 72]
    assert [usd(alert.observed) for _, alert in story] == [853, 857, 861]
    assert [alert.decided_at - start for _, alert in story] == [DAY, 2 * DAY, 3 * DAY]
    assert {(alert.rule, alert.transition) for _, alert in story} == {
        ("growth/near", Transition.UPDATED)
    }
    timeline.spend(start + 100 * 3600, 300.0)
    assert {alert.rule: alert.fired_at for alert in timeline.alerts[-2:]} == {
        "growth/reached": start + 100 * 3600,
        "growth/near": start + 3600,
    }
    assert timeline.reach(start + 5 * DAY)[0].rule == "growth/reached"
    assert timeline.reach(start + 15 * DAY) == [], "nothing is spent, so nothing is new"
    assert timeline.watch.due_at(timeline.state) == start + 16 * DAY
    assert len({alert.transition_id for alert in timeline.alerts}) == len(timeline.alerts)


def test_one_row_that_crosses_all_levels_tells_each_in_order() -> None:
    timeline = Timeline("team:growth", BUDGET)
    told = timeline.spend(instant("2026-03-10T00:00:00"), 5000.0)
    assert [(alert.rule, alert.transition.value) for alert in told] == [
        ("growth/near", "fired"),
        ("growth/reached", "fired"),
        ("growth/near", "resolved"),
        ("growth/exceeded", "fired"),
        ("growth/reached", "resolved"),
    ]
    assert [alert.severity for alert in told] == [
        Severity.INFO,
        Severity.WARNING,
        Severity.INFO,
        Severity.CRITICAL,
        Severity.WARNING,
    ]
    assert told[-2].annotations["summary"] == (
        "team growth has spent $5,000 of its $1,000 for the month (500 %)"
    )
    assert usd(told[-2].excess_nanousd) == 4000


def test_late_money_counts_in_its_budget_while_the_period_lasts_and_not_after() -> None:
    timeline = Timeline("team:growth", BUDGET)
    start = instant("2026-03-10T00:00:00")
    timeline.spend(start, 100.0)
    assert timeline.spend(start - 3600, 700.0, is_late=True)[0].rule == "growth/near"
    april = instant("2026-04-01T00:00:00")
    timeline.reach(april)
    assert timeline.spend(start, 900.0, is_late=True) == []
    assert usd(timeline.state.totals[3]) == 1700


def test_an_agent_new_on_a_shared_key_is_named_though_the_key_as_a_whole_is_not_unusual() -> None:
    timeline = Timeline("api_key:shared")
    parts = [("agent", "a", 2.0), ("agent", "b", 2.0)]
    for window in range(3 * 288):
        timeline.spend(MONDAY + window * 300, 4.0, requests=40, contributors=parts)
    start = MONDAY + 3 * DAY
    timeline.reach(start)
    told = timeline.spend(
        start + 60,
        4.0,
        requests=40,
        contributors=[("agent", "a", 1.0), ("agent", "b", 0.5), ("agent", "thief", 2.5)],
    )
    [alert] = told
    assert (alert.rule, alert.severity) == ("contributor", Severity.INFO)
    assert alert.drivers[0].scope == "agent:thief"
    assert usd(alert.observed) == 2.5
    assert sum(driver.excess_nanousd for driver in alert.drivers) == alert.excess_nanousd
