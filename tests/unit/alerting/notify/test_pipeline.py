"""Who is told what: each reason once, and what survives."""

from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from alerting.alert import Alert, ResolvedReason, Severity, Transition
from alerting.matcher import parse_matcher
from alerting.notify.delivery import Surroundings
from alerting.notify.pipeline import STAGES, Pipeline
from alerting.notify.retry import DeliveryError, FailureReason
from alerting.notify.route import NotifyConfig
from alerting.notify.stages import NoticeVerdict
from alerting.silence import Silence
from alerting.throttle.action import Mode
from alerting.throttle.guard import Caps, feed_alert
from alerting.throttle.policy import ThrottleConfig
from detectors.scope import Scope
from stream.watch.unfoldable import DeadDelta
from tests.support.alerts import INCIDENT, KEY, START, an_action, an_alert
from tests.support.notify import Store, WritingNotifier

HOUR = 3600
DAY = 24 * HOUR
TEAM = Scope("team", "payments")


class Desk:
    """A pipeline with two receivers: ``oncall`` (people) and ``hook`` (a program)."""

    def __init__(self, store: Store, **config: Any) -> None:
        self.store = store
        self.oncall = WritingNotifier()
        self.hook = WritingNotifier(is_coalescing=False)
        oncall = {"slack": {"webhook_url": "env:HOOK"}, "group_wait_seconds": 0}
        hook = {"webhook": {"url": "http://x", "signing_secrets": ["env:S"]}}
        values = {
            "route": {"critical": ["oncall", "hook"], "warning": ["hook"]},
            **config,
        }
        receivers = {
            "oncall": {**oncall, **values.pop("oncall", {})},
            "hook": {**hook, **values.pop("hook", {})},
        }
        self.pipeline = Pipeline(
            NotifyConfig.model_validate({"receivers": receivers, **values}),
            {"oncall": self.oncall, "hook": self.hook},
            Surroundings(store.persist, store.clock, store.sleep, Random(1), store.report),
        )

    async def tell(self, *alerts: Alert, **more: Any) -> tuple[NoticeVerdict, ...]:
        verdicts = await self.pipeline.accept(alerts, now=self.store.now, **more)
        await self.pipeline.drain()
        return verdicts

    async def pass_time(self, seconds: float, *, is_head: bool = True) -> None:
        self.store.now += seconds
        await self.pipeline.tick(now=self.store.now, is_head=is_head)
        await self.pipeline.drain()

    async def outcomes(self, *alerts: Alert, **more: Any) -> dict[str, str]:
        verdicts = await self.tell(*alerts, **more)
        return {verdict.receiver: verdict.outcome for verdict in verdicts}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def open_desk(store: Store) -> AsyncIterator[Any]:
    desks: list[Desk] = []

    async def build(**config: Any) -> Desk:
        for desk in desks:
            await desk.pipeline.stop(0)
        desks.append(Desk(store, **config))
        desks[-1].pipeline.restore(store.records)
        await desks[-1].pipeline.start()
        return desks[-1]

    yield build
    for desk in desks:
        await desk.pipeline.stop(0)


@pytest.fixture
async def desk(open_desk: Any) -> Desk:
    return await open_desk()


def test_the_order_of_the_stages_is_what_it_says():
    assert [stage.__name__ for stage in STAGES] == [
        "drop_superseded",
        "silence",
        "route",
        "inhibit",
        "group_by_incident",
        "drop_already_told",
        "remind",
        "limit_rate",
        "limit_outbox",
    ]


async def test_everybody_routed_is_told(desk: Desk):
    assert await desk.outcomes(an_alert()) == {"oncall": "enqueued", "hook": "enqueued"}
    assert desk.oncall.told == desk.hook.told == ["fired"]


async def test_pending_is_told_to_nobody(desk: Desk):
    assert await desk.outcomes(an_alert(Transition.PENDED)) == {"": "pending"}
    assert "incident:incident-1" not in desk.store.records


async def test_a_repeat_is_told_to_nobody(desk: Desk):
    await desk.tell(an_alert())
    assert await desk.outcomes(an_alert()) == {"oncall": "already_told", "hook": "already_told"}
    await desk.tell(an_alert(Transition.RESOLVED, minutes=5))
    assert await desk.outcomes(an_alert(Transition.UPDATED, minutes=10)) == {"": "repeated"}


async def test_an_alert_without_an_incident_is_its_own(desk: Desk):
    (first, *_) = await desk.tell(an_alert(incident_id=""))
    assert first.incident_id == an_alert().alert_id


async def test_a_severity_without_a_route_is_told_to_nobody(desk: Desk):
    verdicts = await desk.tell(an_alert(severity=Severity.INFO))
    assert [(verdict.outcome, verdict.detail) for verdict in verdicts] == [("no_route", "info")]


async def test_an_escalation_reaches_those_of_the_new_severity(desk: Desk):
    await desk.tell(an_alert(scope=TEAM, severity=Severity.WARNING))
    assert desk.oncall.told == []
    await desk.tell(an_alert())
    assert desk.oncall.told == ["escalated"]
    await desk.tell(an_alert(Transition.UPDATED, minutes=5, scope=TEAM, severity=Severity.WARNING))
    assert desk.oncall.told == ["escalated", "updated"]


async def test_a_receiver_once_told_hears_the_end_even_if_the_route_has_changed(open_desk: Any):
    desk = await open_desk()
    await desk.tell(an_alert())
    desk = await open_desk(route={"critical": ["hook"], "warning": []})
    outcomes = await desk.outcomes(an_alert(Transition.RESOLVED, minutes=5))
    assert outcomes == {"hook": "enqueued", "oncall": "enqueued"}


async def test_what_happens_at_once_is_one_notice_for_people_and_each_for_programs(desk: Desk):
    verdicts = await desk.tell(an_alert(scope=KEY), an_alert(), an_alert(scope=TEAM))
    assert desk.oncall.told == ["fired"]
    assert desk.hook.told == ["fired", "member", "member"]
    grouped = [verdict for verdict in verdicts if verdict.outcome == "grouped"]
    assert {verdict.detail for verdict in grouped} == {an_alert(scope=KEY).transition_id}
    assert await desk.outcomes(an_alert(scope=TEAM)) == {
        "oncall": "already_told",
        "hook": "already_told",
    }


async def test_a_level_that_was_overtaken_in_the_same_batch_is_not_told(desk: Desk):
    near = an_alert(scope=TEAM, rule="b/near")
    reached = an_alert(scope=TEAM, rule="b/reached")
    over = an_alert(
        Transition.RESOLVED,
        scope=TEAM,
        rule="b/near",
        resolved_reason=ResolvedReason.SUPERSEDED,
    )
    verdicts = await desk.tell(near, reached, over)
    assert [verdict.outcome for verdict in verdicts].count("superseded") == 2
    assert len(desk.oncall.calls) == len(desk.hook.calls) == 1
    assert desk.oncall.calls[0][0].notice_id == reached.transition_id


async def test_a_level_that_was_told_and_then_overtaken_is_shown_quietly(desk: Desk):
    near = an_alert(scope=TEAM, rule="b/near")
    reached = an_alert(scope=TEAM, rule="b/reached")
    over = replace(near, transition=Transition.RESOLVED, transition_id="over")
    over = replace(over, resolved_reason=ResolvedReason.SUPERSEDED)
    await desk.tell(near)
    await desk.tell(reached)
    await desk.tell(over)
    assert desk.oncall.told == ["fired", "member", "updated"]


async def test_a_silenced_alert_is_not_told_until_the_silence_ends(desk: Desk):
    now = desk.store.now
    matchers = (parse_matcher("name=invoice-bot"),)
    await desk.pipeline.add_silence(Silence("s-1", matchers, now - 1, now + 600, "ana"))
    verdicts = await desk.tell(an_alert())
    assert [(v.outcome, v.detail) for v in verdicts] == [("silenced", "s-1")]
    desk.store.now += 601
    await desk.tell(an_alert(Transition.UPDATED, minutes=10))
    assert len(desk.oncall.calls) == 1


async def test_a_silence_disturbs_nobody_but_keeps_a_standing_message_right(open_desk: Any):
    desk = await open_desk()
    await desk.tell(an_alert())
    now = desk.store.now
    matchers = (parse_matcher("rule=spike"),)
    await desk.pipeline.add_silence(Silence("s-1", matchers, now - 1, now + 99_999, "ana"))
    desk.store.now += 5 * HOUR  # a reminder would be due
    await desk.tell(an_alert(Transition.UPDATED, minutes=300))
    desk = await open_desk()
    assert [silence.silence_id for silence in desk.pipeline.silences] == ["s-1"]
    await desk.tell(an_alert(Transition.RESOLVED, minutes=305))
    assert desk.oncall.told == ["updated"]
    assert (await desk.pipeline.expire_silence("s-1", desk.store.now)).ends_at == desk.store.now


async def test_an_end_or_an_action_of_what_nobody_heard_of_is_not_told(open_desk: Any):
    desk = await open_desk(route={"critical": [], "warning": [], "info": []})
    await desk.tell(an_alert())
    desk = await open_desk()
    acted = await desk.outcomes(actions=(an_action(),))
    assert acted == {"oncall": "never_told", "hook": "never_told"}
    over = await desk.outcomes(an_alert(Transition.RESOLVED, minutes=5))
    assert over == {"oncall": "never_told", "hook": "never_told"}


async def test_what_began_and_ended_in_one_batch_is_told(desk: Desk):
    await desk.tell(an_alert(), an_alert(Transition.RESOLVED, minutes=5))
    assert desk.oncall.told == ["fired"]
    assert desk.oncall.views[0] is not None
    assert not desk.oncall.views[0].is_firing
    assert desk.hook.told == ["fired", "resolved"]


async def test_an_action_before_its_alert_waits_for_it(desk: Desk):
    assert await desk.tell(actions=(an_action(),), is_enforced=True) == ()
    await desk.tell(an_alert())
    view = desk.oncall.views[0]
    assert view is not None
    assert [applied.is_enforced for applied in view.applied.values()] == [True]
    assert await desk.tell(actions=(an_action(sequence=2),), is_enforced=True) == ()
    released = an_action(Mode.RELEASE, sequence=3)
    await desk.tell(actions=(released,), is_enforced=True)
    assert await desk.outcomes(actions=(released,), is_enforced=True) == {
        "oncall": "already_told",
        "hook": "already_told",
    }
    assert desk.oncall.told == ["fired", "acted"]


async def test_what_fires_on_is_said_again_after_a_while(desk: Desk):
    await desk.tell(an_alert())
    await desk.tell(an_alert(Transition.UPDATED, minutes=5))
    desk.store.now += 4 * HOUR
    await desk.tell(an_alert(Transition.UPDATED, minutes=240))
    await desk.tell(an_alert(Transition.UPDATED, minutes=245))
    assert desk.oncall.told == ["fired", "updated", "reminded", "updated"]


async def test_people_get_so_many_new_incidents_an_hour_and_programs_all(open_desk: Any):
    desk = await open_desk(oncall={"max_incidents_per_hour": 2})
    alerts = [an_alert(scope=Scope("agent", f"a{n}"), incident_id=f"i{n}") for n in range(4)]
    await desk.tell(*alerts[:3])
    desk = await open_desk(oncall={"max_incidents_per_hour": 2})
    assert (await desk.outcomes(alerts[3]))["oncall"] == "rate_limited"
    assert desk.hook.told == ["fired"]
    await desk.tell(
        an_alert(Transition.UPDATED, minutes=5, scope=Scope("agent", "a0"), incident_id="i0")
    )
    assert desk.oncall.told == ["updated"]
    desk.store.now += HOUR
    later = an_alert(Transition.UPDATED, minutes=60, scope=Scope("agent", "a3"), incident_id="i3")
    assert (await desk.outcomes(later))["oncall"] == "enqueued"
    told = [notice.text for notices in desk.oncall.calls for notice in notices if notice.text]
    assert told == []


async def test_a_storm_is_said_once_an_hour(open_desk: Any):
    desk = await open_desk(oncall={"max_incidents_per_hour": 1})
    for number in range(5):
        alert = an_alert(scope=Scope("agent", f"a{number}"), incident_id=f"i{number}")
        await desk.tell(alert)
    assert desk.oncall.told == ["fired", "storm"]
    assert desk.oncall.calls[1][0].text.startswith("More than 1 new incidents")
    assert desk.oncall.views[1] is None


async def test_a_full_outbox_takes_no_more(open_desk: Any):
    desk = await open_desk(hook={"max_outbox": 1})
    desk.hook.gate.clear()
    now = desk.store.now
    await desk.pipeline.accept([an_alert()], now=now)
    verdicts = await desk.pipeline.accept([an_alert(scope=KEY)], now=now)
    assert {v.receiver: v.outcome for v in verdicts}["hook"] == "outbox_full"
    desk.hook.gate.set()


async def test_a_receiver_that_is_gone_gets_no_more(desk: Desk):
    desk.hook.failures.append(DeliveryError(FailureReason.GONE, "410"))
    await desk.tell(an_alert())
    assert await desk.outcomes(an_alert(scope=KEY)) == {
        "oncall": "enqueued",
        "hook": "receiver_gone",
    }
    assert desk.hook.calls == []


async def test_old_news_is_summed_up_when_the_head_is_reached(open_desk: Any):
    desk = await open_desk()
    bots = [Scope("agent", f"a{number}") for number in range(3)]

    def late(number: int, transition: Transition, minutes: int) -> Alert:
        return an_alert(
            transition,
            minutes=minutes,
            scope=bots[number],
            incident_id=f"i{number}",
            is_late=True,
        )

    assert await desk.outcomes(late(0, Transition.FIRED, 0), late(1, Transition.FIRED, 0)) == {
        "": "old_news"
    }
    desk = await open_desk()
    await desk.tell(late(0, Transition.RESOLVED, 5), late(2, Transition.FIRED, 5))
    assert await desk.pipeline.tick(now=desk.store.now, is_head=False) == ()
    fresh = an_alert(Transition.UPDATED, minutes=10, scope=bots[1], incident_id="i1")
    await desk.tell(fresh)
    assert sorted(desk.oncall.told) == ["caught_up", "fired", "updated"]
    counts = [notice.count for notices in desk.hook.calls for notice in notices if notice.count]
    assert counts == [1]
    assert "backlog" not in desk.store.records


async def test_old_news_of_what_was_told_brings_its_message_up_to_date(desk: Desk):
    other = {"scope": TEAM, "incident_id": "i2"}
    await desk.tell(an_alert(), an_alert(**other))
    await desk.tell(
        an_alert(Transition.RESOLVED, minutes=5, is_late=True),
        an_alert(Transition.UPDATED, minutes=5, is_late=True, **other),
    )
    await desk.pipeline.tick(now=desk.store.now, is_head=True)
    await desk.pipeline.drain()
    assert desk.oncall.told == ["fired", "fired", "resolved", "updated"]


async def test_a_summary_is_not_repeated_when_the_same_input_is_read_again(desk: Desk):
    over = [an_alert(is_late=True), an_alert(Transition.RESOLVED, minutes=5, is_late=True)]
    await desk.tell(*over)
    await desk.pipeline.tick(now=desk.store.now, is_head=True)
    await desk.pipeline.drain()
    await desk.tell(*over)
    await desk.pipeline.tick(now=desk.store.now, is_head=True)
    await desk.pipeline.drain()
    assert desk.oncall.told == ["caught_up"]


async def test_what_notify_was_too_late_for_is_old_news_too(desk: Desk):
    known = {"scope": TEAM, "incident_id": "i2"}
    await desk.tell(an_alert(**known))
    desk.store.now += 3 * HOUR
    old = [
        an_alert(Transition.CONTAINED, minutes=5, is_contained=True, **known),
        an_alert(),
        an_alert(Transition.CONTAINED, minutes=5, is_contained=True),
        an_alert(Transition.RESOLVED, minutes=30),
    ]
    for alert in old:
        await desk.tell(alert)
    assert desk.oncall.told == ["fired", "contained"]
    assert set(await desk.outcomes(an_alert(Transition.UPDATED, minutes=10, **known))) == {""}
    fires = an_alert(minutes=180, scope=KEY, incident_id="i3")
    await desk.tell(fires)
    assert sorted(desk.oncall.told[2:]) == ["caught_up", "fired", "updated"]


async def test_a_loss_is_told_however_late(desk: Desk):
    dead = DeadDelta("spend.deltas", 3, 42, b"", "ValueError")
    desk.store.now += 3 * HOUR
    for alert in dead.alerts(START):
        await desk.tell(replace(alert, incident_id=INCIDENT))
    await desk.pass_time(0)
    assert desk.oncall.told == ["fired"]


async def test_what_was_silenced_is_told_when_the_silence_ends(desk: Desk):
    now = desk.store.now
    silence = Silence("s-1", (parse_matcher("rule=spike"),), now - 9, now + HOUR, "ana")
    await desk.pipeline.add_silence(silence)
    await desk.tell(an_alert())
    await desk.pass_time(HOUR - 1)
    assert desk.oncall.told == []
    await desk.pass_time(2)
    await desk.pass_time(2)
    assert desk.oncall.told == desk.hook.told == ["fired"]


async def test_who_is_named_to_the_receiver_first_is_not_silenced(desk: Desk):
    await desk.pipeline.add_silence(
        Silence("s-1", (parse_matcher("kind=agent"),), 0, desk.store.now + DAY, "ana")
    )
    desk.oncall.failures.append(DeliveryError(FailureReason.UNAUTHORIZED, "401"))
    await desk.tell(an_alert(), an_alert(scope=KEY))
    await desk.pass_time(301)
    (notice,) = desk.oncall.calls[0]
    assert notice.alert is not None
    assert notice.alert.scope == KEY


def a_burst(transition: Transition = Transition.FIRED) -> Alert:
    """The suspicion against the feed, of a burst of eleven keys ten minutes after the start."""
    at = START + 600
    caps = Caps(onsets=tuple((at, f"key-{number}") for number in range(11)))
    alert = feed_alert(caps, ThrottleConfig(), transition, at, at)
    return replace(alert, incident_id="the-feed")


def rises(number: int, minutes: int = 8, **changes: Any) -> Alert:
    scope = Scope("agent", f"a{number}")
    started = START + minutes * 60
    return an_alert(scope=scope, started=started, incident_id=f"i{number}", **changes)


async def test_a_burst_is_one_message_to_people_and_programs_get_all_of_it(desk: Desk):
    desk.store.now += 600
    await desk.tell(rises(1))
    await desk.tell(rises(2), a_burst())
    verdicts = await desk.tell(rises(3), rises(3, transition=Transition.UPDATED))

    assert desk.oncall.told == ["fired"] * 2  # what was told before, and the feed
    assert desk.hook.told.count("fired") == 4
    kept_back = {(v.receiver, v.outcome, v.detail) for v in verdicts if v.outcome != "enqueued"}
    assert kept_back == {("oncall", "inhibited", "the-feed")}


async def test_what_was_told_before_the_burst_or_is_none_of_it_goes_on(desk: Desk):
    desk.store.now += 600
    await desk.tell(rises(1), rises(2, kind="budget"))
    await desk.tell(a_burst())
    await desk.tell(
        rises(1, transition=Transition.UPDATED, severity=Severity.CRITICAL),
        rises(3, kind="budget"),
        rises(4, minutes=-60),
    )

    assert desk.oncall.told[:3] == ["fired"] * 3
    assert sorted(desk.oncall.told[3:]) == ["fired", "fired", "updated"]


async def test_what_still_fires_when_the_burst_is_over_is_told(desk: Desk):
    desk.store.now += 600
    await desk.tell(a_burst(), rises(1), rises(2))
    await desk.tell(rises(2, transition=Transition.RESOLVED))
    await desk.pass_time(60)
    assert desk.oncall.told == ["fired"]

    await desk.tell(a_burst(Transition.RESOLVED))
    await desk.pass_time(600)
    assert desk.oncall.told == ["fired", "resolved", "fired"]
    assert desk.oncall.calls[-1][0].incident_id == "i1"


async def test_what_the_hour_had_no_room_for_is_told_in_the_next(open_desk: Any):
    desk = await open_desk(oncall={"max_incidents_per_hour": 1})
    for number in range(2):
        alert = an_alert(scope=Scope("agent", f"a{number}"), incident_id=f"i{number}")
        await desk.tell(alert)
    await desk.pass_time(HOUR)
    assert desk.oncall.told == ["fired", "storm", "fired"]


async def test_a_full_outbox_loses_no_first_message(open_desk: Any):
    desk = await open_desk(hook={"max_outbox": 1})
    desk.hook.gate.clear()
    for number in range(2):
        alert = an_alert(scope=Scope("agent", f"a{number}"), incident_id=f"i{number}")
        await desk.pipeline.accept([alert], now=desk.store.now)
    await desk.pipeline.tick(now=desk.store.now, is_head=True)
    assert len([key for key in desk.store.records if key.startswith("outbox:hook")]) == 1
    desk.hook.gate.set()
    await desk.pipeline.drain()
    await desk.pass_time(301)
    assert desk.hook.told == ["fired", "fired"]


async def test_a_refused_token_is_tried_again_after_minutes_and_not_every_second(desk: Desk):
    refused = DeliveryError(FailureReason.UNAUTHORIZED, "401")
    desk.oncall.failures.extend([refused] * 3)
    await desk.tell(an_alert())
    for _ in range(600):
        await desk.pass_time(1)
    assert len(desk.oncall.failures) == 0
    assert desk.oncall.told == []
    await desk.pass_time(300)
    assert desk.oncall.told == ["fired"]


async def test_a_budget_is_said_again_once_a_day_without_a_transition(desk: Desk):
    await desk.tell(an_alert(kind="budget", rule="pay/exceeded", fired_at=START))
    for _ in range(24 * 3):
        await desk.pass_time(HOUR)
    assert desk.oncall.told == ["fired", "reminded", "reminded"]
    assert desk.hook.told == ["fired"], "a transition has one id"
    (reminder,) = desk.oncall.calls[-1]
    assert reminder.at == int(desk.store.now) - 22 * HOUR


async def test_what_fires_without_news_is_said_again_and_what_is_over_is_not(desk: Desk):
    await desk.tell(an_alert(kind="feed", annotations={"summary": "a burst"}))
    await desk.pass_time(5 * HOUR)
    assert desk.oncall.told == ["fired", "reminded"]
    late = an_alert(Transition.RESOLVED, minutes=5, kind="feed", is_late=True)
    await desk.tell(late)
    await desk.pass_time(5 * HOUR)
    assert desk.oncall.told == ["fired", "reminded", "resolved"]
    await desk.pass_time(5 * HOUR)
    assert desk.oncall.told == ["fired", "reminded", "resolved"]


async def test_nothing_is_said_again_before_the_head_of_the_log_is_reached(desk: Desk):
    await desk.tell(an_alert())
    await desk.pass_time(100, is_head=False)
    desk.store.now += 5 * HOUR
    await desk.pass_time(0, is_head=False)
    assert desk.oncall.told == ["fired"]
    await desk.tell(an_alert(Transition.RESOLVED, minutes=300, scope=TEAM, incident_id="i2"))
    await desk.pass_time(100, is_head=False)
    assert desk.oncall.told == ["fired", "reminded"]


async def test_an_incident_is_forgotten_long_after_its_end_and_not_before(desk: Desk):
    await desk.tell(an_alert())
    await desk.tell(an_alert(Transition.RESOLVED, minutes=5))
    now = desk.store.now
    matchers = (parse_matcher("rule=spike"),)
    await desk.pipeline.add_silence(Silence("s-1", matchers, now - 9, now - 1, "ana"))
    await desk.pipeline.add_silence(Silence("s-2", matchers, now - 9, now + 10**9, "ana"))
    await desk.pipeline.tick(now=now + 604_800, is_head=True)
    assert f"incident:{INCIDENT}" in desk.store.records
    await desk.pipeline.tick(now=now + 604_900, is_head=True)
    assert set(desk.store.records) == {"rate:oncall", "silence:s-2"}
    assert desk.pipeline.snapshot() == desk.store.records
    assert [silence.silence_id for silence in desk.pipeline.silences] == ["s-2"]


async def test_an_incident_with_a_message_on_its_way_is_not_forgotten(desk: Desk):
    await desk.tell(an_alert())
    desk.hook.gate.clear()
    await desk.pipeline.accept([an_alert(Transition.RESOLVED, minutes=5)], now=desk.store.now)
    await desk.pipeline.tick(now=desk.store.now + 700_000, is_head=True)
    assert f"incident:{INCIDENT}" in desk.store.records
    desk.hook.gate.set()
    await desk.pipeline.drain()


async def test_the_snapshot_is_what_was_persisted(open_desk: Any):
    desk = await open_desk()
    desk.oncall.gate.clear()
    now = desk.store.now
    matchers = (parse_matcher("name=x"),)
    await desk.pipeline.add_silence(Silence("s-1", matchers, now, now + 9, "ana"))
    late = an_alert(scope=TEAM, incident_id="i2", is_late=True)
    await desk.pipeline.accept([an_alert(), late], [an_action()], now=now)
    await desk.pipeline.accept([replace(late, transition_id="x", decided_at=START)], now=now)
    snapshot = desk.pipeline.snapshot()
    assert snapshot == desk.store.records
    prefixes = {key.split(":")[0] for key in snapshot}
    assert prefixes == {"incident", "outbox", "rate", "silence"}
    desk.oncall.gate.set()
    await desk.pipeline.drain()
    await desk.pipeline.accept([replace(late, incident_id="i3", alert_id="a3")], now=now)
    desk = await open_desk()
    assert desk.pipeline.snapshot() == desk.store.records
    assert "backlog" in desk.store.records


async def test_the_outbox_of_a_receiver_that_is_no_more_is_emptied(open_desk: Any, store: Store):
    desk = await open_desk()
    desk.hook.gate.clear()
    await desk.pipeline.accept([an_alert()], now=store.now)
    await desk.pipeline.stop(0)
    config = NotifyConfig.model_validate({})
    empty = Pipeline(config, {}, Surroundings(store.persist, store.clock))
    empty.restore(store.records)
    await empty.start()
    assert not [key for key in store.records if key.startswith("outbox:hook")]
    assert empty.tasks == ()
    await empty.stop()


async def test_the_tasks_are_there_for_a_supervisor(desk: Desk):
    assert {task.get_name() for task in desk.pipeline.tasks} == {"notify-oncall", "notify-hook"}


async def test_an_alert_is_in_the_incident_that_it_was_told_with_last(desk: Desk):
    fed = an_alert(scope=Scope("feed", "prices"), kind="feed", annotations={"summary": "dearer"})
    fed = replace(fed, rule="feed/same_factor", incident_id="the-feed")
    await desk.tell(fed, replace(an_alert(), incident_id="the-feed"))
    assert desk.oncall.told == ["fired"]  # one message
    await desk.tell(an_alert(Transition.UPDATED, minutes=5))
    await desk.tell(replace(fed, transition=Transition.RESOLVED, transition_id="over"))
    assert desk.oncall.told == ["fired", "fired", "resolved"]
