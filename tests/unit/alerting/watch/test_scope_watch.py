from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from alerting.alert import ResolvedReason, Severity, Transition
from alerting.watch.rules import BudgetRule, RulesConfig, SeverityFloors, SpikeRule
from alerting.watch.scope_watch import ScopeWatch
from detectors.observation import BESIDE, COST, NANOUSD_PER_USD
from detectors.scope import OTHER
from detectors.spike import SpikeConfig
from tests.support.timeline import MONDAY, Timeline, counts_of

HOUR, DAY = 3600, 86400
QUICK = SpikeRule(ewma=SpikeConfig(warm_up_hours=0.5, young_hours=0))
CONFIG = RulesConfig(spikes=(QUICK,))


def calm(scope: str = "agent:invoice-bot", config: RulesConfig = CONFIG) -> Timeline:
    """Three hours at $100 a day."""
    timeline = Timeline(scope, config)
    timeline.spend_steadily(MONDAY, MONDAY + 3 * HOUR, 100)
    assert timeline.alerts == []
    return timeline


NOON = MONDAY + 3 * HOUR


def restart(timeline: Timeline, config: RulesConfig | None = None) -> None:
    """Through msgpack, as pages do it."""
    before = timeline.watch
    rows = [before.live_snapshot(timeline.state), before.profile_snapshot(timeline.state)]
    live, profile = msgspec.msgpack.decode(msgspec.msgpack.encode(rows))
    timeline.watch = ScopeWatch(config or before.config)
    timeline.state = timeline.watch.restore(timeline.scope, live, profile)


def test_a_scope_beyond_the_bound_is_counted_never_judged_and_has_no_budget() -> None:
    budget = BudgetRule(name="b", kind="agent", amount_usd=Decimal(1))
    timeline = Timeline(f"agent:{OTHER}", CONFIG.model_copy(update={"budgets": (budget,)}))
    timeline.spend_steadily(MONDAY, NOON, 100)
    timeline.spend(NOON, 10_000.0)
    timeline.reach(NOON + DAY)
    assert timeline.alerts == []
    assert timeline.state.totals[COST] > 10_000 * NANOUSD_PER_USD
    assert timeline.watch.due_at(timeline.state) is None


def test_a_kind_that_no_rule_fits_is_counted_only() -> None:
    config = RulesConfig(spikes=(SpikeRule(kinds=("team",)),))
    timeline = Timeline("agent:a", config)
    timeline.spend(MONDAY, 1e6)
    assert timeline.reach(MONDAY + DAY) == []
    assert timeline.watch.profile_snapshot(timeline.state) == [-1]
    restart(timeline)
    assert timeline.state.totals[COST] == 10**15


def test_a_keys_alert_names_those_it_remembers_that_are_silent_now() -> None:
    def fired(scope: str) -> dict[str, str]:
        timeline = Timeline(scope, CONFIG)
        both = [("agent", "pay", 0.03), ("agent", "bot", 0.03), ("user", "u", 0.06)]
        timeline.spend_steadily(MONDAY, NOON, 100, contributors=both)
        timeline.spend(NOON + 120, 100.0, contributors=[("agent", "bot", 100.0)])
        return timeline.of(Transition.FIRED)[0].annotations

    assert fired("api_key:key-7")["remembered"] == '["agent:pay","user:u"]'
    assert fired("api_key:key-7@staging")["remembered"] == '["agent:pay@staging","user:u@staging"]'
    assert "remembered" not in fired("team:billing")


def test_the_first_rule_that_fits_judges() -> None:
    loose = SpikeRule(
        name="loose",
        kinds=("agent",),
        severity=SeverityFloors(
            critical_usd_per_hour=10**6, warning_usd_per_hour=10**6, info_usd_per_hour=1
        ),
    )
    timeline = calm(config=RulesConfig(spikes=(loose, QUICK)))
    timeline.spend(NOON + 120, 100.0)
    assert {(alert.rule, alert.severity) for alert in timeline.alerts} == {("loose", Severity.INFO)}


def test_minutes_and_totals_span_all_rows() -> None:
    timeline = Timeline()
    timeline.spend(MONDAY + 600, 1.0)
    timeline.spend(MONDAY + 540, 1.0)
    timeline.spend(MONDAY + 720, 1.0)
    timeline.spend(MONDAY - DAY, 1.0, is_late=True)
    assert timeline.state.first_minute == (MONDAY - DAY) // 60
    assert timeline.state.last_minute == (MONDAY + 720) // 60
    assert timeline.state.totals[COST] == 4 * NANOUSD_PER_USD


def test_a_quiet_scope_is_never_due_and_its_zeros_are_learned_when_it_wakes() -> None:
    timeline = calm()
    timeline.reach(NOON + HOUR)
    assert timeline.watch.due_at(timeline.state) is None
    before = timeline.watch.profile_snapshot(timeline.state)
    assert timeline.watch.advance(timeline.state, NOON + DAY) == []
    assert timeline.watch.profile_snapshot(timeline.state) == before
    timeline.spend(NOON + 2 * DAY, 0.3)
    timeline.reach(NOON + 2 * DAY + 300)
    through, _, spike, *_ = timeline.watch.profile_snapshot(timeline.state)
    assert through == NOON + 2 * DAY + 300
    assert spike[0] == 36 + 2 * 288 + 1, "windows with spend, zeros between, and the last"


def test_a_waking_scope_learns_the_window_it_wakes_in() -> None:
    timeline = calm()
    timeline.reach(NOON + DAY)
    timeline.spend(NOON + DAY, 0.3)
    timeline.reach(NOON + DAY)
    assert timeline.state.learned is not None
    assert timeline.state.learned.through == timeline.state.open_start == NOON + DAY
    assert timeline.state.log[-1] == [5, 288]
    timeline.reach(NOON + DAY + 300)
    assert timeline.state.log[-1] == [0, 300_000_000, 1, {}, [300_000_000, 1], [0] * len(BESIDE)]


def test_a_row_whose_window_ends_at_the_watermark_is_too_late_to_be_judged() -> None:
    for judged, watermark in ((True, NOON + HOUR - 1), (False, NOON + HOUR)):
        timeline = calm()
        timeline.reach(watermark)
        timeline.spend(NOON + HOUR - 60, 100.0)
        assert timeline.state.skipped_rows == (0 if judged else 1)
        timeline.reach(NOON + DAY)
        assert bool(timeline.alerts) is judged


def test_contributors_are_judged_from_the_window_after_the_warm_up() -> None:
    for windows, is_judged in ((11, False), (12, True)):
        timeline = Timeline("api_key:k")
        for window in range(windows):
            timeline.spend(MONDAY + window * 300, 0.3, contributors=[("agent", "a", 0.3)])
        start = MONDAY + windows * 300
        timeline.reach(start)
        told = timeline.spend(start, 1.5, contributors=[("agent", "thief", 1.5)])
        assert bool(told) is is_judged


def test_a_window_is_judged_early_only_once_all_before_it_are_closed() -> None:
    timeline = calm()
    timeline.reach(NOON - 1)
    timeline.spend(NOON + 30, 100.0)
    assert timeline.alerts == []
    [fired] = timeline.reach(NOON)
    assert fired.transition is Transition.FIRED
    assert fired.window.start_seconds == NOON
    assert fired.decided_at == NOON, "the watermark's instant"


def test_a_row_for_a_window_whose_past_is_closed_is_judged_at_once() -> None:
    timeline = calm()
    timeline.reach(NOON + HOUR)
    told = timeline.watch.fold(
        timeline.state,
        (NOON + HOUR) // 60,
        counts_of(100.0),
        is_late=False,
        watermark_seconds=NOON + HOUR,
        newest_at=NOON + HOUR + 7,
    )
    assert [alert.transition for alert in told] == [Transition.FIRED]


def test_the_band_of_a_window_knows_nothing_of_the_window_before() -> None:
    timeline = calm()
    timeline.reach(NOON)
    assert timeline.state.learned is not None
    band = timeline.state.learned.next_band
    timeline.spend(NOON, 0.9)  # unusual, and below every floor
    timeline.reach(NOON + 300)
    assert band is not None
    seen = timeline.state.learned.band
    assert seen is not None
    assert replace(seen, firm_nanousd=band.firm_nanousd) == band
    assert timeline.state.learned.next_band != band


def test_what_the_hour_has_shown_already_brings_the_firm_edge_nearer() -> None:
    timeline = calm()
    timeline.reach(NOON)
    edges = []
    for window in range(3):
        timeline.spend(NOON + window * 300, 3.0)
        timeline.reach(NOON + window * 300 + 300)
        assert timeline.state.learned is not None
        band = timeline.state.learned.band
        assert band is not None
        assert band.firm_nanousd is not None
        edges.append(band.firm_nanousd)
    assert sorted(edges, reverse=True) == edges


def test_an_early_announcement_is_not_repeated_at_the_close() -> None:
    timeline = calm()
    timeline.spend(NOON + 120, 3.0)
    timeline.spend(NOON + 130, 0.5)
    assert [alert.transition for alert in timeline.alerts] == [Transition.FIRED]
    told = timeline.reach(NOON + 300)
    assert [alert.transition for alert in told] == [Transition.UPDATED]
    assert told[0].observed == 3_500_000_000
    assert told[0].fired_at == timeline.alerts[0].fired_at == NOON + 120


def test_an_alert_that_is_not_announced_early_fires_at_the_close() -> None:
    timeline = calm()
    timeline.reach(NOON - 1)
    timeline.spend(NOON + 30, 3.0)
    told = timeline.watch.advance(timeline.state, NOON + 300)
    assert [alert.transition for alert in told] == [Transition.FIRED, Transition.UPDATED]
    assert told[0].fired_at == NOON + 300


def test_what_was_announced_stays_true_though_the_floors_were_raised_since() -> None:
    timeline = calm()
    timeline.spend(NOON + 120, 3.0)
    strict = QUICK.model_copy(
        update={
            "severity": SeverityFloors(
                critical_usd_per_hour=1000, warning_usd_per_hour=1000, info_usd_per_hour=1000
            )
        }
    )
    restart(timeline, RulesConfig(spikes=(strict,)))
    told = timeline.reach(NOON + 300)
    assert [alert.transition for alert in told] == [Transition.UPDATED]
    assert told[0].alert_id == timeline.alerts[0].alert_id


def test_a_runaway_is_announced_at_once_though_the_worker_has_just_restarted() -> None:
    timeline = calm()
    timeline.spend(NOON + 120, 0.3)
    restart(timeline)
    told = timeline.spend(NOON + 130, 60.0)
    assert [alert.transition for alert in told] == [Transition.FIRED]
    assert told[0].severity is Severity.CRITICAL
    restart(timeline)
    assert timeline.spend(NOON + 131, 60.0) == [], "told once"


def test_an_ongoing_alert_is_told_critical_inside_the_window_that_makes_it_so() -> None:
    timeline = calm()
    timeline.spend(NOON + 120, 3.0)
    timeline.reach(NOON + 300)
    told = timeline.spend(NOON + 420, 50.0)
    assert [(alert.transition, alert.severity) for alert in told] == [
        (Transition.UPDATED, Severity.CRITICAL)
    ]
    assert told[0].window.start_seconds == NOON + 300
    assert timeline.spend(NOON + 430, 50.0) == []
    assert timeline.reach(NOON + 600) == [], "it was told of this window already"


def test_drivers_span_the_whole_episode_and_flares_take_the_calm_between_along() -> None:
    timeline = calm()
    for at, usd in ((120, 5.0), (420, 0.5), (720, 5.0), (1020, 0.5), (1320, 5.0)):
        timeline.spend(NOON + at, usd, contributors=[("api_key", "k1", usd - 0.1)])
    timeline.spend_steadily(NOON + 1500, NOON + HOUR, 100)
    [resolved] = timeline.of(Transition.RESOLVED)
    first, rest = resolved.drivers
    assert (first.scope, first.observed_nanousd) == ("api_key:k1", 15_500_000_000)
    assert first.excess_nanousd + rest.excess_nanousd == resolved.excess_nanousd
    assert rest.observed_nanousd == 500_000_000


def test_contributors_beyond_the_bound_are_part_of_the_rest() -> None:
    timeline = calm("team:growth")
    parts = [("agent", f"a{number:03}", 0.01 + number / 10_000) for number in range(300)]
    timeline.spend(NOON + 120, 10.0, contributors=parts)
    timeline.reach(NOON + 300)
    track = timeline.state.tracks["spike"]
    assert len(track.parts["agent"]) == 256
    assert "a000" not in track.parts["agent"]
    assert sum(driver.excess_nanousd for driver in timeline.alerts[-1].drivers) == (
        timeline.alerts[-1].excess_nanousd
    )


def test_a_long_episode_stops_teaching_even_the_season() -> None:
    timeline = calm()
    timeline.spend_steadily(NOON, NOON + 20 * HOUR, 5000)
    assert timeline.state.learned is not None
    known = dict(timeline.state.learned.seasonal[-1])
    timeline.spend_steadily(NOON + 20 * HOUR, NOON + 40 * HOUR, 5000)
    assert timeline.state.learned.seasonal[-1] == known
    hour, cost = timeline.state.learned.seasonal[1:3]
    assert hour == (NOON + 12 * HOUR) // HOUR - 1
    assert cost == pytest.approx(5000 / 24 * NANOUSD_PER_USD), "all twelve windows of that hour"


@pytest.mark.parametrize("patience", [None, 1.0])
def test_an_unusual_contributor_teaches_only_after_the_time_out(patience: float | None) -> None:
    config = RulesConfig(spikes=(QUICK,), absorb_after_hours=patience)
    timeline = Timeline("api_key:k", config)
    usual = [("agent", "a", 4.0)]
    for window in range(36):
        timeline.spend(MONDAY + window * 300, 4.0, requests=400, contributors=usual)
    for window in range(36):
        timeline.spend(
            NOON + window * 300, 4.0, requests=400, contributors=[("agent", "thief", 4.0)]
        )
        assert timeline.state.learned is not None
        known = "thief" in timeline.state.learned.contributors[2]["agent"]
        assert known is (patience is not None and window > 12)
    assert [alert.rule for alert in timeline.of(Transition.FIRED)] == ["contributor"]


def test_an_absorbed_level_holds_from_the_next_window_on() -> None:
    config = RulesConfig(
        spikes=(QUICK,), absorb_after_hours=2.0, absorb_max_usd_per_day=Decimal(1000)
    )
    timeline = calm(config=config)
    timeline.spend_steadily(NOON, NOON + 6 * HOUR, 800)
    [resolved] = timeline.of(Transition.RESOLVED)
    assert resolved.resolved_reason is ResolvedReason.ABSORBED
    assert len(timeline.of(Transition.FIRED)) == 1
    assert timeline.state.learned is not None
    assert timeline.state.learned.band is not None
    assert timeline.state.learned.band.expected_nanousd == pytest.approx(
        800 / 288 * NANOUSD_PER_USD, rel=0.05
    )


def test_a_held_budget_teaches_nothing() -> None:
    budget = BudgetRule(name="b", kind="agent", amount_usd=Decimal(16), period="day")
    timeline = calm(config=RulesConfig(spikes=(QUICK,), budgets=(budget,)))
    [near] = timeline.spend(NOON, 0.8)
    assert near.rule == "b/near"
    timeline.watch.set_held(timeline.state, frozenset({near.alert_id}))
    before = timeline.watch.profile_snapshot(timeline.state)[2:5]
    assert timeline.reach(NOON + 6 * HOUR) == []
    through, _, *after = timeline.watch.profile_snapshot(timeline.state)
    assert through == NOON + 6 * HOUR
    assert after[:3] == before
    timeline.watch.set_held(timeline.state, frozenset({"another"}))
    assert timeline.watch.due_at(timeline.state) == MONDAY + DAY, "the end of the budget's day"


def test_holding_another_scopes_alert_holds_nothing_here() -> None:
    timeline = calm("api_key:k")
    timeline.watch.set_held(timeline.state, frozenset({"another"}))
    timeline.spend(NOON + 120, 5.0)
    timeline.spend_steadily(NOON + 300, NOON + HOUR, 100)
    [resolved] = timeline.of(Transition.RESOLVED)
    assert resolved.resolved_reason is ResolvedReason.RECOVERED


def test_without_durability_nothing_is_logged() -> None:
    timeline = Timeline(config=CONFIG)
    timeline.watch = ScopeWatch(CONFIG, is_durable=False)
    timeline.spend_steadily(MONDAY, NOON, 100)
    assert timeline.state.log == []
    durable = calm()
    assert len(durable.state.log) == 35
    assert timeline.watch.profile_snapshot(timeline.state) == durable.watch.profile_snapshot(
        durable.state
    )


def test_a_durable_profile_takes_its_windows_out_of_the_live_state() -> None:
    timeline = calm()
    first = timeline.watch.profile_snapshot(timeline.state)
    timeline.spend_steadily(NOON, NOON + 600, 100)
    timeline.watch.profile_durable(timeline.state, first[0])
    assert timeline.state.log_from == first[0]
    assert len(timeline.state.log) == 2
    live = timeline.watch.live_snapshot(timeline.state)
    back = timeline.watch.restore(timeline.scope, live, first)
    assert timeline.watch.profile_snapshot(back) == timeline.watch.profile_snapshot(timeline.state)


def test_live_state_without_the_profile_it_needs_is_refused() -> None:
    timeline = calm()
    old = timeline.watch.profile_snapshot(timeline.state)
    timeline.spend_steadily(NOON, NOON + 1200, 100)
    timeline.watch.profile_durable(timeline.state, timeline.state.open_start)
    live = timeline.watch.live_snapshot(timeline.state)
    with pytest.raises(ValueError, match="agent:invoice-bot: its live state needs a profile"):
        timeline.watch.restore(timeline.scope, live, None)
    with pytest.raises(ValueError, match="its profile ends at"):
        timeline.watch.restore(timeline.scope, live, old)


def test_live_state_of_another_version_is_refused() -> None:
    timeline = calm()
    live = timeline.watch.live_snapshot(timeline.state)
    with pytest.raises(ValueError, match="live state of version 99"):
        timeline.watch.restore(timeline.scope, [99, *live[1:]], None)


def test_a_scope_that_no_watermark_has_reached_survives_a_restart() -> None:
    fresh = Timeline(config=CONFIG)
    fresh.state = fresh.watch.fresh(fresh.scope, MONDAY // 60)
    fresh.is_new = False
    fresh.watch.fold(
        fresh.state,
        MONDAY // 60,
        counts_of(7.0),
        is_late=False,
        watermark_seconds=-(2**53),
        newest_at=MONDAY,
    )
    assert fresh.watch.profile_snapshot(fresh.state) == [-1]
    restart(fresh)
    assert fresh.watch.due_at(fresh.state) == MONDAY
    assert [alert.transition for alert in fresh.reach(MONDAY)] == [Transition.FIRED]


def test_a_profile_newer_than_the_live_state_is_not_taught_twice() -> None:
    whole, broken = calm(), calm()
    old_live = broken.watch.live_snapshot(broken.state)
    later = NOON + HOUR
    for each in (whole, broken):
        each.spend_steadily(NOON, later, 100)
    newer = broken.watch.profile_snapshot(broken.state)
    broken.state = broken.watch.restore(broken.scope, old_live, newer)
    broken.watermark = NOON - 120
    broken.now = 0
    for at in range(NOON, later, 60):  # the deltas since, once more
        broken.spend(at, 100 / 1440)
    for each in (whole, broken):
        each.spend_steadily(later, later + HOUR, 100)
        each.spend_steadily(later + DAY, later + DAY + HOUR, 100)
    assert broken.watch.profile_snapshot(broken.state) == whole.watch.profile_snapshot(whole.state)
    assert broken.alerts == []


def test_a_profile_newer_than_a_quiet_gap_knows_the_gap() -> None:
    timeline = calm()
    timeline.reach(NOON)
    old_live = timeline.watch.live_snapshot(timeline.state)
    timeline.spend(NOON + 2 * HOUR, 0.3)
    timeline.reach(NOON + 3 * HOUR)
    newer = timeline.watch.profile_snapshot(timeline.state)
    again = timeline.watch.restore(timeline.scope, old_live, newer)
    timeline.watch.fold(
        again,
        (NOON + 2 * HOUR) // 60,
        counts_of(0.3),
        is_late=False,
        watermark_seconds=NOON,
        newest_at=NOON + 2 * HOUR,
    )
    assert timeline.watch.advance(again, NOON + 3 * HOUR) == []
    assert timeline.watch.profile_snapshot(again) == newer


def test_another_window_length_keeps_the_money_and_begins_to_judge_anew() -> None:
    timeline = calm()
    spent = timeline.state.totals[COST]
    restart(timeline, CONFIG.model_copy(update={"window_seconds": 600}))
    assert timeline.state.totals[COST] == spent
    assert timeline.state.learned is None
    timeline.spend_steadily(NOON, NOON + HOUR, 100)
    assert timeline.state.learned is not None


def test_a_profile_of_another_window_length_is_not_used() -> None:
    timeline = calm()
    profile = timeline.watch.profile_snapshot(timeline.state)
    profile[1] = 600
    live = timeline.watch.live_snapshot(timeline.state)
    state = timeline.watch.restore(timeline.scope, live, profile)
    assert timeline.watch.profile_snapshot(state) == timeline.watch.profile_snapshot(timeline.state)


def test_a_scope_that_warms_up_without_a_ceiling_is_not_judged_before_or_after_a_restart() -> None:
    patient = SpikeRule(ewma=SpikeConfig(cold_start_usd_per_hour=None, warm_up_hours=1.0))
    timeline = Timeline(config=RulesConfig(spikes=(patient,), window_seconds=600))
    timeline.spend_steadily(MONDAY, MONDAY + HOUR, 50_000)
    restart(timeline)
    assert timeline.state.learned is not None
    assert timeline.state.learned.band is None
    timeline.spend_steadily(MONDAY + HOUR, NOON, 50_000)
    assert timeline.alerts == []
    timeline.spend(NOON + 120, 50_000)
    assert [alert.transition for alert in timeline.alerts] == [Transition.FIRED]


def test_the_season_may_be_switched_off_and_on() -> None:
    timeline = calm()
    without = RulesConfig(spikes=(QUICK.model_copy(update={"seasonal": None}),))
    restart(timeline, without)
    timeline.spend_steadily(NOON, NOON + HOUR, 100)
    timeline.spend_steadily(NOON + 3 * HOUR, NOON + 4 * HOUR, 100)
    assert timeline.watch.profile_snapshot(timeline.state)[4] is None
    restart(timeline, CONFIG)
    timeline.spend_steadily(NOON + 4 * HOUR, NOON + 5 * HOUR, 100)
    assert timeline.alerts == []
    assert timeline.watch.profile_snapshot(timeline.state)[4] is not None


def test_budgets_and_rules_that_are_no_longer_configured_are_forgotten() -> None:
    budget = BudgetRule(name="b", kind="api_key", amount_usd=Decimal(40), period="day")
    timeline = calm("api_key:k", RulesConfig(spikes=(QUICK,), budgets=(budget,)))
    timeline.spend(NOON + 60, 1.9, requests=100, contributors=[("agent", "thief", 1.5)])
    timeline.spend(NOON + 90, 0.0)
    timeline.reach(NOON)
    assert "contributor" in timeline.state.tracks
    restart(timeline, RulesConfig(spikes=(QUICK,), contributor=None))
    assert "contributor" not in timeline.state.tracks
    assert timeline.state.accounts == ()
    timeline.spend_steadily(NOON + 300, NOON + DAY, 100)
    assert not [alert for alert in timeline.of(Transition.RESOLVED) if alert.kind != "spike"]


def test_a_budget_survives_restarts_and_other_settings() -> None:
    budget = BudgetRule(name="b", kind="agent", amount_usd=Decimal(100), period="day")
    config = RulesConfig(spikes=(), budgets=(budget,))
    timeline = Timeline("agent:a", config)
    [near] = timeline.spend(MONDAY, 85.0)
    restart(timeline)
    [reached, superseded] = timeline.spend(MONDAY + 60, 15.0)
    assert (reached.rule, superseded.alert_id) == ("b/reached", near.alert_id)
    restart(timeline, RulesConfig(spikes=(), budgets=(budget.model_copy(update={"scope": "a"}),)))
    [exceeded, _] = timeline.spend(MONDAY + 120, 20.0)
    assert exceeded.rule == "b/exceeded"


def test_money_of_a_finished_period_is_forgotten() -> None:
    budget = BudgetRule(name="b", kind="agent", amount_usd=Decimal(100), period="day")
    timeline = Timeline("agent:a", RulesConfig(spikes=(), budgets=(budget,)))
    for day in range(3):
        timeline.spend(MONDAY + day * DAY + 120, 10.0)
    assert list(timeline.state.accounts[0].periods) == [MONDAY + DAY, MONDAY + 2 * DAY]
    timeline.watch.advance(timeline.state, MONDAY + 2 * DAY)
    assert list(timeline.state.accounts[0].periods) == [MONDAY + 2 * DAY]


def test_a_day_that_was_told_of_is_resolved_even_if_the_next_begins_first() -> None:
    budget = BudgetRule(name="b", kind="agent", amount_usd=Decimal(10), period="day")
    timeline = Timeline("agent:a", RulesConfig(spikes=(), budgets=(budget,)))
    timeline.spend(MONDAY + DAY - 60, 9.0)
    told = timeline.watch.fold(
        timeline.state,
        (MONDAY + DAY) // 60,
        counts_of(1.0),
        is_late=False,
        watermark_seconds=MONDAY + DAY,
        newest_at=MONDAY + DAY,
    )
    assert told == []
    [resolved] = timeline.reach(MONDAY + DAY)
    assert (resolved.rule, resolved.resolved_reason) == ("b/near", ResolvedReason.RECOVERED)
    assert resolved.window.start_seconds == MONDAY
