"""DECIDE's session: published, then remembered; and no input of others can end it."""

from typing import Any

import msgspec
import pytest

from alerting.alert import alert_to_json
from alerting.decide.incident import IncidentConfig
from alerting.throttle.policy import ThrottleConfig
from stream.decide import DecideParts, DecideSession
from stream.kafka.connection import ConnectionConfig
from stream.kafka.topics import TopicsConfig
from stream.keyed.state import KeyedState
from stream.log_head import LogHead
from stream.watch.watermark import WatermarkPolicy
from tests.support.alerts import START, an_alert
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
