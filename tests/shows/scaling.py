"""One, two and four workers under even load: who holds what, how long a change stops anybody.

    python -m tests.shows.scaling [--rate EVENTS_PER_SECOND] [--scopes N]

Workers join, leave politely, and are killed with -9; one that only runs INGEST is killed as well.
Each line of the table is one such change: the partitions that each worker holds after it, and the
longest time in which a delta partition counted nothing, and in which an input partition was not
read on. In the end an independent sum over the input topic is compared with the tables. Exit code
1 if totals differ, 4 if a stop was longer than promised.

On two cores this shows that sharing loses nothing and what it costs, not that four are faster.
"""

import argparse
import asyncio
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from tests.benchmarks.pacer import paced
from tests.benchmarks.stops import Stops, offsets_committed, requests_counted
from tests.benchmarks.traffic import Traffic
from tests.benchmarks.yard import House, Yard
from tests.support.auditor import Auditor, read_topic
from tests.support.exposition import scrape
from tests.support.kafka import KafkaBroker
from tests.support.worker import Worker, until

WORKERS = 4
KINDS = ("organization", "team", "workflow", "api_key", "model")
BUSY_KIND = "workflow"
"""300 of 10,000 scopes, so each delta partition has some and moves whenever it works."""

PROMISED_SECONDS = 15.0
"""Until a killed worker is replaced; nor does a killed INGEST worker delay others for longer."""

SETTLE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Change:
    """What happened, and how long it stopped anybody.

    Attributes:
        name: what was done.
        deltas: worker -> delta partitions that it holds afterwards.
        inputs: worker -> input partitions, likewise.
        delta_seconds: the longest stop of a delta partition.
        input_seconds: the longest stop of an input partition.
        at_most: promised of the delta partitions, in seconds.
        input_at_most: promised of the input partitions, in seconds.
    """

    name: str
    deltas: dict[int, int]
    inputs: dict[int, int]
    delta_seconds: float
    input_seconds: float
    at_most: float | None = None
    input_at_most: float | None = None

    @property
    def is_kept(self) -> bool:
        """Whether what is promised was so."""
        pairs = (self.delta_seconds, self.at_most), (self.input_seconds, self.input_at_most)
        return all(limit is None or seconds <= limit for seconds, limit in pairs)

    def line(self) -> str:
        """For the table."""
        shares = (
            " ".join(f"{number}:{count}" for number, count in held.items())
            for held in (self.deltas, self.inputs)
        )
        limit = "" if self.at_most is None else f"at most {self.at_most:.0f}"
        told = limit if self.is_kept else f"{limit}: NOT KEPT"
        return _line(
            self.name, *shares, f"{self.delta_seconds:.1f}", f"{self.input_seconds:.1f}", told
        )


HEAD = ("change", "deltas held", "inputs held", "deltas s", "inputs s", "")


def _line(*words: str) -> str:
    widths = (44, 20, 18, 9, 9, 20)
    cells = (f"{word:<{width}}" for word, width in zip(words, widths, strict=True))
    return "".join(cells).rstrip()


def tell(line: str) -> None:
    """Say something at once, pipe or not."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Scaling:
    """Changes who works, and looks on.

    Args:
        house: with four workers.
        deltas: stops of delta partitions.
        inputs: stops of input partitions.
        session: to ask workers with.
        seconds: for which stops are looked for after each change.
    """

    def __init__(
        self,
        house: House,
        deltas: Stops,
        inputs: Stops,
        session: aiohttp.ClientSession,
        seconds: float,
    ) -> None:
        self._house = house
        self._deltas = deltas
        self._inputs = inputs
        self._session = session
        self._seconds = seconds
        self._ingest_alone: Worker | None = None
        self.changes: list[Change] = []

    async def run(self) -> None:
        """All changes, from one worker to four and back to one."""
        first, second, third, fourth = self._house.installation.workers
        await self._watch("one worker")
        second.start()
        await self._watch("a second joins")
        third.start()
        fourth.start()
        await self._watch("a third and a fourth join")
        await fourth.stop()
        await self._watch("one leaves politely")
        third.kill()
        await self._watch("one is killed with -9", PROMISED_SECONDS, PROMISED_SECONDS)
        third.start("ingest")
        self._ingest_alone = third
        await self._watch("one with INGEST alone joins")
        third.kill()
        await self._watch("that one is killed with -9", PROMISED_SECONDS)
        await second.stop()
        await self._watch("one leaves: one worker again")
        assert self._house.installation.running == [first]

    async def _watch(
        self, name: str, at_most: float | None = None, input_at_most: float | None = None
    ) -> None:
        settled = asyncio.Event()
        *stops, (deltas, inputs) = await asyncio.gather(
            self._deltas.watch(self._seconds, settled),
            self._inputs.watch(self._seconds, settled),
            self._held(settled),
        )
        change = Change(name, deltas, inputs, *stops, at_most, input_at_most)
        self.changes.append(change)
        tell(change.line())

    async def _held(self, settled: asyncio.Event) -> tuple[dict[int, int], dict[int, int]]:
        """Worker -> partitions it holds, once everybody holds some and together they hold all."""
        topics = self._house.installation.topics
        deltas: dict[int, int] = {}
        inputs: dict[int, int] = {}

        async def all_are() -> bool:
            deltas.clear()
            inputs.clear()
            for worker in self._house.installation.running:
                worker.revive()
                if not worker.events("worker_listens"):
                    return False
                if worker is not self._ingest_alone:
                    deltas[worker.number] = len(await worker.partitions())
                inputs[worker.number] = await self._inputs_of(worker)
            sums = sum(deltas.values()), sum(inputs.values())
            return all((*deltas.values(), *inputs.values())) and sums == (
                topics.deltas_partitions,
                topics.usage_events_partitions,
            )

        await until(all_are, 120.0, lambda: f"{deltas} {inputs} {self._house.installation.logs()}")
        settled.set()
        return deltas, inputs

    async def _inputs_of(self, worker: Worker) -> int:
        try:
            said = await scrape(worker, self._session)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0
        return int(said.sum("spendwatch_assigned_partitions", role="ingest"))


async def run(
    yard: Yard, rate: float, scopes: int, seconds: float, keep: Path | None = None
) -> int:
    """All of it; the exit code; on SIGTERM ends what was started.

    ``keep`` is a folder for the workers' logs.
    """
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    async with yard.house(scopes, workers=WORKERS - 1) as house:
        installation = house.installation
        await house.open(installation.workers[0])
        sent = await yard.fill(
            house.topic, Traffic("realistic", scopes).primer(time.time() - 1, 1.0)
        )
        await house.reached(sent)
        group = installation.settings.ingest.group
        async with (
            offsets_committed(yard.bootstrap, group, house.topic) as committed,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
        ):
            deltas = Stops(requests_counted(installation.workers, BUSY_KIND))
            scaling = Scaling(house, deltas, Stops(committed), session, seconds)
            tell(_line(*HEAD))
            try:
                async with paced(yard.bootstrap, house.topic, scopes=scopes, rate=rate) as pace:
                    await scaling.run()
            finally:
                if keep is not None:
                    shutil.copytree(installation.folder, keep, dirs_exist_ok=True)
        sent += pace.sent
        differences = await _differences(house, sent)
        revived = sum(worker.revived for worker in installation.workers)
        tell(f"\n{sent:,} events at {rate:,.0f}/s, {len(differences)} differences in {KINDS}")
        tell(f"the pacer was up to {pace.worst_seconds:.1f} s behind its pace")
        tell(f"{revived} workers ended by themselves and were started anew")
        for each in differences[:20]:
            tell(f"    {each}")
    if differences:
        return 1
    return 0 if all(change.is_kept for change in scaling.changes) else 4


async def _differences(house: House, sent: int) -> list[str]:
    """Every way in which the tables are not the sum of the topic, once they are at rest."""
    await house.reached(sent, SETTLE_SECONDS)
    await house.installation.stable(kind="organization")
    records = await read_topic(house.yard.bootstrap, house.topic)
    auditor = Auditor().add(_events(records), KINDS)
    found = [] if auditor.events == sent else [f"{auditor.events} events in the topic, not {sent}"]
    for kind in KINDS:
        found += auditor.differences(kind, await house.installation.spend(kind))
    return found


def _events(records: list[Any]) -> Iterator[dict[str, Any]]:
    for record in records:
        event = json.loads(record.value, parse_float=Decimal)
        event["timestamp"] = datetime.fromisoformat(event["timestamp"]).timestamp()
        yield event


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.shows.scaling")
    parser.add_argument("--rate", type=float, default=3_000.0, help="events a second")
    parser.add_argument("--scopes", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="after each change")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="for logs; default: none kept")
    arguments = parser.parse_args()
    with KafkaBroker() as broker, tempfile.TemporaryDirectory() as folder:
        yard = Yard(broker, Path(folder))
        return asyncio.run(
            run(yard, arguments.rate, arguments.scopes, arguments.seconds, arguments.keep)
        )


if __name__ == "__main__":
    sys.exit(main())
