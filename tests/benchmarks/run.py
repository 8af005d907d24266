"""``make bench``: what spendwatch can do on this machine, beside what is required of it.

    python -m tests.benchmarks.run [--only a,d] [--rounds N] [--smoke] [--aged]

Starts a broker of its own on this machine and nothing elsewhere. Each part prints its rows as it
ends and writes them to the results; parts that were left out keep the rows they had.
"""

import argparse
import asyncio
import contextlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks.backtest import backtest_rows
from tests.benchmarks.bulk import bulk_rows
from tests.benchmarks.latency import Rush, latency_rows
from tests.benchmarks.machine import stamp
from tests.benchmarks.recovery import Age, recovery_rows
from tests.benchmarks.row import PARTS, Results, Row
from tests.benchmarks.throughput import Load, throughput_rows
from tests.benchmarks.traffic import SHAPES
from tests.benchmarks.yard import Yard
from tests.benchmarks.yardsticks import foreign_python
from tests.support.kafka import KafkaBroker

RESULTS = Path(__file__).parent / "results"
_CAPACITY = 10_000.0
"""Events a second taken for the capacity where part a never ran."""

_AGED_SECONDS = 3600.0
_PLOT = Path(__file__).parent / "plot.py"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything a run does.

    Attributes:
        load: of the parts a, b, c, d and i.
        rush: of part e.
        age: of the parts g and j.
        bank_scopes: columns' length in part f.
        singles: scopes that part f judges one at a time.
        backtest_events: of part h.
        repeats: of parts that need no broker.
        is_together: all parts that need a broker run at once, on one: most of what they do when
            there is nothing to measure is wait.
    """

    load: Load
    rush: Rush
    age: Age
    bank_scopes: int
    singles: int
    backtest_events: int
    repeats: int
    is_together: bool = False


FULL = Sizes(
    load=Load(
        rounds=3,
        events=1_000_000,
        shapes=SHAPES,
        scopes=(1_000, 100_000),
        more_scopes=(100, 10_000),
        chunks=5,
        peer_seconds=8.0,
        closing=True,
        processes=2,
    ),
    rush=Rush(
        shares=(0.1, 0.5, 0.9),
        seconds=60.0,
        every_seconds=1.0,
        warm_seconds=10.0,
        scopes=1_000,
        lateness_seconds=15,
    ),
    age=Age(
        scopes=100_000,
        days=29,
        ageing_seconds=5_400.0,
        rate=1_000.0,
        seconds=120.0,
        watch_seconds=30.0,
        flush_seconds=10.0,
    ),
    bank_scopes=100_000,
    singles=500,
    backtest_events=50_000,
    repeats=3,
)
SMOKE = Sizes(
    load=Load(
        rounds=1,
        events=300,
        shapes=SHAPES[:1],
        scopes=(50,),
        more_scopes=(),
        chunks=1,
        peer_seconds=0.1,
        closing=False,
    ),
    rush=Rush(
        shares=(0.5,),
        seconds=0.5,
        every_seconds=0.4,
        warm_seconds=0.1,
        scopes=50,
        lateness_seconds=0,
    ),
    age=Age(
        scopes=50,
        days=1,
        ageing_seconds=300.0,
        rate=50.0,
        seconds=0.5,
        watch_seconds=1.0,
        flush_seconds=0.2,
    ),
    bank_scopes=100,
    singles=2,
    backtest_events=100,
    repeats=1,
    is_together=True,
)


class Bench:
    """One run.

    Args:
        sizes: how much.
        parts: letters.
        results: where rows go.
        folder: for everything else.
    """

    def __init__(self, sizes: Sizes, parts: str, results: Results, folder: Path) -> None:
        self._sizes = sizes
        self._parts = parts
        self._results = results
        self._folder = folder

    async def run(self) -> None:
        """All parts, the quick ones first; on SIGTERM ends what was started and leaves."""
        me = asyncio.current_task()
        assert me is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
        sizes = self._sizes
        if "f" in self._parts:
            self._end(bulk_rows(sizes.bank_scopes, sizes.repeats, sizes.singles))
        if "h" in self._parts:
            self._end(backtest_rows(self._folder, sizes.backtest_events, sizes.repeats))
        groups = {
            "abcdi": lambda yard, parts: throughput_rows(yard, parts, sizes.load, tell),
            "e": lambda yard, _: latency_rows(
                yard, sizes.rush, self._capacity(), processes=sizes.load.processes
            ),
            "gj": lambda yard, parts: recovery_rows(yard, parts, sizes.age),
        }
        wanted = [(self._of(parts), run) for parts, run in groups.items() if self._of(parts)]
        if sizes.is_together and wanted:
            with self._yard() as yard:
                async with asyncio.TaskGroup() as group:  # one that fails ends the others
                    found = [group.create_task(run(yard, parts)) for parts, run in wanted]
            for task in found:
                self._end(task.result())
            return
        for parts, run in wanted:
            with self._yard() as yard:
                self._end(await run(yard, parts))

    def _capacity(self) -> float:
        """Of one worker, events a second: what part a last found, here or in an earlier run."""
        found = [row["reached"] for row in self._results.read() if row["part"] == "a"]
        return float(found[0]) if found else _CAPACITY

    def _of(self, parts: str) -> str:
        return "".join(part for part in parts if part in self._parts)

    def _end(self, rows: list[Row]) -> None:
        for row in rows:
            tell(row.line())
        self._results.write(rows)

    @contextlib.contextmanager
    def _yard(self) -> Iterator[Yard]:
        """A broker for these parts alone: what others left behind would be in its way."""
        with KafkaBroker() as broker:
            yield Yard(broker, self._folder)


def tell(line: str) -> None:
    """Say something at once, pipe or not."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def plot(results: Results, folder: Path) -> None:
    """Draw what there is, where matplotlib is."""
    if foreign_python().exists():
        words = [str(foreign_python()), str(_PLOT), str(results.json), str(folder / "cost.png")]
        subprocess.run(words, check=True)  # noqa: S603 -- the command is ours


def wanted(text: str) -> str:
    """The letters of ``a,d``; all of them if empty."""
    letters = text.replace(",", "").replace(" ", "") or PARTS
    if unknown := set(letters) - set(PARTS):
        raise argparse.ArgumentTypeError(f"no part {sorted(unknown)}; there are {', '.join(PARTS)}")
    return letters


def numbers(text: str) -> tuple[int, ...]:
    """The numbers of ``1000,100000``."""
    return tuple(int(each) for each in text.split(","))


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.run")
    parser.add_argument("--only", type=wanted, default=PARTS, metavar="a,d", help="default: all")
    parser.add_argument("--smoke", action="store_true", help="tiny counts: does every part run?")
    parser.add_argument("--aged", action="store_true", help="g and j after an hour, not 2 minutes")
    parser.add_argument("--rounds", type=int, metavar="N", help="of the parts a to d; default: 3")
    parser.add_argument("--events", type=int, metavar="N", help="of one run of part a")
    parser.add_argument("--scopes", type=numbers, metavar="N,N", help="of part a")
    parser.add_argument("--processes", type=int, metavar="N", help="of INGEST, in parts a and i")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    arguments = parser.parse_args()
    results = Results(arguments.results, stamp())
    sizes = SMOKE if arguments.smoke else FULL
    given = {name: getattr(arguments, name) for name in ("rounds", "events", "scopes", "processes")}
    load = replace(sizes.load, **{name: value for name, value in given.items() if value})
    sizes = replace(sizes, load=load)
    if arguments.aged:
        sizes = replace(sizes, age=replace(sizes.age, seconds=_AGED_SECONDS))
    with tempfile.TemporaryDirectory(prefix="spendwatch-bench-") as folder:
        asyncio.run(Bench(sizes, arguments.only, results, Path(folder)).run())
    plot(results, arguments.results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
