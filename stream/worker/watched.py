"""What runs beside the roles so that somebody notices when they do not: address, canary, broker.

In the supervisor's process, which needs nothing of the roles, so that it can still say that they
are gone. Nothing here ends the worker, but an address that is taken: unseen it should not start.
"""

import asyncio
import contextlib
import importlib.metadata
from collections.abc import AsyncIterator
from typing import Final

import structlog

from stream.address import bind
from stream.config import Settings
from stream.health import catalogue
from stream.kafka.admin import BrokerUnreachableError, ensure_reachable
from stream.kafka.connection import ConnectionConfig
from stream.worker.canary import CanaryParts, run_canaries
from stream.worker.health import WorkerHealth
from stream.worker.http import serving

BROKER_SECONDS: Final = 5.0
"""How often Kafka is asked whether it lets us in."""

_log = structlog.get_logger()


@contextlib.asynccontextmanager
async def watched(settings: Settings, health: WorkerHealth) -> AsyncIterator[None]:
    """Watch a worker for as long as the block runs.

    Raises:
        stream.address.AddressTakenError: another program listens there.
    """
    catalogue.BUILD_INFO.labels(importlib.metadata.version("spendwatch")).set(1)
    catalogue.CANARY_ENABLED.set(0)
    listener = bind(settings.monitoring.host, settings.monitoring.port, key="monitoring.port")
    beside = [asyncio.create_task(_look_for_broker(settings.kafka))]
    if settings.canary.enabled:
        parts = CanaryParts(settings.canary, settings.topics, settings.kafka)
        beside.append(asyncio.create_task(run_canaries(parts, lambda: health.readiness()[0])))
    try:
        async with serving(listener, health):
            yield
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _look_for_broker(connection: ConnectionConfig) -> None:
    is_up = True
    while True:
        try:
            await ensure_reachable(connection)
        except BrokerUnreachableError as error:
            if is_up:
                _log.error("broker_lost", reason=str(error))
            is_up = False
        else:
            if not is_up:
                _log.info("broker_back")
            is_up = True
        catalogue.BROKER_UP.set(is_up)
        await asyncio.sleep(BROKER_SECONDS)
