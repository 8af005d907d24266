"""DECIDE's session: published, then remembered; and no input of others can end it."""

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from alerting.alert import alert_to_json
from alerting.decide.incident import IncidentConfig
from alerting.decide.ledger import Ledger, Outcome
from alerting.decide.protection import lapsed_alerts
from alerting.throttle.action import Mode
from alerting.throttle.lease import TargetState
from alerting.throttle.merge import POLICY_AUTOMATIC
from alerting.throttle.policy import ThrottleConfig
from stream.canary import canary_signal
from stream.decide import DecideParts, DecideSession
from stream.decision_tally import Tally
from stream.delta import DeltaRow
from stream.health import catalogue
from stream.kafka.connection import ConnectionConfig
from stream.kafka.topics import TopicsConfig
from stream.keyed.state import KeyedState
from stream.log_head import LogHead
from stream.watch.watermark import WatermarkPolicy
from tests.support.alerts import KEY, START, an_action, an_alert
from tests.support.faust_fakes import Broker, FakeTable

TOPICS = TopicsConfig()


class Producer:
    """Notes what goes out, and acknowledges it; or refuses it."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.refusal: Exception | None = None
        self.sent: list[tuple[str, Any]] = []

    async def send(self, topic: str, *, value: bytes, **_: Any) -> Any:
        self.broker.note(f"send {topic}")
        self.sent.append((topic, msgspec.json.decode(value)))

        async def acknowledged() -> None:
            if self.refusal is not None:
                raise self.refusal

        return acknowledged()


class Bench:
    def __init__(self, wall: float = START + 90.0) -> None:
        self.broker = Broker()
        self.producer = Producer(self.broker)
        self.state = KeyedState(FakeTable("state", self.broker), 0, 1)
        parts = DecideParts(
            incidents=IncidentConfig(),
            throttle=ThrottleConfig(),
            topics=TOPICS,
            connection=ConnectionConfig(),
            producer=self.producer,
            head=LogHead(WatermarkPolicy(1)),
            wall=lambda: wall,
        )
        self.session = DecideSession(parts, self.state)


SIGNAL = msgspec.json.encode(alert_to_json(an_alert(incident_id="")))


async def test_what_is_decided_is_published_before_it_is_remembered():
    bench = Bench()
    await bench.session.handle(TOPICS.signals, SIGNAL)
    kinds = [note.split()[0] for note in bench.broker.notes]
    assert {"send", "state"} <= set(kinds)
    assert kinds == sorted(kinds), "every send comes before any state"
    assert bench.state.values


@pytest.mark.parametrize(("delay", "is_late"), [(120.0, False), (181.0, True)])
async def test_a_signal_that_is_read_late_is_told_as_late(delay: float, is_late: bool):  # noqa: FBT001  pytest names it
    bench = Bench(START + 300 + delay)  # it was decided at START + 300
    await bench.session.handle(TOPICS.signals, SIGNAL)
    [told] = [each for topic, each in bench.producer.sent if topic == TOPICS.alerts]
    assert told["late"] is is_late


async def test_what_was_not_published_is_not_remembered():
    bench = Bench()
    bench.producer.refusal = ConnectionError("no broker")
    with pytest.raises(ConnectionError):
        await bench.session.handle(TOPICS.signals, SIGNAL)
    assert bench.state.values == {}


@pytest.mark.parametrize("topic", [TOPICS.signals, TOPICS.commands, TOPICS.acks])
@pytest.mark.parametrize(
    "value",
    [None, b"", b"{", b"[]", b"null", b"3", b"{}", b"\xff\xfe", b"[" * 5000, b'{"a":' * 5000],
)
async def test_what_does_not_read_is_refused_and_ends_nothing(topic: str, value: bytes | None):
    bench = Bench()
    await bench.session.handle(topic, value)
    assert bench.broker.notes == []


def sample(name: str, **labels: str) -> float:
    return catalogue.REGISTRY.get_sample_value(name, labels) or 0.0


CANARY = alert_to_json(canary_signal(DeltaRow("canary:c0ffee", START // 60, False, [])))  # noqa: FBT003  a row


@pytest.mark.parametrize(("wall", "count"), [(START + 2.0, 1), (START + 181.0, 0)])
async def test_a_canary_is_answered_in_shadow_and_forgotten(wall: float, count: int):
    bench, before = Bench(wall), sample("spendwatch_inputs_refused_total", role="decide")
    await bench.session.handle(TOPICS.signals, msgspec.json.encode(CANARY))
    assert [topic for topic, _ in bench.producer.sent] == [TOPICS.shadow] * count
    assert [record["action_id"] for _, record in bench.producer.sent] == ["canary-c0ffee"] * count
    assert {record["mode"] for _, record in bench.producer.sent} <= {"release"}
    ack = {
        "action_id": "canary-c0ffee",
        "enforcer": "canary",
        "applied_at": "2026-11-22T10:00:02Z",
        "result": "applied",
    }
    await bench.session.handle(TOPICS.acks, msgspec.json.encode(ack))
    assert bench.state.values == {}
    assert bench.session.decider.snapshot() == Bench(wall).session.decider.snapshot()
    assert sample("spendwatch_inputs_refused_total", role="decide") == before


async def test_what_is_refused_and_what_is_told_is_counted():
    bench = Bench()
    told = {"severity": "critical", "transition": "fired"}
    refused, fired = (
        sample("spendwatch_inputs_refused_total", role="decide"),
        sample("spendwatch_alerts_total", **told),
    )
    await bench.session.handle(TOPICS.signals, SIGNAL)
    await bench.session.handle(TOPICS.signals, b"{}")
    assert sample("spendwatch_alerts_total", **told) == fired + 1
    assert sample("spendwatch_inputs_refused_total", role="decide") == refused + 1


async def test_an_owner_that_leaves_says_what_it_leaves_held():
    bench = Bench()
    order = {
        "command": "throttle_set",
        "id": "c-1",
        "issued_by": "ann",
        "issued_at": "2026-11-22T10:01:00Z",
        "target": "api_key:key-7",
        "mode": "block",
        "reason": "leaked",
    }
    await bench.session.handle(TOPICS.commands, msgspec.json.encode(order))
    await bench.session.tick()
    assert sample("spendwatch_active_leases", mode="block") == 1
    assert sample("spendwatch_throttle_actions_total", mode="block", topic="enforced") >= 1
    with capture_logs() as logs:
        await bench.session.leave()
    (said,) = [line for line in logs if line["event"] == "protection_left"]
    assert (said["log_level"], said["keys"]) == ("error", 1)
    rules = [record["rule"] for topic, record in bench.producer.sent if topic == TOPICS.alerts]
    assert rules == ["feed/protection_left"] * 2


async def test_a_lapse_is_counted_and_said_when_it_is_found():
    bench, before = Bench(), sample("spendwatch_protection_lapsed_total")
    outcome = Outcome(
        alerts=tuple(
            lapsed_alerts(
                [
                    TargetState(
                        "api_key:key-7",
                        enforced=an_action(mode=Mode.BLOCK, expires_at=START + 1.0),
                    )
                ],
                START + 90.0,
            )
        )
    )
    with capture_logs() as logs:
        await bench.session.finish(outcome)
    assert [line["event"] for line in logs] == ["protection_lapsed"]
    assert sample("spendwatch_protection_lapsed_total") == before + 1


def test_the_time_to_an_action_is_taken_of_the_first_one_about_a_target():
    count = "spendwatch_event_to_action_seconds_count"
    total = "spendwatch_event_to_action_seconds_sum"
    before, seconds = sample(count), sample(total)
    tally = Tally(Ledger())

    def publish(**changes: Any) -> None:
        fields = {"policy": POLICY_AUTOMATIC, "decided_at": START, "issued_at": START + 7.5}
        tally.count(Outcome(shadow=(an_action(**fields | changes),)))

    publish(mode=Mode.BLOCK)
    publish(mode=Mode.BLOCK, issued_at=START + 300.0)
    publish(mode=Mode.RELEASE)
    publish(mode=Mode.BLOCK, policy="operator")
    assert (sample(count) - before, sample(total) - seconds) == (1, 7.5)
    taken_over = Ledger()
    taken_over.put_target(TargetState(str(KEY), shadow=an_action(mode=Mode.BLOCK)))
    tally = Tally(taken_over)
    publish(mode=Mode.BLOCK, issued_at=START + 300.0)
    assert sample(count) - before == 1
