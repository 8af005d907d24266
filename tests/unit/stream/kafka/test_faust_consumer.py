"""What our consumer does otherwise than Faust's: seen on real Faust objects, no broker."""

import asyncio
import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.subscription_state import SubscriptionState
from faust.types import TP

from stream.kafka.faust_consumer import (
    DurablePrefix,
    _CommittedConsumerThread,
    acknowledge,
    note_life,
    seek_to_committed,
)

TP0, TP1 = TP("changelog", 0), TP("changelog", 1)


async def test_consumers_read_only_what_was_committed(app: Any):
    async def ignore(*_: Any) -> None:
        return None

    consumer = app.transport.create_consumer(
        callback=ignore, on_partitions_revoked=ignore, on_partitions_assigned=ignore
    )
    inner = consumer._thread._create_worker_consumer(app.transport)
    assert inner._isolation_level == "read_committed"
    await inner.stop()
    consumer._thread.thread_loop.close()


DELTAS = TP("deltas", 3)


class Acknowledged:
    """A message, and whether Faust was told."""

    def __init__(self, offset: int, generation: int) -> None:
        self.message = SimpleNamespace(
            topic=DELTAS.topic, partition=DELTAS.partition, offset=offset, generation_id=generation
        )
        self.is_acknowledged = False

    def ack(self) -> None:
        self.is_acknowledged = True


def test_what_is_acknowledged_is_committed_up_to_its_end_whatever_offsets_are_markers():
    faust = SimpleNamespace(consumer=SimpleNamespace(durable=DurablePrefix()))
    events = [Acknowledged(offset, 1) for offset in (3, 5, 8)]
    for event in events:
        acknowledge(faust, event)
    assert all(event.is_acknowledged for event in events)
    assert faust.consumer.durable.next_offset(DELTAS, 1) == 9
    assert faust.consumer.durable.next_offset(DELTAS, 1) is None, "it was said already"


def test_what_was_durable_in_one_generation_is_not_committed_in_the_next():
    durable = DurablePrefix()
    durable.reach(DELTAS, 1041, 7)
    assert durable.next_offset(DELTAS, 8) is None
    assert durable.next_offset(DELTAS, 7) is None, "and never again"


async def test_what_faust_acknowledges_by_itself_is_never_committed(app: Any):
    """It does so with every message that it skips in a rebalance, and of which nobody hears."""

    async def ignore(*_: Any) -> None:
        return None

    consumer = app.transport.create_consumer(
        callback=ignore, on_partitions_revoked=ignore, on_partitions_assigned=ignore
    )
    app.consumer_generation_id = 8
    consumer._acked[DELTAS].append(1041)
    consumer._acked_index[DELTAS].add(1041)
    assert consumer._new_offset(DELTAS) is None
    assert not consumer._acked[DELTAS]
    assert not consumer._acked_index[DELTAS]
    consumer.durable.reach(DELTAS, 980, 8)
    assert consumer._new_offset(DELTAS) == 981
    consumer._thread.thread_loop.close()


async def test_what_comes_again_after_a_seek_is_delivered_whatever_was_read_before(app: Any):
    """A message that was on its way is noted as read after the seek; it must not hide the rest."""
    delivered = []

    async def deliver(message: Any) -> None:
        delivered.append(message.offset)

    async def ignore(*_: Any) -> None:
        return None

    consumer = app.transport.create_consumer(
        callback=deliver, on_partitions_revoked=ignore, on_partitions_assigned=ignore
    )
    rounds = iter([[562], [475, 476, 562]])

    async def getmany(timeout: float) -> Any:  # noqa: ASYNC109 -- Faust's signature
        for offset in next(rounds):
            yield DELTAS, SimpleNamespace(topic=DELTAS.topic, offset=offset, key=b"", value=b"")

    consumer.getmany = getmany
    fetcher = SimpleNamespace(_stopped=SimpleNamespace(is_set=lambda: len(delivered) >= 4))
    async with asyncio.timeout(5):
        await consumer._drain_messages(fetcher)
    assert delivered == [562, 475, 476, 562]
    consumer._thread.thread_loop.close()


async def test_a_partition_that_was_just_assigned_has_no_position_and_ends_nothing(app: Any):
    async def ignore(*_: Any) -> None:
        return None

    consumer = app.transport.create_consumer(
        callback=ignore, on_partitions_revoked=ignore, on_partitions_assigned=ignore
    )
    thread, assigned = consumer._thread, SubscriptionState()
    assigned.assign_from_user([TopicPartition(DELTAS.topic, DELTAS.partition)])
    thread._consumer = SimpleNamespace(_fetcher=SimpleNamespace(_subscriptions=assigned))
    thread._verify_aiokafka_event_path = lambda *_: False
    thread.time_started, thread.assignment = 0.0, lambda: {DELTAS}
    await consumer.verify_all_partitions_active()
    thread.thread_loop.close()


class Seeker:
    """A consumer with committed offsets that takes notes."""

    def __init__(self, committed: dict[TP, int | None]) -> None:
        self.committed = committed
        self.to_beginning: list[TP] = []

    async def seek_to_committed(self) -> dict[TP, int | None]:
        return self.committed

    async def seek_to_beginning(self, *tps: TP) -> None:
        self.to_beginning += tps


async def test_a_partition_that_was_never_committed_is_read_from_its_start():
    seeker = Seeker({TP0: 7, TP1: None})
    assert await seek_to_committed(seeker) == {TP0: 7, TP1: None}
    assert seeker.to_beginning == [TP1]


async def test_with_every_partition_committed_nothing_is_read_from_its_start():
    seeker = Seeker({TP0: 7})
    await seek_to_committed(seeker)
    assert seeker.to_beginning == []


INPUT = TP("input", 0)


class Log:
    """A consumer and its fetcher: records from the position on, which a seek moves."""

    def __init__(self) -> None:
        self.position, self.committed = 9, 5
        self.asked: list[set[TP]] = []
        self.has_data = asyncio.Event()
        self._closed = False
        self._fetcher = self
        self._subscriptions = self

    @contextlib.contextmanager
    def fetch_context(self) -> Iterator[None]:
        yield

    async def fetched_records(
        self, partitions: set[TP], **how: float | None
    ) -> dict[TP, list[int]]:
        self.asked.append(partitions)
        await self.has_data.wait()
        found = {tp: [self.position] for tp in partitions}
        self.position += 1
        return found

    async def seek_to_committed(self) -> dict[TP, int | None]:
        self.position = self.committed
        return {INPUT: self.committed}


def reader(log: Log) -> tuple[Any, Any]:
    """The thread that reads, without a thread; and the app."""
    app = SimpleNamespace(
        rebalancing=False,
        rebalancing_count=0,
        tables=SimpleNamespace(changelog_topics={TP0.topic}),
    )
    thread = object.__new__(_CommittedConsumerThread)
    thread.app = app
    thread.consumer = SimpleNamespace(flow_active=True)
    thread._consumer = log
    return thread, app


async def test_in_a_rebalance_changelogs_are_read_and_inputs_are_left_where_they_are():
    log = Log()
    log.has_data.set()
    thread, app = reader(log)
    app.rebalancing = True
    assert await thread._fetch_records(log, {INPUT, TP0}) == {TP0: [9]}
    assert await thread._fetch_records(log, {INPUT}) == {}
    assert log.asked == [{TP0}]
    app.rebalancing = False
    assert await thread._fetch_records(log, {INPUT, TP0}) == {INPUT: [10], TP0: [10]}


async def test_what_was_being_read_when_a_rebalance_began_is_dropped_before_the_seek():
    log = Log()
    thread, app = reader(log)
    reading = asyncio.create_task(thread._fetch_records(log, {INPUT, TP0}))
    await asyncio.sleep(0)
    app.rebalancing, app.rebalancing_count = True, 1
    seeking = asyncio.create_task(thread._seek_to_committed())
    await asyncio.sleep(0)
    app.rebalancing = False  # it is over before the read came back
    log.has_data.set()
    assert await reading == {TP0: [9]}
    await seeking
    assert await thread._fetch_records(log, {INPUT}) == {INPUT: [5]}


async def test_a_main_loop_that_runs_counts_as_asking_for_records():
    subscription = SubscriptionState()
    subscription._last_fetch_ended -= 400.0
    assert subscription.fetcher_idle_time > 300
    consumer = SimpleNamespace(_subscription=subscription)
    note_life(SimpleNamespace(consumer=object()))  # before there is a thread
    note_life(SimpleNamespace(consumer=SimpleNamespace(_thread=SimpleNamespace(_consumer=None))))
    note_life(
        SimpleNamespace(consumer=SimpleNamespace(_thread=SimpleNamespace(_consumer=consumer)))
    )
    assert subscription.fetcher_idle_time < 300
