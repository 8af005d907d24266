"""INGEST on a real broker: topics, events, an auditor, and a worker process to kill.

``python -m tests.support.ingest SETTINGS`` runs the role as a process of its own. It is the very
``run_ingest``; only the seams are used, to end or stop the process at a chosen commit.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import GroupCoordinatorNotAvailableError

from detectors.observation import COUNTERS, REQUESTS, Counts, add_counts, zero_counts
from stream.delta import Delta, decode_delta
from stream.ingest.config import IngestConfig
from stream.ingest.worker import IngestSettings, Seams, run_ingest
from stream.kafka.admin import connect_admin
from stream.kafka.connection import ConnectionConfig
from stream.kafka.topics import TopicsConfig
from stream.usage.fanout import FanoutConfig

START = 1_700_000_000
DELTAS = 4

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def settings(bootstrap: str, prefix: str, **ingest: Any) -> IngestSettings:
    """Small and quick: four delta partitions, one kind of scope, a session of three seconds."""
    quick: dict[str, Any] = {
        "group": f"{prefix}ingest",
        "session_timeout_seconds": 3.0,
        "idle_after_seconds": 1.0,
        "cut_min_seconds": 0.05,
    }
    return IngestSettings(
        ingest=IngestConfig(**(quick | ingest)),
        connection=ConnectionConfig(bootstrap_servers=(bootstrap,)),
        topics=TopicsConfig.prefixed(prefix),
        fanout=FanoutConfig(kinds=("agent",)),
    )


async def create_topics(of: IngestSettings, *, inputs: int = 2, id_logs: int | None = None) -> None:
    """The topics of INGEST; with fewer partitions for the ids than inputs, these share them."""
    async with connect_admin(of.connection) as admin:
        await admin.create(of.topics.usage_events, inputs, {})
        await admin.create(of.topics.usage_keyed, inputs, {})
        await admin.create(of.topics.deltas, DELTAS, {})
        await admin.create(of.topics.dedup, id_logs or inputs, {})
        await admin.create(of.topics.provisional, id_logs or inputs, {})
        await admin.create(of.topics.dead_letter, 1, {})


async def remove_records(of: IngestSettings, topic: str) -> None:
    """What retention does: everything in the first partition of a topic is gone."""
    source = TopicPartition(topic, 0)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap(of))
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap(of), group_id=None)
    await admin.start()
    await consumer.start()
    try:
        consumer.assign([source])
        ends = await consumer.end_offsets([source])
        await admin.delete_records({source: RecordsToDelete(before_offset=ends[source])})
    finally:
        await consumer.stop()
        await admin.close()


def event(number: int, agent: str = "bot", at: int = 0) -> bytes:
    """A native event of one call."""
    return json.dumps(
        {
            "event_id": f"e{number}",
            "timestamp": START + at,
            "model": "gpt-4o",
            "agent": agent,
            "cost_usd": "0.001",
        }
    ).encode()


async def produce(of: IngestSettings, payloads: Iterable[bytes], partition: int | None = 0) -> None:
    """Payloads to one input partition, or in turn to the first two."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap(of), acks="all") as producer:
        futures = [
            await producer.send(
                of.topics.usage_events,
                payload,
                partition=number % 2 if partition is None else partition,
            )
            for number, payload in enumerate(payloads)
        ]
        await asyncio.gather(*futures)


def bootstrap(of: IngestSettings) -> str:
    """The broker's address."""
    return of.connection.bootstrap_servers[0]


async def read_committed(of: IngestSettings, topic: str) -> dict[int, list[bytes]]:
    """All committed records of a topic, by partition."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap(of),
        group_id=None,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        names = await consumer._client._wait_on_metadata(topic)
        sources = [TopicPartition(topic, number) for number in sorted(names)]
        consumer.assign(sources)
        ends = await consumer.end_offsets(sources)
        found: dict[int, list[bytes]] = {source.partition: [] for source in sources}
        for source in sources:
            while await consumer.position(source) < ends[source]:
                batches = await consumer.getmany(source, timeout_ms=200)
                found[source.partition] += [r.value for r in batches.get(source, ())]
        return found
    finally:
        await consumer.stop()


async def deltas(of: IngestSettings) -> dict[int, list[Delta]]:
    """All committed deltas, by partition."""
    found = await read_committed(of, of.topics.deltas)
    return {number: [decode_delta(value) for value in values] for number, values in found.items()}


async def audit(of: IngestSettings) -> Counter[str]:
    """What readers of the deltas count: scope to requests."""
    total: Counter[str] = Counter()
    for found in (await deltas(of)).values():
        for delta in found:
            for row in delta.rows():
                total[row.scope] += row.counts[REQUESTS]
    return total


async def audit_counts(of: IngestSettings) -> dict[str, dict[str, int]]:
    """All that readers of the deltas count, by scope; what the price list says is left out."""
    total: dict[str, Counts] = {}
    for found in (await deltas(of)).values():
        for delta in found:
            for row in delta.rows():
                add_counts(total.setdefault(row.scope, zero_counts()), row.counts)
    return {
        scope: {
            name: amount
            for name, amount in zip(COUNTERS, counts, strict=True)
            if amount and name != "computed_nanousd"
        }
        for scope, counts in total.items()
    }


async def caught_up(of: IngestSettings, *, seconds: float = 30.0) -> None:
    """Return when the group that reads ``usage_events`` has committed to all of its ends."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap(of))
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap(of), group_id=None)
    await admin.start()
    await consumer.start()
    try:
        names = await consumer._client._wait_on_metadata(of.topics.usage_events)
        sources = [TopicPartition(of.topics.usage_events, number) for number in names]
        async with asyncio.timeout(seconds):
            while True:
                ends = await consumer.end_offsets(sources)
                found = {}
                # A coordinator that is not there yet, or leaves partitions out, gives no answer.
                with suppress(GroupCoordinatorNotAvailableError):
                    found = await admin.list_consumer_group_offsets(
                        of.ingest.group, partitions=sources
                    )
                if all(s in found and found[s].offset >= ends[s] for s in sources if ends[s]):
                    return
                await asyncio.sleep(0.1)
    finally:
        await consumer.stop()
        await admin.close()


@asynccontextmanager
async def running(
    of: IngestSettings, *, seams: Seams | None = None, counted: Counter[str] | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """The role on this loop, stopped at the end; its error, if it has one, is the test's."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_ingest(of, stop, seams=seams, counted=counted))
    try:
        yield task
    finally:
        stop.set()
        await task


class WorkerProcess:
    """The role as a process of its own.

    Args:
        of: settings.
        log: file for what it prints.
        at_commit: number of the commit, counted from 1, before which it ends or stops itself.
        how: ``kill`` or ``stop``.
    """

    def __init__(
        self, of: IngestSettings, log: Path, *, at_commit: int = 0, how: str = "kill"
    ) -> None:
        plan = {
            "bootstrap": bootstrap(of),
            "prefix": of.topics.usage_events.removesuffix("usage.events"),
            "ingest": of.ingest.model_dump(mode="json"),
            "at_commit": at_commit,
            "how": how,
        }
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(  # noqa: S603 -- the command is ours
                [sys.executable, "-m", "tests.support.ingest", json.dumps(plan)],
                stdout=out,
                stderr=out,
                cwd=Path(__file__).resolve().parents[2],
            )

    async def ended(self, seconds: float = 20.0) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.to_thread(self.process.wait, seconds)

    async def stopped(self, seconds: float = 20.0) -> None:
        """Return when it has stopped itself."""
        async with asyncio.timeout(seconds):
            while self._state() != "T":  # noqa: ASYNC110 -- a process sets no event
                await asyncio.sleep(0.05)

    def _state(self) -> str:
        return Path(f"/proc/{self.process.pid}/stat").read_text().split()[2]

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal, if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(how)


async def _main(plan: dict[str, Any]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    commits = 0

    async def before_commit(_: TopicPartition) -> None:
        nonlocal commits
        commits += 1
        if commits == plan["at_commit"]:
            os.kill(os.getpid(), SIGNALS[plan["how"]])

    of = settings(plan["bootstrap"], plan["prefix"], **plan["ingest"])
    counted: Counter[str] = Counter()
    await run_ingest(of, stop, seams=Seams(before_commit=before_commit), counted=counted)
    sys.stdout.write(f"counted {json.dumps(counted)}\n")


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1])))
