"""A million hostile records through a real Kafka: nothing crashes, nothing is lost.

    python -m tests.shows.hostile [--records 1000000] [--seed N] [--kafka host:port]

What comes out (events counted, repeats, dead letters) has to be what went in, every dead letter
once, and the good events among the hostile ones have to add up to the nano-dollar. Exit code 4 if
not. Records are made, read and sent as a stream: memory does not grow with their number, but for
the ids of the good ones and the places of the dead letters.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import aiohttp
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.benchmarks.machine import stamp
from tests.benchmarks.process import usage
from tests.shows.azure_trace import broker
from tests.shows.hostile_records import Sent, records
from tests.support.exposition import Samples, scrape
from tests.support.worker import Installation

INPUT_PARTITIONS = 4
BATCH_BYTES = 256 * 1024
LOOK_SECONDS = 1.0
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
                        for record in found:
                            self._take(decoder.decode(record.value))
        finally:
            await consumer.stop()

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

    @property
    def out(self) -> int:
        """Events of which something has come."""
        return sum(self.count(name) for name in ("events", "repeats", "dead_letters"))

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

    async def reach(self, events: int, seconds: float) -> None:
        """Until so many have come out."""
        deadline = time.monotonic() + seconds
        while self.out < events:
            assert time.monotonic() < deadline, f"{self.out} came out\n{self._here.logs()}"
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()


async def run(bootstrap: str, folder: Path, count: int, seed: int) -> list[str]:
    """All of it; what differs."""
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
            await trial.reach(sent.accepted + sent.refused, 120 + count / 2000)
        out_at = time.monotonic()
        letters = Letters()
        await letters.read(bootstrap, here.topics.dead_letter)
        say(sent, trial, letters, (sent_at - began, out_at - began), seed)
        rows = await here.spend_on_command("agent")
        return sent.problems + differences(sent, trial, letters, rows)
    finally:
        await producer.stop()
        here.kill()


def say(
    sent: Sent, trial: Trial, letters: Letters, seconds: tuple[float, float], seed: int
) -> None:
    """What went in and what came out."""
    memory = ", ".join(f"{role} {most / 2**20:.0f} MiB" for role, most in trial.most_bytes.items())
    sys.stdout.write(
        f"commit {stamp()['commit']}, seed {seed}\n"
        f"{sent.records:,} records of {sent.accepted + sent.refused:,} events, made and sent in "
        f"{seconds[0]:.0f} s, all of them out after {seconds[1]:.0f} s\n"
        f"to be counted {sent.accepted:,}, to be refused {sent.refused:,}\n"
        f"counted {trial.count('events'):,}, repeats {trial.count('repeats'):,}, "
        f"dead letters {letters.count:,}\n"
        + "".join(f"  {reason:<24}{n:>10,}\n" for reason, n in letters.reasons.most_common())
        + f"most memory: {memory}\n"
    )


def differences(
    sent: Sent, trial: Trial, letters: Letters, rows: list[dict[str, Any]]
) -> list[str]:
    """Whatever is not as it should be."""
    found = sent.good.differences("agent", [row for row in rows if ":good-" in row["scope"]])
    pairs = (
        ("records read", trial.count("records"), sent.records),
        ("counted and repeats", trial.count("events") + trial.count("repeats"), sent.accepted),
        ("dead letters", trial.count("dead_letters"), sent.refused),
        ("dead letters on the topic", letters.count, sent.refused),
        ("events that dead letters are about", letters.places, sent.refused),
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
