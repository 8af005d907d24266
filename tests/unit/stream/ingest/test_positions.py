import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from stream.ingest import positions as module
from stream.ingest.positions import LogReader, Positions, PositionUnknownError

SOURCE = TopicPartition("in", 0)


class FakeAdmin:
    def __init__(self, found: dict[TopicPartition, OffsetAndMetadata]) -> None:
        self.found = found

    async def list_consumer_group_offsets(self, *_: Any, **__: Any) -> Any:
        return self.found


def positions(found: dict[TopicPartition, OffsetAndMetadata]) -> Positions:
    made = Positions.__new__(Positions)
    made._group = "g"
    made._admin = FakeAdmin(found)
    return made


async def test_a_coordinator_that_leaves_the_partition_out_is_not_taken_for_no_offset():
    """Else a loading coordinator would make everything count again."""
    with pytest.raises(PositionUnknownError):
        await positions({}).committed(SOURCE)


async def test_minus_one_is_no_offset():
    assert await positions({SOURCE: OffsetAndMetadata(-1, "")}).committed(SOURCE) is None


async def test_the_offset_comes_with_its_metadata():
    found = await positions({SOURCE: OffsetAndMetadata(5, "x")}).committed(SOURCE)
    assert found == (5, "x")


async def test_a_coordinator_that_changes_its_mind_is_still_loading():
    """Else minutes of events without ids, dead letters for one, would be read again."""
    told = positions({SOURCE: OffsetAndMetadata(5, "x")})
    await told.confirm(SOURCE, (5, "x"))
    for before in (None, (4, "x"), (5, "w")):
        with pytest.raises(PositionUnknownError, match="and then 5"):
            await told.confirm(SOURCE, before)


class Told(NamedTuple):
    value: str
    timestamp: int = 0


class Standing:
    """A consumer that has handed out so many records and then gets no more."""

    def __init__(self, end: int, records: str, *, stable: int | None = None) -> None:
        self.end, self.all, self.at = end, [Told(value) for value in records], 0
        self.stable = len(records) if stable is None else stable

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.at = offset

    async def getmany(self, source: TopicPartition, **_: Any) -> dict[TopicPartition, list[Told]]:
        await asyncio.sleep(0.001)
        found = self.all[self.at : self.at + 1]
        self.at += len(found)
        return {source: found} if found else {}

    def last_stable_offset(self, _: TopicPartition) -> int:
        return self.stable

    async def beginning_offsets(self, sources: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(sources, 0)

    async def end_offsets(self, sources: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(sources, self.stable)

    def highwater(self, _: TopicPartition) -> int:
        return self.end

    async def position(self, _: TopicPartition) -> int:
        return self.at


def reader(
    consumer: Standing,
    *,
    is_exact: bool = True,
    is_lost: Callable[[float], bool] = lambda _: False,
    uncommitted: Standing | None = None,
) -> LogReader:
    async def open_uncommitted() -> Standing:
        assert uncommitted is not None
        return uncommitted

    return LogReader(
        consumer, SOURCE, is_exact=is_exact, is_lost=is_lost, open_uncommitted=open_uncommitted
    )


async def values(log: LogReader) -> str:
    return "".join([each.value async for records in log.records(0) for each in records])


@pytest.fixture
def looks_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)


@pytest.mark.parametrize("is_lost", [False, True])
async def test_a_log_that_stands_still_before_its_end_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, looks_soon: None, *, is_lost: bool
):
    monkeypatch.setattr(module, "_STANDSTILL_SECONDS", 0.1)
    behind = Standing(4, "abc")
    log = reader(Standing(4, "ab"), is_lost=lambda _: is_lost, uncommitted=behind)
    with pytest.raises(TimeoutError, match="in/0 stands still before its end 4"):
        await values(log)
    assert log.is_past_committed is is_lost


async def test_behind_the_beginning_of_a_transaction_that_never_ends_the_log_is_read_uncommitted(
    looks_soon: None,
):
    log = reader(Standing(4, "ab"), is_lost=lambda _: True, uncommitted=Standing(4, "abcd"))
    found = [(each.value, log.is_past_committed) async for some in log.records(0) for each in some]
    assert found == [("a", False), ("b", False), ("c", True), ("d", True)]


async def test_a_transaction_is_waited_for_until_it_is_too_old_to_be_anybodys(looks_soon: None):
    """By its first record: who takes over anew every few seconds would wait without end."""
    asked: list[float] = []

    def is_lost(begun_at: float) -> bool:
        asked.append(begun_at)
        return len(asked) == 3

    behind = Standing(4, "abcd")
    behind.all[2] = Told("c", 1_700_000_000_500)
    log = reader(Standing(4, "ab"), is_lost=is_lost, uncommitted=behind)
    assert await values(log) == "abcd"
    assert asked == [1_700_000_000.5] * 3


async def test_a_broker_that_is_slow_in_the_middle_of_the_log_holds_up_nothing(looks_soon: None):
    slow = Slow(20)
    slow.end = slow.stable = 1
    log = reader(slow, is_lost=lambda _: True, uncommitted=Standing(1, "-"))
    assert await values(log) == "a"
    assert not log.is_past_committed


@pytest.mark.parametrize(
    ("committed", "behind", "is_empty"),
    [(Standing(0, ""), Standing(0, ""), True), (Standing(3, ""), Standing(3, "abc"), False)],
)
async def test_a_transaction_open_at_the_very_first_record_makes_no_log_empty(
    committed: Standing, behind: Standing, *, is_empty: bool
):
    assert await reader(committed, uncommitted=behind).is_empty() is is_empty
    assert not await reader(committed, is_exact=False).is_empty(), "its end is not told"
    assert not await reader(Standing(1, "a")).is_empty()


async def test_a_transaction_that_ends_after_all_is_read_as_committed(looks_soon: None):
    committed = Standing(4, "ab")

    def is_lost(_: float) -> bool:
        committed.all += [Told("d")]  # "c" was aborted
        committed.end = committed.stable = 3
        return False

    log = reader(committed, is_lost=is_lost, uncommitted=Standing(4, "abcd"))
    bundles = log.records(0)
    assert [(await anext(bundles))[0].value for _ in range(2)] == ["a", "b"]
    async for some in bundles:
        if some:
            assert [each.value for each in some] == ["d"]
            break
    assert not log.is_past_committed


async def test_a_log_that_knows_no_transactions_waits_for_none(
    monkeypatch: pytest.MonkeyPatch, looks_soon: None
):
    monkeypatch.setattr(module, "_STANDSTILL_SECONDS", 0.1)
    log = reader(Standing(3, "ab"), is_exact=False, is_lost=lambda _: True)
    with pytest.raises(TimeoutError):
        await values(log)
    assert not log.is_past_committed


class Slow(Standing):
    """One that gets nothing for some polls, and passes over what was aborted meanwhile."""

    def __init__(self, polls: int, *, aborted: int = 0) -> None:
        super().__init__(1 + polls * aborted, "")
        self.polls, self.aborted = polls, aborted
        self.all = [Told("-")] * (polls * aborted) + [Told("a")]
        self.stable = len(self.all)

    async def getmany(self, source: TopicPartition, **how: Any) -> dict[TopicPartition, list[Told]]:
        if self.polls == 0:
            return await super().getmany(source, **how)
        await asyncio.sleep(0.002)
        self.polls -= 1
        self.at += self.aborted
        return {}


@pytest.mark.parametrize(("slow", "seconds"), [(Slow(5), 60.0), (Slow(100, aborted=3), 0.05)])
async def test_a_log_that_pauses_or_holds_nothing_but_what_was_aborted_is_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch, slow: Slow, seconds: float
):
    monkeypatch.setattr(module, "_STANDSTILL_SECONDS", seconds)
    assert await values(reader(slow)) == "a"


async def test_a_log_at_its_end_does_not_stand_still_however_long_the_taking_took(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "_STANDSTILL_SECONDS", 0.0)
    async for _ in reader(Standing(1, "a"), is_exact=False).records(0):
        await asyncio.sleep(0.002)
