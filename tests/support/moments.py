"""The moments at which a worker must not lose money, found from outside: watch, freeze, look, kill.

A process is stopped (SIGSTOP) when Kafka shows that the moment may have come; then there is time to
look whether it has. If so it is killed, else it goes on and the next chance is awaited. The
program that is killed is the one that production runs, without a line made for tests.
"""

import asyncio
import contextlib
import json
import random
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from stream.delta import decode_delta
from stream.usage.fanout import delta_partition
from stream.watch.flush import LIVE, OWN_PAGE
from stream.watch.pages import PageKey, decode_page
from tests.support.worker import Installation, Worker, until

_SETTLE_SECONDS = 0.2
"""What a process had sent before it was stopped has arrived by then."""


@contextlib.asynccontextmanager
async def _reader(
    installation: Installation, topic: str, isolation: str, partitions: int
) -> AsyncIterator[Any]:
    """A consumer at the end of a topic."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=installation.bootstrap,
        enable_auto_commit=False,
        isolation_level=isolation,
        fetch_max_wait_ms=50,
    )
    await consumer.start()
    try:
        tps = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(tps)
        await consumer.seek_to_end(*tps)
        for tp in tps:
            await consumer.position(tp)
        yield consumer
    finally:
        await consumer.stop()


async def _records(consumer: Any, deadline: float) -> AsyncIterator[Any]:
    while time.monotonic() < deadline:
        for records in (await consumer.getmany(timeout_ms=50)).values():
            for record in records:
                yield record
    raise AssertionError("the moment never came")


async def kill_between_output_and_commit(
    installation: Installation, worker: Worker, *, seconds: float = 60.0
) -> None:
    """``kill -9`` of a worker whose INGEST has written deltas that are not committed.

    Needs events that keep coming, or heartbeats: every second there is a transaction.
    """
    await stop_between_output_and_commit(installation, worker, seconds=seconds)
    worker.kill()


async def stop_between_output_and_commit(
    installation: Installation, worker: Worker, *, seconds: float = 60.0
) -> None:
    """The same, but INGEST is only stopped (SIGSTOP), between its output and its commit."""
    count = installation.topics.deltas_partitions
    topic = installation.topics.deltas
    group = f"{installation.prefix}ingest"
    admin = AIOKafkaAdminClient(bootstrap_servers=installation.bootstrap)
    await admin.start()
    try:
        async with _reader(installation, topic, "read_uncommitted", count) as written:
            async for record in _records(written, time.monotonic() + seconds):
                delta = decode_delta(record.value)
                source = TopicPartition(delta.topic, delta.partition)
                if delta.next_offset == delta.first_offset:
                    continue  # only time passes
                worker.signal(signal.SIGSTOP, "ingest")
                await asyncio.sleep(_SETTLE_SECONDS)
                found = await admin.list_consumer_group_offsets(group, partitions=[source])
                if found[source].offset < delta.next_offset:
                    return
                worker.signal(signal.SIGCONT, "ingest")
                await written.seek_to_end(*written.assignment())
    finally:
        await admin.close()


async def kill_between_signals_and_pages(
    installation: Installation, *, seconds: float = 60.0
) -> tuple[Worker, str]:
    """``kill -9`` of the worker whose WATCH has published a signal that no page remembers yet.

    Returns:
        The worker, and the transition that it had published.
    """
    count = installation.topics.deltas_partitions
    owners = await _owners(installation)
    changelog = f"{installation.prefix}watch-{LIVE}-changelog"
    async with (
        _reader(installation, installation.topics.signals, "read_committed", 1) as signals,
        _reader(installation, changelog, "read_uncommitted", count) as pages,
    ):
        async for record in _records(signals, time.monotonic() + seconds):
            alert = json.loads(record.value)
            partition = delta_partition(_scope(alert["scope"]), count)
            worker = owners[partition]
            worker.signal(signal.SIGSTOP, "watch")
            await asyncio.sleep(_SETTLE_SECONDS)
            tp = TopicPartition(changelog, partition)
            before = await pages.position(tp)
            if (await pages.end_offsets([tp]))[tp] == before:
                worker.kill()
                return worker, str(alert["transition_id"])
            worker.signal(signal.SIGCONT, "watch")
            await pages.seek_to_end(tp)
            await pages.position(tp)
    raise AssertionError("the moment never came")


def _scope(scope: dict[str, str]) -> str:
    where = "" if scope["environment"] == "default" else f"@{scope['environment']}"
    return f"{scope['kind']}:{scope['name']}{where}"


async def _owners(installation: Installation) -> dict[int, Worker]:
    return {
        number: worker for worker in installation.running for number in await worker.partitions()
    }


async def kill_in_a_page_flush(installation: Installation, *, seconds: float = 60.0) -> Worker:
    """``kill -9`` of a worker that has written some pages of a flush, but not its last."""
    worker = await stop_in_a_page_flush(installation, seconds=seconds)
    worker.kill()
    return worker


async def stop_in_a_page_flush(installation: Installation, *, seconds: float = 60.0) -> Worker:
    """The same, but WATCH is only stopped (SIGSTOP)."""
    count = installation.topics.deltas_partitions
    owners = await _owners(installation)
    changelog = f"{installation.prefix}watch-{LIVE}-changelog"
    async with _reader(installation, changelog, "read_uncommitted", count) as pages:
        async for record in _records(pages, time.monotonic() + seconds):
            key, is_page = _page_key(record), record.value is not None
            if not is_page or key.page == OWN_PAGE:
                continue
            worker = owners[record.partition]
            worker.signal(signal.SIGSTOP, "watch")
            stamp = decode_page(record.value).stamp
            if not await _is_flushed(pages, record.partition, stamp):
                return worker
            worker.signal(signal.SIGCONT, "watch")
    raise AssertionError("the moment never came")


def _page_key(record: Any) -> PageKey:
    return PageKey.parse(json.loads(record.key))


async def _is_flushed(pages: Any, partition: int, stamp: int) -> bool:
    """Whether the partition's own page, the last of a flush, has been written as well."""
    until_ = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < until_:
        for records in (await pages.getmany(timeout_ms=50)).values():
            for record in records:
                if record.partition != partition or record.value is None:
                    continue
                is_own = _page_key(record).page == OWN_PAGE
                if is_own and decode_page(record.value).stamp >= stamp:
                    return True
    return False


@contextlib.asynccontextmanager
async def pages_are_refused(installation: Installation) -> AsyncIterator[None]:
    """Meanwhile the broker takes no page of live state: each is larger than it allows."""
    topic = f"{installation.prefix}watch-{LIVE}-changelog"
    admin = AIOKafkaAdminClient(bootstrap_servers=installation.bootstrap)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        (answer,) = await admin.describe_configs([resource])
        ((_code, _message, _kind, _name, entries),) = answer.resources
        own = {name: value for name, value, _read_only, source, *_ in entries if source == 1}
        # Altering sets what it names and resets the rest: so all of its own each time.
        for settings in (own | {"max.message.bytes": "128"}, own):
            resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=settings)
            await admin.alter_configs([resource])
            if settings is not own:
                yield
    finally:
        await admin.close()


async def kill_in_recovery(worker: Worker, chance: random.Random, *roles: str) -> None:
    """Start a worker and ``kill -9`` it while WATCH reads its tables back."""
    for _ in range(10):
        worker.start(*roles)
        await worker.said("watch_started")
        await asyncio.sleep(chance.uniform(0.2, 2.0))
        is_too_late = bool(worker.events("watch_partitions_taken"))
        worker.kill()
        if not is_too_late:
            return
    raise AssertionError("recovery was always over")


async def freeze(worker: Worker, seconds: float) -> None:
    """Stop all of a worker's processes for longer than its sessions live, then let them go on."""
    worker.signal(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    worker.signal(signal.SIGCONT)


async def others_took_over(installation: Installation, frozen: Worker) -> None:
    """Return when workers other than the frozen one hold everything."""
    wanted = list(range(installation.topics.deltas_partitions))

    async def is_taken() -> bool:
        others = [worker for worker in installation.running if worker is not frozen]
        return sorted([n for worker in others for n in await worker.partitions()]) == wanted

    await until(is_taken, 60.0, installation.logs)
