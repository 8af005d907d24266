"""The moments at which a worker must not lose money, found from outside: freeze, look, kill.

Between an output and its commit there are a few milliseconds; whoever waits for the output to
arrive comes too late more often than not. So a role is led to the moment step by step: stopped
(SIGSTOP), looked at through what Kafka holds, let go for some milliseconds (SIGCONT), stopped
again, until it stands where it is wanted. It needs something to do meanwhile: events that keep
coming. The program that is killed is the one that production runs, without a line made for tests.
"""

import asyncio
import contextlib
import json
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from stream.delta import decode_delta
from stream.usage.fanout import delta_partition
from stream.watch.flush import LIVE, OWN_PAGE
from stream.watch.pages import PageKey
from tests.support.worker import Installation, Worker, until

_SETTLE_SECONDS = 0.2
"""What a process had sent before it was stopped has arrived by then, under load too."""

_STEP_SECONDS = 0.004
"""How long a role goes on between two looks: less than a producer lingers over a batch (5 ms), so
that what waits for an acknowledgement is not sent in the same step as what is acknowledged."""

_LOOK_SECONDS = 0.02
"""What was sent in a step has mostly arrived by then; what has not is seen at the next look."""

_STEPS_IN_A_ROW, _BREATH_SECONDS = 50, 0.3
"""After so many steps it goes on for a while as it likes: nobody is to lose a session by this."""


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


async def _rest(consumer: Any) -> list[Any]:
    """What a reader has not seen yet, up to the ends that its topics have now."""
    found: list[Any] = []
    ends = await consumer.end_offsets(consumer.assignment())
    for tp, end in ends.items():
        while await consumer.position(tp) < end:
            records = await consumer.getmany(tp, timeout_ms=100)
            found += [record for each in records.values() for record in each]
    return found


async def _step_to(
    worker: Worker, role: str, is_there: Callable[[], Awaitable[bool]], seconds: float
) -> None:
    """Leave a role stopped where ``is_there`` says so, and still does once all has arrived.

    Raises:
        AssertionError: it never was there.
    """
    deadline, steps = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        worker.signal(signal.SIGSTOP, role)
        await asyncio.sleep(_LOOK_SECONDS)
        if await is_there():
            await asyncio.sleep(_SETTLE_SECONDS)
            if await is_there():
                return
        worker.signal(signal.SIGCONT, role)
        steps += 1
        await asyncio.sleep(_STEP_SECONDS if steps % _STEPS_IN_A_ROW else _BREATH_SECONDS)
    raise AssertionError(f"the moment never came in {steps} steps\n{worker.log[-3000:]}")


async def kill_between_output_and_commit(
    installation: Installation, worker: Worker, *, seconds: float = 60.0
) -> None:
    """``kill -9`` of a worker whose INGEST has written deltas that are not committed."""
    await stop_between_output_and_commit(installation, worker, seconds=seconds)
    worker.kill()


async def stop_between_output_and_commit(
    installation: Installation, worker: Worker, *, seconds: float = 60.0
) -> None:
    """The same, but INGEST is only stopped (SIGSTOP), between its output and its commit."""
    count = installation.topics.deltas_partitions
    topic = installation.topics.deltas
    group = f"{installation.prefix}ingest"
    reached: dict[TopicPartition, int] = {}
    admin = AIOKafkaAdminClient(bootstrap_servers=installation.bootstrap)
    await admin.start()
    try:
        async with _reader(installation, topic, "read_uncommitted", count) as written:

            async def is_uncommitted() -> bool:
                for record in await _rest(written):
                    delta = decode_delta(record.value)
                    if delta.next_offset > delta.first_offset:  # else only time passes
                        reached[TopicPartition(delta.topic, delta.partition)] = delta.next_offset
                if not reached:
                    return False
                found = await admin.list_consumer_group_offsets(group, partitions=[*reached])
                for source, committed in found.items():
                    if committed.offset >= reached[source]:
                        del reached[source]
                return bool(reached)

            await _step_to(worker, "ingest", is_uncommitted, seconds)
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
    deadline = time.monotonic() + seconds
    async with (
        _reader(installation, installation.topics.signals, "read_committed", 1) as signals,
        _reader(installation, changelog, "read_uncommitted", count) as pages,
    ):
        written_at: dict[int, int] = {}
        while time.monotonic() < deadline:
            for records in (await signals.getmany(timeout_ms=50)).values():
                alert = json.loads(records[-1].value)
                partition = delta_partition(_scope(alert["scope"]), count)
                worker = owners[partition]
                worker.signal(signal.SIGSTOP, "watch")
                await asyncio.sleep(_SETTLE_SECONDS)
                for page in await _rest(pages):
                    written_at[page.partition] = page.timestamp
                # Both times are the worker's own: what it wrote before the signal holds none of it.
                if written_at.get(partition, -1) < records[-1].timestamp:
                    worker.kill()
                    return worker, str(alert["transition_id"])
                worker.signal(signal.SIGCONT, "watch")
    raise AssertionError("no signal came that no page remembered")


def _scope(scope: dict[str, str]) -> str:
    where = "" if scope["environment"] == "default" else f"@{scope['environment']}"
    return f"{scope['kind']}:{scope['name']}{where}"


async def _owners(installation: Installation) -> dict[int, Worker]:
    return {
        number: worker for worker in installation.running for number in await worker.partitions()
    }


async def kill_in_a_page_flush(
    installation: Installation, worker: Worker, *, seconds: float = 60.0
) -> None:
    """``kill -9`` of a worker that has written some pages of a flush, but not its last."""
    await stop_in_a_page_flush(installation, worker, seconds=seconds)
    worker.kill()


async def stop_in_a_page_flush(
    installation: Installation, worker: Worker, *, seconds: float = 60.0
) -> None:
    """The same, but WATCH is only stopped (SIGSTOP)."""
    mine = await worker.partitions()
    changelog = f"{installation.prefix}watch-{LIVE}-changelog"
    count = installation.topics.deltas_partitions
    unfinished: set[int] = set()
    async with _reader(installation, changelog, "read_uncommitted", count) as pages:

        async def is_in_a_flush() -> bool:
            for record in await _rest(pages):
                if record.value is None or record.partition not in mine:
                    continue
                # The partition's own page is the last of a flush.
                is_last = PageKey.parse(json.loads(record.key)).page == OWN_PAGE
                (unfinished.discard if is_last else unfinished.add)(record.partition)
            return bool(unfinished)

        await _step_to(worker, "watch", is_in_a_flush, seconds)


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
