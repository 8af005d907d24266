"""What a producer is set up with, and that nothing unacknowledged is committed."""

import asyncio
import contextlib
import gc
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import MessageSizeTooLargeError, ProducerFenced

from stream.ingest.output import AtLeastOnceOutput, BatchLostError, Message, TransactionalOutput

SOURCE = TopicPartition("usage.events", 3)


class FakeManager:
    def is_fatal_error(self) -> bool:
        return False


class FakeProducer:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.notes: list[str] = []
        self._txn_manager = FakeManager()

    async def begin_transaction(self) -> None:
        self.notes.append("begin")

    async def send(self, topic: str, value: bytes, **_: Any) -> "asyncio.Future[Any]":
        self.notes.append(f"send {topic}")
        sent: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.error is not None:
            sent.set_exception(self.error)
        else:
            sent.set_result(SimpleNamespace(offset=40 + len(self.notes)))
        return sent

    async def send_offsets_to_transaction(self, offsets: dict[Any, Any], group: str) -> None:
        ((source, (offset, metadata)),) = offsets.items()
        self.notes.append(f"offsets {source.topic}/{source.partition} {offset} {metadata} {group}")

    async def commit_transaction(self) -> None:
        self.notes.append("commit")

    async def abort_transaction(self) -> None:
        self.notes.append("abort")


def transactional(producer: Any = None) -> TransactionalOutput:
    output = TransactionalOutput(
        {},
        group="g",
        source=SOURCE,
        transaction_timeout_seconds=10.0,
        max_message_bytes=10**6,
    )
    output._producer._closed = True  # never started
    if producer is not None:
        output._producer = producer
    return output


async def test_the_transactional_id_is_the_partitions_and_a_hanging_transaction_ends_in_10_s():
    manager = transactional()._producer._txn_manager
    assert manager.transactional_id == "g-usage.events-3"
    assert manager.transaction_timeout_ms == 10_000


async def test_messages_offset_and_metadata_are_one_transaction():
    producer = FakeProducer()
    await transactional(producer).publish([Message("a", b""), Message("b", b"")], 8, "meta")
    assert producer.notes == [
        "begin",
        "send a",
        "send b",
        "offsets usage.events/3 8 meta g",
        "commit",
    ]


async def test_a_message_that_was_refused_aborts_the_batch_although_kafka_would_commit_the_rest():
    producer = FakeProducer(MessageSizeTooLargeError())
    with pytest.raises(BatchLostError) as lost:
        await transactional(producer).publish([Message("a", b""), Message("b", b"")], 8, "")
    assert producer.notes == ["begin", "send a", "send b", "abort"]
    assert not lost.value.is_fenced


async def test_being_fenced_is_told_apart():
    with pytest.raises(BatchLostError) as lost:
        await transactional(FakeProducer(ProducerFenced())).publish([Message("a", b"")], 8, "")
    assert lost.value.is_fenced


@contextlib.contextmanager
def nothing_unretrieved() -> Iterator[None]:
    """No future may fail without anybody to hear of it: asyncio would log each, with a trace."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    yield
    gc.collect()
    assert told == []


async def test_a_send_that_fails_leaves_no_failed_future_of_an_earlier_one():
    class Fenced(FakeProducer):
        async def send(self, topic: str, value: bytes, **_: Any) -> "asyncio.Future[None]":
            if topic == "b":
                self.sent.set_exception(ProducerFenced())
                raise ProducerFenced
            self.sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            return self.sent

    with nothing_unretrieved():
        producer = Fenced()
        with pytest.raises(BatchLostError):
            await transactional(producer).publish([Message("a", b""), Message("b", b"")], 8, "")
        del producer


@pytest.mark.parametrize("stops_first", [True, False])
async def test_a_fenced_producer_leaves_no_failed_future_of_its_own(*, stops_first: bool):
    """Fenced before or after its partition is revoked, which cancels the stopping."""
    with nothing_unretrieved():
        output = transactional()
        producer = output._producer
        manager, accumulator = producer._txn_manager, producer._message_accumulator
        manager.set_pid_and_epoch(1, 1)
        manager.begin_transaction()
        sent = await accumulator.add_message(SOURCE, None, b"x", 1)
        sent.add_done_callback(lambda future: future.exception())
        if stops_first:
            producer.stop = asyncio.Event().wait
            stopping = asyncio.create_task(output.stop())
            await asyncio.sleep(0)
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)
            assert stopping.cancelled()
            del stopping
        manager.fatal_error(ProducerFenced())  # as the sender does when it is told
        accumulator.fail_all(ProducerFenced())
        if not stops_first:
            await output.stop()
        await asyncio.sleep(0)
        del output, producer, manager, accumulator, sent


class FakeConnection:
    """As a client keeps them, and as it closes them."""

    is_closed = False

    async def close(self, **_: Any) -> None:
        self.is_closed = True


async def fails() -> None:
    raise ProducerFenced


@pytest.mark.parametrize("how", ["cancelled", "fails"])
async def test_whatever_ends_the_stopping_no_connection_stays_open(how: str):
    """aiokafka says that a producer is closed before it closes what it has open."""
    output, connection = transactional(), FakeConnection()
    output._producer.client._conns[0] = connection
    output._producer.stop = asyncio.Event().wait if how == "cancelled" else fails
    stopping = asyncio.create_task(output.stop())
    await asyncio.sleep(0)
    if how == "cancelled":
        stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    assert stopping.cancelled() == (how == "cancelled")
    assert connection.is_closed


class FakeConsumer:
    def __init__(self, notes: list[str]) -> None:
        self.notes = notes

    async def commit(self, offsets: dict[Any, Any]) -> None:
        self.notes.append("commit")


@pytest.mark.parametrize("error", [None, MessageSizeTooLargeError()])
async def test_at_least_once_commits_after_the_acknowledgements_and_never_before(
    error: Exception | None,
):
    producer = FakeProducer(error)
    output = AtLeastOnceOutput(
        {}, consumer=FakeConsumer(producer.notes), source=SOURCE, max_message_bytes=10**6
    )
    output._producer._closed = True
    output._producer = producer
    if error is None:
        await output.publish([Message("a", b"")], 8, "")
        assert producer.notes == ["send a", "commit"]
    else:
        with pytest.raises(BatchLostError):
            await output.publish([Message("a", b"")], 8, "")
        assert producer.notes == ["send a"]
