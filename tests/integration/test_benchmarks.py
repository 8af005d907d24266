"""Every part of ``make bench`` runs, on next to nothing, and writes its rows; none is judged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.row import PARTS
from tests.support.kafka import PROJECT_ROOT


@pytest.mark.kafka
def test_every_part_of_the_bench_runs_and_writes_its_rows(tmp_path: Path):
    done = subprocess.run(  # noqa: S603 -- the command is ours
        [sys.executable, "-m", "tests.benchmarks.run", "--smoke", "--results", str(tmp_path)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "bench.json").read_text())
    assert {row["part"] for row in rows} == set(PARTS)
    assert all(row["reached"] > 0 for row in rows)
    table = (tmp_path / "bench.md").read_text()
    assert all(row["what"] in table for row in rows)
    assert (tmp_path / "cost.png").exists()
