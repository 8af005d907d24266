"""An alert leads to the dearest call of what is unusual, and goes on doing so."""

import msgspec

from alerting.alert import CONTRIBUTOR, Alert, Transition
from alerting.exemplar import DEAREST_CALL_USD
from alerting.watch.rules import RulesConfig, SpikeRule
from alerting.watch.scope_watch import ScopeWatch
from detectors.spike import SpikeConfig
from tests.support.timeline import MONDAY, Timeline

HOUR = 3600
NOON = MONDAY + 3 * HOUR
CONFIG = RulesConfig(spikes=(SpikeRule(ewma=SpikeConfig(warm_up_hours=0.5, young_hours=0)),))


def calm(config: RulesConfig = CONFIG, scope: str = "agent:invoice-bot") -> Timeline:
    """Three hours at $100 a day, in calls that can be looked at."""
    timeline = Timeline(scope, config)
    for at in range(MONDAY, NOON, 60):
        timeline.spend(at, 100 / 1440, url=call("calm"))
    assert timeline.alerts == []
    return timeline


def call(name: object) -> str:
    return f"https://traces.example/{name}"


def led(alert: Alert) -> tuple[str | None, str | None]:
    return alert.links.get("trace"), alert.annotations.get(DEAREST_CALL_USD)


def restart(timeline: Timeline) -> None:
    """Through msgpack, as pages do it."""
    before = timeline.watch
    rows = [before.live_snapshot(timeline.state), before.profile_snapshot(timeline.state)]
    live, profile = msgspec.msgpack.decode(msgspec.msgpack.encode(rows))
    timeline.watch = ScopeWatch(before.config)
    timeline.state = timeline.watch.restore(timeline.scope, live, profile)


def test_an_early_alert_leads_to_the_dearest_call_of_the_open_window() -> None:
    timeline = calm()
    timeline.spend(NOON, 0.4, url=call(1))
    timeline.spend(NOON + 60, 0.5, url=call(2))
    timeline.spend(NOON + 70, 0.3, url=call(3))
    timeline.spend(NOON + 80, 100.0)
    (fired,) = timeline.of(Transition.FIRED)
    assert led(fired) == (call(2), "0.5")


def test_an_alert_at_the_close_leads_to_the_dearest_call_of_its_window() -> None:
    timeline = calm()
    timeline.spend(NOON, 0.9, url=call("before"))
    timeline.reach(NOON + 300)
    timeline.spend(NOON + 300, 0.2, requests=1, url=call("spike"))
    timeline.spend(NOON + 310, 3.0, requests=10)
    timeline.reach(NOON + 900)
    alerts = [alert for alert in timeline.alerts if alert.window.start_seconds == NOON + 300]
    assert {led(alert) for alert in alerts} == {(call("spike"), "0.2")}


def test_without_a_call_that_can_be_looked_at_there_is_no_link() -> None:
    timeline = Timeline(config=CONFIG)
    timeline.spend_steadily(MONDAY, NOON, 100)
    timeline.spend(NOON + 120, 100.0)
    (fired,) = timeline.of(Transition.FIRED)
    assert fired.links == {}
    assert DEAREST_CALL_USD not in fired.annotations


def test_updates_and_the_end_keep_the_link_until_a_dearer_call_comes() -> None:
    timeline = calm()
    timeline.spend(NOON, 10.0, url=call(1))
    for minute in range(5, 30):
        timeline.spend(NOON + minute * 60, 10.0)
    dearer = timeline.spend(NOON + 1800, 30.0, url=call(2))
    timeline.spend(NOON + 2100, 12.0, url=call("no dearer"))
    timeline.spend_steadily(NOON + 2400, NOON + 2 * HOUR, 100, url=call("calm"))
    timeline.reach(NOON + 2 * HOUR)
    assert dearer == []
    assert timeline.of(Transition.RESOLVED)
    told = {alert.window.start_seconds - NOON: led(alert)[0] for alert in timeline.alerts}
    assert set(told.values()) == {call(1), call(2)}
    assert {start for start, url in told.items() if url == call(1)} == set(
        filter(lambda start: start < 1800, told)
    )
    assert {led(alert) for alert in timeline.of(Transition.RESOLVED)} == {(call(2), "30")}


def test_the_dearest_call_survives_restarts_in_the_open_window_and_in_the_episode() -> None:
    timeline = calm()
    timeline.spend(NOON, 0.4, url=call("open"))
    restart(timeline)
    timeline.spend(NOON + 60, 100.0)
    restart(timeline)
    for minute in range(5, 20):
        timeline.spend(NOON + minute * 60, 100.0)
        restart(timeline)
    assert len(timeline.alerts) > 1
    assert {led(alert) for alert in timeline.alerts} == {(call("open"), "0.4")}


def test_an_alert_about_contributors_leads_to_none_of_the_scopes_calls() -> None:
    timeline = Timeline("api_key:key-7", RulesConfig())
    parts = [("agent", "a", 2.0), ("agent", "b", 2.0)]
    for at in range(MONDAY, MONDAY + 40 * HOUR, 300):
        timeline.spend(at, 4.0, requests=40, contributors=parts, url=call("calm"))
    moved = [("agent", "a", 1.0), ("agent", "b", 0.5), ("agent", "thief", 2.5)]
    timeline.spend(MONDAY + 40 * HOUR, 4.0, requests=40, contributors=moved, url=call("whose?"))
    timeline.reach(MONDAY + 41 * HOUR)
    alerts = [alert for alert in timeline.alerts if alert.kind == CONTRIBUTOR]
    assert alerts
    assert {led(alert) for alert in alerts} == {(None, None)}
