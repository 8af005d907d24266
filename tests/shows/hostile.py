"""A million hostile records through a real Kafka: nothing crashes, nothing is lost.

    python -m tests.shows.hostile [--records 1000000] [--seed N] [--kafka host:port]

It is over when INGEST has committed the input to its end. Then the topics are compared: every
refused event has one dead letter, no record is in the deltas of two batches, and the good events
among the hostile ones add up to the nano-dollar. Then INGEST's counters (counted, repeats, dead
letters), told apart: a process that was killed would take them along. Exit code 4 if anything
differs. Records are made, read and sent as a stream: memory does not grow with their number, but
for the ids of the good ones and the places of the dead letters.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from secrets import token_hex
from typing import Any

import aiohttp
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from stream.delta import decode_delta
from tests.benchmarks.machine import stamp
from tests.benchmarks.process import usage
from tests.shows.azure_trace import broker
from tests.shows.hostile_records import Sent, records
from tests.support.exposition import Samples, scrape
from tests.support.worker import Installation

INPUT_PARTITIONS = 4
BATCH_BYTES = 256 * 1024
LOOK_SECONDS = 1.0
COUNTERS_SECONDS = 12.0
"""After the last commit the counters follow, once it is heard of or its time-out is over."""
ROLES = ("ingest", "watch")


async def send(producer: AIOKafkaProducer, topic: str, payloads: Iterator[bytes]) -> None:
    """All of them without a key, in whole batches, partition after partition."""
    batch, number = producer.create_batch(), 0

    async def away() -> None:
        nonlocal batch, number
        if batch.record_count():
            # The event loop's turn: what is made and read in between blocks it.
            await producer.send_batch(batch, topic, partition=number % INPUT_PARTITIONS)
            await asyncio.sleep(0)
            batch, number = producer.create_batch(), number + 1

    for payload in payloads:
        if batch.append(key=None, value=payload, timestamp=None) is None:
            await away()
            batch.append(key=None, value=payload, timestamp=None)
    await away()
    await producer.flush()


async def committed_records(bootstrap: str, topic: str) -> AsyncIterator[list[Any]]:
    """All that a topic holds as of now, some at a time, in order within each partition."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, isolation_level="read_committed"
    )
    await consumer.start()
    try:
        await consumer._client._wait_on_metadata(topic)
        sources = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(sources)
        await consumer.seek_to_beginning(*sources)
        for source, end in (await consumer.end_offsets(sources)).items():
            while await consumer.position(source) < end:
                for found in (await consumer.getmany(source, timeout_ms=200)).values():
                    yield found
    finally:
        await consumer.stop()


class Spans:
    """Which input records the deltas are about."""

    def __init__(self) -> None:
        self._spans: set[tuple[int, int, int]] = set()

    async def read(self, bootstrap: str, topic: str) -> None:
        """Every committed delta as of now."""
        async for found in committed_records(bootstrap, topic):
            for record in found:
                delta = decode_delta(record.value)
                if delta.next_offset > delta.first_offset:
                    self._spans.add((delta.partition, delta.first_offset, delta.next_offset))

    @property
    def records(self) -> int:
        """Of all batches that had deltas; the others held nothing but refused records."""
        return sum(after - first for _, first, after in self._spans)

    @property
    def twice(self) -> int:
        """Records that two different batches were about."""
        return sum(
            max(0, before[2] - span[1])
            for before, span in pairwise(sorted(self._spans))
            if before[0] == span[0]
        )


class Letters:
    """The dead letters of a topic: how many, why, and how many places they are about."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self._places: set[int] = set()

    @property
    def count(self) -> int:
        """All letters."""
        return self.reasons.total()

    @property
    def places(self) -> int:
        """Events they are about."""
        return len(self._places)

    async def read(self, bootstrap: str, topic: str) -> None:
        """Every committed letter as of now."""
        decoder = msgspec.json.Decoder(_Letter)
        async for found in committed_records(bootstrap, topic):
            for record in found:
                self._take(decoder.decode(record.value))

    def _take(self, letter: "_Letter") -> None:
        self.reasons[letter.reason] += 1
        index = -1 if letter.index is None else letter.index
        self._places.add((letter.offset << 24 | index + 1) * INPUT_PARTITIONS + letter.partition)


class _Letter(msgspec.Struct):
    reason: str
    partition: int
    offset: int
    index: int | None


class Trial:
    """One spendwatch, and what comes out of it.

    Attributes:
        most_bytes: resident memory of each role, the most that was seen.
    """

    def __init__(self, here: Installation, session: aiohttp.ClientSession) -> None:
        self._here = here
        (self._worker,) = here.workers
        self._session = session
        self.seen = Samples("")
        self.most_bytes: Counter[str] = Counter()

    def count(self, name: str) -> int:
        """One of INGEST's counters."""
        return int(self.seen.sum(f"spendwatch_{name}_total"))

    async def look(self) -> None:
        """See how far it is; an end of its process is not waited out."""
        assert self._worker.code is None, self._here.logs()
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            self.seen = await scrape(self._worker, self._session)
            for role in ROLES:
                now = usage(self._worker.pid(role)).rss_bytes
                self.most_bytes[role] = max(self.most_bytes[role], now)

    async def watch(self) -> None:
        """Look again and again."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def reach_end(self, seconds: float) -> None:
        """Until INGEST has committed all that is in the input, and its counters are read."""
        topic, group = self._here.topics.usage_events, self._here.settings.ingest.counting_group
        sources = [TopicPartition(topic, number) for number in range(INPUT_PARTITIONS)]
        admin = AIOKafkaAdminClient(bootstrap_servers=self._here.bootstrap)
        consumer = AIOKafkaConsumer(bootstrap_servers=self._here.bootstrap)
        await admin.start()
        try:
            await consumer.start()
            ends = await consumer.end_offsets(sources)
            deadline = time.monotonic() + seconds
            while True:
                await self.look()
                told = await admin.list_consumer_group_offsets(group, partitions=sources)
                left = sum(
                    end - max(told[source].offset, 0) if source in told else end
                    for source, end in ends.items()
                )
                if not left:
                    break
                assert time.monotonic() < deadline, f"{left} are left\n{self._here.logs()}"
                await asyncio.sleep(LOOK_SECONDS)
            await asyncio.sleep(COUNTERS_SECONDS)
            await self.look()
        finally:
            await consumer.stop()
            await admin.close()


async def run(bootstrap: str, folder: Path, count: int, seed: int) -> list[str]:
    """All of it; what differs."""
    sys.stdout.write(f"commit {stamp()['commit']}, seed {seed}\n")
    sent, began = Sent(), time.monotonic()
    here = Installation(
        folder, bootstrap, f"hostile-{token_hex(3)}-", input_partitions=INPUT_PARTITIONS
    )
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", max_batch_size=BATCH_BYTES
    )
    try:
        await here.create_topics()
        await here.start(*ROLES)
        await producer.start()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            trial = Trial(here, session)
            watching = asyncio.create_task(trial.watch())
            await send(producer, here.topics.usage_events, records(count, seed, sent))
            sent_at = time.monotonic()
            watching.cancel()
            await trial.reach_end(120 + count / 1000)
        out_at = time.monotonic()
        letters, spans = Letters(), Spans()
        await letters.read(bootstrap, here.topics.dead_letter)
        await spans.read(bootstrap, here.topics.deltas)
        say(sent, trial, letters, spans, (sent_at - began, out_at - began))
        rows = await here.spend_on_command("agent")
        return sent.problems + differences(sent, trial, letters, spans, rows)
    finally:
        await producer.stop()
        here.kill()


def say(
    sent: Sent,
    trial: Trial,
    letters: Letters,
    spans: Spans,
    seconds: tuple[float, float],
) -> None:
    """What went in and what came out."""
    memory = ", ".join(f"{role} {most / 2**20:.0f} MiB" for role, most in trial.most_bytes.items())
    sys.stdout.write(
        f"{sent.records:,} records of {sent.accepted + sent.refused:,} events, made and sent in "
        f"{seconds[0]:.0f} s, all of them out after {seconds[1]:.0f} s\n"
        f"to be counted {sent.accepted:,}, to be refused {sent.refused:,}\n"
        f"on the topics: deltas of {spans.records:,} records, {spans.twice:,} of them twice; "
        f"dead letters {letters.count:,} of {letters.places:,} events\n"
        + "".join(f"  {reason:<24}{n:>10,}\n" for reason, n in letters.reasons.most_common())
        + f"INGEST's counters: counted {trial.count('events'):,}, "
        f"repeats {trial.count('repeats'):,}, dead letters {trial.count('dead_letters'):,}, "
        f"batches without an answer {trial.count('batches_lost'):,}\n"
        f"most memory: {memory}\n"
    )


def differences(
    sent: Sent, trial: Trial, letters: Letters, spans: Spans, rows: list[dict[str, Any]]
) -> list[str]:
    """Whatever is not as it should be."""
    found = sent.good.differences("agent", [row for row in rows if ":good-" in row["scope"]])
    pairs = (
        ("dead letters on the topic", letters.count, sent.refused),
        ("events that dead letters are about", letters.places, sent.refused),
        ("records in the deltas of two batches", spans.twice, 0),
        ("counter of records", trial.count("records"), sent.records),
        (
            "counters of events and repeats",
            trial.count("events") + trial.count("repeats"),
            sent.accepted,
        ),
        ("counter of dead letters", trial.count("dead_letters"), sent.refused),
    )
    return found + [
        f"{name}: {got:,} instead of {want:,}" for name, got, want in pairs if got != want
    ]


def main() -> int:
    """Read the arguments, and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.shows.hostile")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--kafka", metavar="HOST:PORT", help="default: start one")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        bootstrap = stack.enter_context(broker(arguments.kafka))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = asyncio.run(run(bootstrap, folder, arguments.records, arguments.seed))
    sys.stdout.write(f"differences {len(found)}\n")
    sys.stdout.write("".join(f"    {each}\n" for each in found[:20]))
    return 4 if found else 0


if __name__ == "__main__":
    sys.exit(main())
