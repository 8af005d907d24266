"""What our Faust app does otherwise than Faust: seen on real Faust objects, no broker."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.subscription_state import SubscriptionState
from faust.types import TP
from faust.windows import TumblingWindow

from stream.kafka.connection import ConnectionConfig
from stream.kafka.faust_app import (
    DurablePrefix,
    _CommittedConsumerThread,
    acknowledge,
    create_app,
    declare_table,
    seek_to_committed,
)
from stream.kafka.page_table import PageStore
from stream.kafka.topics import changelog
from stream.watch.config import WatchRoleConfig
from stream.watch.pages import encode_page

TP0, TP1 = TP("changelog", 0), TP("changelog", 1)


class Record(NamedTuple):
    """A changelog record as Faust hands it to a table; also its own event."""

    tp: TP
    offset: int
    key: Any
    value: bytes | None
    headers: None = None

    @property
    def message(self) -> "Record":
        return self

    @property
    def partition(self) -> int:
        return self.tp.partition


@pytest.fixture
async def app(tmp_path: Path) -> Any:
    return create_app(
        ConnectionConfig(),
        WatchRoleConfig(),
        advertised_url="http://127.0.0.1:1",
        instance_id="one",
        datadir=str(tmp_path),
        table_partitions=4,
    )


@pytest.fixture
async def store(app: Any) -> PageStore:
    store: PageStore = declare_table(app, "live", 4).data
    return store


def same(each: Any) -> Any:
    return each


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


async def test_it_never_asks_for_faust_s_exactly_once_and_keeps_no_standbys(app: Any):
    assert app.conf.processing_guarantee.value == "at_least_once"
    assert app.conf.table_standby_replicas == 0
    assert app.conf.producer_acks == -1
    assert app.conf.topic_disable_leader
    assert not app.conf.web_enabled
    assert not app.conf.autodiscover
    assert not app.conf.stream_wait_empty
    assert app.conf.broker_credentials is None
    assert app.conf.consumer_group_instance_id == "one"


async def test_faust_would_make_a_changelog_as_the_catalogue_says_and_its_clients_fit(app: Any):
    made = declare_table(app, "live", 4).changelog_topic
    topic = changelog("spendwatch-watch", "live", 4)
    assert (made.get_topic_name(), made.partitions) == (topic.name, topic.partitions)
    assert made.config == {name: each.wanted for name, each in topic.settings.items()}
    assert str(app.conf.producer_max_request_size) == made.config["max.message.bytes"]
    assert app.conf.consumer_max_fetch_size >= app.conf.producer_max_request_size


async def test_windowed_tables_are_tumbling_and_never_expire_by_the_wall_clock(app: Any):
    table = declare_table(app, "spend_hour", 4, 3600)
    assert isinstance(table.window, TumblingWindow)
    assert table.window.size == 3600
    assert not table.window.stale(0.0, 4_000_000_000.0)
    assert declare_table(app, "live", 4).window is None


@pytest.mark.parametrize("window", [None, 3600])
async def test_changelogs_are_compacted_and_never_deleted_from(app: Any, window: int | None):
    topic = declare_table(app, "table", 4, window).changelog_topic
    assert topic.partitions == 4
    assert topic.config["cleanup.policy"] == "compact"
    assert "retention.ms" not in topic.config


@pytest.mark.parametrize("key", ["0/64/-1/abc", ("0/8/3/abc", (3600, 7200))])
async def test_keys_and_pages_come_back_from_the_changelog_as_they_were(app: Any, key: Any):
    table = declare_table(app, "table", 4, 3600 if isinstance(key, tuple) else None)
    topic, page = table.changelog_topic, encode_page(7, {"agent:a": [255, "é"]})
    raw_key, _ = topic.schema.dumps_key(app, key, serializer=table.key_serializer, headers=[])
    raw, _ = topic.schema.dumps_value(app, page, serializer=table.value_serializer, headers=[])
    assert raw == page
    record = Record(TP0, 0, raw_key, raw)
    read_key = topic.schema.loads_key(app, record)
    read = topic.schema.loads_value(app, record)
    table.data.apply_changelog_batch([Record(TP0, 0, read_key, read)], table._to_key, same)
    assert table.data.of_partition(0) == {key: page}


async def test_a_removal_goes_out_as_a_null(app: Any):
    topic = declare_table(app, "table", 4).changelog_topic
    raw, _ = topic.schema.dumps_value(app, None, serializer="raw", headers=[])
    assert raw is None


async def test_the_store_remembers_how_far_it_was_recovered(store: PageStore):
    assert store.persisted_offset(TP0) is None
    store.apply_changelog_batch(
        [Record(TP0, 3, "a", b"1"), Record(TP0, 9, "b", b"2"), Record(TP1, 4, "c", b"3")],
        same,
        same,
    )
    assert store.persisted_offset(TP0) == 9
    assert store.persisted_offset(TP1) == 4
    assert store.of_partition(0) == {"a": b"1", "b": b"2"}


async def test_a_removed_key_is_gone_after_recovery(store: PageStore):
    store.apply_changelog_batch([Record(TP0, 0, "a", b"1")], same, same)
    store.apply_changelog_batch([Record(TP0, 1, "a", None)], same, same)
    assert store.of_partition(0) == {}
    assert store.persisted_offset(TP0) == 1


async def test_our_own_writes_move_the_offset_one_by_one(store: PageStore):
    for offset in (0, 1, 2):
        store.set_persisted_offset(TP0, offset)
    assert store.persisted_offset(TP0) == 2


async def test_a_write_behind_somebody_else_s_does_not_move_the_offset_over_theirs(
    store: PageStore,
):
    store.apply_changelog_batch([Record(TP0, 9, "a", b"1")], same, same)
    store.set_persisted_offset(TP0, 12)  # 10 and 11 are a successor's
    store.set_persisted_offset(TP0, 13)
    assert store.persisted_offset(TP0) == 9


async def test_a_partition_that_leaves_takes_its_keys_and_its_offset_along(store: PageStore):
    store.apply_changelog_batch([Record(TP0, 5, "a", b"1"), Record(TP1, 6, "b", b"2")], same, same)
    store.put(1, "own", b"3")
    await store.on_recovery_completed({TP0}, set())
    assert store.of_partition(0) == {"a": b"1"}
    assert store.of_partition(1) == {}
    assert store.persisted_offset(TP0) == 5
    assert store.persisted_offset(TP1) is None


async def test_keys_that_were_put_are_found_by_partition_until_removed(store: PageStore):
    store.put(0, "a", b"1")
    store.put(1, "b", b"2")
    assert store.of_partition(0) == {"a": b"1"}
    store.put(0, "a", None)
    store.put(0, "never there", None)
    assert store.of_partition(0) == {}
    assert store.of_partition(1) == {"b": b"2"}


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


async def test_a_recovery_that_is_over_in_the_next_rebalance_does_not_end_that_one(app: Any):
    """Else inputs would be read while their partitions move, before the seek."""

    async def recover(*_: Any) -> None:
        return None

    app.tables._recovery = SimpleNamespace(
        on_rebalance=recover, on_rebalance_start=lambda: None, app=app
    )
    app.tables._update_channels = recover
    app.on_rebalance_start()
    await app.tables.on_rebalance(set(), set(), set(), 1)
    app.on_rebalance_start()  # while the tables are still being recovered
    app.on_rebalance_end()
    assert app.rebalancing, "it has not even been said who gets what"
    await app.tables.on_rebalance(set(), set(), set(), 2)
    app.on_rebalance_end()
    assert not app.rebalancing
