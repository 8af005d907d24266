from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition

from stream.ingest.checkpoint import LogMark
from stream.ingest.journal import Journal

SOURCE = TopicPartition("in", 0)


class Entry(NamedTuple):
    """A message of the log, which says what it is."""

    name: str
    next_offset: int
    parts_left: int = 0
    newest_minute: int = 0
    topic: str = SOURCE.topic
    partition: int = SOURCE.partition
    first_offset: int = 0


class Record(NamedTuple):
    offset: int
    value: Entry


class Log:
    """Positions and reader in one: committed records, then those behind a transaction that hangs.

    Args:
        committed: up to where Kafka says what is.
        behind: the rest, aborted attempts and all.
    """

    def __init__(self, committed: list[Entry], behind: list[Entry]) -> None:
        self.committed, self.behind = committed, behind
        self.is_past_committed = False
        self.handed_out = -1

    @asynccontextmanager
    async def reading(self, _: TopicPartition) -> AsyncIterator["Log"]:
        yield self

    async def span(self) -> tuple[int, int]:
        return 0, len(self.committed)

    async def is_through(self) -> bool:
        return self.handed_out >= len(self.committed) - 1

    async def records(self, first: int) -> AsyncIterator[list[Record]]:
        everything = [*self.committed, *self.behind]
        for offset in range(first, len(everything)):
            self.is_past_committed = offset >= len(self.committed)
            self.handed_out = offset
            yield [Record(offset, everything[offset])]


async def read_back(log: Log, *, until: int, committed: int) -> tuple[str, bool, LogMark | None]:
    """What is taken, whether it is all, and what is marked next."""
    journal = Journal[Any](
        "ids",
        1,
        source=SOURCE,
        decode=lambda entry: entry,
        mark=LogMark(0, 0, until),
        is_exact=True,
    )
    found: list[Entry] = []
    positions: Any = log
    is_whole = await journal.read_back(positions, committed_offset=committed, take=found.extend)
    return " ".join(each.name for each in found), is_whole, journal.mark()


async def test_behind_a_transaction_that_hangs_no_attempt_ends_the_reading():
    """A.1 was aborted before it and is gone, A.2 looks like the last message of B."""
    log = Log(
        [Entry("Z", 100)],
        [Entry("A.2", 200), Entry("B.1", 200, parts_left=1), Entry("B.2", 200)],
    )
    assert (await read_back(log, until=200, committed=200))[:2] == ("Z A.2 B.1 B.2", True)


async def test_an_attempt_that_was_aborted_proves_nothing_and_marks_nothing():
    """All up to 200 is committed, but the last ids were told with 150."""
    log = Log([Entry("A", 120)], [Entry("C", 200), Entry("B", 150), Entry("D", 250)])
    taken, is_whole, mark = await read_back(log, until=150, committed=200)
    assert (taken, is_whole) == ("A C B", True)
    assert mark == LogMark(0, 0, 150)


async def test_what_kafka_says_is_committed_proves_that_the_offset_is_old():
    taken, is_whole, mark = await read_back(
        Log([Entry("A", 120), Entry("B", 200)], []), until=120, committed=120
    )
    assert (taken, is_whole, mark) == ("A B", True, LogMark(0, 0, 200))


@pytest.mark.parametrize("until", [150, 210])
async def test_a_log_without_the_marked_batch_is_not_whole(until: int):
    assert not (await read_back(Log([Entry("A", 120)], []), until=until, committed=until))[1]
