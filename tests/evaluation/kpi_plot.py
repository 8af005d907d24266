"""The picture of false alarms at equal recall. Runs in the venv of the yardsticks.

python kpi_plot.py kpi.json kpi.png
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt


def front(points: list[list[float]]) -> list[tuple[float, float]]:
    """The fewest false alarms at which each recall is reached; more alerts can merge to fewer."""
    best, found = float("inf"), []
    for recall, false, _ in sorted(points, reverse=True):
        if 0 < false < best:
            best = false
            found.append((recall, false))
    return found


def main(source: Path, target: Path) -> None:
    found = json.loads(source.read_text())
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for row in found["rows"]:
        points = front(found["curves"][row["method"]])
        (line,) = axes.plot([p[0] for p in points], [p[1] for p in points], label=row["method"])
        if row["false_a_week"]:
            axes.plot(row["recall"], row["false_a_week"], marker="o", color=line.get_color())
    axes.set(
        yscale="log",
        xlim=(0, 1),
        xlabel="events found within 7 rows",
        ylabel="false alarms per series-week",
        title=f"Labelled operations curves, {found['half']} halves; dots: as shipped",
    )
    axes.legend()
    axes.grid(visible=True, alpha=0.3)
    figure.supxlabel(f"seed {found['seed']}, {found['date']}", fontsize=8)
    figure.savefig(target, dpi=120)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
