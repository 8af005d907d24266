"""What runs beside the roles says whether Kafka is there; an address that is taken ends it."""

import asyncio
import socket
from collections.abc import Iterable

import pytest
from structlog.testing import capture_logs

from stream.address import AddressTakenError
from stream.config import Settings
from stream.health import catalogue
from stream.kafka.admin import BrokerUnreachableError
from stream.kafka.connection import ConnectionConfig
from stream.worker import watched as module
from stream.worker.health import WorkerHealth
from stream.worker.watched import watched


def sample(name: str) -> float | None:
    return catalogue.REGISTRY.get_sample_value(name)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch):
    """Kafka answers as told, one answer a look; after the last one it hangs."""

    def answers(said: Iterable[bool]) -> asyncio.Event:
        told, done = iter(said), asyncio.Event()

        async def reachable(_: ConnectionConfig) -> None:
            is_up = next(told, None)
            if is_up is None:
                done.set()
                await asyncio.Event().wait()
            if not is_up:
                raise BrokerUnreachableError("nothing answers; start Kafka")

        monkeypatch.setattr(module, "ensure_reachable", reachable)
        monkeypatch.setattr(module, "BROKER_SECONDS", 0.0)
        return done

    return answers


def settings(port: int = 0) -> Settings:
    return Settings.model_validate({"monitoring": {"port": port}})


async def test_a_broker_that_goes_and_comes_back_is_said_once_each(broker):
    done = broker([True, False, False, True, True])
    with capture_logs() as logs:
        async with watched(settings(), WorkerHealth(lambda: 0.0)), asyncio.timeout(5):
            await done.wait()
            assert sample("spendwatch_broker_up") == 1
    said = [line["event"] for line in logs if line["event"] != "worker_listens"]
    assert said == ["broker_lost", "broker_back"]


async def test_a_broker_that_stays_away_shows(broker):
    done = broker([True, False])
    with capture_logs():
        async with watched(settings(), WorkerHealth(lambda: 0.0)), asyncio.timeout(5):
            await done.wait()
            assert sample("spendwatch_broker_up") == 0
            assert sample("spendwatch_canary_enabled") == 0


async def test_an_address_that_is_taken_is_an_error_with_the_fix(broker):
    broker([])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressTakenError, match=r"monitoring\.port"):
            async with watched(settings(port), WorkerHealth(lambda: 0.0)):
                pass
