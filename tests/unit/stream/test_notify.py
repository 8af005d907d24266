"""NOTIFY's session: what it shows of itself, and whom it passes over."""

from typing import Any

import msgspec
import pytest

from alerting.alert import alert_to_json
from alerting.notify.route import NotifyConfig
from alerting.throttle.action import action_to_json
from stream import notify
from stream.canary import canary_action, canary_signal
from stream.delta import DeltaRow
from stream.health import catalogue
from stream.kafka.topics import TopicsConfig
from stream.keyed.state import KeyedState
from stream.notify import NotifyParts, NotifySession, open_notify
from tests.support.alerts import START, an_alert
from tests.support.faust_fakes import Broker, FakeTable
from tests.support.notify import WritingNotifier

TOPICS = TopicsConfig()
CONFIG = NotifyConfig.model_validate(
    {
        "receivers": {
            "on-call": {
                "webhook": {"url": "https://h.example/", "signing_secrets": ["env:NO_SUCH"]}
            }
        }
    }
)


def sample(name: str, **labels: str) -> float:
    return catalogue.REGISTRY.get_sample_value(name, labels) or 0.0


class Bench:
    def __init__(self, session: NotifySession, state: KeyedState, clock: dict[str, float]) -> None:
        self.session = session
        self.state = state
        self.clock = clock


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch):
    """One receiver that takes nothing until its gate is opened."""
    notifier = WritingNotifier(is_coalescing=False)
    notifier.gate.clear()
    monkeypatch.setattr(notify, "build_notifiers", lambda *_, **__: {"on-call": notifier})
    clock = {"now": START + 310.0}
    state = KeyedState(FakeTable("state", Broker()), 0, 1)
    parts = NotifyParts(CONFIG, TOPICS, wall=lambda: clock["now"])
    session = await open_notify(parts, state)
    yield Bench(session, state, clock)
    notifier.gate.set()
    await session.leave()
    await session.close()


async def test_a_canary_is_passed_over(bench: Bench):
    signal = canary_signal(DeltaRow("canary:c0ffee", START // 60, is_late=False, counts=[]))
    passed = canary_action(signal, START + 1.0)
    await bench.session.handle(TOPICS.shadow, msgspec.json.encode(action_to_json(passed)))
    assert bench.state.values == {}


async def test_what_waits_is_shown_with_its_age(bench: Bench):
    told: dict[str, Any] = alert_to_json(an_alert(decided_at=START + 300))
    verdicts = sample("spendwatch_notification_verdicts_total", outcome="enqueued")
    await bench.session.handle(TOPICS.alerts, msgspec.json.encode(told))
    assert sample("spendwatch_notification_verdicts_total", outcome="enqueued") == verdicts + 1
    bench.clock["now"] += 40
    await bench.session.tick()
    assert sample("spendwatch_outbox_depth", receiver="on-call") == 1
    assert sample("spendwatch_outbox_age_seconds", receiver="on-call") == 40


async def test_what_does_not_read_is_counted(bench: Bench):
    before = sample("spendwatch_inputs_refused_total", role="notify")
    await bench.session.handle(TOPICS.alerts, b"{}")
    assert sample("spendwatch_inputs_refused_total", role="notify") == before + 1


async def test_an_empty_outbox_and_unheard_outcomes_are_shown_as_zero(bench: Bench):
    await bench.session.tick()
    assert sample("spendwatch_outbox_age_seconds", receiver="on-call") == 0
    found = {
        each.labels["outcome"]
        for family in catalogue.NOTIFICATIONS.collect()
        for each in family.samples
        if each.labels["receiver"] == "on-call"
    }
    assert {"delivered", "timeout", "unauthorized"} <= found
