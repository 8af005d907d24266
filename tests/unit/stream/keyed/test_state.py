"""Small state: what is put comes back, and a zombie's older generation never wins."""

import asyncio

import pytest

from stream.keyed.state import KeyedState
from tests.support.faust_fakes import Broker, FakeTable


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def table(broker: Broker) -> FakeTable:
    return FakeTable("state", broker)


def reread(table: FakeTable, broker: Broker) -> dict[str, object]:
    """The values of the changelog alone, in the order in which the broker took its records."""
    fresh = FakeTable("state", broker)
    for each in broker.sent:
        fresh.data.put(0, each.key, each.value)
    return KeyedState(fresh, 0, 99).values


async def test_what_was_put_is_there_for_the_next_owner(table: FakeTable, broker: Broker):
    state = KeyedState(table, 0, 1)
    await state.put({"incident/1": [1, "x"], "seq": 4})
    await state.put({"seq": 5})
    assert state.values == {"incident/1": [1, "x"], "seq": 5}
    assert KeyedState(table, 0, 2).values == state.values == reread(table, broker)


async def test_put_returns_when_the_broker_has_all_of_it(table: FakeTable, broker: Broker):
    state = KeyedState(table, 0, 1)
    broker.holds = True
    putting = asyncio.create_task(state.put({"a": 1, "b": 2}))
    first, second = await broker.until_waiting()
    assert state.values == {}
    first.future.set_result(None)
    await asyncio.sleep(0)
    assert not putting.done()
    second.future.set_result(None)
    await putting
    assert state.values == {"a": 1, "b": 2}


async def test_a_refused_record_is_not_remembered(table: FakeTable, broker: Broker):
    state = KeyedState(table, 0, 1)
    broker.refusal = RuntimeError("too large")
    with pytest.raises(RuntimeError, match="too large"):
        await state.put({"a": 1})
    assert state.values == {}
    assert table.data.records == {}


@pytest.mark.parametrize("successor_writes_last", [True, False])
async def test_a_zombie_s_older_generation_never_wins(
    table: FakeTable,
    successor_writes_last: bool,  # noqa: FBT001  pytest names it
):
    zombie = KeyedState(table, 0, 1)
    for number in range(5):
        await zombie.put({"a": f"old {number}"})
    owner = KeyedState(table, 0, 2)
    writers = [(zombie, "zombie"), (owner, "owner")]
    for state, value in writers if successor_writes_last else writers[::-1]:
        await state.put({"a": value})
    assert KeyedState(table, 0, 3).values == {"a": "owner"}


async def test_restarts_within_one_generation_keep_what_was_written_last(
    table: FakeTable, broker: Broker
):
    first = KeyedState(table, 0, 5)
    await first.claim()
    for number in range(50):
        await first.put({"seq": number})
    second = KeyedState(table, 0, 5)  # a static member that is back in time
    await second.claim()
    await second.put({"seq": 50})
    third = KeyedState(table, 0, 5)
    assert third.values == {"seq": 50} == reread(table, broker)


async def test_a_zombie_of_the_same_generation_never_wins(table: FakeTable, broker: Broker):
    zombie = KeyedState(table, 0, 5)
    await zombie.claim()
    owner = KeyedState(table, 0, 5)
    await owner.claim()
    await owner.put({"a": "owner"})
    for number in range(3):
        await zombie.put({"a": f"zombie {number}"})
    assert KeyedState(table, 0, 5).values == {"a": "owner"} == reread(table, broker)


async def test_a_zombie_cannot_bring_back_what_its_successor_removed(table: FakeTable):
    zombie = KeyedState(table, 0, 1)
    await zombie.put({"a": 1})
    owner = KeyedState(table, 0, 2)
    await owner.claim()
    await owner.put({"a": None})
    await zombie.put({"a": 2})
    assert "a" not in KeyedState(table, 0, 3).values


async def test_a_zombie_that_wakes_long_after_brings_nothing_back(table: FakeTable, broker: Broker):
    zombie = KeyedState(table, 0, 5)
    await zombie.claim()
    await zombie.put({"a": 1, "b": 1})
    owner = KeyedState(table, 0, 5)
    await owner.claim()
    await owner.put({"a": None})
    await owner.put({"c": 1})
    await zombie.put({"a": 2, "b": 2})
    assert KeyedState(table, 0, 5).values == {"b": 1, "c": 1} == reread(table, broker)


async def test_a_later_generation_wins_though_the_earlier_one_had_many_owners(
    table: FakeTable, broker: Broker
):
    for number in range(9):
        before = KeyedState(table, 0, 5)
        await before.claim()
        await before.put({"a": number})
    zombie, owner = KeyedState(table, 0, 5), KeyedState(table, 0, 6)
    await owner.claim()
    await owner.put({"a": "owner"})
    await zombie.claim()  # it had read the table before, and wakes now
    assert KeyedState(table, 0, 6).values == {"a": "owner"} == reread(table, broker)


async def test_a_group_made_anew_begins_with_generation_one_and_still_wins(table: FakeTable):
    for generation in (7, 1, 1):
        state = KeyedState(table, 0, generation)
        await state.claim()
        await state.put({"a": generation, "of": state.values.get("of", 0) + 1})
    assert KeyedState(table, 0, 2).values == {"a": 1, "of": 3}


async def test_an_owner_that_dies_before_its_claim_has_changed_nothing(
    table: FakeTable, broker: Broker
):
    first = KeyedState(table, 0, 5)
    await first.claim()
    await first.put({"a": 1, "b": 1})
    dying = KeyedState(table, 0, 5)
    await dying.put({"a": 1})  # half of what a claim writes first
    third = KeyedState(table, 0, 5)
    assert third.values == {"a": 1, "b": 1} == reread(table, broker)
    await third.claim()
    assert KeyedState(table, 0, 5).values == {"a": 1, "b": 1} == reread(table, broker)


async def test_a_claim_comes_after_all_that_it_claims(table: FakeTable, broker: Broker):
    first = KeyedState(table, 0, 5)
    await first.put({"a": 1, "b": 1})
    second = KeyedState(table, 0, 5)
    broker.holds = True
    claiming = asyncio.create_task(second.claim())
    assert {each.key.partition("/")[0] for each in await broker.until_waiting()} == {"a", "b"}
    broker.acknowledge()
    waiting = [each for each in await broker.until_waiting() if each.value is not None]
    assert [each.key.partition("/")[0] for each in waiting] == ["~claim"]
    broker.acknowledge()
    await claiming
    assert set(second.values) == {"a", "b"}


async def test_losers_are_removed_with_a_raw_null_at_the_next_put(table: FakeTable, broker: Broker):
    first = KeyedState(table, 0, 1)
    await first.put({"a": 1})
    (old,) = table.data.records
    second = KeyedState(table, 0, 2)
    await second.put({"a": 2})
    assert old in table.data.records
    await second.put({"b": 1})
    assert old not in table.data.records
    assert [(each.key, each.value_serializer) for each in broker.sent if each.value is None] == [
        (old, "raw")
    ]
    assert reread(table, broker) == {"a": 2, "b": 1}


async def test_a_removed_key_leaves_nothing_behind(table: FakeTable, broker: Broker):
    state = KeyedState(table, 0, 1)
    await state.put({"a": 1})
    await state.put({"a": None})
    assert state.values == reread(table, broker) == {}
    await state.put({})
    assert table.data.records == {}


async def test_a_key_put_again_after_its_removal_stays(table: FakeTable, broker: Broker):
    state = KeyedState(table, 0, 1)
    for value in (1, None, 2):
        await state.put({"a": value})
    await state.put({"b": 1})
    assert state.values == reread(table, broker) == {"a": 2, "b": 1}


@pytest.mark.parametrize("third", [{"b": 1}, {}])
async def test_a_removal_and_a_new_value_on_their_way_together_leave_the_value(
    table: FakeTable, broker: Broker, third: dict[str, int]
):
    state = KeyedState(table, 0, 1)
    await state.put({"a": 1})
    broker.holds = True
    removing = asyncio.create_task(state.put({"a": None}))
    await broker.until_waiting()
    putting = asyncio.create_task(state.put({"a": 2}))
    await asyncio.sleep(0)
    broker.acknowledge()
    await asyncio.gather(removing, putting)
    broker.holds = False
    await state.put(third)
    assert state.values == reread(table, broker) == {"a": 2, **third}


async def test_of_two_puts_on_their_way_together_the_later_counts(table: FakeTable, broker: Broker):
    state = KeyedState(table, 0, 1)
    broker.holds = True
    puts = [asyncio.create_task(state.put({"a": 1}))]
    await broker.until_waiting()
    puts.append(asyncio.create_task(state.put({"a": 2})))
    await asyncio.sleep(0)
    for each in broker.waiting[::-1]:  # the answers may come in any order
        each.future.set_result(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.gather(*puts)
    assert state.values == reread(table, broker) == KeyedState(table, 0, 2).values == {"a": 2}
