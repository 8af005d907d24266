"""A little too much for hours, in virtual time: on-call hears of the hours, and once."""

import numpy as np
import pytest

from alerting.alert import Alert, ResolvedReason, Severity, Transition
from alerting.watch.rules import RulesConfig, SpikeRule
from alerting.watch.scope_watch import ScopeWatch
from detectors.drift import DRIFT_SOURCE
from detectors.observation import NANOUSD_PER_USD
from tests.support.timeline import MONDAY, Timeline

HOUR, DAY = 3600, 86400
START = MONDAY + 14 * DAY


@pytest.fixture(scope="module")
def history() -> tuple[ScopeWatch, list[object], list[object]]:
    """Two weeks at $96 a day of one agent on two prompts, as it was written to pages."""
    timeline = Timeline()
    told(timeline, MONDAY, 14 * 24, 96)
    assert timeline.alerts == []
    state = timeline.state
    return timeline.watch, timeline.watch.live_snapshot(state), profile(timeline)


def profile(timeline: Timeline) -> list[object]:
    return timeline.watch.profile_snapshot(timeline.state)


@pytest.fixture
def known(history: tuple[ScopeWatch, list[object], list[object]]) -> Timeline:
    watch, live, learned = history
    timeline = Timeline()
    timeline.watch = watch
    timeline.state = watch.restore(timeline.scope, live, learned)
    timeline.is_new = False
    timeline.now, timeline.watermark = START - 60, START - 120
    return timeline


def told(timeline: Timeline, start: int, hours: float, usd_per_day: float) -> list[Alert]:
    """What is told while calls of twenty cents come at random, more in one hour than in another."""
    draw, alerts = np.random.default_rng(start), list[Alert]()
    minutes = round(hours * 60)
    pace = np.repeat(draw.lognormal(-0.02, 0.2, minutes // 60 + 1), 60)[:minutes]
    calls = draw.poisson(usd_per_day / 1440 / 0.2 * pace).tolist()
    for minute, requests in enumerate(calls):
        if requests:
            usd = 0.2 * requests
            parts = [("prompt_version", "v1", usd)]
            at = start + minute * 60
            alerts += timeline.spend(at, usd, requests=requests, contributors=parts)
    return alerts


def test_twice_the_usual_is_told_within_a_day_with_the_hours_it_is_about(known: Timeline) -> None:
    first, *_ = told(known, START, 24, 192)
    assert first.transition is Transition.FIRED
    assert first.severity is Severity.INFO
    assert first.annotations["baseline"] == DRIFT_SOURCE
    assert first.window.size_seconds > 5 * HOUR
    assert first.window.end_seconds <= START + 24 * HOUR
    assert first.expected < first.upper < first.observed
    hours = first.window.size_seconds / HOUR
    assert first.expected / NANOUSD_PER_USD == pytest.approx(4 * hours, rel=0.3)
    assert first.annotations["description"].startswith("expected $")
    assert "day " in first.annotations["description"]
    assert len(known.of(Transition.FIRED)) == 1


def test_the_excess_is_that_of_the_whole_span_and_its_parts_add_up(known: Timeline) -> None:
    first, *_ = told(known, START, 24, 192)
    assert first.excess_nanousd == pytest.approx(first.observed - first.expected, rel=0.01)
    drivers = [each for each in first.drivers if each.scope.startswith("prompt_version")]
    assert sum(each.excess_nanousd for each in drivers) == first.excess_nanousd
    assert sum(each.observed_nanousd for each in drivers) == first.observed
    assert first.decomposition is not None
    assert first.decomposition.total_nanousd == first.excess_nanousd
    later = known.alerts[-1]
    assert later.excess_nanousd > 1.5 * first.excess_nanousd


def test_three_times_the_usual_pages_once_fifty_dollars_are_lost(known: Timeline) -> None:
    alerts = told(known, START, 24, 288)
    page = next(alert for alert in alerts if alert.severity is Severity.CRITICAL)
    assert START + 2 * HOUR < page.decided_at < START + 24 * HOUR
    assert page.excess_nanousd >= 50 * NANOUSD_PER_USD
    assert len(known.of(Transition.FIRED)) == 1


def test_a_creep_of_five_percent_a_day_is_told_before_it_has_doubled(known: Timeline) -> None:
    for day in range(1, 15):
        if told(known, START + (day - 1) * DAY, 24, 96 * 1.05**day):
            break
    assert day < 14


@pytest.mark.parametrize("usd_per_hour", [708, 2_000, 5_200, 20_000])
def test_a_runaway_of_an_hour_is_over_when_it_is_over(known: Timeline, usd_per_hour: int) -> None:
    told(known, START, 1, 24 * usd_per_hour)
    told(known, START + HOUR, 3, 96)
    [resolved] = known.of(Transition.RESOLVED)
    assert resolved.resolved_reason is ResolvedReason.RECOVERED
    assert resolved.resolved_at is not None
    assert resolved.resolved_at <= START + HOUR + HOUR // 2
    assert known.state.tracks == {}


def test_a_drift_is_over_soon_after_nothing_is_spent_any_more(known: Timeline) -> None:
    told(known, START, 24, 288)
    assert known.state.tracks
    known.reach(START + 28 * HOUR)
    assert known.state.tracks == {}
    assert known.alerts[-1].resolved_reason is ResolvedReason.NO_DATA


def test_a_drift_that_is_over_is_told_again_once_at_most_while_its_span_is_dear(
    known: Timeline,
) -> None:
    """Hours of few calls differ: one of them may be as far above the usual as the drift was."""
    told(known, START, 24, 288)
    told(known, START + DAY, 2, 96)
    until_then = len(known.of(Transition.FIRED))
    told(known, START + DAY + 2 * HOUR, 20, 96)
    assert len(known.of(Transition.FIRED)) == len(known.of(Transition.RESOLVED))
    assert len(known.of(Transition.FIRED)) <= until_then + 1


def test_a_small_drift_is_the_new_normal_after_a_day_and_said_so(known: Timeline) -> None:
    told(known, START, 72, 192)
    resolved = known.of(Transition.RESOLVED)[-1]
    assert resolved.resolved_reason is ResolvedReason.ABSORBED
    assert "new normal since" in resolved.annotations["summary"]
    assert known.state.tracks == {}
    assert told(known, START + 3 * DAY, 48, 192) == []
    assert told(known, START + 5 * DAY, 24, 480) != [], "the new level has an edge of its own"


def test_a_profile_of_before_drift_was_switched_on_or_off_is_taken(
    history: tuple[ScopeWatch, list[object], list[object]],
) -> None:
    _, live, learned = history
    off = ScopeWatch(RulesConfig(spikes=(SpikeRule(drift=None),)))
    without = off.restore(Timeline().scope, live, learned)
    assert without.learned is not None
    assert without.learned.drift == []
    again = ScopeWatch(RulesConfig()).restore(
        Timeline().scope, off.live_snapshot(without), off.profile_snapshot(without)
    )
    assert again.learned is not None
    assert again.learned.drift[0][0] == -1, "no hour is known"


def test_a_restart_in_a_drift_tells_nothing_twice_and_forgets_nothing(known: Timeline) -> None:
    told(known, START, 20, 192)
    told_until_now = len(known.of(Transition.FIRED))
    live = known.watch.live_snapshot(known.state)
    known.state = known.watch.restore(known.scope, live, profile(known))
    told(known, START + 20 * HOUR, 2, 192)
    assert len(known.of(Transition.FIRED)) == told_until_now == 1
    assert known.alerts[-1].alert_id == known.of(Transition.FIRED)[0].alert_id
