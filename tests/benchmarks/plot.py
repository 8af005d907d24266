"""The picture of cost against scopes and age. Runs in the venv of the yardsticks.

python plot.py bench.json cost.png
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt


def main(source: Path, target: Path) -> None:
    rows = [row for row in json.loads(source.read_text()) if row["part"] == "i"]
    points = sorted(
        (r["data"]["scopes"], r["data"]["cost_us"]) for r in rows if "scopes" in r["data"]
    )
    ages = next((row["data"]["chunks_us"] for row in rows if "chunks_us" in row["data"]), [])
    if not points:
        return
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    left.plot(*zip(*points, strict=True), marker="o")
    left.set(
        xscale="log", ylim=(0, None), xlabel="scopes", ylabel="CPU of INGEST and WATCH, us an event"
    )
    left.set_title("Cost of an event against scopes")
    right.plot(range(1, len(ages) + 1), ages, marker="o")
    right.set(xlabel="part of a long run", title="… and against the age of the process")
    for axes in (left, right):
        axes.grid(visible=True, alpha=0.3)
    stamp = rows[0]["stamp"]
    figure.supxlabel(
        f"{stamp['machine']}, commit {stamp['commit']}, {stamp['date'][:10]}", fontsize=8
    )
    figure.savefig(target, dpi=120)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
