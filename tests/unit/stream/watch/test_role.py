"""The order of a flush, and that whatever fails ends the role and acknowledges nothing more."""

import asyncio
import gc

import pytest
from faust.types import TP

from detectors.observation import COST
from stream.watch.flush import HOURS, LIVE, PROFILE
from stream.watch.pages import PageError
from tests.support.deltas import ROLE, WINDOW
from tests.support.timeline import MONDAY
from tests.support.watch_bench import TOPIC, WatchBench, delta, row


async def a_bench(partitions: int = 1) -> WatchBench:
    bench = WatchBench(partitions)
    await bench.recovered()
    return bench


async def two_rows(bench: WatchBench) -> None:
    await bench.take(3, delta(MONDAY, row(MONDAY, 1.0)))
    await bench.take(5, delta(MONDAY + 60, row(MONDAY + 60, 2.0)))


async def test_a_flush_has_pages_acknowledged_then_the_own_page_and_only_then_its_messages():
    bench = await a_bench()
    await two_rows(bench)
    await bench.take(7, delta(MONDAY + WINDOW, row(MONDAY + WINDOW, 1.0)))  # a window has ended
    bench.broker.holds = True
    flushing = asyncio.create_task(bench.role.flush())
    first = await bench.broker.until_waiting()
    assert {each.table for each in first} == {LIVE, HOURS, "spend_day"}
    assert not any("/-1/" in str(each.key) for each in first)
    assert PROFILE not in {each.table for each in bench.broker.sent}
    bench.broker.acknowledge()
    second = await bench.broker.until_waiting()
    assert {each.table for each in second} == {PROFILE}
    bench.broker.acknowledge()
    (own,) = await bench.broker.until_waiting()
    assert "/-1/" in own.key
    assert not any(note.startswith("ack") for note in bench.broker.notes)
    bench.broker.acknowledge()
    await flushing
    assert bench.broker.notes[-3:] == ["ack 0/3", "ack 0/5", "ack 0/7"]


async def test_a_message_is_acknowledged_by_no_flush_but_one_that_holds_it():
    bench = await a_bench()
    await two_rows(bench)
    bench.now = ROLE.flush_seconds
    flushed_by = await bench.take(6, delta(MONDAY + 120, row(MONDAY, 4.0)))
    later = await bench.take(7, delta(MONDAY + 180, row(MONDAY, 8.0)))
    assert flushed_by.is_acknowledged
    assert not later.is_acknowledged
    assert [note for note in bench.broker.notes if note.startswith("ack")] == [
        "ack 0/3",
        "ack 0/5",
        "ack 0/6",
    ]


async def test_signals_are_acknowledged_before_the_page_that_remembers_them():
    bench = await a_bench()
    await bench.take_spike()
    assert bench.told
    await bench.role.flush()
    notes = bench.broker.notes
    assert notes.index("published") < min(
        index for index, note in enumerate(notes) if note.startswith(LIVE)
    )


async def test_partitions_are_written_one_at_a_time_and_each_within_the_interval():
    bench = await a_bench(partitions=2)
    for number in (0, 1):
        await bench.take(1, delta(MONDAY, row(MONDAY, 1.0)), partition=number)
    bench.now = ROLE.flush_seconds / 2
    for step, done in enumerate(([0], [0, 1], [0, 1, 0])):
        bench.now += ROLE.flush_seconds / 2
        await bench.take(2 + step, delta(MONDAY, row(MONDAY, 1.0)), partition=0)
        await bench.take(2 + step, delta(MONDAY, row(MONDAY, 1.0)), partition=1)
        notes = bench.broker.notes
        own = [each for each in notes if each.startswith(LIVE) and "/-1/" in each]
        assert [int(each.split()[1].split("/")[0]) for each in own] == done, own


async def test_slow_pages_leave_most_of_the_time_to_deltas():
    bench = await a_bench()
    await bench.take(1, delta(MONDAY, row(MONDAY, 1.0)))
    bench.now = ROLE.flush_seconds
    bench.broker.on_write = lambda: setattr(bench, "now", 2 * ROLE.flush_seconds)
    assert (await bench.take(2, delta(MONDAY, row(MONDAY, 1.0)))).is_acknowledged
    bench.broker.on_write = None
    bench.now = 4.9 * ROLE.flush_seconds
    waits = await bench.take(3, delta(MONDAY, row(MONDAY, 1.0)))
    assert not waits.is_acknowledged
    bench.now = 5 * ROLE.flush_seconds
    await bench.take(4, delta(MONDAY, row(MONDAY, 1.0)))
    assert waits.is_acknowledged


async def test_a_page_that_the_broker_refuses_ends_the_role_and_nothing_is_acknowledged():
    bench = await a_bench()
    await two_rows(bench)
    bench.broker.refusal = RuntimeError("message too large")
    bench.now = ROLE.flush_seconds
    await bench.take(6, delta(MONDAY + 120))
    with pytest.raises(RuntimeError, match="too large"):
        bench.role.failure.result()
    bench.broker.refusal = None
    await bench.take(7, delta(MONDAY + 180))
    await bench.role.flush()
    assert not any(note.startswith("ack") for note in bench.broker.notes)


async def test_a_delta_that_does_not_read_ends_the_role_and_is_not_acknowledged():
    bench = await a_bench()
    await two_rows(bench)
    bad = await bench.take(6, b"not a delta")
    good = await bench.take(7, delta(MONDAY, row(MONDAY, 1.0)))
    await bench.role.flush()
    with pytest.raises(ValueError, match="not a delta"):
        bench.role.failure.result()
    assert not bad.is_acknowledged
    assert not good.is_acknowledged


async def test_what_was_folded_in_part_is_never_written():
    bench = await a_bench()
    bad = row(MONDAY, 2.0)._replace(scope="no scope at all")
    await bench.take(3, delta(MONDAY, row(MONDAY, 1.0), bad))
    assert bench.role.failure.exception() is not None
    await bench.role.on_revoked()
    await bench.role.flush()
    assert bench.broker.sent == []


async def test_a_signal_that_was_not_acknowledged_is_never_remembered():
    bench = await a_bench()
    bench.publish_error = ConnectionError("no broker")
    await bench.take_spike()
    with pytest.raises(ConnectionError):
        bench.role.failure.result()
    await bench.role.on_revoked()
    await bench.role.flush()
    assert bench.broker.sent == []


async def test_a_signal_whose_sending_was_cancelled_is_never_remembered():
    bench = await a_bench()
    bench.publish_error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await bench.take_spike()
    await bench.role.on_revoked()
    await bench.role.flush()
    assert bench.broker.sent == []


async def test_a_message_that_comes_twice_counts_once():
    bench = await a_bench()
    for _ in range(2):
        await two_rows(bench)
    assert bench.totals()[COST] == 3_000_000_000
    await bench.role.flush()
    await bench.take(5, delta(MONDAY + 60, row(MONDAY + 60, 2.0)))
    assert bench.totals()[COST] == 3_000_000_000


async def test_a_generation_that_moves_while_pages_are_written_stops_the_flush():
    bench = await a_bench()
    await two_rows(bench)
    bench.broker.holds = True
    flushing = asyncio.create_task(bench.role.flush())
    waiting = await bench.broker.until_waiting()
    bench.app.consumer_generation_id = 2
    bench.broker.acknowledge()
    await flushing
    assert bench.broker.sent == waiting, "nothing more was sent"
    assert not any(note.startswith("ack") for note in bench.broker.notes)
    assert not bench.role.failure.done(), "another worker carries on; this one lives"


async def test_a_generation_that_moves_behind_the_own_page_acknowledges_nothing():
    bench = await a_bench()
    await two_rows(bench)
    await bench.role.flush()
    await bench.take(9, delta(MONDAY + 120))
    bench.broker.holds = True
    flushing = asyncio.create_task(bench.role.flush())
    assert len(await bench.broker.until_waiting()) == 1
    bench.app.rebalancing = True
    bench.broker.acknowledge()
    await flushing
    assert "ack 0/9" not in bench.broker.notes


async def test_messages_of_another_generation_or_of_no_partition_of_ours_are_left_alone():
    bench = await a_bench()
    old = bench.event(3, delta(MONDAY, row(MONDAY, 1.0)), generation=0)
    foreign = bench.event(3, delta(MONDAY, row(MONDAY, 1.0)), partition=7)
    for event in (old, foreign):
        await bench.role.take(event)
    await bench.role.flush()
    assert bench.role.partitions[0].scopes == {}
    assert not old.is_acknowledged
    assert not foreign.is_acknowledged


async def test_a_revocation_writes_once_more_and_drops_the_partitions():
    bench = await a_bench()
    await two_rows(bench)
    bench.app.rebalancing = True
    await bench.role.on_revoked()
    assert bench.role.partitions == {}
    assert bench.broker.sent
    assert not any(note.startswith("ack") for note in bench.broker.notes)
    bench.app.rebalancing = False
    bench.app.consumer_generation_id = 2
    await bench.recovered()
    assert bench.role.partitions[0].applied == 5
    assert bench.totals()[COST] == 3_000_000_000


async def test_a_revocation_does_not_wait_for_a_broker_that_is_silent(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("stream.watch.role.REVOCATION_FLUSH_SECONDS", 0.0)
    bench = await a_bench()
    await two_rows(bench)
    bench.broker.holds = True
    await bench.role.on_revoked()
    assert bench.role.partitions == {}


async def test_a_page_refused_at_a_revocation_drops_the_partitions_and_ends_the_role():
    bench = await a_bench()
    await two_rows(bench)
    bench.broker.refusal = RuntimeError("not enough replicas")
    await bench.role.on_revoked()
    assert bench.role.partitions == {}
    with pytest.raises(RuntimeError, match="replicas"):
        bench.role.failure.result()


async def test_a_revocation_in_the_middle_of_a_flush_acknowledges_nothing():
    bench = await a_bench()
    await two_rows(bench)
    bench.broker.holds = True
    flushing = asyncio.create_task(bench.role.flush())
    await bench.broker.until_waiting()
    bench.app.rebalancing = True
    revoking = asyncio.create_task(bench.role.on_revoked())
    await asyncio.sleep(0)
    bench.broker.holds = False
    bench.broker.acknowledge()
    await asyncio.gather(flushing, revoking)
    assert bench.role.partitions == {}
    assert not any(note.startswith("ack") for note in bench.broker.notes)


async def test_state_above_the_end_of_the_log_is_refused_with_the_fix():
    bench = await a_bench()
    await two_rows(bench)
    await bench.role.flush()
    bench.app.consumer.ends = {TP(TOPIC, 0): 5}
    bench.restart()
    await bench.recovered()
    with pytest.raises(PageError, match=r"offset 5.*ends at 5.*made anew.*rebuild --from events"):
        bench.role.failure.result()


async def test_state_up_to_the_end_of_the_log_is_taken():
    bench = await a_bench()
    await two_rows(bench)
    await bench.role.flush()
    bench.app.consumer.ends = {TP(TOPIC, 0): 6}
    bench.restart()
    await bench.recovered()
    assert not bench.role.failure.done()
    assert bench.role.partitions[0].applied == 5


async def test_what_earlier_incarnations_wrote_is_removed_with_a_raw_null():
    bench = await a_bench()
    await two_rows(bench)
    await bench.role.flush()
    before = set(bench.tables[LIVE].data.records)
    bench.restart()
    await bench.recovered()
    for offset in (6, 7):
        await bench.take(offset, delta(MONDAY + 60 * offset, row(MONDAY, 1.0)))
        await bench.role.flush()
    removed = [each for each in bench.broker.sent if each.value is None]
    assert {each.key for each in removed if each.table == LIVE} == before
    assert {each.value_serializer for each in removed} == {"raw"}
    assert before.isdisjoint(bench.tables[LIVE].data.records)


async def test_every_partition_is_written_and_acknowledged_by_itself():
    bench = await a_bench(2)
    await bench.take(3, delta(MONDAY, row(MONDAY, 1.0)), partition=0)
    await bench.take(8, delta(MONDAY, row(MONDAY, 2.0, "agent:b")), partition=1)
    await bench.role.flush()
    assert {each.partition for each in bench.broker.sent} == {0, 1}
    acknowledged = sorted(note for note in bench.broker.notes if note.startswith("ack"))
    assert acknowledged == ["ack 0/3", "ack 1/8"]
    assert set(bench.tables[LIVE].data.of_partition(1)).isdisjoint(
        bench.tables[LIVE].data.of_partition(0)
    )


async def test_it_is_ready_only_with_recovered_tables_and_without_a_rebalance():
    bench = WatchBench()
    assert not bench.role.is_ready
    await bench.recovered()
    assert bench.role.is_ready
    bench.app.rebalancing = True
    assert not bench.role.is_ready


async def test_what_is_told_long_after_it_happened_is_marked_late():
    bench = await a_bench()
    bench.now = float(MONDAY)
    bench.role._flush_at = MONDAY + 10**6
    await bench.take_spike()
    assert [alert.is_late for alert in bench.told] == [False] * len(bench.told)
    late = await a_bench()
    late.now = float(MONDAY + 2 * 86400)
    late.role._flush_at = MONDAY + 10**6
    await late.take_spike()
    assert late.told
    assert all(alert.is_late for alert in late.told)


async def test_deltas_that_were_deleted_before_they_were_counted_are_an_error_not_a_jump():
    bench = await a_bench()
    await two_rows(bench)
    await bench.role.flush()
    bench.app.consumer.starts[TP(TOPIC, 0)] = 9
    role = bench.restart()
    await bench.recovered()
    with pytest.raises(PageError, match=r"deleted before they were counted.*Keep spend\.deltas"):
        role.failure.result()


async def test_a_log_that_begins_behind_a_marker_has_lost_nothing():
    bench = await a_bench()
    await two_rows(bench)
    await bench.role.flush()
    bench.app.consumer.starts[TP(TOPIC, 0)] = 7
    role = bench.restart()
    await bench.recovered()
    assert not role.failure.done()


async def test_a_canary_becomes_a_signal_and_leaves_nothing_behind():
    bench = await a_bench()
    bench.now = MONDAY + 2.0
    passing = delta(MONDAY, row(MONDAY, 0.0, "canary:c0ffee"), row(MONDAY, 1.0))
    await bench.take(3, passing)
    await bench.take(3, passing)  # messages fetched before a seek come twice
    assert [(told.kind, str(told.scope)) for told in bench.told] == [("canary", "canary:c0ffee")]
    assert list(bench.role.partitions[0].scopes) == ["agent:a"]


async def test_a_canary_of_a_replayed_log_goes_no_further():
    bench = await a_bench()
    bench.now = MONDAY + 3600.0
    await bench.take(3, delta(MONDAY, row(MONDAY, 0.0, "canary:c0ffee")))
    assert bench.told == []
    assert bench.role.partitions[0].applied == 3


async def test_partitions_are_taken_one_by_one_and_what_is_restored_is_judged_meanwhile():
    bench = await a_bench(3)
    for number in range(3):
        await bench.take(3, delta(MONDAY, row(MONDAY, 1.0)), partition=number)
    await bench.role.flush()
    role = bench.restart()
    await role.on_recovered()
    assert (role.partitions, role.is_ready) == ({}, False)
    await bench.take(4, delta(MONDAY, row(MONDAY, 2.0)), partition=2)
    assert 2 in role.partitions, "its delta was there before its turn"
    assert bench.totals(partition=2)[COST] == 3_000_000_000
    assert not role.is_ready
    await bench.recovered_in_turns()
    assert sorted(role.partitions) == [0, 1, 2]
    assert role.is_ready
    assert bench.totals(partition=2)[COST] == 3_000_000_000, "it was restored once"


async def test_a_partition_is_restored_behind_the_delta_that_is_being_taken():
    bench = await a_bench(2)
    role = bench.restart()
    await role.on_recovered()
    async with role._lock:
        for _ in range(5):
            await asyncio.sleep(0)
        assert role.partitions == {}
    await bench.recovered_in_turns()
    assert sorted(role.partitions) == [0, 1]


async def test_what_is_restored_is_frozen_before_the_collector_looks(
    monkeypatch: pytest.MonkeyPatch,
):
    bench = await a_bench(2)
    bench.restart()
    running: list[bool] = []
    monkeypatch.setattr(
        "stream.watch.role.LongLived.freeze", lambda _: running.append(gc.isenabled())
    )
    await bench.recovered()
    assert running == [False, False]
    assert gc.isenabled()


async def test_the_collector_is_helped_after_each_delta(monkeypatch: pytest.MonkeyPatch):
    bench = await a_bench()
    looks: list[int] = []
    monkeypatch.setattr("stream.watch.role.LongLived.look", lambda _: looks.append(1))
    await two_rows(bench)
    assert len(looks) == 2


async def test_what_moves_on_before_its_turn_is_not_restored():
    bench = await a_bench(2)
    role = bench.restart()
    await role.on_recovered()
    await role.on_revoked()
    await bench.recovered_in_turns()
    assert role.partitions == {}
    await bench.take(3, delta(MONDAY, row(MONDAY, 1.0)), partition=1)
    assert role.partitions == {}, "the delta comes again to whoever has it now"
    assert not role.failure.done()


async def test_a_partition_that_cannot_be_restored_ends_the_role_whoever_asked_for_it():
    for asks in (False, True):
        bench = await a_bench(3)
        await bench.take(3, delta(MONDAY, row(MONDAY, 1.0)), partition=0)
        await bench.role.flush()
        bench.app.consumer.ends[TP(TOPIC, 0)] = 2
        role = bench.restart()
        await role.on_recovered()
        if asks:
            await bench.take(4, delta(MONDAY, row(MONDAY, 2.0)), partition=0)
        await asyncio.wait_for(bench.recovered_in_turns(), 5)
        assert role.partitions == {}, "nobody else is restored behind it"
        with pytest.raises(PageError, match="made anew"):
            role.failure.result()


async def test_a_state_that_is_restored_is_held_as_those_that_are_new():
    bench = await a_bench()
    await bench.take(3, delta(MONDAY, row(MONDAY, 1.0)))
    await bench.role.flush()
    role = bench.restart()
    role.hold(frozenset({"an alert"}))
    await bench.recovered()
    assert role.partitions[0].scopes["agent:a"].held == {"an alert"}


async def test_a_take_over_that_a_revocation_overtakes_restores_nothing(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("stream.watch.role.REVOCATION_FLUSH_SECONDS", 0.01)
    bench = await a_bench(2)
    role, answers = bench.restart(), asyncio.Event()
    highwaters = bench.app.consumer.highwaters

    async def slow(*tps: TP) -> dict[TP, int]:
        await answers.wait()
        return await highwaters(*tps)

    monkeypatch.setattr(bench.app.consumer, "highwaters", slow)
    taking_over = asyncio.create_task(role.on_recovered())
    await asyncio.sleep(0)
    await role.on_revoked()
    answers.set()
    await taking_over
    await bench.recovered_in_turns()
    assert role.partitions == {}
    assert not role.failure.done()


async def test_nothing_is_restored_once_the_role_is_to_stop():
    for stops in ("flush", "cancel"):
        bench = await a_bench(3)
        role = bench.restart()
        await role.on_recovered()
        if stops == "flush":
            await role.flush()
        else:
            role.failure.cancel()
        await asyncio.wait_for(bench.recovered_in_turns(), 5)
        assert role.partitions == {}


async def test_partitions_that_move_on_while_the_news_is_told_are_not_flushed(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("stream.watch.role.REVOCATION_FLUSH_SECONDS", 0.01)
    bench = await a_bench()
    goes_on = asyncio.Event()

    async def publish(_: object) -> None:
        await goes_on.wait()

    bench.role._publish = publish
    bench.role._flush_at = 0.0
    bench.broker.holds = False
    taking = asyncio.create_task(bench.take(3, delta(MONDAY, row(MONDAY, 0.0, "canary:c0ffee"))))
    await asyncio.sleep(0.01)
    await bench.role.on_revoked()
    goes_on.set()
    await taking
    assert not bench.role.failure.done()
