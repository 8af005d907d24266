"""Pictures of what was measured. Runs in the venv of the yardsticks.

python plot.py spend.json folder
"""

import json
import re
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt


def leak(figures, about, target):
    """Dollars leaked, sorted, with what is wanted and what an oracle leaks."""
    cases = figures["leak"]
    figure, grid = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
    for axes, (name, case) in zip(grid.flat, cases.items(), strict=False):
        usd = sorted(case["usd"])
        axes.step(usd, [(n + 1) / len(usd) for n in range(len(usd))], label="leaked")
        if case["wanted"]:
            axes.plot(case["wanted"], (0.5, 0.95), "v", color="tab:green", label="wanted")
        oracle = re.findall(r"[\d.]+", figures.get("oracle", {}).get(name, ""))[:2]
        if oracle:
            axes.plot([float(each) for each in oracle], (0.5, 0.95), "x", color="k", label="oracle")
        axes.set(
            xscale="log",
            xlim=(0.02, 1000),
            title=name.replace("$", r"\$"),
            xlabel="dollars until the page",
            ylim=(0, 1.02),
        )
        axes.grid(visible=True, alpha=0.3)
        axes.legend(loc="lower right", fontsize=7)
    save(figure, about, target)


def menu(figures, about, target):
    """What of each kind of incident was paged and stopped."""
    kinds = {name: [each.rstrip("%") for each in row] for name, row in figures["menu"].items()}
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    names = list(kinds)[::-1]
    for offset, label in enumerate(("paged", "dollars stopped")):
        some = [float(kinds[name][offset] or 0) for name in names]
        axes.barh(
            [n - 0.2 + 0.4 * (1 - offset) for n in range(len(names))], some, 0.38, label=label
        )
    axes.set(
        yticks=range(len(names)),
        yticklabels=[name.replace("$", r"\$") for name in names],
        xlim=(0, 100),
        xlabel="per cent",
    )
    axes.legend(loc="lower right")
    save(figure, about, target)


def recall(figures, about, target):
    """Recall and its bound as two maps."""
    rows = figures["recall"]["rows"]
    cells = [[re.findall(r"(\d+)%", each) or ("0", "0") for each in row] for row in rows.values()]
    figure, both = plt.subplots(1, 2, figsize=(11, 7), sharey=True, layout="constrained")
    for axes, part, title in zip(both, (0, 1), ("told", "power bound"), strict=True):
        shares = [[float(each[part]) for each in row] for row in cells]
        axes.imshow(shares, vmin=0, vmax=100, aspect="auto", cmap="viridis")
        for y, row in enumerate(shares):
            for x, each in enumerate(row):
                ink = "k" if each > 60 else "w"
                axes.text(x, y, f"{each:.0f}", ha="center", va="center", color=ink, fontsize=7)
        axes.set(title=f"{title}, per cent", xlabel="residual of a day's dollars")
        axes.set(xticks=range(len(shares[0])), xticklabels=figures["recall"]["residuals"])
        axes.set(yticks=range(len(rows)), yticklabels=list(rows))
    save(figure, about, target)


def save(figure, about, target):
    """With what it is of."""
    figure.supxlabel(f"{about['date']}, seed {about['seed']}, commit {about['commit']}", fontsize=8)
    figure.savefig(target, dpi=110)


def main(source, target):
    """Draw what there is."""
    parts = json.loads(source.read_text())
    figures = {name: each for part in parts.values() for name, each in part["data"].items()}
    for part, name, draw in (
        ("leak", "leak", leak),
        ("menu", "menu", menu),
        ("grid", "recall", recall),
    ):
        if part in parts:
            draw(figures, parts[part]["about"], target / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
