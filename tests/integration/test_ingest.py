"""INGEST against a real Kafka: totals are exact whatever ends, stops or takes over a worker."""

import asyncio
import json
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, RequestTimedOutError
from aiokafka.structs import OffsetAndMetadata
from structlog.testing import capture_logs

from stream.delta import DeltaRow, DeltaRows, encode_delta
from stream.ingest import positions
from stream.ingest.dedup import Sightings
from stream.ingest.dedup_record import encode_seen
from stream.ingest.id_table import ids_of
from stream.ingest.keys import SAMPLED, off_key_ratio
from stream.ingest.output import TransactionalOutput
from stream.ingest.positions import PositionLostError
from stream.ingest.worker import Seams, run_ingest
from stream.kafka.admin import BrokerUnreachableError, TopicMissingError
from stream.kafka.parsed_records import as_parsed
from tests.support import ingest as it
from tests.support.kafka import KafkaBroker, free_ports
from tests.support.worker import until

pytestmark = pytest.mark.kafka


def bursts(count: int, size: int, seed: int) -> list[list[bytes]]:
    """Events of some agents, every tenth of them twice."""
    rng = random.Random(seed)
    found = []
    for burst in range(count):
        numbers = list(range(burst * size, (burst + 1) * size))
        numbers += rng.sample(range((burst + 1) * size), size // 10)
        # even numbers to partition 0, odd to 1: an id always goes to the same partition
        found.append([it.event(n, f"agent-{n % 7}", at=n // 10) for n in numbers])
    return found


def expected(total: int) -> Counter[str]:
    return Counter(f"agent:agent-{n % 7}" for n in range(total))


async def produce_by_id(of: it.IngestSettings, payloads: list[bytes]) -> None:
    for side in (0, 1):
        mine = [p for p in payloads if int(json.loads(p)["event_id"][1:]) % 2 == side]
        await it.produce(of, mine, partition=side)


async def test_aiokafka_hands_out_records_as_they_were_parsed_to_who_asks_for_it(
    kafka: KafkaBroker, topic_prefix: str
):
    of = it.settings(kafka.bootstrap, topic_prefix)
    await it.create_topics(of)
    await it.produce(of, [b"1", b"2"])
    place = TopicPartition(of.topics.usage_events, 0)
    records = []
    for deserializer in (None, as_parsed):
        async with AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap, value_deserializer=deserializer
        ) as consumer:
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            records.append((await consumer.getmany(timeout_ms=10_000))[place])
            assert await consumer.position(place) == 2
    usual, parsed = records
    assert isinstance(usual[0], ConsumerRecord)
    assert not isinstance(parsed[0], ConsumerRecord)  # or aiokafka makes its answers elsewhere now
    assert [(each.offset, each.timestamp, each.value) for each in parsed] == [
        (each.offset, each.timestamp, each.value) for each in usual
    ]


async def test_totals_are_exact_when_the_worker_is_killed_between_output_and_commit_and_at_random(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path
):
    of = it.settings(kafka.bootstrap, topic_prefix, instance_id="one", max_batch_events=300)
    await it.create_topics(of)
    rng = random.Random(7)
    for number, burst in enumerate(bursts(5, 1000, seed=11)):
        worker = it.WorkerProcess(
            of, tmp_path / "log", at_commit=rng.randint(2, 5) if number % 2 == 0 else 0
        )
        await produce_by_id(of, burst)
        if number % 2:
            await asyncio.sleep(rng.uniform(1.5, 3.0))
            worker.kill()
        assert await worker.ended() == -signal.SIGKILL, worker.log.read_text()
    async with it.running(of):
        await it.caught_up(of)
    assert await it.audit(of) == expected(5000)


@pytest.mark.parametrize("static", [True, False])
async def test_a_worker_stopped_past_its_session_and_continued_counts_nothing_twice(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path, *, static: bool
):
    of, sleeper = (
        it.settings(kafka.bootstrap, topic_prefix, instance_id=name if static else None)
        for name in ("host-0", "host-1")
    )
    await it.create_topics(of)
    first, second, third = bursts(3, 600, seed=5)
    zombie = it.WorkerProcess(sleeper, tmp_path / "zombie", at_commit=4, how="stop")
    await produce_by_id(of, first)
    await zombie.stopped()
    counted: Counter[str] = Counter()
    async with it.running(of, counted=counted):
        await produce_by_id(of, second)
        await it.caught_up(of)
        zombie.kill(signal.SIGCONT)
        await produce_by_id(of, third)
        await asyncio.sleep(4.0)  # the zombie finds out, joins and shares the work
        await it.caught_up(of)
    zombie.kill(signal.SIGTERM)
    assert await zombie.ended() == 0, zombie.log.read_text()
    assert '"batches_lost": ' in zombie.log.read_text(), "its open batch was fenced"
    assert "never retrieved" not in zombie.log.read_text()
    assert await it.audit(of) == expected(1800)


async def test_a_former_owner_that_commits_after_the_assignment_is_not_counted_again(
    kafka: KafkaBroker, topic_prefix: str
):
    """Rule 1: looking before fencing finds the position that the former owner moves."""
    of = it.settings(kafka.bootstrap, topic_prefix)
    await it.create_topics(of, inputs=1)
    await it.produce(of, [it.event(n) for n in range(100)])
    source = TopicPartition(of.topics.usage_events, 0)
    former = TransactionalOutput(
        of.connection.kafka_kwargs(),
        group=of.ingest.group,
        source=source,
        transaction_timeout_seconds=10,
        max_message_bytes=10**6,
    )
    await former.start()
    producer = former._producer
    await producer.begin_transaction()
    counts = [60] + [0] * 20
    delta = encode_delta(
        DeltaRows.of([DeltaRow("agent:bot", it.START // 60, is_late=False, counts=counts)]),
        topic=source.topic,
        partition=0,
        first_offset=0,
        next_offset=60,
        watermark_seconds=None,
        is_idle=False,
    )
    await producer.send_and_wait(of.topics.deltas, delta, partition=0)
    await producer.send_offsets_to_transaction({source: OffsetAndMetadata(60, "")}, of.ingest.group)

    async def commits_late(_: TopicPartition) -> None:
        await asyncio.sleep(1.0)  # time for a reader that looks too early to look
        await producer.commit_transaction()

    async with it.running(of, seams=Seams(before_fence=commits_late)):
        await it.caught_up(of)
    await former.stop()
    assert await it.audit(of) == {"agent:bot": 100}


async def test_a_fenced_batch_is_dropped_with_its_dead_letters_and_read_again(
    kafka: KafkaBroker, topic_prefix: str
):
    """Rule 2, and dead letters are part of the transaction."""
    of = it.settings(kafka.bootstrap, topic_prefix)
    await it.create_topics(of, inputs=1)
    source = TopicPartition(of.topics.usage_events, 0)
    await it.produce(of, [it.event(1), b"not json", it.event(2)])
    rivals: list[AIOKafkaProducer] = []

    async def rival_takes_over(_: TopicPartition) -> None:
        if not rivals:
            rivals.append(
                AIOKafkaProducer(
                    bootstrap_servers=kafka.bootstrap,
                    transactional_id=f"{of.ingest.group}-{source.topic}-0",
                )
            )
            await rivals[0].start()

    counted: Counter[str] = Counter()
    seams = Seams(before_commit=rival_takes_over)
    async with it.running(of, seams=seams, counted=counted):
        await it.caught_up(of)
    await rivals[0].stop()
    assert counted["batches_lost"] == 1
    assert counted["events"] == 2
    assert await it.audit(of) == {"agent:bot": 2}
    dead = await it.read_committed(of, of.topics.dead_letter)
    assert [json.loads(value)["offset"] for value in dead[0]] == [1]


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_batch_that_the_broker_committed_unheard_is_neither_lost_nor_counted_twice(
    kafka: KafkaBroker, topic_prefix: str, monkeypatch: pytest.MonkeyPatch, *, hangs: bool
):
    """The answer to the commit is lost, or comes after the time-out."""
    of = it.settings(kafka.bootstrap, topic_prefix, transaction_timeout_seconds=2)
    await it.create_topics(of, inputs=1)
    send_offsets = AIOKafkaProducer.send_offsets_to_transaction
    commit = AIOKafkaProducer.commit_transaction
    offsets, unheard = list[int](), list[int]()

    async def all_counted() -> bool:
        return counted["records"] == 52 and counted["batches_lost"] == 1

    async def notes_offset(producer: AIOKafkaProducer, told: dict[Any, Any], group: str) -> None:
        offsets.append(next(iter(told.values())).offset)
        await send_offsets(producer, told, group)

    async def commits_unheard(producer: AIOKafkaProducer) -> None:
        await commit(producer)
        if offsets[-1] > 2 and not unheard:
            unheard.append(offsets[-1])
            if hangs:
                await asyncio.Event().wait()
            raise RequestTimedOutError

    counted: Counter[str] = Counter()
    async with it.running(of, counted=counted):
        await it.produce(of, [it.event(1), it.event(2)])
        await it.caught_up(of)
        monkeypatch.setattr(AIOKafkaProducer, "send_offsets_to_transaction", notes_offset)
        monkeypatch.setattr(AIOKafkaProducer, "commit_transaction", commits_unheard)
        await it.produce(of, [it.event(number) for number in range(3, 50)])
        await it.produce(of, [b"not json", it.event(50), it.event(50)])
        await until(all_counted, 20, lambda: str(counted))
    assert len(unheard) == 1
    names = ("records", "events", "repeats", "dead_letters")
    assert [counted[name] for name in names] == [52, 50, 1, 1]
    assert await it.audit(of) == {"agent:bot": 50}
    dead = await it.read_committed(of, of.topics.dead_letter)
    assert sum(map(len, dead.values())) == 1


async def test_a_repeat_is_recognised_across_batches_and_restarts(
    kafka: KafkaBroker, topic_prefix: str
):
    of = it.settings(kafka.bootstrap, topic_prefix)
    await it.create_topics(of, inputs=1)
    for number in range(3):
        async with it.running(of) as worker:
            await it.produce(of, [it.event(1), it.event(2 + number)])
            await it.caught_up(of)
            await it.produce(of, [it.event(1, at=-7200)])
            await it.caught_up(of)
            assert not worker.done()
    assert await it.audit(of) == {"agent:bot": 4}


async def test_ids_are_known_to_whoever_takes_over_however_the_former_owner_ended(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path
):
    """All of what is sent is sent again, to a worker that has seen none of it."""
    of = it.settings(kafka.bootstrap, topic_prefix, max_batch_events=50)
    await it.create_topics(of)
    first, second = bursts(2, 300, seed=2)
    await produce_by_id(of, first)
    former = it.WorkerProcess(of, tmp_path / "former", at_commit=5)
    assert await former.ended() == -signal.SIGKILL, former.log.read_text()
    for again in (first, second, first + second):
        counted: Counter[str] = Counter()
        await produce_by_id(of, again)
        async with it.running(of, counted=counted):
            await it.caught_up(of)
        assert counted["dedup_incomplete"] == 0
    assert await it.audit(of) == expected(600)


def provisional_story(number: int) -> list[bytes]:
    """What producers tell of one call, in the order in which they do."""
    call = {
        "event_id": f"e{number}",
        "timestamp": it.START + number,
        "model": "gpt-4o",
        "agent": "bot",
        "cost_usd": "0.001",
    }
    guess = call | {"estimated": True, "cost_usd": "0.5"}
    told = {"record": "outcome", "event_id": f"e{number}", "agent": "bot"}
    accepted = told | {"timestamp": it.START + 500, "outcome": "accepted"}
    rejected = told | {"timestamp": it.START + 600, "outcome": "rejected"}
    steps = [guess, call | {"outcome": "edited"}, accepted, guess, rejected, accepted, call]
    return [json.dumps(step).encode() for step in steps]


async def test_estimates_and_outcomes_are_replaced_across_workers_that_are_killed(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path
):
    of = it.settings(kafka.bootstrap, topic_prefix, instance_id="one", max_batch_events=30)
    await it.create_topics(of, inputs=2, id_logs=1)
    stories = [provisional_story(number) for number in range(40)]
    rng = random.Random(3)
    for step in range(7):
        worker = it.WorkerProcess(of, tmp_path / "log", at_commit=rng.randint(2, 4))
        await produce_by_id(of, [story[step] for story in stories])
        assert await worker.ended() == -signal.SIGKILL, worker.log.read_text()
    await it.produce(of, provisional_story(99)[:1], partition=1)
    async with it.running(of):
        await it.caught_up(of)
    assert (await it.audit_counts(of))["agent:bot"] == {
        "requests": 40,
        "cost_nanousd": 40 * 1_000_000,
        "reported_nanousd": 40 * 1_000_000,
        "rejected": 40,
        "estimated_requests": 1,
        "estimated_nanousd": 500_000_000,
    }


async def test_ids_of_partitions_that_share_a_log_are_found_behind_a_hanging_transaction(
    kafka: KafkaBroker, topic_prefix: str
):
    """What is committed behind another's open transaction cannot be read before that has ended."""
    of = it.settings(kafka.bootstrap, topic_prefix)
    await it.create_topics(of, inputs=2, id_logs=1)
    (burst,) = bursts(1, 300, seed=9)
    async with AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap, transactional_id=f"{topic_prefix}other"
    ) as other:
        await other.begin_transaction()
        await other.send_and_wait(of.topics.dedup, _ids_of_another(), partition=0)
        await produce_by_id(of, burst)
        async with it.running(of):
            await it.caught_up(of)
        await produce_by_id(of, burst)

        async def ends_soon(_: TopicPartition) -> None:
            ending.append(asyncio.create_task(_ended(other)))

        ending: list[asyncio.Task[None]] = []
        async with it.running(of, seams=Seams(before_fence=ends_soon)):
            await it.caught_up(of)
        await asyncio.gather(*ending)
    assert await it.audit(of) == expected(300)


async def test_a_log_whose_transaction_never_ends_tells_by_its_own_marks_what_was_counted(
    kafka: KafkaBroker, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
):
    """Behind its beginning there are batches that were committed, and some that were not."""
    monkeypatch.setattr(positions, "_NOTICED_SECONDS", 0.0)
    monkeypatch.setattr(positions, "_LOOK_SECONDS", 0.0)
    of = it.settings(
        kafka.bootstrap, topic_prefix, transaction_timeout_seconds=1.0, max_batch_events=25
    )
    await it.create_topics(of, inputs=2, id_logs=1)
    stories = [provisional_story(number) for number in range(40)]
    to_come: dict[int, list[bool]] = {}

    async def some_are_refused(source: TopicPartition) -> None:
        is_refused = to_come[source.partition]
        if is_refused and is_refused.pop(0):
            raise RequestTimedOutError

    counted: Counter[str] = Counter()
    hang = set[str]()
    seams = Seams(before_commit=some_are_refused)
    async with AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap,
        transactional_id=f"{topic_prefix}other",
        transaction_timeout_ms=600_000,
    ) as other:
        for steps in (range(2), range(2, 5), range(5, 7)):
            await produce_by_id(of, [story[step] for step in steps for story in stories])
            to_come |= {0: [True, False, True], 1: [False, True, False, True]}
            with capture_logs() as logs:
                async with it.running(of, counted=counted, seams=seams):
                    await it.caught_up(of)
            hang |= {log["topic"] for log in logs if log["event"] == "ingest_log_hangs"}
            if steps.start == 0:
                assert not hang
                await other.begin_transaction()
                await other.send_and_wait(of.topics.dedup, _ids_of_another(), partition=0)
                await other.send_and_wait(of.topics.provisional, b"", key=b"x/0/", partition=0)
        assert hang == {of.topics.dedup, of.topics.provisional}
        assert counted["batches_lost"] == 12
        assert counted["dedup_incomplete"] == 0
        assert (await it.audit_counts(of))["agent:bot"] == {
            "requests": 40,
            "cost_nanousd": 40 * 1_000_000,
            "reported_nanousd": 40 * 1_000_000,
            "rejected": 40,
        }


def _ids_of_another() -> bytes:
    """A message of the log of ids that no input partition here wrote."""
    (message,) = encode_seen(
        Sightings(ids_of(bytes(16)), np.zeros(1, np.int32)),
        source=("another", 0),
        first_offset=0,
        next_offset=1,
        max_bytes=10**5,
    )
    return message


async def _ended(producer: AIOKafkaProducer) -> None:
    await asyncio.sleep(2.0)
    if producer._txn_manager.transactional_id and producer._txn_manager.is_in_transaction():
        await producer.abort_transaction()


async def test_ids_that_retention_removed_are_missed_aloud_and_counting_goes_on(
    kafka: KafkaBroker, topic_prefix: str
):
    of = it.settings(kafka.bootstrap, topic_prefix)
    await it.create_topics(of, inputs=1)
    counted: Counter[str] = Counter()
    for number in range(3):
        await it.produce(of, [it.event(1), it.event(2 + number)])
        async with it.running(of, counted=counted):
            await it.caught_up(of)
        if number == 1:
            await it.remove_records(of, of.topics.dedup)
    assert counted["dedup_incomplete"] == 1
    assert await it.audit(of) == {"agent:bot": 5}, "the first event is counted once more"


async def test_rekeyed_events_count_once_whatever_partition_they_are_sent_to(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path
):
    """Before the hop, repeats in two partitions count twice; what was counted stays counted."""
    of = it.settings(kafka.bootstrap, topic_prefix, instance_id="one")
    await it.create_topics(of)
    numbers = range(300)
    for side in (0, 1):
        await it.produce(of, [it.event(n) for n in numbers[:100]], partition=side)
    async with it.running(of):
        await it.caught_up(of)
    assert await it.audit(of) == {"agent:bot": 200}

    hop = it.settings(
        kafka.bootstrap, topic_prefix, instance_id="one", rekey=True, max_batch_events=50
    )
    worker = it.WorkerProcess(hop, tmp_path / "log", at_commit=6)
    array = b"[" + b",".join(it.event(n) for n in numbers[100:]) + b"]"
    await it.produce(of, [*(it.event(n) for n in numbers[100:]), b"not json"], partition=0)
    await it.produce(of, [it.event(n) for n in numbers[100:]], partition=1)
    assert await worker.ended() == -signal.SIGKILL, worker.log.read_text()
    await it.produce(of, [array], partition=1)
    counted: Counter[str] = Counter()
    async with it.running(hop, counted=counted):
        await it.caught_up(hop)
        for _ in range(100):
            if (await it.audit(of))["agent:bot"] >= 400:
                break
            await asyncio.sleep(0.2)
        await asyncio.sleep(1.5)  # whatever is counted twice is counted by now
    assert await it.audit(of) == {"agent:bot": 400}
    dead = await it.read_committed(of, of.topics.dead_letter)
    assert len(dead[0]) == 1
    assert counted["rekeyed"] > 0


async def test_of_a_hop_the_keys_of_its_input_and_its_lost_batches_are_counted(
    kafka: KafkaBroker, topic_prefix: str
):
    """What it writes is always keyed well: whether producers key otherwise shows in front of it."""
    of = it.settings(kafka.bootstrap, topic_prefix, rekey=True)
    await it.create_topics(of)
    await it.produce(of, [it.event(n) for n in range(200)], partition=0)
    to_lose = [of.topics.usage_events]

    async def before_commit(source: TopicPartition) -> None:
        if source.topic in to_lose:
            to_lose.remove(source.topic)
            raise KafkaError("lost")

    counted: Counter[str] = Counter()
    seams = Seams(before_commit=before_commit)
    async with it.running(of, seams=seams, counted=counted):
        await it.caught_up(of)
        async with asyncio.timeout(20):
            while counted["events"] < 200:  # noqa: ASYNC110 -- of several tasks
                await asyncio.sleep(0.1)
    assert await it.audit(of) == {"agent:bot": 200}
    assert (counted["rekeyed"], counted["records"], counted["batches_lost"]) == (200, 200, 1)
    assert counted[SAMPLED] >= 4
    assert off_key_ratio(counted) == 1.0


async def test_every_delta_partition_hears_of_time_once_a_second_and_of_idleness(
    kafka: KafkaBroker, topic_prefix: str
):
    """Rules 5 and 6: also when there is nothing to count."""
    of = it.settings(kafka.bootstrap, topic_prefix, allowed_lateness_seconds=60)
    await it.create_topics(of, inputs=1)
    await it.produce(of, [it.event(1, at=0)])
    async with it.running(of):
        await it.caught_up(of)
        await asyncio.sleep(4.5)
    found = await it.deltas(of)
    assert set(found) == set(range(it.DELTAS))
    for each in found.values():
        assert len(each) >= 4
        marks = [delta.watermark_seconds for delta in each if delta.watermark_seconds is not None]
        assert marks[0] == it.START - 60
        assert marks == sorted(marks)
        assert it.START - 60 < marks[-1] < it.START, "idle time goes on from its last value"
        assert each[-1].is_idle
    assert [delta.first_offset for delta in found[0]][-1] == 1


async def test_an_unreachable_broker_is_named_at_the_start(topic_prefix: str):
    of = it.settings(f"127.0.0.1:{free_ports(1)[0]}", topic_prefix)
    with pytest.raises(BrokerUnreachableError):
        await run_ingest(of, asyncio.Event())


async def test_a_missing_topic_is_named_at_the_start(kafka: KafkaBroker, topic_prefix: str):
    of = it.settings(kafka.bootstrap, topic_prefix)
    with pytest.raises(TopicMissingError, match="spendwatch topics create"):
        await run_ingest(of, asyncio.Event())


async def test_a_position_that_is_not_in_the_log_is_an_error_and_not_a_jump(
    kafka: KafkaBroker, topic_prefix: str
):
    of = it.settings(kafka.bootstrap, topic_prefix)
    await it.create_topics(of, inputs=1)
    source = TopicPartition(of.topics.usage_events, 0)
    async with AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap, transactional_id=topic_prefix
    ) as producer:
        await producer.begin_transaction()
        await producer.send_offsets_to_transaction(
            {source: OffsetAndMetadata(77, "")}, of.ingest.group
        )
        await producer.commit_transaction()
    with pytest.raises(PositionLostError, match="stands at 77"):
        await asyncio.wait_for(run_ingest(of, asyncio.Event()), 20)


async def test_totals_are_exact_over_a_restart_of_the_broker(start_kafka, topic_prefix: str):
    broker = start_kafka()
    of = it.settings(broker.bootstrap, topic_prefix)
    await it.create_topics(of)
    first, second, third = bursts(3, 500, seed=3)
    async with it.running(of) as worker:
        await produce_by_id(of, first)
        await it.caught_up(of)  # a broker that is away while a worker starts ends it, on purpose
        await produce_by_id(of, second)
        await asyncio.to_thread(broker.restart, kill=True)
        await produce_by_id(of, third)
        await it.caught_up(of)
        assert not worker.done()
    assert await it.audit(of) == expected(1500)
