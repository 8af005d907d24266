"""A scope whose volume varies tenfold, and whose calls turn dear: nobody could tell by dollars."""

import random
from functools import cache

from alerting.alert import Alert, Severity, Status, Transition
from alerting.watch.rules import RulesConfig, SpikeRule
from detectors.call_cost import CALL_COST_SOURCE
from detectors.observation import COUNTER_INDEX
from tests.support.timeline import MONDAY, Timeline

WINDOW = 300
DAY = 86_400
USUAL_USD = 0.01


@cache
def _grown(*, is_judged: bool) -> Timeline:
    rule = SpikeRule() if is_judged else SpikeRule(call_cost=None)
    timeline, draw = Timeline(config=RulesConfig(spikes=(rule,))), random.Random(5)
    for at in range(MONDAY, MONDAY + 7 * DAY, WINDOW):
        calls = draw.choice([20, 30, 50, 100, 200, 400])
        timeline.spend(at + 60, calls * USUAL_USD, requests=calls)
    return timeline


def grown(*, is_judged: bool = True) -> Timeline:
    """After a week of it."""
    timeline, grown = Timeline(), _grown(is_judged=is_judged)
    timeline.watch, timeline.is_new = grown.watch, False
    live, profile = (
        grown.watch.live_snapshot(grown.state),
        grown.watch.profile_snapshot(grown.state),
    )
    timeline.state = grown.watch.restore(grown.scope, live, profile)
    timeline.now, timeline.watermark = grown.now, grown.watermark
    return timeline


def news(alerts: list[Alert]) -> list[Alert]:
    return [alert for alert in alerts if alert.status is Status.FIRING]


START = MONDAY + 7 * DAY


def test_calls_four_times_as_dear_are_told_when_their_window_closes():
    timeline = grown()
    assert not timeline.spend(START + 60, 4.0, requests=100), "an open one may still become cheaper"
    (alert, *more) = timeline.spend(START + WINDOW + 120, 0.2, requests=20)
    assert (alert.transition, alert.severity) == (Transition.FIRED, Severity.CRITICAL)
    assert alert.annotations["baseline"] == CALL_COST_SOURCE
    assert alert.observed == 4_000_000_000
    assert abs(alert.expected - 1_000_000_000) < 10_000_000
    assert alert.lower < alert.expected < alert.upper < alert.observed
    assert [each.transition for each in more] == [Transition.UPDATED]


def test_as_many_dollars_by_more_calls_are_nobodys_business():
    timeline = grown()
    timeline.spend(START + 60, 4.0, requests=400)
    assert not timeline.spend(START + WINDOW + 120, 0.2, requests=20)


def test_dear_calls_that_cost_nobody_enough_are_not_told():
    timeline = grown()
    timeline.spend(START + 60, 0.8, requests=20)
    assert not timeline.spend(START + WINDOW + 120, 0.2, requests=20)


def test_whoever_does_not_want_it_is_told_nothing():
    timeline = grown(is_judged=False)
    timeline.spend(START + 60, 4.0, requests=100)
    assert not timeline.spend(START + WINDOW + 120, 0.2, requests=20)


def test_an_alert_of_dear_calls_ends_when_they_are_as_before():
    timeline = grown()
    for window in range(3):
        timeline.spend(START + window * WINDOW + 60, 4.0, requests=100)
    for window in range(3, 9):
        timeline.spend(START + window * WINDOW + 60, 1.0, requests=100)
    assert [alert.transition for alert in timeline.alerts if alert.status is Status.RESOLVED] == [
        Transition.RESOLVED
    ]
    assert news(timeline.alerts)[-1].excess_nanousd > 8_000_000_000


def test_hours_of_few_calls_do_not_end_it():
    timeline, draw = grown(), random.Random(2)
    for window in range(60):
        calls = draw.choice([20, 30, 400])
        timeline.spend(START + window * WINDOW + 60, calls * 2.5 * USUAL_USD, requests=calls)
    assert [alert.status for alert in timeline.alerts if alert.status is Status.RESOLVED] == []
    assert news(timeline.alerts)[-1].annotations["baseline"] == CALL_COST_SOURCE


def test_calls_that_fail_do_not_make_a_call_cheap():
    """Else all that comes after an outage is dear."""
    timeline = grown()
    for window in range(100):
        at = START + window * WINDOW + 60
        timeline.spend(at, 0.2, requests=200, more={COUNTER_INDEX["errors"]: 180})
    for window in range(100, 110):
        timeline.spend(START + window * WINDOW + 60, 2.0, requests=200)
    assert {alert.kind for alert in news(timeline.alerts)} == {"ratio"}


def test_what_an_action_held_down_is_still_dear_when_it_lets_go():
    timeline = grown()
    for window in range(2):
        timeline.spend(START + window * WINDOW + 60, 4.0, requests=100)
    held = frozenset(alert.alert_id for alert in news(timeline.alerts))
    timeline.watch.set_held(timeline.state, held)
    for window in range(2, 14):
        timeline.spend(START + window * WINDOW + 60, 0.04, requests=1)
    timeline.watch.set_held(timeline.state, frozenset())
    for window in range(14, 24):
        timeline.spend(START + window * WINDOW + 60, 4.0, requests=100)
    last = timeline.alerts[-1]
    assert (last.status, last.annotations["baseline"]) == (Status.FIRING, CALL_COST_SOURCE)


def test_the_same_dear_calls_a_day_later_are_known():
    """A nightly batch on a dearer model is told once."""
    timeline = grown()
    for day in range(3):
        begin = START + day * DAY
        for window in range(12):
            timeline.spend(begin + window * WINDOW + 60, 4.0, requests=100)
        for window in range(12, 288):
            timeline.spend(begin + window * WINDOW + 60, 1.0, requests=100)
    fired = [alert for alert in timeline.alerts if alert.transition is Transition.FIRED]
    dear = [alert for alert in fired if alert.annotations["baseline"] == CALL_COST_SOURCE]
    assert [alert.started_at for alert in dear] == [START]


def test_what_a_call_costs_may_be_switched_off_and_on():
    timeline = grown()
    profile = timeline.watch.profile_snapshot(timeline.state)
    live = timeline.watch.live_snapshot(timeline.state)
    off = _grown(is_judged=False).watch
    state = off.restore(timeline.scope, live, profile)
    assert state.learned is not None
    assert state.learned.call_cost == []
    live, profile = off.live_snapshot(state), off.profile_snapshot(state)
    state = timeline.watch.restore(timeline.scope, live, profile)
    assert state.learned is not None
    assert state.learned.call_cost[-1] == -1, "it begins anew"
