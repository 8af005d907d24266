"""A partition that comes back is kept only where its changelogs say that it was nobody else's."""

import asyncio

import pytest
from faust.types import TP

from detectors.observation import COST
from stream.watch.flush import LIVE, PROFILE, TABLES
from stream.watch.partition import DeltaPartition
from tests.support.faust_fakes import TableData
from tests.support.timeline import MONDAY
from tests.support.watch_bench import TOPIC, WatchBench, delta, row

USD = 1_000_000_000


async def two_partitions() -> WatchBench:
    """Both with a dollar at offset 3."""
    bench = WatchBench(2)
    await bench.recovered()
    for number in (0, 1):
        await bench.take(3, delta(MONDAY, row(MONDAY, 1.0)), partition=number)
    return bench


def share_the_log(one: WatchBench, *others: WatchBench) -> None:
    """Let all write to the same changelogs."""
    for bench in others:
        bench.broker = one.broker
        bench.app.consumer.changelogs = one.broker.ends
        for table in bench.tables.values():
            table.broker = one.broker


def read_the_log(bench: WatchBench) -> None:
    """What Faust's recovery makes of it."""
    for name, table in bench.tables.items():
        table.data = TableData()
        for sent in bench.broker.sent:
            if sent.table == name:
                table.data.put(sent.partition, sent.key, sent.value)
        for place, end in bench.broker.ends.items():
            for offset in range(end if place.topic == table.changelog_topic_name else 0):
                table.data.acknowledged(place, offset)


async def revoked(bench: WatchBench) -> dict[int, DeltaPartition]:
    """The partitions that were there before a rebalance began."""
    before = dict(bench.role.partitions)
    bench.app.rebalancing = True
    await bench.role.on_revoked()
    assert bench.role.partitions == {}
    return before


async def assigned(bench: WatchBench) -> None:
    """The rebalance is over."""
    bench.app.rebalancing = False
    bench.app.consumer_generation_id += 1
    await bench.recovered()


async def test_what_nobody_else_had_is_not_restored_and_counts_on():
    bench = await two_partitions()
    before = await revoked(bench)
    await assigned(bench)
    assert bench.role.is_ready
    assert bench.role.partitions == before, "the very same"
    again = bench.event(3, delta(MONDAY, row(MONDAY, 1.0)), generation=2)
    new = bench.event(4, delta(MONDAY, row(MONDAY, 2.0)), generation=2)
    for event in (again, new):
        await bench.role.take(event)
    assert bench.totals()[COST] == 3 * USD
    await bench.role.flush()
    assert again.is_acknowledged
    assert new.is_acknowledged
    assert bench.restart().partitions == {}
    await bench.recovered()
    assert bench.totals()[COST] == 3 * USD, "and its pages are those of a restart"


@pytest.mark.parametrize("table", TABLES)
async def test_what_somebody_wrote_to_is_restored(table: str):
    bench = await two_partitions()
    before = await revoked(bench)
    bench.broker.ends[TP(f"{table}-changelog", 1)] += 1
    await assigned(bench)
    assert bench.role.partitions[0] is before[0]
    assert bench.role.partitions[1] is not before[1]
    assert bench.totals(partition=1)[COST] == USD


async def test_messages_of_before_are_acknowledged_by_nobody():
    bench = await two_partitions()
    old = await bench.take(4, delta(MONDAY, row(MONDAY, 2.0)))
    await revoked(bench)
    await assigned(bench)
    await bench.role.flush()
    assert not old.is_acknowledged, "Faust has forgotten it, and brings it again"


async def test_what_went_to_another_is_let_go_of_for_good():
    bench = await two_partitions()
    before = await revoked(bench)
    end = bench.app.consumer.ends.pop(TP(TOPIC, 1))
    await assigned(bench)
    assert bench.role.partitions == {0: before[0]}
    await revoked(bench)
    bench.app.consumer.ends[TP(TOPIC, 1)] = end
    await assigned(bench)
    assert bench.role.partitions[0] is before[0]
    assert bench.role.partitions[1] is not before[1]


async def test_a_partition_whose_flush_was_broken_off_is_restored():
    bench = await two_partitions()
    bench.broker.holds = True
    flushing = asyncio.create_task(bench.role.flush())
    await bench.broker.until_waiting()
    bench.app.rebalancing = True
    bench.broker.holds = False
    revoking = asyncio.create_task(revoked(bench))
    await asyncio.sleep(0)
    bench.broker.acknowledge()
    await flushing
    before = await revoking
    await assigned(bench)
    assert bench.role.partitions[0] is not before[0]
    assert bench.role.partitions[1] is before[1]
    assert bench.totals()[COST] == USD


async def test_what_was_not_written_in_time_is_kept_with_all_that_it_has_to_write(
    monkeypatch: pytest.MonkeyPatch,
):
    bench = await two_partitions()
    monkeypatch.setattr("stream.watch.role.REVOCATION_FLUSH_SECONDS", 0.01)
    bench.broker.holds = True
    before = await revoked(bench)  # waits for the first one's pages in vain
    assert {each.partition for each in bench.broker.sent} == {0}
    bench.broker.holds = False
    bench.broker.acknowledge()
    await assigned(bench)
    assert bench.role.partitions[0] is not before[0]
    assert bench.role.partitions[1] is before[1]
    await bench.role.flush()
    bench.restart()
    await bench.recovered()
    assert bench.totals(partition=1)[COST] == USD


async def test_a_second_rebalance_before_the_tables_are_complete_forgets_nothing():
    bench = await two_partitions()
    before = await revoked(bench)
    await bench.role.on_revoked()
    await assigned(bench)
    assert bench.role.partitions == before


async def test_what_is_kept_is_held_as_what_is_restored():
    bench = await two_partitions()
    await revoked(bench)
    bench.role.hold(frozenset({"an alert"}))
    await assigned(bench)
    assert bench.role.partitions[0].scopes["agent:a"].held == {"an alert"}


async def test_a_log_that_was_made_anew_is_refused_for_what_is_kept_too():
    bench = await two_partitions()
    await revoked(bench)
    bench.app.consumer.ends[TP(TOPIC, 0)] = 2
    await assigned(bench)
    with pytest.raises(Exception, match="made anew"):
        bench.role.failure.result()


async def test_a_role_that_failed_keeps_nothing():
    bench = await two_partitions()
    await bench.take(5, b"not a delta")
    assert bench.role.failure.done()
    await revoked(bench)
    assert not bench.role._left.partitions
    bench.role.failure.exception()


async def test_a_profile_that_was_never_written_was_written_by_nobody():
    bench = await two_partitions()
    assert not any(each.table == PROFILE for each in bench.broker.sent)
    before = await revoked(bench)
    assert {each.table for each in bench.broker.sent} >= {LIVE}
    await assigned(bench)
    assert bench.role.partitions == before


async def test_what_is_kept_is_written_anew_under_keys_that_nobody_knows():
    bench = await two_partitions()
    await bench.take_spike()
    await bench.role.flush()
    before = {name: set(table.data.of_partition(0)) for name, table in bench.tables.items()}
    assert all(before.values())
    await revoked(bench)
    await assigned(bench)
    bench.role._flushes = 0
    for _ in range(2):  # what was written before goes with the second
        await bench.role.flush()
    for name, keys in before.items():
        after = set(bench.tables[name].data.of_partition(0))
        assert len(after) == len(keys), name
        assert not after & keys, name


async def test_a_worker_that_slept_removes_nothing_that_is_kept_and_acknowledged():
    owner, sleeper, heir = WatchBench(), WatchBench(), WatchBench()
    share_the_log(owner, sleeper, heir)
    scopes = ["agent:a", "agent:b", "agent:c"]

    async def spend(bench: WatchBench, offset: int, scope: str, generation: int) -> None:
        event = bench.event(offset, delta(MONDAY, row(MONDAY, 1.0, scope)), generation=generation)
        await bench.role.take(event)

    await owner.recovered()
    for offset, scope in enumerate(scopes):
        await spend(owner, offset, scope, 1)
    await owner.role.flush()
    before = await revoked(owner)
    read_the_log(sleeper)
    sleeper.app.consumer_generation_id = 2
    await sleeper.recovered()  # it knows under which keys the owner wrote, and falls asleep
    owner.app.consumer_generation_id = 2
    await assigned(owner)
    assert owner.role.partitions == before
    for offset, scope in enumerate((*scopes, "agent:b"), 4):
        await spend(owner, offset, scope, 3)
    await owner.role.flush()
    await spend(sleeper, 4, "agent:a", 2)
    await sleeper.role._flush(sleeper.role.partitions[0])
    await revoked(sleeper)  # with a flush more, that removes what it replaced
    await spend(owner, 8, "agent:a", 3)
    await owner.role.flush()
    read_the_log(heir)
    await heir.recovered()
    assert {scope: heir.totals(scope)[COST] for scope in scopes} == {
        "agent:a": 3 * USD,
        "agent:b": 3 * USD,
        "agent:c": 2 * USD,
    }
