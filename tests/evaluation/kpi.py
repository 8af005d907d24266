"""`python -m tests.evaluation.kpi`: operations curves with labels, by us and yardsticks.

Every curve is split by time: what is tuned is tuned on its first half, and the second is reported.
All methods see a curve from its beginning and score it causally, with one configuration for all.
The data stays outside of the project (`--data`, or the environment variable that `clients.py`
names). With `--families` made-up series are reported beside, by family and by scene.
"""

import argparse
import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from detectors.series import SeriesDetector
from tests.evaluation.clients import data_folder
from tests.evaluation.series_families import Series, families
from tests.evaluation.series_metrics import (
    Bools,
    Events,
    Floats,
    Rows,
    average_precision,
    count_events,
    episodes,
)
from tests.evaluation.series_scenes import scenes
from tests.evaluation.tables import Table
from tests.evaluation.yardsticks import YARDSTICKS

OURS = "spendwatch score"
SEED = 11
RECALLS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_STEPS = 60

Method = Callable[[Floats, Floats], tuple[Floats, Rows]]
Point = tuple[float, float, float]
Row = dict[str, object]


@dataclass(frozen=True)
class Judged:
    """One series, or a half of it, as a method sees it.

    Attributes:
        at_seconds: of each row.
        labels: whether it belongs to an event.
        scores: in thresholds.
        alerts: rows on which alerts begin.
    """

    at_seconds: Floats
    labels: Bools
    scores: Floats
    alerts: Rows


def load(folder: Path) -> Iterator[Series]:
    """The labelled curves, whole."""
    with np.load(folder / "kpi-aiops-train" / "kpi_aiops_train.npz") as data:
        for name in sorted({key.rsplit("_", 1)[0] for key in data}):
            at = float(data[f"{name}_t0"]) + np.cumsum(data[f"{name}_dt"].astype(float))
            labels = data[f"{name}_y"].astype(bool)
            yield Series(name[:8], at, data[f"{name}_v"].astype(float), labels, {})


def ours(at: Floats, values: Floats) -> tuple[Floats, Rows]:
    """Scores in thresholds, as the yardsticks' (the map to 0-1 undone), and where alerts fire."""
    step = SeriesDetector().step
    found = [step(*row) for row in zip(at.tolist(), values.tolist(), strict=True)]
    scores = np.array([each.score if each else 0.0 for each in found])
    alerts = np.flatnonzero([each is not None and each.is_alert for each in found])
    return np.asarray(scores / (1 - scores)), alerts


def yardstick(method: Callable[[Floats, Floats], Floats]) -> Method:
    """A yardstick alerts once an episode, too."""

    def judge(at: Floats, values: Floats) -> tuple[Floats, Rows]:
        scores = method(at, values)
        return scores, episodes(scores, 1.0)

    return judge


def count(judged: list[Judged], threshold: float | None = None) -> Events:
    """Events over all series, at a threshold or as shipped."""
    total = Events()
    for each in judged:
        alerts = each.alerts if threshold is None else episodes(each.scores, threshold)
        seconds = float(each.at_seconds[-1] - each.at_seconds[0])
        total.add(count_events(alerts, each.labels, seconds))
    return total


def curve(judged: list[Judged]) -> list[Point]:
    """Recall in time, false alarms a series-week and F1 at many thresholds."""
    scores = np.concatenate([each.scores for each in judged])
    thresholds = np.unique(np.quantile(scores, 1 - np.geomspace(1e-5, 3e-2, _STEPS)))
    points = [count(judged, threshold) for threshold in thresholds]
    return sorted(
        (each.recall(in_time=True), each.false_a_week, each.f1(in_time=True)) for each in points
    )


def at_recall(points: list[Point], recall: float) -> float:
    """False alarms a week at a recall; NaN if it is not reached."""
    return min((false for reached, false, _ in points if reached >= recall), default=float("nan"))


def half(series: Series, scores: Floats, alerts: Rows, *, second: bool) -> Judged:
    """One half of a judged series."""
    middle = len(scores) // 2
    first, end = (middle, len(scores)) if second else (0, middle)
    return Judged(
        series.at_seconds[first:end],
        series.labels[first:end],
        scores[first:end],
        alerts[(alerts >= first) & (alerts < end)] - first,
    )


def evaluate(all_series: list[Series], *, second: bool) -> tuple[list[Row], dict[str, list[Point]]]:
    """A row per method, and its curve; one half counts."""
    rows: list[Row] = []
    curves = {}
    methods = {OURS: ours} | {name: yardstick(each) for name, each in YARDSTICKS.items()}
    for name, method in methods.items():
        judged: list[Judged] = []
        began = time.process_time()
        for series in track(all_series, name, console=Console(file=sys.stderr), transient=True):
            found = method(series.at_seconds, series.values)
            judged.append(half(series, *found, second=second))
        spent = time.process_time() - began
        points = curves[name] = curve(judged)
        shipped = count(judged)
        rows.append(
            {
                "method": name,
                "f1": shipped.f1(in_time=True),
                "precision": shipped.precision(in_time=True),
                "recall": shipped.recall(in_time=True),
                "recall_ever": shipped.recall(in_time=False),
                "false_a_week": shipped.false_a_week,
                "bound": shipped.false_a_week_bound,
                "best_f1": max(f1 for _, _, f1 in points),
                "delay_rows": float(np.median(shipped.delays)) if shipped.delays else math.nan,
                "auc_pr": float(
                    np.nanmean([average_precision(each.scores, each.labels) for each in judged])
                ),
                **{f"false_at_{recall}": at_recall(points, recall) for recall in RECALLS},
                "us_a_row": spent / sum(len(each.values) for each in all_series) * 1e6,
                "events": shipped.events,
                "series_weeks": shipped.weeks,
            }
        )
    return rows, curves


def by_family(seed: int) -> list[Row]:
    """Ours alone on the made-up series, a row per family and per scene."""
    found: dict[str, Events] = defaultdict(Events)
    areas: dict[str, list[float]] = defaultdict(list)
    for series in chain(families(seed), scenes(seed)):
        scores, alerts = ours(series.at_seconds, series.values)
        seconds = float(series.at_seconds[-1] - series.at_seconds[0])
        family = series.name.split("/")[0]
        found[family].add(count_events(alerts, series.labels, seconds))
        areas[family].append(average_precision(scores, series.labels))
    return [
        {
            "family": family,
            "f1": events.f1(in_time=False),
            "recall": events.recall(in_time=True),
            "recall_ever": events.recall(in_time=False),
            "false": events.false,
            "series": len(areas[family]),
            "auc_pr": float(np.mean(areas[family])),
        }
        for family, events in found.items()
    ]


def table_of(title: str, rows: list[Row]) -> Table:
    """Rows as a table."""
    head = [name.replace("_", " ") for name in rows[0]]
    cells = [
        [f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row.values()]
        for row in rows
    ]
    return Table(title, head, list(cells))


def main() -> None:
    """Evaluate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="folder of the public data")
    parser.add_argument("--half", choices=("first", "second"), default="second")
    parser.add_argument("--families", action="store_true", help="the made-up series, too")
    parser.add_argument("--only", type=int, default=0, help="so many curves only, to try it")
    parser.add_argument("--output", type=Path, help="JSON, for kpi_plot.py")
    arguments = parser.parse_args()
    curves_at_hand = list(load(data_folder(arguments.data)))
    if arguments.only:
        curves_at_hand = curves_at_hand[: arguments.only]
    rows, curves = evaluate(curves_at_hand, second=arguments.half == "second")
    tables = [table_of(f"labelled operations curves, {arguments.half} halves", rows)]
    made_up = by_family(SEED) if arguments.families else []
    if made_up:
        tables.append(table_of(f"made-up series, seed {SEED}", made_up))
    for table in tables:
        sys.stdout.write(table.text() + "\n")
    if arguments.output:
        stamp = datetime.now(UTC).strftime("%Y-%m-%d")
        arguments.output.write_text(
            json.dumps(
                {
                    "date": stamp,
                    "seed": SEED,
                    "half": arguments.half,
                    "rows": rows,
                    "curves": curves,
                    "families": made_up,
                },
                indent=1,
            )
        )


if __name__ == "__main__":
    main()
