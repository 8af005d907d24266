"""A timeline against a real HTTP stand-in: one incident is one Slack message, whatever happens."""

import asyncio
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from alerting.alert import Alert, Severity, Transition
from alerting.notify.delivery import Surroundings
from alerting.notify.notification_log import Record
from alerting.notify.pipeline import Pipeline
from alerting.notify.registry import build_notifiers
from alerting.notify.route import NotifyConfig
from alerting.throttle.action import Mode, ThrottleAction
from detectors.scope import Scope
from tests.support.alerts import KEY, START, an_action, an_alert
from tests.support.slack_server import CHANNEL, TOKEN, Fault, Message, SlackServer

NOW = START + 95.0


class Office:
    """NOTIFY with a store that survives it, and a clock that only sleeping moves."""

    def __init__(self, slack: SlackServer) -> None:
        self.slack = slack
        self.store: dict[str, Record] = {}
        self.now = NOW
        self.slept: list[float] = []
        self.outcomes: list[tuple[str, str]] = []
        self.config = NotifyConfig.model_validate(
            {
                "receivers": {
                    "oncall": {
                        "slack": {
                            "token": "env:SLACK_TOKEN",
                            "channel": CHANNEL,
                            "base_url": f"{slack.url}/api/",
                            "timeout_seconds": 1,
                        }
                    }
                }
            }
        )
        self.pipeline = self.build()

    async def persist(self, key: str, record: Record | None) -> None:
        if record is None:
            self.store.pop(key, None)
        else:
            self.store[key] = record

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def build(self) -> Pipeline:
        notifiers = build_notifiers(
            self.config,
            clock=lambda: self.now,
            sleep=self.sleep,
            environ={"SLACK_TOKEN": TOKEN},
        )
        return Pipeline(
            self.config,
            notifiers,
            Surroundings(
                persist=self.persist,
                clock=lambda: self.now,
                sleep=self.sleep,
                rng=Random(7),
                report=lambda *outcome: self.outcomes.append(outcome),
            ),
        )

    async def restart(self) -> None:
        await self.pipeline.stop(0)
        self.pipeline = self.build()
        self.pipeline.restore(self.store)
        await self.pipeline.start()

    async def tell(
        self,
        *alerts: Alert,
        actions: tuple[ThrottleAction, ...] = (),
        is_enforced: bool = False,
    ) -> list[str]:
        verdicts = await self.pipeline.accept(
            alerts, actions, is_enforced=is_enforced, now=self.now
        )
        await self.pipeline.drain()
        return [verdict.outcome for verdict in verdicts]


@pytest.fixture
async def office(slack: SlackServer) -> AsyncIterator[Office]:
    office = Office(slack)
    await office.pipeline.start()
    yield office
    await office.pipeline.stop(0)


def contained(minutes: int = 5, **changes: Any) -> Alert:
    return an_alert(Transition.CONTAINED, minutes=minutes, is_contained=True, **changes)


async def test_an_incident_is_posted_updated_contained_and_resolved_in_one_message(
    office: Office, slack: SlackServer
):
    await office.tell(an_alert(), actions=(an_action(),))
    assert slack.roots[0].text == (
        ":rotating_light: agent invoice-bot: $4.12 in 5 min, expected at most $1.90"
        " - key key-7 would be blocked (shadow)"
    )
    await office.tell(an_alert(Transition.UPDATED, minutes=5, observed=6_080_000_000))
    assert "$6.08 in 5 min" in slack.roots[0].text
    assert slack.replies == []

    await office.tell(contained(), actions=(an_action(sequence=2),), is_enforced=True)
    assert slack.roots[0].text == (
        ":lock: agent invoice-bot: contained - key key-7 blocked; $4.44 above expected in all"
    )
    await office.tell(an_alert(Transition.RESOLVED, minutes=25))

    assert len(slack.roots) == 1
    assert slack.roots[0].versions == 4
    assert slack.roots[0].text == (
        ":white_check_mark: agent invoice-bot: back to normal after 30 min;"
        " $13.32 above expected in all"
    )
    assert [reply.text for reply in slack.replies] == [
        "Contained: key key-7 blocked",
        "agent invoice-bot: back to normal after 30 min; $13.32 above expected in all",
    ]
    assert {reply.thread_ts for reply in slack.replies} == {slack.roots[0].ts}


async def test_a_restart_at_any_saved_state_sends_no_second_message(slack: SlackServer):
    """Every durable write is a place to die at; then the whole input is read again."""
    office = Office(slack)
    deaths: list[tuple[dict[str, Record], dict[str, Message]]] = []
    whole = office.persist

    async def remember(key: str, record: Record | None) -> None:
        await whole(key, record)
        deaths.append((dict(office.store), deepcopy(slack.messages)))

    office.persist = remember  # type: ignore[method-assign]  the crash points are its calls
    office.pipeline = office.build()
    await office.pipeline.start()
    story = (
        an_alert(),
        an_alert(scope=KEY),
        contained(),
        an_alert(Transition.RESOLVED, minutes=25),
        an_alert(Transition.RESOLVED, minutes=25, scope=KEY),
    )
    for alert in story:
        await office.tell(alert)
    await office.pipeline.stop(0)
    told = [message.text for message in slack.messages.values()]
    assert len(deaths) > 20

    for store, messages in deaths:
        slack.messages = messages
        again = Office(slack)
        again.store = dict(store)
        again.pipeline.restore(store)
        await again.pipeline.start()
        for alert in story:
            await again.tell(alert)
        assert again.pipeline.snapshot() == again.store
        await again.pipeline.stop(0)
        assert [message.text for message in slack.messages.values()] == told


async def test_a_crash_between_slack_and_the_log_finds_the_message_again(
    office: Office, slack: SlackServer
):
    slack.faults.append(Fault(status=0, is_applied=True))  # Slack has it, the answer is lost
    await office.tell(an_alert())
    assert office.outcomes == [("oncall", "timeout"), ("oncall", "delivered")]
    assert len(slack.roots) == 1

    slack.faults.append(Fault(status=500, is_applied=True, text="oops"))  # the update, again
    slack.faults.append(Fault(status=502, is_applied=True, text="oops"))
    await office.tell(contained())
    assert len(slack.roots) == 1
    assert len(slack.replies) == 1


async def test_a_lost_reply_is_found_again(office: Office, slack: SlackServer):
    await office.tell(an_alert())
    asked = len(slack.requests)

    def answer_lost_on_reply() -> None:
        slack.faults.append(Fault(status=500, is_applied=True, text="oops"))

    update = slack._update

    def update_then_fail(payload: dict[str, Any]) -> dict[str, Any]:
        answer_lost_on_reply()
        return update(payload)

    slack._update = update_then_fail  # type: ignore[method-assign]  the fault is for what follows
    await office.tell(contained())
    assert slack.paths()[asked:] == [
        "/api/chat.update",
        "/api/chat.postMessage",
        "/api/conversations.replies",
    ]
    assert len(slack.replies) == 1


async def test_without_the_right_to_look_a_lost_answer_may_come_twice_but_never_not(
    office: Office, slack: SlackServer
):
    slack.can_read_history = False
    slack.faults.append(Fault(status=500, is_applied=True, text="oops"))
    await office.tell(an_alert())
    assert len(slack.roots) == 2


async def test_a_limited_channel_is_asked_again_after_exactly_what_it_said(
    office: Office, slack: SlackServer
):
    limited = Fault(status=429, error="ratelimited", headers={"Retry-After": "30"})
    slack.faults.extend([limited, limited])
    await office.tell(an_alert())
    assert len(slack.roots) == 1
    long = [seconds for seconds in office.slept if seconds > 2]
    assert len(long) == 2
    assert all(30 <= seconds <= 30.5 for seconds in long)
    assert "/api/conversations.history" not in slack.paths()


async def test_members_and_escalation_are_replies_and_the_first_line_names_the_worst(
    office: Office, slack: SlackServer
):
    team = Scope("team", "payments")
    await office.tell(an_alert(scope=team, severity=Severity.WARNING))
    await office.tell(an_alert(scope=KEY, severity=Severity.WARNING))
    await office.tell(an_alert(minutes=5))
    assert [(reply.text.split(":")[0], reply.is_broadcast) for reply in slack.replies] == [
        ("Also", False),
        ("Now critical", True),
    ]
    assert slack.roots[0].text.startswith(":rotating_light: agent invoice-bot: $4.12")
    assert "team payments" in str(slack.roots[0].blocks)


async def test_what_comes_in_a_burst_is_one_message_without_replies(
    office: Office, slack: SlackServer
):
    for alert in (an_alert(scope=KEY), an_alert(scope=Scope("team", "payments")), an_alert()):
        await office.pipeline.accept([alert], now=office.now)
    await office.pipeline.accept([], [an_action()], is_enforced=True, now=office.now)
    await office.pipeline.drain()
    assert office.slept == [2.0]
    assert slack.replies == []
    assert slack.roots[0].versions == 1
    assert slack.roots[0].text.startswith(":rotating_light: agent invoice-bot: $4.12")
    assert slack.roots[0].text.endswith("key key-7 blocked")


async def test_old_news_is_folded_into_the_present_state_and_one_line(
    office: Office, slack: SlackServer
):
    def late(transition: Transition, incident: str, minutes: int, scope: Scope) -> Alert:
        return an_alert(
            transition, minutes=minutes, scope=scope, incident_id=incident, is_late=True
        )

    agents = [Scope("agent", f"bot-{number}") for number in range(3)]
    outcomes = []
    for number, scope in enumerate(agents):
        outcomes += await office.tell(late(Transition.FIRED, f"i-{number}", 0, scope))
        outcomes += await office.tell(late(Transition.UPDATED, f"i-{number}", 5, scope))
    for number, scope in enumerate(agents[:2]):
        outcomes += await office.tell(late(Transition.RESOLVED, f"i-{number}", 10, scope))
    assert set(outcomes) == {"old_news"}
    assert slack.messages == {}

    await office.restart()
    await office.pipeline.tick(now=office.now, is_head=True)
    await office.pipeline.drain()
    assert [message.text for message in slack.roots] == [
        ":rotating_light: agent bot-2: $4.12 in 5 min, expected at most $1.90 - nothing stopped",
        (
            "Caught up: 2 further incidents were recorded between 2026-11-22 10:05 UTC and"
            " 2026-11-22 10:15 UTC and already over; see spend.alerts"
        ),
    ]
    await office.pipeline.tick(now=office.now, is_head=True)
    await office.pipeline.drain()
    assert len(slack.roots) == 2


async def test_an_agent_named_like_a_mention_pings_nobody(office: Office, slack: SlackServer):
    names = ("<!channel>", "@here", "a\nb <https://evil.example|click>", "*x* & `y`")
    for number, name in enumerate(names):
        scope = Scope("agent", name)
        await office.tell(an_alert(scope=scope, incident_id=f"i-{number}"))
    assert len(slack.roots) == len(names)
    for payload in slack.posted:
        assert "<!channel>" not in payload["text"]
        assert "<https://evil" not in str(payload)
        assert payload["parse"] == "none"
        assert payload["link_names"] is False
        texts = [block["text"] for block in payload["blocks"] if "text" in block]
        assert all(text["verbatim"] for text in texts)
    assert "agent &lt;!channel&gt;: $4.12" in slack.posted[0]["text"]


async def test_a_release_and_a_milder_measure_are_shown_in_place(
    office: Office, slack: SlackServer
):
    await office.tell(an_alert(), actions=(an_action(),), is_enforced=True)
    renewed = replace(an_action(sequence=2), expires_at=START + 5000.0)
    assert await office.tell(actions=(renewed,), is_enforced=True) == []
    assert slack.roots[0].versions == 1
    probe = replace(an_action(Mode.THROTTLE, sequence=3), admit_ratio=0.05)
    assert await office.tell(actions=(probe,), is_enforced=True) == ["enqueued"]
    assert "key key-7 throttled to 5 % of calls" in slack.roots[0].text
    await office.tell(actions=(an_action(Mode.RELEASE, sequence=4),), is_enforced=True)
    assert "key key-7 released" in slack.roots[0].text
    assert slack.replies == []
