"""Part h: how many events a second ``spendwatch backtest`` reads, judges and decides about."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.row import Row
from tests.benchmarks.traffic import Traffic

SCOPES = 1_000
_DAY_SECONDS = 86_400.0
_START = 1_791_763_200.0  # 2026-10-12T00:00:00Z


def backtest_rows(folder: Path, events: int, repeats: int) -> list[Row]:
    """The row: a day of so many events, less what a file of one event takes."""
    whole, one = folder / "whole.jsonl", folder / "one.jsonl"
    lines = [
        value for _, value in Traffic("realistic", SCOPES).events(events, _START, _DAY_SECONDS)
    ]
    whole.write_bytes(b"\n".join(lines) + b"\n")
    one.write_bytes(lines[0] + b"\n")
    starts = [_seconds(folder, one) for _ in range(repeats)]
    start = statistics.median(starts)
    rates = [(events - 1) / (_seconds(folder, whole) - start) for _ in range(repeats)]
    return [
        Row(
            "h",
            "backtest",
            statistics.median(rates),
            "events/s",
            at_least=100_000,
            detail=f"{events:,} events of a day, {SCOPES:,} scopes; start-up of {start:.1f} s left"
            f" out; {min(rates):,.0f} to {max(rates):,.0f}",
        )
    ]


def _seconds(folder: Path, events: Path) -> float:
    words = [str(Path(sys.executable).with_name("spendwatch")), "backtest"]
    words += ["--events", str(events), "--output", str(folder / "alerts.jsonl")]
    since = time.monotonic()
    subprocess.run(words, check=True, capture_output=True)  # noqa: S603 -- the command is ours
    return time.monotonic() - since
