"""Part e: from the call that is one too many to the action that stops its key.

A child sends calm events at a share of the capacity; now and then a new agent on a new key makes
one call that is worth an alert. Time runs from handing that event to Kafka until a plain consumer
of the topic of actions has the action for that key. What the policy waits on purpose is off.
"""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.benchmarks.pacer import paced
from tests.benchmarks.row import Row
from tests.benchmarks.traffic import Traffic, expensive
from tests.benchmarks.yard import House, Yard

SETTINGS = {
    "throttle": {
        "mode": "enforce",
        "settle_seconds": 0,  # shipped with 5: a wait on purpose
        "max_automatic_targets_per_hour": 100_000,
        "wide_targets": 100_000,
    },
    "incidents": {"join_minutes": 1},
}
WINDOW_SECONDS = 300
_LATE_SECONDS = 30.0
# An action that is not there by then counts as this late.


@dataclass(frozen=True, slots=True)
class Rush:
    """How long and how often.

    Attributes:
        shares: of the capacity, 0-1.
        seconds: at each.
        every_seconds: an incident.
        warm_seconds: before the first.
        scopes: of the calm traffic.
        lateness_seconds: ``ingest.allowed_lateness_seconds``; shipped with 15.
    """

    shares: tuple[float, ...]
    seconds: float
    every_seconds: float
    warm_seconds: float
    scopes: int
    lateness_seconds: int


async def latency_rows(yard: Yard, rush: Rush, capacity: float, *, processes: int = 1) -> list[Row]:
    """A row for each share and percentile.

    Args:
        yard: where.
        rush: how long and how often.
        capacity: events a second of one worker, as part a has it.
        processes: of INGEST, as part a had them.
    """
    rows: list[Row] = []
    ingest = {"allowed_lateness_seconds": rush.lateness_seconds, "processes": processes}
    settings = SETTINGS | {"ingest": ingest}
    async with yard.house(rush.scopes, settings) as house:
        await house.open()
        house.feeder.start("ingest")
        traffic = Traffic("realistic", rush.scopes)
        now = time.time()
        await house.reached(await yard.fill(house.topic, traffic.primer(now - 1, 1.0)))
        async with actions(house) as seen:
            for share in rush.shares:
                rows += await _at(house, rush, share, capacity, seen)
    return rows


async def _at(
    house: House, rush: Rush, share: float, capacity: float, seen: dict[str, float]
) -> list[Row]:
    rate = share * capacity
    sent: dict[str, float] = {}
    producer = AIOKafkaProducer(bootstrap_servers=house.yard.bootstrap, acks=1)
    await producer.start()
    try:
        async with paced(house.yard.bootstrap, house.topic, scopes=rush.scopes, rate=rate) as pace:
            await asyncio.sleep(rush.warm_seconds)
            await _off_edge(rush.seconds, rush.lateness_seconds + 5.0)
            until = time.monotonic() + rush.seconds
            while time.monotonic() < until:
                name = f"rush-{share:.0%}-{len(sent)}".replace("%", "")
                value = expensive(name, time.time(), agent=name, api_key=name, usd="60.00")
                sent[f"api_key:{name}"] = time.monotonic()
                await producer.send(house.topic, key=name.encode(), value=value)
                await asyncio.sleep(rush.every_seconds)
            deadline = time.monotonic() + _LATE_SECONDS
            while not sent.keys() <= seen.keys() and time.monotonic() < deadline:  # noqa: ASYNC110 -- one of many
                await asyncio.sleep(0.05)
    finally:
        await producer.stop()
    missing = len(sent.keys() - seen.keys())
    taken = sorted(seen.get(key, at + _LATE_SECONDS) - at for key, at in sent.items())
    detail = f"{len(sent)} incidents beside {rate:,.0f} events/s, {rush.scopes:,} scopes"
    detail += "; outside of a window's first minute; throttle.settle_seconds 0 instead of 5"
    if missing:
        detail += f"; {missing} without an action within {_LATE_SECONDS:.0f} s"
    if pace.worst_seconds > 1:
        detail += f"; the pacer was up to {pace.worst_seconds:.1f} s behind"
    p99 = taken[max(0, -(-99 * len(taken) // 100) - 1)]
    what = f"event to throttle action at {share:.0%} of capacity"
    required = 1.0 if share == 0.5 else None
    return [
        Row("e", f"{what}, p50", statistics.median(taken), "s", detail=detail),
        Row("e", f"{what}, p99", p99, "s", at_most=required, detail=detail),
    ]


async def _off_edge(seconds: float, edge: float) -> None:
    """Wait until so many seconds fit into a window, after its first, the lateness.

    What begins in those is seen once it is over (ARCHITECTURE.md, Time): a price that is
    stated there, and would be all there is to see here.
    """
    phase = time.time() % WINDOW_SECONDS
    if phase < edge:
        await asyncio.sleep(edge - phase)
    elif phase + seconds > WINDOW_SECONDS:
        await asyncio.sleep(WINDOW_SECONDS - phase + edge)


@contextlib.asynccontextmanager
async def actions(house: House) -> AsyncIterator[dict[str, float]]:
    """Target -> when a plain consumer first had its action, kept up to date."""
    seen: dict[str, float] = {}
    consumer = AIOKafkaConsumer(
        house.installation.topics.actions,
        bootstrap_servers=house.yard.bootstrap,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
    )
    await consumer.start()

    async def read() -> None:
        async for record in consumer:
            if record.value is not None and record.key.decode() not in seen:
                mode = msgspec.json.decode(record.value).get("mode")
                if mode != "release":
                    seen[record.key.decode()] = time.monotonic()

    reading = asyncio.create_task(read())
    try:
        yield seen
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        await consumer.stop()
