"""What our Faust app does otherwise than Faust: seen on real Faust objects, no broker."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from faust.types import TP
from faust.windows import TumblingWindow

from stream.kafka.faust_app import (
    declare_table,
)
from stream.kafka.page_table import PageStore
from stream.kafka.topics import changelog
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
async def store(app: Any) -> PageStore:
    store: PageStore = declare_table(app, "live", 4).data
    return store


def same(each: Any) -> Any:
    return each


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


class Recovered:
    """An app whose recoveries are completed by hand, and what it is told of them."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.complete: list[int] = []
        app.on_rebalance_complete.connect(self._note)
        app.tables._update_channels = self._nothing
        app.tables._recovery = app.tables.recovery
        app.consumer = SimpleNamespace(
            assignment=set, resume_partitions=lambda _: None, resume_flow=lambda: None
        )
        app._fetcher = SimpleNamespace(maybe_start=self._nothing)
        app.assignor = SimpleNamespace(assigned_standbys=set, assigned_actives=set)

    async def _note(self, *_: Any, **__: Any) -> None:
        self.complete.append(self.app.rebalancing_count)

    async def _nothing(self, *_: Any) -> None:
        return None

    async def assign(self) -> None:
        """What Faust does once it is said who gets what."""
        self.app.consumer_generation_id += 1
        await self.app.tables.on_rebalance(set(), set(), set(), self.app.consumer_generation_id)

    async def begin(self) -> int:
        """The recovery takes up what was assigned; for which generation."""
        recovery = self.app.tables.recovery
        assert recovery.signal_recovery_start.is_set()
        recovery.signal_recovery_start.clear()
        return int(self.app.consumer_generation_id)


async def test_a_recovery_that_the_next_rebalance_overtook_is_never_said_to_be_complete(app: Any):
    """A role took the empty tables of the time between for its state, and made that durable."""
    of = Recovered(app)
    app.on_rebalance_start()
    await of.assign()
    first = await of.begin()
    app.on_rebalance_start()
    await app.tables.recovery.on_recovery_completed(first)
    assert of.complete == [], "it is not known who gets what"
    await of.assign()
    await app.tables.recovery.on_recovery_completed(first)
    assert of.complete == [], "the next one has not begun"
    assert app.rebalancing
    second = await of.begin()
    await app.tables.recovery.on_recovery_completed(second)
    assert of.complete == [2]
    assert not app.rebalancing
