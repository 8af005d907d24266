"""Canaries are sent, waited for and given up; the service outside hears of round trips only."""

import asyncio
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs
from yarl import URL

from alerting.throttle.action import action_to_json
from stream.canary import action_id_of, canary_action, canary_signal
from stream.config import Settings, secret_problems
from stream.delta import DeltaRow
from stream.health import catalogue
from stream.health.config import CanaryConfig
from stream.kafka.connection import ConnectionConfig
from stream.kafka.topics import TopicsConfig
from stream.worker import canary
from stream.worker.canary import CanaryParts, Flock, ping
from tests.support.decisions import START


def counted(outcome: str) -> float:
    return (
        catalogue.REGISTRY.get_sample_value("spendwatch_canaries_total", {"outcome": outcome})
        or 0.0
    )


class Bench:
    def __init__(self) -> None:
        self.now = 100.0
        self.flock = Flock(60.0, lambda: self.now)
        self.acks: list[str] = []
        self.parts = CanaryParts(
            CanaryConfig(enabled=True), TopicsConfig(), ConnectionConfig(), wall=lambda: START + 1.0
        )

    async def acknowledge(self, action_id: str, _: float) -> None:
        self.acks.append(action_id)

    async def take(self, value: bytes | None, heartbeat: URL | None = None) -> None:
        await canary._take(value, self.parts, self.flock, self.acknowledge, heartbeat)


def action_of(identity: str) -> bytes:
    row = DeltaRow(f"canary:{identity}", START // 60, is_late=False, counts=[])
    return msgspec.json.encode(action_to_json(canary_action(canary_signal(row), START + 1)))


def test_a_canary_that_comes_back_tells_how_long_it_took():
    bench, before = Bench(), counted("returned")
    identity = bench.flock.send()
    bench.now += 1.25
    assert bench.flock.came_back(action_id_of(identity)) == 1.25
    assert counted("returned") == before + 1
    assert catalogue.REGISTRY.get_sample_value("spendwatch_canary_last_round_trip_seconds") == 1.25


def test_a_canary_that_does_not_come_back_is_lost_and_that_is_said_once():
    bench, before = Bench(), counted("lost")
    with capture_logs() as logs:
        for _ in range(3):
            bench.flock.send()
        bench.now += 60.0
        bench.flock.give_up()
        assert counted("lost") == before
        bench.now += 0.1
        bench.flock.give_up()
        bench.flock.came_back(action_id_of(bench.flock.send()))
    assert counted("lost") == before + 3
    assert [line["event"] for line in logs] == ["canary_lost", "canary_back"]


async def test_its_action_is_acknowledged_once_and_those_of_others_never():
    bench = Bench()
    identity = bench.flock.send()
    for value in (action_of(identity), action_of(identity), action_of("another"), b"{", None):
        await bench.take(value)
    assert bench.acks == [action_id_of(identity)]


@pytest.fixture
async def service():
    """A service that expects heartbeats; it knows how often it was asked, and answers as told."""
    asked: list[str] = []
    status = {"is": 200}

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status["is"])

    app = web.Application()
    app.router.add_get("/ping/secret-id", answer)
    async with TestServer(app) as server:
        yield server.make_url("/ping/secret-id"), asked, status


async def test_the_service_outside_hears_of_a_completed_round_trip_and_of_nothing_else(
    service: Any,
):
    url, asked, _ = service
    bench = Bench()
    identity = bench.flock.send()
    await bench.take(action_of("another"), url)
    assert asked == []
    await bench.take(action_of(identity), url)
    assert asked == ["/ping/secret-id"]


async def test_a_heartbeat_that_is_not_heard_is_counted_and_its_address_stays_unsaid(service: Any):
    url, _, status = service
    status["is"] = 500
    with capture_logs() as logs:
        await ping(url)
        await ping(URL("http://127.0.0.1:1/secret-id"))
    assert [line["event"] for line in logs] == ["heartbeat_failed"] * 2
    assert "secret-id" not in str(logs)


def test_the_heartbeat_is_a_secret_that_is_asked_for_only_where_canaries_are_sent(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv("HEARTBEAT", raising=False)
    wanted = {"canary": {"heartbeat_url": "env:HEARTBEAT"}}
    assert secret_problems(Settings.model_validate(wanted)) == []
    wanted["canary"]["enabled"] = True  # type: ignore[assignment]
    (problem,) = secret_problems(Settings.model_validate(wanted))
    assert problem.key == "canary.heartbeat_url"
    monkeypatch.setenv("HEARTBEAT", "https://heartbeat.example/1")
    settings = Settings.model_validate(wanted)
    assert secret_problems(settings) == []
    assert settings.canary.heartbeat() == URL("https://heartbeat.example/1")


async def test_none_is_sent_before_the_worker_is_ready(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(canary, "_READY_SECONDS", 0.0)
    sent = asyncio.Event()

    async def send(*_: object) -> None:
        sent.set()
        await asyncio.Event().wait()

    async def answer(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(canary, "_send", send)
    monkeypatch.setattr(canary, "_answer", answer)
    asked = iter([False, False, True])

    def is_ready() -> bool:
        assert not sent.is_set()
        return next(asked)

    running = asyncio.create_task(canary.run_canaries(Bench().parts, is_ready))
    async with asyncio.timeout(5):
        await sent.wait()
    assert list(asked) == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    name = "spendwatch_canary_last_return_timestamp_seconds"
    assert catalogue.REGISTRY.get_sample_value(name) == START + 1.0
