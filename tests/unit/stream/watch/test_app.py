"""The wiring of WATCH: what is published, where it listens, whom it asks."""

import asyncio
from typing import Any, NamedTuple

import msgspec
import pytest
from pydantic import ValidationError

from alerting.alert import alert_from_json
from stream.watch.app import _distribution, _publisher
from stream.watch.config import WatchRoleConfig
from tests.support.alerts import an_alert


class Producer:
    """Hands out futures that the test settles."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, bytes, asyncio.Future[None]]] = []

    async def send(self, topic: str, *, key: bytes, value: bytes) -> "asyncio.Future[None]":
        future = asyncio.get_running_loop().create_future()
        self.sent.append((topic, key, value, future))
        return future


async def test_publishing_returns_when_the_broker_has_every_signal():
    producer, alerts = Producer(), [an_alert(), an_alert(minutes=5)]
    publishing = asyncio.create_task(_publisher(producer, "spend.signals")(alerts))
    await asyncio.sleep(0)
    assert [
        alert_from_json(msgspec.json.decode(value)) for _, _, value, _ in producer.sent
    ] == alerts
    assert {(topic, key) for topic, key, _, _ in producer.sent} == {
        ("spend.signals", alerts[0].fingerprint.encode())
    }
    producer.sent[0][3].set_result(None)
    await asyncio.sleep(0)
    assert not publishing.done()
    producer.sent[1][3].set_result(None)
    await publishing


async def test_a_signal_that_the_broker_refuses_is_an_error():
    producer = Producer()
    publishing = asyncio.create_task(_publisher(producer, "spend.signals")([an_alert()]))
    await asyncio.sleep(0)
    producer.sent[0][3].set_exception(RuntimeError("refused"))
    with pytest.raises(RuntimeError, match="refused"):
        await publishing


class _Router(NamedTuple):
    hosts: dict[str, dict[str, list[int]]]

    def table_metadata(self, name: str) -> Any:
        assert name == "live"
        return self.hosts


class _App(NamedTuple):
    router: _Router


def test_only_workers_that_hold_a_partition_are_asked():
    hosts = {"http://a": {"live": [0]}, "http://b": {"live": []}, "http://c": {}}
    assert _distribution(_App(_Router(hosts))) == {"http://a"}


@pytest.mark.parametrize(
    "wrong", [{"pages": 0}, {"flush_seconds": 0}, {"keep_hours": 1}, {"port": 70000}, {"page": 1}]
)
def test_a_configuration_that_cannot_work_is_refused(wrong: dict[str, int]):
    with pytest.raises(ValidationError):
        WatchRoleConfig(**wrong)
