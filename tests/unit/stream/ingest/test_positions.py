import asyncio
from typing import Any

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


class Standing:
    """A consumer that has handed out so many records and then gets no more."""

    def __init__(self, end: int, records: list[str]) -> None:
        self.end, self.left, self.at = end, records, 0

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.at = offset

    async def getmany(self, source: TopicPartition, **_: Any) -> dict[TopicPartition, list[str]]:
        await asyncio.sleep(0.001)
        self.at += len(self.left[:1])
        return {source: [self.left.pop(0)]} if self.left else {}

    def highwater(self, _: TopicPartition) -> int:
        return self.end

    async def position(self, _: TopicPartition) -> int:
        return self.at


def reader(
    consumer: Standing,
    *,
    is_exact: bool = True,
    patience: float = 60.0,
    uncommitted: Standing | None = None,
) -> LogReader:
    async def open_uncommitted() -> Standing:
        assert uncommitted is not None
        return uncommitted

    return LogReader(
        consumer,
        SOURCE,
        is_exact=is_exact,
        patience_seconds=patience,
        open_uncommitted=open_uncommitted,
    )


@pytest.mark.parametrize("uncommitted", [None, Standing(3, [])])
async def test_a_log_that_stands_still_before_its_end_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, uncommitted: Standing | None
):
    monkeypatch.setattr(module, "_STANDSTILL_SECONDS", 0.02)
    patience = 60.0 if uncommitted is None else 0.01
    standing = Standing(3, ["a", "b"])
    bundles = reader(standing, patience=patience, uncommitted=uncommitted).records(0)
    assert await anext(bundles) == ["a"]
    assert await anext(bundles) == ["b"]
    with pytest.raises(TimeoutError, match="in/0 stands still before its end 3"):
        [each async for each in bundles]


async def test_behind_the_beginning_of_a_transaction_that_never_ends_the_log_is_read_uncommitted():
    uncommitted = Standing(4, ["c", "d"])
    log = reader(Standing(4, ["a", "b"]), patience=0.01, uncommitted=uncommitted)
    found = [(each, log.is_past_committed) async for records in log.records(0) for each in records]
    assert found == [("a", False), ("b", False), ("c", True), ("d", True)]


async def test_a_log_that_knows_no_transactions_waits_for_none():
    log = reader(Standing(3, ["a", "b"]), is_exact=False, patience=0.0)
    async with asyncio.timeout(5):
        async for records in log.records(0):
            if not records:
                break
    assert not log.is_past_committed


class Slow(Standing):
    """One that gets nothing for some polls, and passes over what was aborted meanwhile."""

    def __init__(self, polls: int, *, aborted: int = 0) -> None:
        super().__init__(1 + polls * aborted, ["a"])
        self.polls, self.aborted = polls, aborted

    async def getmany(self, source: TopicPartition, **how: Any) -> dict[TopicPartition, list[str]]:
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
    log = reader(slow)
    assert [each async for records in log.records(0) for each in records] == ["a"]


async def test_a_log_at_its_end_does_not_stand_still_however_long_the_taking_took(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "_STANDSTILL_SECONDS", 0.0)
    async for _ in reader(Standing(1, ["a"]), is_exact=False).records(0):
        await asyncio.sleep(0.002)
