"""Half an hour at half load: resident memory, lag and latency stay flat.

    python -m tests.shows.soak [--minutes 30] [--rate EVENTS_PER_SECOND]

One worker with all roles on a real Kafka, calm realistic traffic of 10,000 scopes at an even pace,
canaries, and every few seconds a new agent on a new key whose one call is worth a throttle action.
Looks every five seconds. Writes soak.json and, where ``make bench`` has installed matplotlib,
soak.png; prints what is flat and what is not. Exit code 4 if something is not, or an event is
missing.

Without ``--rate`` it is half of what ``make bench`` found one worker to take, else 40,000 a second.
What has to grow, and until when, is said in ``tests/benchmarks/soak_verdict.py``.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaProducer

from tests.benchmarks.latency import SETTINGS, WINDOW_SECONDS, actions
from tests.benchmarks.machine import stamp
from tests.benchmarks.pacer import paced
from tests.benchmarks.process import usage
from tests.benchmarks.row import Results
from tests.benchmarks.soak_verdict import ROLES, Finding, Journey, Sample, findings
from tests.benchmarks.traffic import Traffic, expensive
from tests.benchmarks.yard import House, Yard
from tests.benchmarks.yardsticks import foreign_python
from tests.support.exposition import Samples, scrape
from tests.support.kafka import KafkaBroker
from tests.support.worker import Json, merged

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
PLOT = Path(__file__).parents[1] / "benchmarks" / "plot_soak.py"
RATE = 40_000.0

BROKER = {
    "log.retention.bytes": str(2**30),
    "log.segment.bytes": str(2**26),
    "log.retention.check.interval.ms": "30000",
}
"""Of a partition: at 20,000 events a second an input partition writes 1 GiB in eight minutes."""

ENOUGH_SAMPLES = 12
"""Fewer are not judged."""

INCIDENTS, CANARIES = "event to throttle action", "canary's round trip"
LATE_SECONDS = 30.0
"""What has no action by then counts as this late."""

COUNT_SECONDS = 120.0
"""After the last event, until all are in the tables."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how much and how often.

    Attributes:
        seconds: of looking.
        rate: events a second.
        scopes: of the calm traffic.
        every_seconds: between looks.
        incident_seconds: between incidents.
        canary_seconds: between canaries.
        warm_seconds: at this pace before the first look.
        lateness_seconds: ``ingest.allowed_lateness_seconds``; shipped with 15.
    """

    seconds: float
    rate: float
    scopes: int = 10_000
    every_seconds: float = 5.0
    incident_seconds: float = 10.0
    canary_seconds: float = 5.0
    warm_seconds: float = 20.0
    lateness_seconds: int = 15

    @property
    def horizon_seconds(self) -> int:
        """Of dedup: a quarter of the run, so that what it remembers fills up and turns over."""
        return max(60, int(self.seconds / 4))

    @property
    def settings(self) -> Json:
        """Of the worker, over what the house has."""
        return merged(
            SETTINGS,
            {
                "canary": {"enabled": True, "interval_seconds": self.canary_seconds},
                "ingest": {
                    "allowed_lateness_seconds": self.lateness_seconds,
                    "dedup_horizon_seconds": self.horizon_seconds,
                    "dedup_max_ids": 10_000_000,
                },
            },
        )


@dataclass
class Soak:
    """What was found.

    Attributes:
        plan: how it was run.
        samples: in order.
        incidents: expensive calls, until their key was throttled.
        canaries: until they were back.
        sent: events of the organization that went in.
        counted: those in the tables at the end.
        pacer_seconds: how far behind its pace the traffic was at worst.
    """

    plan: Plan
    samples: list[Sample] = field(default_factory=list)
    incidents: list[Journey] = field(default_factory=list)
    canaries: list[Journey] = field(default_factory=list)
    sent: int = 0
    counted: int = 0
    pacer_seconds: float = 0.0

    @property
    def findings(self) -> list[Finding]:
        """What is flat, what is not, and whether every event was counted."""
        latencies = {INCIDENTS: self.incidents, CANARIES: self.canaries}
        counted = f"{self.counted:,} of {self.sent:,}"
        return [
            *findings(self.samples, latencies, self.plan.horizon_seconds),
            Finding("events counted", self.counted == self.sent, counted),
        ]

    def document(self) -> Json:
        """Everything, for the plot."""
        return {
            "stamp": stamp(),
            "rate": self.plan.rate,
            "scopes": self.plan.scopes,
            "horizon_seconds": self.plan.horizon_seconds,
            "sent": self.sent,
            "counted": self.counted,
            "pacer_worst_seconds": self.pacer_seconds,
            "findings": [asdict(each) for each in self.findings],
            "latencies": {
                name: [asdict(each) for each in journeys]
                for name, journeys in ((INCIDENTS, self.incidents), (CANARIES, self.canaries))
            },
            "samples": [asdict(each) for each in self.samples],
        }


async def soak(yard: Yard, found: Soak) -> None:
    """Run the plan, and fill in what is found; on SIGTERM ends what was started and leaves."""
    me, plan = asyncio.current_task(), found.plan
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    async with yard.house(plan.scopes, plan.settings) as house:
        await house.open(house.installation.workers[0])
        primer = Traffic("realistic", plan.scopes).primer(time.time() - 1, 1.0)
        found.sent = await yard.fill(house.topic, primer)
        await house.reached(found.sent)
        async with (
            paced(yard.bootstrap, house.topic, scopes=plan.scopes, rate=plan.rate) as pace,
            actions(house) as seen,
        ):
            await asyncio.sleep(plan.warm_seconds)
            began = time.monotonic()
            async with _incidents(house, plan) as made:
                await _look(house, found, began)
            deadline = time.monotonic() + LATE_SECONDS
            while not made.keys() <= seen.keys() and time.monotonic() < deadline:  # noqa: ASYNC110 -- one of many
                await asyncio.sleep(0.1)
            found.incidents = [
                Journey(at - began, seen.get(target, at + LATE_SECONDS) - at)
                for target, at in made.items()
            ]
        found.pacer_seconds = pace.worst_seconds
        found.sent += pace.sent + len(made)
        with contextlib.suppress(AssertionError):  # too few are a finding
            await house.reached(found.sent, COUNT_SECONDS)
        found.counted = await house.counted()


async def _look(house: House, found: Soak, began: float) -> None:
    """Samples at an even pace, and every canary that has come back."""
    plan, returned = found.plan, 0.0
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        for number in range(int(plan.seconds / plan.every_seconds) + 1):
            await asyncio.sleep(began + number * plan.every_seconds - time.monotonic())
            assert house.judge.code is None, house.installation.logs()
            try:
                said = await scrape(house.judge, session)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                tell(f"no answer after {number * plan.every_seconds:.0f} s: {error!r}")
                continue
            now = time.monotonic() - began
            found.samples.append(_sample(house, now, said))
            last = said.sum("spendwatch_canary_last_return_timestamp_seconds")
            took = said.sum("spendwatch_canary_last_round_trip_seconds")
            if last > returned and took > 0:
                returned = last
                found.canaries.append(Journey(now, took))
            if number % 12 == 0:
                tell(_progress(found))


def _sample(house: House, seconds: float, said: Samples) -> Sample:
    worker = house.judge
    assert worker.process_id is not None
    memory = {
        role: int(said.sum("spendwatch_role_resident_memory_bytes", role=role)) for role in ROLES
    }
    return Sample(
        seconds,
        int(said.sum("spendwatch_events_total")),
        memory | {"supervisor": usage(worker.process_id).rss_bytes},
        {role: int(said.sum("spendwatch_consumer_lag_worst_records", role=role)) for role in ROLES},
        int(said.sum("spendwatch_dedup_ids")),
        said.sum("spendwatch_watermark_age_seconds"),
    )


def _progress(found: Soak) -> str:
    """A line now and then, for whoever waits."""
    last = found.samples[-1]
    memory = ", ".join(f"{role} {size >> 20}" for role, size in last.memory_bytes.items())
    lag = ", ".join(f"{role} {records}" for role, records in last.lag_records.items())
    canary = f"{found.canaries[-1].took_seconds:.2f}" if found.canaries else "-"
    return (
        f"{last.seconds / 60:5.1f} min  {last.events:>12,} events  MiB: {memory}  lag: {lag}  "
        f"ids {last.dedup_ids:,}  canary {canary} s"
    )


@contextlib.asynccontextmanager
async def _incidents(house: House, plan: Plan) -> AsyncIterator[dict[str, float]]:
    """Target -> when its one call was sent; while the context lasts.

    None in a window's first minute: what begins there is seen once it is over (ARCHITECTURE.md,
    Time), a price that is stated there and would be all there is to see here.
    """
    made: dict[str, float] = {}
    producer: Any = AIOKafkaProducer(bootstrap_servers=house.yard.bootstrap, acks=1)
    await producer.start()

    stop = asyncio.Event()

    async def make() -> None:
        while not stop.is_set():
            if time.time() % WINDOW_SECONDS > plan.lateness_seconds + 5.0:
                name = f"soak-{len(made)}"
                value = expensive(name, time.time(), agent=name, api_key=name, usd="60.00")
                made[f"api_key:{name}"] = time.monotonic()
                await producer.send_and_wait(house.topic, key=name.encode(), value=value)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), plan.incident_seconds)

    making = asyncio.create_task(make())
    try:
        yield made
    finally:
        stop.set()
        await making
        await producer.stop()


def tell(line: str) -> None:
    """Say something at once, pipe or not."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def save(found: Soak, folder: Path) -> None:
    """The document, and the plot where it can be drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "soak.json"
    source.write_text(json.dumps(found.document()) + "\n")
    if foreign_python().exists():
        words = [str(foreign_python()), str(PLOT), str(source), str(folder / "soak.png")]
        subprocess.run(words, check=True)  # noqa: S603 -- the command is ours


def default_rate() -> float:
    """Half of what one worker took when the bench last ran here."""
    rows = Results(RESULTS, {}).read()
    found = [row["reached"] for row in rows if row["part"] == "a"]
    return float(found[0]) / 2 if found else RATE


def main() -> int:
    """Read the arguments, run, and judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.shows.soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, help="events a second; default: half the capacity")
    parser.add_argument("--scopes", type=int, default=10_000)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    arguments = parser.parse_args()
    rate = arguments.rate or default_rate()
    plan = Plan(seconds=arguments.minutes * 60, rate=rate, scopes=arguments.scopes)
    tell(f"{plan.rate:,.0f} events/s for {arguments.minutes:g} min, {plan.scopes:,} scopes")
    found = Soak(plan)
    try:
        with KafkaBroker(properties=BROKER) as broker, tempfile.TemporaryDirectory() as folder:
            asyncio.run(soak(Yard(broker, Path(folder)), found))
    finally:  # what ended it is in there, too
        if len(found.samples) > ENOUGH_SAMPLES:
            save(found, arguments.results)
    if len(found.samples) <= ENOUGH_SAMPLES:
        tell("too short to judge")
        return 1
    judged = found.findings
    for each in judged:
        tell(each.line())
    if found.pacer_seconds > 1:
        tell(f"the pacer was up to {found.pacer_seconds:.1f} s behind")
    return 0 if all(each.is_flat for each in judged) else 4


if __name__ == "__main__":
    sys.exit(main())
