"""Parts g and j: what 100,000 scopes with a month behind them cost, and when things go wrong.

One house, made old: every scope spends on each of so many days, then calm traffic runs at an even
pace. Meanwhile the bytes of the changelogs are counted (j). Then everything is killed and started
anew, a second worker joins and is killed (g).
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.benchmarks.pacer import paced
from tests.benchmarks.row import Row
from tests.benchmarks.stops import Stops, requests_counted
from tests.benchmarks.traffic import Traffic
from tests.benchmarks.yard import House, Yard
from tests.support.worker import Worker, until

_DAY_SECONDS = 86_400
_LOOK_SECONDS = 0.25
_NOTHING_SECONDS = 120.0
_KIND = "team"
"""There are hundreds, so each delta partition has some and moves whenever it works."""


@dataclass(frozen=True, slots=True)
class Age:
    """How old the house is made.

    Attributes:
        scopes: about how many.
        days: on which every scope has spent.
        ageing_seconds: longest that those may take to be judged: 650 us a scope and day, alone.
        rate: events a second of the calm traffic.
        seconds: for which it runs before anything is killed.
        watch_seconds: for which stops are looked for after each blow.
        flush_seconds: ``watch.flush_seconds``; shipped with 10.
    """

    scopes: int
    days: int
    ageing_seconds: float
    rate: float
    seconds: float
    watch_seconds: float
    flush_seconds: float


async def recovery_rows(yard: Yard, parts: str, age: Age) -> list[Row]:
    """The rows of part g, part j or both."""
    traffic = Traffic("realistic", age.scopes)
    settings = {"watch": {"flush_seconds": age.flush_seconds}}
    async with yard.house(traffic.shape.scopes, settings, workers=2) as house:
        first, second = house.installation.workers[:2]
        await house.open(first)
        today = int(time.time()) // _DAY_SECONDS * _DAY_SECONDS
        goal, since = 0, time.monotonic()
        for day in range(age.days, 0, -1):
            goal += await yard.fill(
                house.topic, traffic.primer(today - day * _DAY_SECONDS + 9 * 3600, 50.0)
            )
        await house.reached(goal, age.ageing_seconds)
        aged_seconds = time.monotonic() - since
        rows: list[Row] = []
        async with paced(yard.bootstrap, house.topic, scopes=age.scopes, rate=age.rate):
            rows += await _changelog_rows(house, age, goal)
            if "g" in parts:
                rows += await _kill_rows(house, first, second, age, aged_seconds)
        return [row for row in rows if row.part in parts]


async def _changelog_rows(house: House, age: Age, goal: int) -> list[Row]:
    """What the changelogs grew by while the calm traffic ran."""
    await house.reached(goal + 1)
    async with _written(house) as written:
        before, start = written.bytes, await house.look()
        while True:
            await asyncio.sleep(age.seconds)
            after, end = written.bytes, await house.look()
            # A pause shorter than a flush, or a worker that the machine let wait, shows nothing.
            if after > before and end.counted > start.counted:
                break
            assert end.at - start.at < _NOTHING_SECONDS, house.installation.logs()
    seconds, events = end.at - start.at, end.counted - start.counted
    detail = (
        f"{events / seconds:,.0f} events/s over {_scopes(age)} for {seconds:.0f} s; keys and"
        " values, not compressed"
    )
    used = end.used["watch"].cpu_seconds - start.used["watch"].cpu_seconds
    memory = end.used["watch"].rss_bytes
    return [
        Row(
            "j", "changelog", (after - before) / seconds / 1e6, "MB/s", at_most=10.0, detail=detail
        ),
        Row("j", "changelog, an event", (after - before) / events, "bytes", detail=detail),
        Row("j", "WATCH meanwhile", used / seconds * 100, "% of a core", detail=detail),
        Row("j", "memory of WATCH", memory / 2**20, "MiB", detail=_scopes(age)),
        Row("j", "memory of WATCH", memory / age.scopes, "bytes a scope", detail=_scopes(age)),
    ]


def _scopes(age: Age) -> str:
    return f"{age.scopes:,} scopes that spent on {age.days} days"


async def _kill_rows(
    house: House, first: Worker, second: Worker, age: Age, aged_seconds: float
) -> list[Row]:
    """Kill the only worker; let a second one join; kill that."""
    condition = (
        f"{_scopes(age)} (played in {aged_seconds:.0f} s), {age.seconds:.0f} s of {age.rate:,.0f}"
        " events/s before"
    )
    first.kill()
    begun = time.monotonic()
    first.start()
    while (glance := await house.glance()).rows == 0:  # noqa: ASYNC110 -- of another process
        await asyncio.sleep(_LOOK_SECONDS)
    judged = glance.at - begun
    await until(lambda: _holds(first), 120.0, house.installation.logs)
    whole = time.monotonic() - begun
    rows = [
        Row(
            "g",
            "kill -9 of the worker: process start to first delta judged",
            judged,
            "s",
            at_most=15.0,
            detail=f"as its metrics say, up to a second later; {condition}",
        ),
        Row("g", "the same, to all partitions restored", whole, "s", detail=condition),
    ]
    stops = Stops(requests_counted([first, second], _KIND))
    await stops.watch(age.watch_seconds / 4)
    second.start()
    longest = await stops.watch(age.watch_seconds)
    rows.append(
        Row(
            "g",
            "stop while a worker joins",
            longest,
            "s",
            detail=f"the worst partition; {condition}",
        )
    )
    second.kill()
    longest = await stops.watch(age.watch_seconds)
    rows.append(
        Row(
            "g",
            "stop when one of two workers is killed hard",
            longest,
            "s",
            at_most=15.0,
            detail=f"the worst partition; {condition}",
        )
    )
    return rows


async def _holds(worker: Worker) -> bool:
    return bool(await worker.partitions())


@dataclass(slots=True)
class Written:
    """Bytes of keys and values seen so far."""

    bytes: int = 0


@contextlib.asynccontextmanager
async def _written(house: House) -> AsyncIterator[Written]:
    """What is written to WATCH's changelogs from now on, read as it comes: compaction deletes."""
    written = Written()
    consumer = AIOKafkaConsumer(bootstrap_servers=house.yard.bootstrap)
    await consumer.start()
    group = f"{house.installation.prefix}watch-"
    names = [name for name in await consumer.topics() if name.startswith(group)]
    places = [
        TopicPartition(name, number)
        for name in names
        if name.endswith("-changelog")
        for number in range(house.installation.topics.deltas_partitions)
    ]
    consumer.assign(places)
    await consumer.seek_to_end(*places)

    async def read() -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                written.bytes += sum(
                    len(each.key or b"") + len(each.value or b"") for each in records
                )

    reading = asyncio.create_task(read())
    try:
        yield written
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        await consumer.stop()
