"""Where benches happen: one broker, topics full of events, workers whose roles can be timed.

Nothing here decides what is measured.
"""

import asyncio
import contextlib
import secrets
import shutil
import time
import zlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.benchmarks.process import Usage, usage
from tests.support.kafka import KafkaBroker
from tests.support.worker import Installation, Json, Worker, merged, until

INPUT_PARTITIONS = 4
POLL_SECONDS = 0.2
COUNTED_KIND = "organization"
"""All events are of one organization, so its requests are all that was counted, in one row."""

JUDGING = ("watch", "decide", "notify")

_BATCH_BYTES = 512 * 1024
_SLOW_SECONDS = 900.0
_ASK_SECONDS = 5.0
_STILL_SECONDS = 1.5
# Metrics are a second old at most: what has not moved for longer has nothing to do.


class Yard:
    """One broker, and installations on it.

    Args:
        broker: running.
        folder: for configurations and logs.
    """

    def __init__(self, broker: KafkaBroker, folder: Path) -> None:
        self.broker = broker
        self.folder = folder

    @property
    def bootstrap(self) -> str:
        """``host:port``."""
        return self.broker.bootstrap

    @contextlib.asynccontextmanager
    async def house(
        self, scopes: int, settings: Json | None = None, *, workers: int = 1
    ) -> AsyncIterator["House"]:
        """A spendwatch with topics of its own; gone with its topics when the context ends."""
        prefix = f"bench-{secrets.token_hex(3)}-"
        installation = Installation(
            self.folder / prefix,
            self.bootstrap,
            prefix,
            workers=workers + 1,
            delta_partitions=16,
            input_partitions=INPUT_PARTITIONS,
            # The shipped bound of 10,000 names a kind is too small for 100,000 scopes.
            settings=merged(
                {"fanout": {"max_names": max(10_000, 2 * scopes)}, "watch": {"host": "127.0.0.1"}},
                settings or {},
            ),
        )
        await installation.create_topics()
        try:
            yield House(self, installation)
        finally:
            installation.kill()
            await self.delete(prefix)
            shutil.rmtree(installation.folder, ignore_errors=True)

    async def topic(self, partitions: int = INPUT_PARTITIONS) -> str:
        """A new topic of this many partitions."""
        name = f"bench-{secrets.token_hex(3)}-events"
        async with self._admin() as admin:
            await admin.create_topics([NewTopic(name, partitions, 1)])
        return name

    async def delete(self, prefix: str) -> None:
        """Remove all topics whose names begin so."""
        async with self._admin() as admin:
            names = [name for name in await admin.list_topics() if name.startswith(prefix)]
            if names:
                await admin.delete_topics(names)

    async def fill(self, topic: str, events: Iterable[tuple[bytes, bytes]]) -> int:
        """Write events, each to the partition of its key, as fast as it goes; how many."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            acks=1,
            max_batch_size=_BATCH_BYTES,
            max_request_size=4 * _BATCH_BYTES,
        )
        await producer.start()
        try:
            count = await send(producer, topic, events)
            await producer.flush()
        finally:
            await producer.stop()
        return count

    async def end(self, topic: str) -> int:
        """Records that were ever written to a topic of one partition, markers included."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap)
        await consumer.start()
        try:
            place = TopicPartition(topic, 0)
            return int((await consumer.end_offsets([place]))[place])
        finally:
            await consumer.stop()

    @contextlib.asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()


async def send(
    producer: AIOKafkaProducer, topic: str, events: Iterable[tuple[bytes, bytes]]
) -> int:
    """Hand events over in whole batches, three times as fast as one by one; how many."""
    batches = [producer.create_batch() for _ in range(INPUT_PARTITIONS)]
    count = 0
    for key, value in events:
        number = zlib.crc32(key) % INPUT_PARTITIONS
        count += 1
        if batches[number].append(key=key, value=value, timestamp=None) is None:
            await producer.send_batch(batches[number], topic, partition=number)
            batches[number] = producer.create_batch()
            batches[number].append(key=key, value=value, timestamp=None)
    for number, batch in enumerate(batches):
        if batch.record_count():
            await producer.send_batch(batch, topic, partition=number)
    return count


class House:
    """One spendwatch: judging workers, and one worker that only ingests.

    INGEST is a worker of its own, with the same program and configuration, so that it can be held
    back until everybody is ready and the events are there: start-up is then not measured.

    Attributes:
        yard: where it stands.
        installation: its files, topics and workers.
        judge: the worker with WATCH, DECIDE and NOTIFY.
        feeder: the worker with INGEST.
    """

    def __init__(self, yard: Yard, installation: Installation) -> None:
        self.yard = yard
        self.installation = installation
        self.judge: Worker = installation.workers[0]
        self.feeder: Worker = installation.workers[-1]

    @property
    def topic(self) -> str:
        """Of usage events."""
        return self.installation.topics.usage_events

    async def open(self, whole: Worker | None = None) -> float:
        """Start the judging worker; seconds until it held all partitions.

        Args:
            whole: start this one with all roles instead.
        """
        since = time.monotonic()
        if whole is not None:
            self.judge = self.feeder = whole
        self.judge.start(*(() if whole else JUDGING))
        wanted = list(range(self.installation.topics.deltas_partitions))

        async def is_ready() -> bool:
            assert self.judge.code is None, self.installation.logs()
            return await self.judge.partitions() == wanted

        await until(is_ready, 60.0, self.installation.logs)
        return time.monotonic() - since

    async def counted(self) -> int:
        """Events counted in the tables by now; 0 while nobody answers."""
        return max(0, await self.installation.counted(COUNTED_KIND))

    async def reached(self, events: int, seconds: float = _SLOW_SECONDS) -> "Moment":
        """The moment at which this many events, or more, are found counted."""
        deadline = time.monotonic() + seconds
        last = await self.glance()
        asked_at = last.at
        while True:
            await asyncio.sleep(POLL_SECONDS)
            now = await self.glance()
            # Seldom, or when nothing moves: whoever asks for spend makes WATCH settle all that it
            # has in columns.
            is_still = now.rows == last.rows and now.at - last.at > _STILL_SECONDS
            if is_still or now.at - asked_at > _ASK_SECONDS:
                moment = await self.look()
                if moment.counted >= events:
                    return moment
                asked_at = moment.at
            if now.rows != last.rows:
                last = now
            dead = [each for each in self.installation.running if each.code is not None]
            assert not dead, self.installation.logs()
            assert time.monotonic() < deadline, f"{now} after {events}\n{self.installation.logs()}"

    async def measured(self, events: int, seconds: float) -> "tuple[Moment, Moment]":
        """From the first event counted until all are, or until so long after it."""
        idle = await self.look()
        while (now := await self.glance()).events == 0:  # noqa: ASYNC110 -- of another process
            await asyncio.sleep(POLL_SECONDS)
        first, last = await self.look(), now
        if first.counted >= events:  # so few that there is nothing between the first and the last
            return idle, first
        while now.at - first.at < seconds:
            await asyncio.sleep(POLL_SECONDS)
            now = await self.glance()
            if now.rows != last.rows:
                last = now
            elif (
                now.at - last.at > _STILL_SECONDS and (found := await self.look()).counted >= events
            ):
                return first, Moment(last.at, found.counted, last.used)
        return first, await self.look()

    async def look(self) -> "Moment":
        """Where the tables stand, and what everybody has used."""
        before = time.monotonic()
        counted = await self.counted()
        return Moment((before + time.monotonic()) / 2, counted, self._used())

    async def glance(self) -> "Glance":
        """What the roles' metrics say, a second old at most; costs them next to nothing."""
        said: dict[str, float] = {}
        for worker in {self.feeder, self.judge}:
            said |= await _metrics(worker)
        return Glance(
            time.monotonic(),
            int(said.get("spendwatch_events_total", 0)),
            int(said.get("spendwatch_delta_rows_total", 0)),
            self._used(),
        )

    def _used(self) -> dict[str, Usage]:
        used = {}
        for role, worker in (("ingest", self.feeder), *((role, self.judge) for role in JUDGING)):
            with contextlib.suppress(OSError):
                if pids := worker.pids(role):
                    used[role] = usage(*pids)
        assert self.yard.broker.pid is not None
        return used | {"broker": usage(self.yard.broker.pid)}


async def _metrics(worker: Worker) -> dict[str, float]:
    """Samples without labels of a worker's metrics; none while it does not answer."""
    listens = worker.events("worker_listens")
    if not listens or not worker.is_wanted:
        return {}
    found = {}
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5.0)) as session,
            session.get(f"{listens[-1]['url']}/metrics") as answer,
        ):
            for line in (await answer.text()).splitlines():
                name, _, value = line.partition(" ")
                if not line.startswith("#") and "{" not in name:
                    found[name] = float(value)
    return found


@dataclass(frozen=True, slots=True)
class Glance:
    """What the metrics say.

    Attributes:
        at: monotonic seconds.
        events: counted by INGEST since it started.
        rows: folded by WATCH since it started.
        used: as in ``Moment``.
    """

    at: float
    events: int
    rows: int
    used: dict[str, Usage]


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a house stands.

    Attributes:
        at: monotonic seconds.
        counted: events in the tables.
        used: role, and ``broker``, to what its process has used.
    """

    at: float
    counted: int
    used: dict[str, Usage]
