"""``make evaluate``: both halves in one go, the chain of spend and the labelled curves.

Without ``--quick`` the tables are kept in ``tests/evaluation/results``.
"""

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.evaluation import spend

RESULTS = Path(__file__).parent / "results"
CURVES = "tests.evaluation.kpi"


def main() -> int:
    """As a program."""
    parser = argparse.ArgumentParser(prog="tests.evaluation", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute, nothing kept")
    parser.add_argument("--seed", default="7")
    parser.add_argument("--data", help="folder of public data; else $SPENDWATCH_DATA")
    options = parser.parse_args()
    data = ["--data", options.data] if options.data else []
    size = ["--quick"] if options.quick else ["--results", str(RESULTS)]
    status = spend.main(["--seed", options.seed, *data, *size])
    if importlib.util.find_spec(CURVES):
        words = [sys.executable, "-m", CURVES, *data]
        status = max(status, subprocess.run(words, check=False).returncode)  # noqa: S603 -- ours
    return status


if __name__ == "__main__":
    sys.exit(main())
