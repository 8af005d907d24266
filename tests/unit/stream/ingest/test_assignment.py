"""The order of taking over and of giving up, on a consumer and an output that only take notes."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import IllegalStateError, KafkaError
from structlog.testing import capture_logs

from detectors.observation import COUNTERS
from stream.ingest import assignment, work
from stream.ingest.assignment import AssignedPartition, Duties
from stream.ingest.checkpoint import Checkpoint, LogMark
from stream.ingest.config import IngestConfig
from stream.ingest.dedup import Sightings
from stream.ingest.dedup_record import encode_seen
from stream.ingest.events import InputRecord
from stream.ingest.id_table import ids_of
from stream.ingest.identities import Identities
from stream.ingest.keys import KeySampler
from stream.ingest.member import Member
from stream.ingest.output import BatchLostError, Message
from stream.ingest.partition import Batch, InputPartition
from stream.ingest.positions import PositionLostError, PositionUnknownError
from stream.ingest.statistics import Statistics
from stream.ingest.work import Counting, Parts
from stream.kafka import patience
from stream.usage.fanout import Fanout, FanoutConfig
from stream.usage.pricing import PriceBook

SOURCE = TopicPartition("in", 0)
OTHER = TopicPartition("in", 1)


class Record(NamedTuple):
    offset: int
    timestamp: int
    value: bytes
    key: bytes | None = None
    partition: int = 0


class Told(NamedTuple):
    """A message of a log beside the deltas."""

    offset: int
    value: bytes | None
    key: bytes | None = None


def record(offset: int, name: int | None = None) -> Record:
    event = {"event_id": f"e{offset if name is None else name}", "timestamp": 1_700_000_000}
    return Record(offset, -1, json.dumps(event | {"model": "m", "agent": "a"}).encode())


def later(offset: int) -> Record:
    """An event of another partition, a second after the one before it."""
    event = {"event_id": f"o{offset}", "timestamp": 1_700_000_000 + offset, "model": "m"}
    return Record(offset, -1, json.dumps(event | {"agent": "a"}).encode(), None, 1)


class Bench:
    """Fakes of consumer, positions and output, and the notes that they take in common."""

    def __init__(self, **config: Any) -> None:
        self.notes: list[str] = []
        self.committed_offset: tuple[int, str] | None = (5, Checkpoint().to_metadata())
        self.log: list[Told] = []
        self.told_while_loading: list[tuple[int, str]] = []
        self.log_begin = 0
        self.is_past_committed = False
        self.unheard: list[Exception] = []
        self.provisional: list[Told] = []
        self.totals: Counter[str] = Counter()
        self.published: list[tuple[int, int, str]] = []  # output number, next offset, metadata
        self.outputs = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.gates: dict[TopicPartition, asyncio.Event] = {}  # of partitions with one of their own
        self.errors: list[BaseException] = []
        self.hangs: list[str] = []  # steps that get no answer, once
        self.most_events = 10**9  # a batch with more does not come to its end in time
        self.end = 1000
        self._subscription: Any = SimpleNamespace(subscription=None)  # as aiokafka's consumer has
        self.changed = asyncio.Event()
        self.counted: Counter[str] = Counter()
        self.duties = Duties(
            consumer=self,
            positions=self,
            make_output=self._make_output,
            make_work=self._make_work,
            config=IngestConfig(cut_min_seconds=0.001, allowed_lateness_seconds=60, **config),
            wall=lambda: 100.0,
            counted=self.counted,
            statistics=Statistics(self.counted),
            keys=KeySampler(1, self.counted),
            before_fence=self._before_fence,
        )

    def note(self, text: str) -> None:
        self.notes.append(text)
        self.changed.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not is_so():
                self.changed.clear()
                await self.changed.wait()

    async def noted(self, text: str, times: int = 1) -> None:
        await self.until(lambda: self.notes.count(text) >= times)

    async def _before_fence(self, _: TopicPartition) -> None:
        self.note("before fence")

    async def perhaps_hang(self, step: str) -> None:
        if step in self.hangs:
            self.hangs.remove(step)
            await asyncio.Event().wait()

    def make_partition(self, offset: int, checkpoint: Checkpoint) -> InputPartition:
        return InputPartition(
            PriceBook(),
            Identities(Fanout(FanoutConfig(kinds=("agent",))), 1),
            config=self.duties.config,
            next_offset=offset,
            checkpoint=checkpoint,
        )

    def _make_work(self, source: TopicPartition) -> Counting:
        return Counting(
            source,
            Parts(
                make_partition=self.make_partition,
                make_messages=self._make_messages,
                positions=self,
                config=self.duties.config,
                dedup=("ids", 1),
                provisional=("provisional", 1),
                counted=self.counted,
                now=asyncio.get_running_loop().time,
            ),
        )

    def _make_messages(self, _: TopicPartition, batch: Batch, __: bool) -> list[Message]:  # noqa: FBT001 -- the shape of Parts
        for name, amount in zip(COUNTERS, batch.totals, strict=True):
            if amount:
                self.totals[name] += amount
        return [Message("deltas", str(batch.counted["events"]).encode(), 0)]

    def _make_output(self, source: TopicPartition) -> "Output":
        self.outputs += 1
        return Output(self, self.outputs, self.gates.get(source, self.gate))

    # the consumer
    def pause(self, *_: TopicPartition) -> None:
        self.note("pause")

    def resume(self, *_: TopicPartition) -> None:
        self.note("resume")

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.note(f"seek {offset}")

    async def beginning_offsets(self, sources: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(sources, 2)

    async def end_offsets(self, sources: list[TopicPartition]) -> dict[TopicPartition, int]:
        await self.perhaps_hang("end")
        return dict.fromkeys(sources, self.end)

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        return 1

    def highwater(self, _: TopicPartition) -> int:
        return self.end

    async def position(self, _: TopicPartition) -> int:
        return 0

    # the positions
    async def committed(self, _: TopicPartition) -> tuple[int, str] | None:
        self.note("look")
        await self.perhaps_hang("look")
        return self.told_while_loading.pop() if self.told_while_loading else self.committed_offset

    async def confirm(self, _: TopicPartition, told: tuple[int, str] | None) -> None:
        self.note("confirm")
        if told != self.committed_offset:
            raise PositionUnknownError

    @asynccontextmanager
    async def reading(self, place: TopicPartition) -> AsyncIterator["Reader"]:
        self.note(f"read {place.topic}/{place.partition}")
        if place.topic == "ids":
            yield Reader(self, self.log_begin, self.log)
        else:
            yield Reader(self, 0, self.provisional)


class Reader:
    def __init__(self, bench: Bench, begin: int, log: list[Told]) -> None:
        self.bench, self.begin, self.log, self.handed_out = bench, begin, log, -1
        self.is_past_committed = bench.is_past_committed

    async def span(self) -> tuple[int, int]:
        return self.begin, self.begin + len(self.log)

    async def is_empty(self) -> bool:
        return not self.log

    async def is_through(self) -> bool:
        return self.handed_out == self.log[-1].offset

    async def records(self, first: int) -> AsyncIterator[list[Told]]:
        self.bench.note(f"from {first}")
        for each in self.log:
            if each.offset >= first:
                self.handed_out = each.offset
                yield [each]


class Output:
    def __init__(self, bench: Bench, number: int, gate: asyncio.Event) -> None:
        self.bench = bench
        self.number = number
        self.gate = gate

    async def start(self) -> None:
        self.bench.note("fence")
        await self.bench.perhaps_hang("fence")

    async def publish(self, messages: list[Message], next_offset: int, metadata: str) -> list[int]:
        self.bench.note("publish")
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.bench.note("abort")
            raise
        if self.bench.errors:
            raise self.bench.errors.pop(0)
        if sum(int(each.value or b"0") for each in messages if each.topic == "deltas") > (
            self.bench.most_events
        ):
            raise TimeoutError
        self.bench.published.append((self.number, next_offset, metadata))
        for each in messages:
            if each.topic == "ids":
                offset = self.bench.log_begin + len(self.bench.log)
                self.bench.log.append(Told(offset, each.value))
            if each.topic == "provisional":
                told = Told(len(self.bench.provisional), each.value, each.key)
                self.bench.provisional.append(told)
        self.bench.note("committed")
        if self.bench.unheard:  # of the commit
            self.bench.committed_offset = next_offset, metadata
            raise self.bench.unheard.pop(0)
        return [len(self.bench.log) - 1] * len(messages)

    async def stop(self) -> None:
        self.bench.note("stop output")


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_fence_then_look_then_restore_then_seek_then_resume(bench: Bench):
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("resume")
    assert bench.notes[:4] == ["before fence", "fence", "look", "read ids/0"]
    assert bench.notes[4:8] == ["read provisional/0", "confirm", "seek 5", "resume"]
    assert part.is_ready
    await part.release()


async def test_an_offset_of_a_coordinator_that_was_still_loading_is_asked_for_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(assignment, "_RETRY_SECONDS", 0.0)
    bench.told_while_loading = [(3, Checkpoint().to_metadata())]
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("resume")
    assert [note for note in bench.notes if note.startswith("seek")] == ["seek 5"]
    assert bench.notes.count("before fence") == 2
    await part.release()


@pytest.mark.parametrize("step", ["fence", "look", "end"])
async def test_a_take_over_that_gets_no_answer_is_begun_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
):
    """A client that lost its way while the broker was away held a partition for minutes."""
    monkeypatch.setattr(patience, "ANSWER_SECONDS", 0.02)
    monkeypatch.setattr(assignment, "SLOW_ANSWER_SECONDS", 0.02)
    monkeypatch.setattr(assignment, "_RETRY_SECONDS", 0.0)
    bench.hangs = [step]
    with capture_logs() as logs:
        part = AssignedPartition(SOURCE, bench.duties)
        await bench.noted("resume")
    assert bench.notes.count("before fence") == 2
    assert bench.notes.index("stop output") < bench.notes.index("resume")
    (told,) = [each for each in logs if each["event"] == "ingest_retries"]
    assert "no answer within 0.02 s" in told["error"]
    await part.release()


async def test_a_commit_that_nobody_heard_of_is_counted_once_the_coordinator_tells_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    """Also if it told an old offset first: both come of a broker that was killed."""
    monkeypatch.setattr(assignment, "_RETRY_SECONDS", 0.0)
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.until(lambda: part.is_ready)
    bench.unheard = [TimeoutError()]
    bench.told_while_loading = [(5, Checkpoint().to_metadata())]
    part.feed([record(5), record(6)])
    await bench.noted("fence", times=3)
    await bench.until(lambda: part.is_ready)
    assert (bench.counted["records"], part.next_offset) == (2, 7)
    await part.release()


async def test_ids_of_an_attempt_that_another_overtook_do_not_make_minutes_fall(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    """Behind a transaction that hangs; the table of ids is searched by them."""
    monkeypatch.setattr(work, "_IDS_AT_ONCE", 2)
    ids = ids_of(bytes(range(64)))
    overtaken, first, second = (
        encode_seen(
            Sightings(ids[begin:end], np.arange(begin, end, dtype=np.int32)),
            source=SOURCE,
            first_offset=begin + 5,
            next_offset=end + 5,
            max_bytes=10_000,
        )[0]
        for begin, end in ((0, 3), (0, 2), (2, 4))
    )
    bench.log = [Told(at, value) for at, value in enumerate((overtaken, first, second))]
    bench.is_past_committed = True
    bench.committed_offset = (9, Checkpoint(dedup=LogMark(0, 0, 9)).to_metadata())
    restored: list[Sightings] = []
    monkeypatch.setattr(InputPartition, "restore", lambda _, seen: restored.append(seen))
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.until(lambda: part.is_ready)
    assert [minute for each in restored for minute in each.minutes.tolist()] == [0, 1, 2, 3]
    assert [each for some in restored for each in some.ids.tolist()] == ids.tolist()
    await part.release()


async def test_an_assignment_pauses_before_anything_else(bench: Bench):
    worker = Member(bench.duties)
    worker.on_partitions_assigned({SOURCE})
    assert bench.notes == ["pause"], "at the return, without one turn of the loop"
    await worker.release_all()


async def test_records_before_readiness_or_before_the_position_are_dropped(bench: Bench):
    part = AssignedPartition(SOURCE, bench.duties)
    part.feed([record(3), record(6)])
    await bench.noted("resume")
    part.feed([record(4), record(5)])
    await bench.until(lambda: any(offset == 6 for _, offset, _ in bench.published))
    assert bench.counted["records_dropped"] == 3
    assert bench.counted["events"] == 1
    await part.release()


@pytest.mark.parametrize(
    ("offsets", "dropped"),
    [
        ([5, 6, 7, 8], 0),
        ([5, 7, 8, 20], 0),
        ([3, 4, 5, 6], 2),
        ([4, 9, 10], 1),
        ([5, 6, 6, 7], 1),
        ([5, 9, 6, 10, 8], 2),
        ([1, 2], 2),
    ],
)
async def test_of_a_list_every_offset_is_taken_once_and_none_from_before(
    bench: Bench, offsets: list[int], dropped: int
):
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.until(lambda: part.is_ready)
    part.feed([record(offset) for offset in offsets])
    part.feed([])
    part.feed([record(offsets[-1]), record(30)])
    dropped += 1  # the last one again
    await bench.until(lambda: bool(bench.published) and bench.published[-1][1] == 31)
    assert bench.counted["records_dropped"] == dropped
    assert bench.counted["records"] == len(offsets) + 2 - dropped
    assert bench.counted["repeats"] == 0
    await part.release()


async def test_without_a_committed_offset_reading_starts_at_the_logs_beginning(bench: Bench):
    bench.committed_offset = None
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("seek 2")
    await part.release()


@pytest.mark.parametrize("offset", [1, 1001])
async def test_an_offset_outside_the_log_ends_the_partition(bench: Bench, offset: int):
    bench.committed_offset = (offset, "")
    part = AssignedPartition(SOURCE, bench.duties)
    with pytest.raises(PositionLostError, match=f"stands at {offset}"):
        await part.task


async def owned(bench: Bench, *records: Record, until: int) -> None:
    """A worker takes the partition over, counts records and gives it up again."""
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.until(lambda: part.is_ready)
    part.feed(records)
    await bench.until(lambda: bool(bench.published) and bench.published[-1][1] == until)
    await part.release()
    bench.committed_offset = bench.published[-1][1:]


async def test_a_successor_knows_the_ids_of_what_is_committed(bench: Bench):
    await owned(bench, record(5, name=77), until=6)
    bench.notes.clear()
    await owned(bench, record(6, name=77), record(7, name=78), until=8)
    assert (
        bench.notes.index("read ids/0") < bench.notes.index("from 0") < bench.notes.index("resume")
    )
    assert bench.counted["repeats"] == 1
    await owned(bench, record(8, name=77), record(9, name=78), until=10)
    assert bench.counted["repeats"] == 3
    assert bench.counted["dedup_incomplete"] == 0


async def test_a_successor_of_one_that_saw_no_event_knows_what_was_known(bench: Bench):
    await owned(bench, record(5, name=77), until=6)
    await owned(bench, Record(6, -1, b"junk"), until=7)
    await owned(bench, record(7, name=77), until=8)
    assert bench.counted["repeats"] == 1


async def test_what_the_log_tells_of_is_counted_although_an_older_offset_is_told(bench: Bench):
    """A broker that was killed had forgotten twelve minutes of commits."""
    await owned(bench, record(5, name=77), until=6)
    old = bench.committed_offset
    await owned(bench, record(6, name=78), record(7, name=79), until=8)
    bench.committed_offset = old
    bench.notes.clear()
    with capture_logs() as logs:
        await owned(bench, record(6, name=78), record(7, name=79), record(8, name=79), until=9)
    assert "seek 8" in bench.notes
    (told,) = [log for log in logs if log["event"] == "ingest_position_old"]
    assert (told["told"], told["counted"], told["log_level"]) == (6, 8, "error")
    assert (bench.counted["events"], bench.counted["repeats"]) == (3, 1)
    assert bench.counted["dedup_incomplete"] == 0
    await owned(bench, record(9, name=78), until=10)
    assert bench.counted["repeats"] == 2


@pytest.mark.parametrize(("delivery", "hangs"), [("at_least_once", False), ("exactly_once", True)])
async def test_ids_of_what_was_never_committed_and_of_other_partitions_are_not_taken(
    *, delivery: str, hangs: bool
):
    """Without transactions, and behind one that never ends, a log tells of that, too."""
    bench = Bench(delivery=delivery)
    bench.is_past_committed = hangs
    await owned(bench, record(5, name=77), until=6)
    for at, source in ((7, SOURCE), (6, TopicPartition("in", 1))):
        seen = (
            bench.make_partition(6, Checkpoint())
            .process([InputRecord(6, -1, record(6, name=at).value)])
            .seen
        )
        (value,) = encode_seen(
            seen, source=source, first_offset=5, next_offset=at, max_bytes=10_000
        )
        bench.log.insert(0, Told(0, value))
    bench.log = [Told(offset, each.value) for offset, each in enumerate(bench.log)]
    await owned(bench, record(6, name=6), record(7, name=7), record(8, name=77), until=9)
    assert bench.counted["repeats"] == 1


async def test_behind_a_transaction_that_hangs_an_offset_before_a_batch_that_began_is_old(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    """Seen in a chaos run: the broker was killed while a transaction hung, and told minutes ago."""
    monkeypatch.setattr("stream.ingest.assignment._RETRY_SECONDS", 0.0)
    for at in (5, 6, 7):
        await owned(bench, record(at, name=at), until=at + 1)
    bench.is_past_committed = True
    right = bench.committed_offset
    assert right is not None
    bench.committed_offset = (6, Checkpoint(dedup=LogMark(0, 0, 6)).to_metadata())
    part = AssignedPartition(SOURCE, bench.duties)
    with capture_logs() as logs:
        await bench.until(lambda: len([each for each in logs if "error" in each]) > 1)
    assert not part.is_ready
    assert "offset 6 was told, and a batch began at 7" in logs[-1]["error"]
    bench.committed_offset = right
    await bench.until(lambda: part.is_ready)
    assert part.next_offset == 8
    await part.release()


@pytest.mark.parametrize("kept", [0, 1])
async def test_ids_that_the_log_does_not_hold_any_more_are_missed_aloud(bench: Bench, kept: int):
    """Retention removed them, or the topic was made anew."""
    await owned(bench, record(5, name=77), until=6)
    await owned(bench, record(6, name=78), until=7)
    bench.log, bench.log_begin = bench.log[2 - kept :], 2 - kept
    with capture_logs() as logs:
        await owned(bench, record(7, name=77), record(8, name=78), until=9)
    (told,) = [log for log in logs if log["event"] == "ingest_dedup_incomplete"]
    assert "ids" in told["reason"]
    assert bench.counted["dedup_incomplete"] == 1
    assert bench.counted["repeats"] == kept


async def test_an_offset_that_somebody_else_committed_has_no_ids_and_that_is_said(bench: Bench):
    await owned(bench, record(5, name=77), until=6)
    bench.committed_offset = (6, "")
    with capture_logs() as logs:
        await owned(bench, record(6, name=77), until=7)
    assert "ingest_dedup_incomplete" in [log["event"] for log in logs]
    assert bench.counted["repeats"] == 0


async def test_reading_back_begins_where_the_horizon_does(bench: Bench):
    for number in range(30):
        late = Record(
            5 + number,
            -1,
            record(5 + number).value.replace(b"1700000000", b"%d" % (1_700_000_000 + 600 * number)),
        )
        await owned(bench, late, until=6 + number)
    found = Checkpoint.from_metadata(bench.published[-1][2])
    assert found is not None
    assert found.dedup is not None
    assert found.dedup.from_offset == 29 - 6 - 1, "an hour of messages, as of the one before"


async def test_a_successor_takes_back_what_its_predecessor_estimated(bench: Bench):
    estimate = record(5).value.replace(b"}", b', "estimated": true, "requests": 3}')
    await owned(bench, Record(5, -1, estimate), until=6)
    assert len(bench.provisional) == 1
    assert bench.totals == {"estimated_requests": 3}
    await owned(bench, record(6, name=5), until=7)
    assert bench.totals == {"estimated_requests": 0, "requests": 1, "unpriced_requests": 1}
    assert bench.provisional[-1].value is None, "nothing stands any more"
    await owned(bench, Record(7, -1, estimate), until=8)
    assert bench.totals["estimated_requests"] == 0, "told again, behind its final event"


async def test_revocation_waits_for_the_running_transaction(bench: Bench):
    bench.gate.clear()
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("publish")
    releasing = asyncio.create_task(part.release())
    await asyncio.sleep(0)
    assert not releasing.done()
    bench.gate.set()
    await releasing
    assert bench.notes[-3:] == ["committed", "pause", "stop output"]
    assert part.task.done()


async def test_revocation_aborts_a_transaction_that_hangs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("stream.ingest.assignment._RELEASE_SECONDS", 0.01)
    bench.gate.clear()
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("publish")
    await part.release()
    assert bench.notes[-3:] == ["abort", "pause", "stop output"]
    assert bench.published == []


async def test_after_a_revocation_nothing_is_taken_and_nothing_is_written(bench: Bench):
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("committed")
    await part.release()
    before = list(bench.published)
    part.feed([record(5)])
    await asyncio.sleep(0)
    assert bench.published == before


@pytest.mark.parametrize("error", [BatchLostError("lost"), KafkaError("gone"), TimeoutError()])
async def test_a_lost_batch_is_read_again_by_a_new_producer_that_fences_and_looks(
    bench: Bench, error: Exception, monkeypatch: pytest.MonkeyPatch
):
    """Rule 2: the batch itself is never handed to the new producer."""
    monkeypatch.setattr("stream.ingest.assignment._RETRY_SECONDS", 0.001)
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("committed")
    bench.errors = [error]
    part.feed([record(5)])
    await bench.noted("resume", times=2)
    retold = bench.notes[bench.notes.index("stop output") :]
    assert retold[:4] == ["stop output", "before fence", "fence", "look"]
    assert retold.index("look") < retold.index("seek 5") < retold.index("resume")
    await bench.until(lambda: bench.published[-1][0] == 2)
    assert bench.counted["events"] == 0, "until the consumer hands the records out again"
    part.feed([record(5)])
    await bench.until(lambda: bench.counted["events"] == 1)
    await part.release()


async def test_the_cut_hears_how_many_records_wait(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    """Not offsets: markers of transactions are none, and what is not stable cannot be counted."""
    heard = list[tuple[int, int]]()
    monkeypatch.setattr(
        "stream.ingest.cut.AdaptiveCut.took",
        lambda *_, **said: heard.append((said["records"], said["waiting"])),
    )
    bench._subscription = SubscriptionState()
    bench._subscription.assign_from_user({SOURCE})
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.until(lambda: part.is_ready)
    bench.gate.clear()
    part.feed([record(5)])
    await bench.noted("publish", times=2)
    part.feed([record(6), record(7)])
    state = bench._subscription.subscription.assignment.state_value(SOURCE)
    state.reset_to(9)
    state.highwater, state.lso = 1000, 29
    bench.gate.set()
    await bench.until(lambda: (1, 22) in heard)
    await bench.until(lambda: (2, 20) in heard)
    await part.release()


async def test_a_batch_that_does_not_end_in_time_is_tried_smaller_until_it_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    """Tried again as it was it would fail again, for ever."""
    monkeypatch.setattr("stream.ingest.cut.AdaptiveCut.took", lambda *_, **__: None)
    monkeypatch.setattr("stream.ingest.assignment._RETRY_SECONDS", 0.001)
    bench.most_events = 3
    part = AssignedPartition(SOURCE, bench.duties)
    for times in (1, 2, 3):  # 8, 4 and then 2 at a time
        await bench.until(lambda: part.is_ready)
        part.feed([record(offset) for offset in range(5, 13)])
        if times < 3:
            await bench.noted("stop output", times=times)
            bench.changed.clear()
    await bench.until(lambda: bench.counted["events"] == 8)
    assert [offset for _, offset, _ in bench.published if offset > 5][:4] == [7, 9, 11, 13]
    assert bench.notes.count("stop output") == 2
    await part.release()


@pytest.mark.parametrize("error", [BatchLostError("lost"), TimeoutError()])
async def test_a_batch_that_is_found_committed_is_counted_once(
    bench: Bench, error: Exception, monkeypatch: pytest.MonkeyPatch
):
    """The broker committed it, and the answer came too late: it will not be read again."""
    monkeypatch.setattr("stream.ingest.assignment._RETRY_SECONDS", 0.001)
    metadata = list[str]()
    told = Counting.metadata
    monkeypatch.setattr(
        Counting,
        "metadata",
        lambda self, batch: metadata.append(told(self, batch)) or metadata[-1],
    )
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("committed")
    bench.gate.clear()
    bench.errors = [error]
    part.feed([record(5)])
    await bench.noted("publish", times=2)
    bench.committed_offset = (6, metadata[-1])
    bench.gate.set()
    await bench.noted("resume", times=2)
    assert (bench.counted["events"], bench.counted["records"]) == (1, 1)
    assert bench.counted["batches_lost"] == 1
    part.feed([record(5), record(6)])
    await bench.until(lambda: bench.counted["events"] == 2)
    await part.release()


@pytest.mark.parametrize(
    ("error", "committed"),
    [
        (BatchLostError("lost"), (5, "")),
        (BatchLostError("lost"), (6, "another's")),
        (BatchLostError("fenced", is_fenced=True), None),
    ],
)
async def test_what_others_have_committed_or_nobody_is_not_counted(
    error: Exception, committed: tuple[int, str] | None, monkeypatch: pytest.MonkeyPatch
):
    bench = Bench(session_timeout_seconds=1)
    monkeypatch.setattr("stream.ingest.assignment._RETRY_SECONDS", 0.001)
    monkeypatch.setattr(Counting, "metadata", lambda *_: "ours")
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("committed")
    bench.committed_offset = committed or (6, "ours")
    bench.errors = [error]
    part.feed([record(5)])
    await bench.noted("resume", times=2)
    assert bench.counted["events"] == 0
    await part.release()


async def test_a_single_record_that_is_not_taken_is_named_and_not_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("stream.ingest.assignment._RETRY_SECONDS", 0.001)
    bench.most_events = 0
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("committed")
    with capture_logs() as logs:
        part.feed([record(5)])
        await bench.noted("resume", times=2)
    (stuck,) = [line for line in logs if line["event"] == "ingest_record_stuck"]
    assert (stuck["offset"], stuck["log_level"]) == (5, "error")
    bench.most_events = 1
    part.feed([record(5)])
    await bench.until(lambda: bench.counted["events"] == 1)
    await part.release()


async def test_a_fenced_partition_waits_for_the_groups_word_before_it_fences_back():
    bench = Bench(session_timeout_seconds=1)
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("committed")
    bench.errors = [BatchLostError("fenced", is_fenced=True)]
    part.feed([record(5)])
    await bench.noted("stop output")
    started = asyncio.get_running_loop().time()
    await bench.noted("fence", times=2)
    assert asyncio.get_running_loop().time() - started >= 0.49
    assert bench.counted["batches_lost"] == 1
    await part.release()


async def test_a_fault_of_our_own_ends_the_worker(bench: Bench):
    worker = Member(bench.duties)
    worker.on_partitions_assigned({SOURCE})
    await bench.noted("committed")
    bench.errors = [ZeroDivisionError()]
    worker.partitions[SOURCE].feed([record(5)])
    with pytest.raises(ZeroDivisionError):
        await worker._failed
    await worker.release_all()


async def test_a_partition_that_ends_without_a_word_ends_the_worker_and_one_given_up_does_not(
    bench: Bench,
):
    """A future that Kafka's client cancels looks like a cancellation of who awaits it."""
    worker = Member(bench.duties)
    worker.on_partitions_assigned({SOURCE})
    await bench.noted("committed")
    await worker.release_all()
    assert not worker._failed.done()
    worker.on_partitions_assigned({SOURCE})
    await bench.noted("committed", times=2)
    bench.errors = [asyncio.CancelledError()]
    worker.partitions[SOURCE].feed([record(5)])
    with pytest.raises(RuntimeError, match=r"partition=0.* was cancelled"):
        await asyncio.wait_for(worker._failed, 5)
    await worker.release_all()


async def test_a_partition_that_ends_once_the_worker_has_is_no_failure_that_nobody_asks_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    """One that comes while the consumer is being stopped is cancelled with the loop."""
    worker = Member(bench.duties)
    monkeypatch.setattr(worker, "_read", asyncio.Event().wait)
    stop = asyncio.Event()
    stop.set()
    await worker.run(stop)
    worker.on_partitions_assigned({SOURCE})
    task = worker.partitions[SOURCE].task
    task.cancel()
    await asyncio.wait([task])
    assert worker._failed.cancelled()


async def test_a_full_buffer_holds_the_consumer_back_until_it_is_written():
    bench = Bench(max_batch_events=2)
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("committed")
    resumed = bench.notes.count("resume")
    part.feed([record(offset) for offset in range(5, 10)])
    assert bench.notes[-1] == "pause"
    await bench.until(lambda: bench.published[-1][1] == 10)
    assert bench.notes.count("resume") == resumed + 1
    assert [offset for _, offset, _ in bench.published][-3:] == [7, 9, 10]
    await part.release()


async def test_a_shortened_horizon_is_counted_and_told_once_a_while():
    bench = Bench(dedup_max_ids=1000)
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("resume")
    with capture_logs() as logs:
        for first in range(5, 4000, 600):
            part.feed([record(offset) for offset in range(first, first + 600)])
            await bench.until(
                lambda end=first + 600: bool(bench.published) and bench.published[-1][1] == end
            )
    await part.release()
    told = [log for log in logs if log["event"] == "ingest_dedup_shortened"]
    assert bench.counted["dedup_shortened"] > 1
    assert [(log["kept_seconds"], log["wanted_seconds"]) for log in told] == [(0, 3600)]
    assert told[0]["log_level"] == "warning"


async def test_giving_up_its_partitions_a_worker_says_what_it_counted(bench: Bench):
    worker = Member(bench.duties)
    worker.on_partitions_assigned({SOURCE})
    await bench.noted("resume")
    worker.partitions[SOURCE].feed([record(5), record(6, name=5)])
    await bench.until(lambda: bench.counted["records"] == 2)
    with capture_logs() as logs:
        await worker.release_all()
    (told,) = [log for log in logs if log["event"] == "ingest_counted"]
    assert (told["events"], told["repeats"]) == (1, 1)


async def test_the_metadata_of_a_commit_is_the_checkpoint(bench: Bench):
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("resume")
    part.feed([record(5)])
    await bench.until(lambda: bool(bench.published) and bench.published[-1][1] == 6)
    found = Checkpoint.from_metadata(bench.published[-1][2])
    assert found == Checkpoint(1_700_000_000 - 60, 100.0, LogMark(0, 0, 6), 0)
    await part.release()


async def test_revoked_meanwhile_a_partition_needs_no_pausing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("committed")

    def gone(*_: TopicPartition) -> None:
        raise IllegalStateError("no current assignment")

    monkeypatch.setattr(bench, "pause", gone)
    await part.release()
    assert bench.notes[-1] == "stop output"


async def test_of_a_burst_of_ten_times_its_room_little_is_held_and_all_is_counted():
    bench = Bench(max_batch_events=20)
    part = AssignedPartition(SOURCE, bench.duties)
    await bench.noted("resume")
    bench.gate.clear()
    first, at_once, most = 5, 10, 0
    while first < 405:
        if part._is_full:
            bench.gate.set()
            await bench.until(lambda: not part._is_full)
        part.feed([record(offset) for offset in range(first, first + at_once)])
        first += at_once
        most = max(most, part.buffered[0])
    assert 40 <= most < 40 + at_once
    bench.gate.set()
    await bench.until(lambda: part.next_offset == 405)
    assert part.buffered == (0, 0)
    await part.release()
    assert bench.counted["events"] == 400


async def test_a_hot_partition_whose_writes_hang_is_held_back_alone():
    """Half of all traffic has one key, by which a producer partitions: the others do not wait."""
    bench = Bench(max_batch_events=20)
    bench.gates[SOURCE] = asyncio.Event()
    hot, calm = (AssignedPartition(source, bench.duties) for source in (SOURCE, OTHER))
    await bench.noted("resume", times=2)
    offset, mark = 5, 0
    for _ in range(40):
        if not hot._is_full:
            hot.feed([record(each) for each in range(offset, offset + 10)])
        calm.feed([later(each) for each in range(offset, offset + 10)])
        offset += 10
        await bench.until(lambda end=offset: calm.next_offset == end)
        assert calm.chain is not None
        now = calm.chain.watermark.seconds
        assert now is not None
        assert now > mark, "its time goes on"
        mark = now
        assert hot.buffered[0] < 40 + 10
    assert hot.next_offset == 5
    assert hot._is_full
    bench.gates[SOURCE].set()
    await bench.until(lambda: hot.buffered == (0, 0))
    await asyncio.gather(hot.release(), calm.release())
