"""Part h: how many events a second ``spendwatch backtest`` reads, judges and decides about."""

import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.row import Row
from tests.benchmarks.traffic import Traffic

SCOPES = 1_000
_START = 1_791_763_200.0  # 2026-10-12T00:00:00Z
_BUSY_PER_SECOND = 100.0
_SPARSE_SHARE = 10
# The sparse file has so many times fewer events: each of them ends windows of its own.


def backtest_rows(folder: Path, events: int, repeats: int) -> list[Row]:
    """The rows, both less what a file of one event takes."""
    one = _file(folder, 1, 1.0)
    starts = [_seconds(one) for _ in range(repeats)]
    start = (statistics.median(s for s, _ in starts), statistics.median(c for _, c in starts))
    busy, sparse = events, max(2, events // _SPARSE_SHARE)
    return [
        _row(
            "busy: 100 events/s", _runs(folder, busy, busy / _BUSY_PER_SECOND, repeats), start, 1e5
        ),
        _row("sparse: all in one day", _runs(folder, sparse, 86_400.0, repeats), start, None),
    ]


@dataclass(frozen=True, slots=True)
class _Runs:
    events: int
    taken: list[tuple[float, float]]


def _runs(folder: Path, events: int, seconds: float, repeats: int) -> _Runs:
    whole = _file(folder, events, seconds)
    return _Runs(events, [_seconds(whole) for _ in range(repeats)])


def _row(what: str, runs: _Runs, start: tuple[float, float], required: float | None) -> Row:
    events = runs.events - 1
    rates = [events / max(1e-3, taken - start[0]) for taken, _ in runs.taken]
    cpu_us = statistics.median((cpu - start[1]) * 1e6 / events for _, cpu in runs.taken)
    return Row(
        "h",
        f"backtest, {what}",
        statistics.median(rates),
        "events/s",
        at_least=required,
        detail=f"{min(rates):,.0f} to {max(rates):,.0f}; {cpu_us:.1f} us of CPU an event;"
        f" {runs.events:,} events, {SCOPES:,} scopes; start-up of {start[0]:.1f} s left out",
    )


def _file(folder: Path, events: int, seconds: float) -> Path:
    path = folder / f"{events}.jsonl"
    made = Traffic("realistic", SCOPES).events(events, _START, seconds)
    path.write_bytes(b"".join(value + b"\n" for _, value in made))
    return path


def _seconds(events: Path) -> tuple[float, float]:
    """Seconds, and seconds of CPU, of one whole run."""
    words = [str(Path(sys.executable).with_name("spendwatch")), "backtest"]
    words += ["--events", str(events), "--output", str(events.with_suffix(".alerts"))]
    since, cpu_since = time.monotonic(), _children_cpu_seconds()
    subprocess.run(words, check=True, capture_output=True)  # noqa: S603 -- the command is ours
    return time.monotonic() - since, _children_cpu_seconds() - cpu_since


def _children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
