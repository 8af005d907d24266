"""``make evaluate``: both halves in one go, the chain of spend and the labelled curves.

Without ``--quick`` the tables are kept in ``tests/evaluation/results``.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.yardsticks import foreign_python
from tests.evaluation import spend
from tests.evaluation.clients import data_folder
from tests.evaluation.report import about

HERE = Path(__file__).parent
RESULTS = HERE / "results"
CURVES = "tests.evaluation.kpi"
A_FEW = ("--only", "2")


def main() -> int:
    """As a program."""
    parser = argparse.ArgumentParser(prog="tests.evaluation", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute, nothing kept")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--data", help="folder of public data; else $SPENDWATCH_DATA")
    options = parser.parse_args()
    data = ["--data", options.data] if options.data else []
    size = ["--quick"] if options.quick else ["--results", str(RESULTS)]
    status = spend.main(["--seed", str(options.seed), *data, *size])
    if not (data_folder(options.data) / "kpi-aiops-train").is_dir():
        sys.stdout.write("Left out: no labelled curves there; give --data\n")
        return status
    return max(status, _curves(data, None if options.quick else RESULTS))


def _curves(data: list[str], results: Path | None) -> int:
    """The labelled curves, as a program of their own; kept where there is a folder."""
    command = [sys.executable, "-m", CURVES, *data]
    if results is None:
        return subprocess.run([*command, *A_FEW], check=False).returncode  # noqa: S603 -- ours
    figures = results / "kpi.json"
    done = subprocess.run(  # noqa: S603 -- ours
        [*command, "--families", "--output", str(figures)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    sys.stdout.write(done.stdout)
    if done.returncode == 0:
        facts = "; ".join(f"{key} {fact}" for key, fact in about(0).items() if key != "seed")
        (results / "kpi.md").write_text(f"```text\n{done.stdout.rstrip()}\n```\n\n_{facts}_\n")
        if foreign_python().exists():
            words = (foreign_python(), HERE / "kpi_plot.py", figures, results / "kpi.png")
            subprocess.run([str(word) for word in words], check=True)  # noqa: S603 -- ours
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
