"""Every part of ``make bench`` runs, on next to nothing, and writes its rows; none is judged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.row import PARTS
from tests.support.kafka import PROJECT_ROOT

SECONDS = 600.0
"""It takes 40 s on two idle cores, and minutes beside other work."""


@pytest.mark.kafka
def test_every_part_of_the_bench_runs_and_writes_its_rows(tmp_path: Path):
    command = [sys.executable, "-m", "tests.benchmarks.run", "--smoke", "--results", str(tmp_path)]
    with subprocess.Popen(  # noqa: S603 -- the command is ours
        command,
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as bench:
        try:
            said, _ = bench.communicate(timeout=SECONDS)
        finally:  # not killed: it ends its broker and its workers; one that has ended hears nothing
            bench.terminate()

    assert bench.returncode == 0, said
    rows = json.loads((tmp_path / "bench.json").read_text())
    assert {row["part"] for row in rows} == set(PARTS)
    assert [row for row in rows if not row["reached"] > 0] == []
    table = (tmp_path / "bench.md").read_text()
    assert all(row["what"] in table for row in rows)
    assert (tmp_path / "cost.png").exists()
