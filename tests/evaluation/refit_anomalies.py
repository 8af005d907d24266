"""Labelled anomalies of curves, by what guesses of their hours leave over.

Each guess makes a score of rows and of hours, beside the score that ships, alone and with a refit
in it: as one more channel, or taken off before. Guesses are ``refit_guesses.py``'s.
"""

from collections import defaultdict

import numpy as np
import pandas as pd

from detectors.series import ALERT_SURPRISE, WEIGHTS, SeriesDetector
from detectors.tail import Tail
from tests.evaluation.kpi import Judged, curve
from tests.evaluation.minutes import Floats
from tests.evaluation.refit_guesses import (
    AT_MIDNIGHT,
    DAY_HOURS,
    EXPERTS,
    HOUR_BEFORE,
    HOUR_SECONDS,
    REGRESSION,
    YESTERDAY,
    All,
    Hours,
    to_log,
)
from tests.evaluation.series_families import Series
from tests.evaluation.series_metrics import Rows, average_precision
from tests.evaluation.tables import Table

FROM_DAY = 8
"""Residuals have a spread after a day of guesses, which begin after a week."""


def between_hours(hourly: Floats, of_hour: Floats) -> Floats:
    """Guesses of moments from guesses of hours, each the middle one's; of the same day alone.

    Args:
        hourly: logarithms, from a midnight on.
        of_hour: moments in hours since then.
    """
    first = of_hour.astype(np.int64) // DAY_HOURS * DAY_HOURS
    part = np.clip(of_hour - 0.5, first, first + DAY_HOURS - 1)
    left = np.minimum(part.astype(np.int64), first + DAY_HOURS - 2)
    return hourly[left] * (1 - (part - left)) + hourly[left + 1] * (part - left)


def in_spreads(residual: Floats, rows_a_day: int) -> Floats:
    """Sizes in the mean size of the last week's, known for at least a day."""
    size = pd.Series(np.abs(residual))
    spread = size.shift(1).rolling(7 * rows_a_day, min_periods=rows_a_day).mean()
    return np.asarray(size / spread.clip(lower=1e-3))


def with_channel(surprise: Floats, figures: Floats, weight: float = 1.0) -> Floats:
    """The shipped surprises with one more channel in their fourth-power mean."""
    tail, more = Tail(), np.zeros(len(figures))
    for row, figure in enumerate(figures.tolist()):
        if np.isfinite(figure):
            more[row] = tail.surprise(figure)
            tail.learn(figure)
    total = sum(WEIGHTS)
    return ((surprise**4 * total + more**4 * weight) / (total + weight)) ** 0.25


def shipped(at: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Surprises of ``spendwatch score``, and what it expected."""
    step = SeriesDetector().step
    found = [step(*row) for row in zip(at.tolist(), values.tolist(), strict=True)]
    scores = np.array([each.score if each else 0.0 for each in found])
    expected = np.array([each.expected if each else np.nan for each in found])
    return scores / (1 - scores) * ALERT_SURPRISE, expected


def scores_of(series: Series, hours: Hours, found: All) -> tuple[dict[str, Floats], Floats, Rows]:
    """Scores of each row of whole days, with its hour since the first, and its place."""
    of_hour = series.at_seconds / HOUR_SECONDS - hours.first
    rows = np.flatnonzero((of_hour >= 0) & (of_hour < len(hours.usd)))
    at, values, of_hour = series.at_seconds[rows], series.values[rows], of_hour[rows]  # noqa: PD011 -- no frame
    rows_a_day = round(DAY_HOURS * HOUR_SECONDS / float(np.median(np.diff(at))))
    logs = to_log(values * hours.scale)
    left = {
        name: logs - between_hours(each[AT_MIDNIGHT], of_hour)
        for name, each in found.items()
        if AT_MIDNIGHT in each
    }
    surprise, expected = shipped(at, values)
    left[EXPERTS] = logs - to_log(expected * hours.scale)
    scores = {name: in_spreads(each, rows_a_day) for name, each in left.items()}
    refit = np.where(np.isfinite(left[REGRESSION]), left[REGRESSION], left[YESTERDAY])
    scores["`score` as shipped"] = surprise
    scores["`score`, refit (AR) as one more channel"] = with_channel(surprise, scores[REGRESSION])
    scores["`score` of what the refit (AR) leaves"] = shipped(at, refit)[0]
    scores["`score` of the logarithm"] = shipped(at, logs)[0]
    return scores, of_hour, rows


def hourly_score(name: str, scores: Floats, of_hour: Floats, hours: Hours, found: All) -> Floats:
    """Of what the best guess of each hour leaves; of who guesses none, its rows' largest."""
    guess = found.get(name, {})
    for key in (HOUR_BEFORE, AT_MIDNIGHT):
        if key in guess:
            return in_spreads(hours.logs() - guess[key], DAY_HOURS)
    largest = np.zeros(len(hours.usd))
    np.maximum.at(largest, of_hour.astype(np.int64), np.nan_to_num(scores))
    return largest


def anomalies_table(known: list[tuple[Series, Hours, All]]) -> Table:
    """Areas under precision over recall, and the best F1 of events."""
    judged: dict[str, list[Judged]] = defaultdict(list)
    areas: dict[str, list[float]] = defaultdict(list)
    for series, hours, found in known:
        scores, of_hour, rows = scores_of(series, hours, found)
        late, whole = of_hour >= FROM_DAY * DAY_HOURS, slice(FROM_DAY * DAY_HOURS, None)
        at, labels = series.at_seconds[rows][late], series.labels[rows][late]
        for name, each in scores.items():
            judged[name].append(Judged(at, labels, np.nan_to_num(each[late]), np.array([], int)))
            hourly = hourly_score(name, each, of_hour, hours, found)
            areas[name].append(average_precision(hourly[whole], hours.is_odd[whole]))
    head = ("", "hours: area PR", "rows: area PR", "rows: best event F1")
    table = Table(f"Anomalies of {len(known)} labelled curves, first halves", head)
    for name, some in judged.items():
        area = np.nanmean([average_precision(each.scores, each.labels) for each in some])
        best = max(f1 for _, _, f1 in curve(some))
        table.rows.append((name, f"{np.nanmean(areas[name]):.3f}", f"{area:.3f}", f"{best:.3f}"))
    table.notes.append(
        "Hours: guessed an hour before where the method can, else at 0:00; of `score` the largest "
        "of its rows. Rows: guessed at 0:00, or row by row by the experts. Residuals of logarithms "
        f"in mean sizes of the last week's; from day {FROM_DAY + 1} on."
    )
    return table
