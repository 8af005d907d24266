"""Made-up series of the kinds that operations, clouds and businesses have, with labelled incidents.

They keep the detector from being fitted to the few labelled curves at hand. Everything follows from
the seed. An incident begins after the first sixth of a series, and none touches another.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tests.evaluation.series_metrics import Bools, Floats

Chance = np.random.Generator

START_SECONDS = 1_767_225_600
"""2026-01-01, a Thursday."""


@dataclass(frozen=True)
class Series:
    """One labelled series.

    Attributes:
        name: family and number.
        at_seconds: of each row.
        values: of each row.
        labels: whether the row belongs to an incident.
        kinds: first row of an incident -> its kind.
    """

    name: str
    at_seconds: Floats
    values: Floats
    labels: Bools
    kinds: dict[int, str]


def _day(at: Floats) -> Floats:
    return np.asarray(2 * np.pi * (at % 86_400) / 86_400)


def _correlated(chance: Chance, rows: int, carry: float) -> Floats:
    noise = chance.normal(size=rows) * (1 - carry**2) ** 0.5
    for row in range(1, rows):
        noise[row] += carry * noise[row - 1]
    return noise


def _white(chance: Chance, at: Floats) -> Floats:
    return 100 + 4 * chance.normal(size=len(at))


def _seasonal(chance: Chance, at: Floats) -> Floats:
    shape = np.sin(_day(at) - 1) + 0.4 * np.sin(2 * _day(at))
    return 100 + 30 * shape + 3 * _correlated(chance, len(at), 0.5)


def _weekly(chance: Chance, at: Floats) -> Floats:
    weekend = ((at // 86_400 + 3) % 7) >= 5
    shape = np.exp(np.sin(_day(at) - 1)) * np.where(weekend, 0.4, 1.0)
    return 50 * shape * np.exp(0.06 * chance.normal(size=len(at)))


def _trending(chance: Chance, at: Floats) -> Floats:
    return np.linspace(100, 220, len(at)) + 3 * _correlated(chance, len(at), 0.7)


def _wandering(chance: Chance, at: Floats) -> Floats:
    return 500 + np.cumsum(chance.normal(size=len(at)))


def _spiky(chance: Chance, at: Floats) -> Floats:
    """Spikes of a usual size, a hundred times a series: they are no incident."""
    values = 20 + chance.normal(size=len(at))
    usual = chance.random(len(at)) < 0.025
    return np.asarray(values + usual * chance.uniform(10, 20, size=len(at)))


def _counts(chance: Chance, at: Floats) -> Floats:
    """Over-dispersed counts with a day in them."""
    mean = 12 * np.exp(0.7 * np.sin(_day(at) - 1))
    return chance.poisson(mean * chance.gamma(4, 0.25, size=len(at))).astype(float)


def _heavy(chance: Chance, at: Floats) -> Floats:
    return np.asarray(np.exp(3 + 0.5 * _correlated(chance, len(at), 0.3)))


def _quantised(chance: Chance, at: Floats) -> Floats:
    return np.round(5 + np.sin(_day(at)) + 0.6 * chance.normal(size=len(at)))


def _mostly_zero(chance: Chance, at: Floats) -> Floats:
    busy = chance.random(len(at)) < 0.04
    return np.asarray(busy * chance.gamma(2, 5, size=len(at)))


def _sessions(chance: Chance, at: Floats) -> Floats:
    """Idle most of the time, busy for half an hour to some hours."""
    values = np.zeros(len(at))
    row = 0
    while row < len(at):
        row += int(chance.exponential(80)) + 5
        long = int(chance.exponential(20)) + 6
        values[row : row + long] = 50 + 8 * chance.normal(size=len(values[row : row + long]))
        row += long
    return np.maximum(values, 0)


def _hourly_job(chance: Chance, at: Floats) -> Floats:
    """A peak in the first five minutes of every hour."""
    values = 10 + 0.5 * chance.normal(size=len(at))
    return np.asarray(values + np.where(at % 3_600 < 300, 25 + 2 * chance.normal(size=len(at)), 0))


FAMILIES: dict[str, Callable[[Chance, Floats], Floats]] = {
    "white": _white,
    "seasonal": _seasonal,
    "weekly": _weekly,
    "trending": _trending,
    "wandering": _wandering,
    "spiky": _spiky,
    "counts": _counts,
    "heavy": _heavy,
    "quantised": _quantised,
    "mostly_zero": _mostly_zero,
    "sessions": _sessions,
    "hourly_job": _hourly_job,
}

INTERVALS_ROWS = ((300, 4_032), (60, 12_000), (3_600, 1_500))


def _spread(values: Floats) -> float:
    """What is large for this series: robust, by its moves and by its busy rows."""
    moves = np.abs(np.diff(values))
    busy = moves[moves > 0]
    return float(
        max(np.median(busy) * 1.05, np.quantile(np.abs(values - np.median(values)), 0.9) / 3)
    )


def _inject(chance: Chance, kind: str, values: Floats, first: int, spread: float) -> int:
    """Change values in place; the row behind the incident."""
    rows = len(values)
    up = spread * chance.uniform(10, 16)
    if kind == "spike":
        end = first + int(chance.integers(1, 4))
        values[first:end] += up
    elif kind == "dip":
        end = first + int(chance.integers(1, 4))
        values[first:end] -= up
    elif kind == "shift":
        end = min(first + int(chance.integers(30, 90)), rows)
        values[first:end] += 0.8 * up
    elif kind == "noise":
        end = min(first + int(chance.integers(20, 50)), rows)
        values[first:end] += 5 * spread * chance.normal(size=end - first)
    else:
        end = min(first + int(chance.integers(40, 80)), rows)
        values[first:end] = values[first]
    return end


KINDS = ("spike", "dip", "shift", "noise", "stuck")
NEVER = {"mostly_zero": {"stuck", "dip"}, "sessions": {"stuck", "dip"}, "quantised": {"stuck"}}
"""What cannot be seen in a family by anybody."""


def families(seed: int, each: int = 3, incidents: int = 4) -> Iterator[Series]:
    """``each`` series of every family and interval."""
    for number, (family, make) in enumerate(FAMILIES.items()):
        for copy in range(each):
            for seconds, rows in INTERVALS_ROWS:
                chance = np.random.default_rng((seed, number, copy, seconds))
                at = START_SECONDS + seconds * np.arange(rows, dtype=float)
                values = np.asarray(make(chance, at), dtype=float)
                spread = _spread(values)
                labels: NDArray[np.bool_] = np.zeros(rows, dtype=np.bool_)
                visible = [kind for kind in KINDS if kind not in NEVER.get(family, set())]
                kinds: dict[int, str] = {}
                slots = np.linspace(rows / 6 + 20, rows - 120, incidents + 1)
                for left, right in pairwise(slots):
                    first = int(chance.integers(int(left), int(right) - 100))
                    kind = str(chance.choice(visible))
                    end = _inject(chance, kind, values, first, spread)
                    labels[first:end] = True
                    kinds[first] = kind
                yield Series(f"{family}/{seconds}s/{copy}", at, values, labels, kinds)
