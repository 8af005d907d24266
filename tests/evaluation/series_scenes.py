"""Made-up series whose incidents are their own: a pattern that is lost, a spike among spikes.

`series_families.py` puts the same five incidents into every background; what changes for good, and
what is wrong only for this series, stands here. Everything follows from the seed. A change for good
is labelled while it is news.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

from tests.evaluation.series_families import START_SECONDS, Chance, Series
from tests.evaluation.series_metrics import Bools, Floats

MINUTES, HALF_HOURS, HOURS = 300, 1_800, 3_600
"""Seconds between rows."""

NEWS_ROWS = 60
"""Rows for which a change for good is labelled."""

Rows = list[tuple[int, int]]
Made = tuple[int, Floats, Rows]


def _at(seconds: int, rows: int) -> Floats:
    return np.asarray(START_SECONDS + seconds * np.arange(rows, dtype=float))


def _day(at: Floats) -> Floats:
    return np.asarray(2 * np.pi * (at % 86_400) / 86_400)


def _carried(chance: Chance, rows: int, carry: float) -> Floats:
    noise = chance.normal(size=rows) * (1 - carry**2) ** 0.5
    for row in range(1, rows):
        noise[row] += carry * noise[row - 1]
    return noise


def _places(chance: Chance, rows: int, count: int, long: int) -> list[int]:
    """First rows of incidents, after the first fifth, apart from each other."""
    slots = np.linspace(rows * 0.2, rows - long - 40, count + 1)
    return [int(chance.uniform(a, max(a + 1, b - long - 40))) for a, b in pairwise(slots)]


def _level(chance: Chance) -> Made:
    """A noisy level that changes for good, by four times its noise."""
    rows = 4_000
    values = 50 + 4 * _carried(chance, rows, 0.3)
    (first,) = _places(chance, rows, 1, 100)
    values[first:] += chance.choice([-1, 1]) * chance.uniform(16, 24)
    return MINUTES, values, [(first, first + NEWS_ROWS)]


def _variance(chance: Chance) -> Made:
    """Noise that grows threefold, for good."""
    rows = 4_000
    noise = chance.normal(size=rows)
    (first,) = _places(chance, rows, 1, 100)
    noise[first:] *= chance.uniform(3, 4)
    return MINUTES, np.asarray(80 + 2 * noise), [(first, first + NEWS_ROWS)]


def _flat(chance: Chance) -> Made:
    """A daily pattern that is missing for most of a day: its mean in its place, with its noise."""
    rows = 4_032
    at = _at(MINUTES, rows)
    shape = np.exp(0.9 * np.sin(_day(at) - 1.5))
    (first,) = _places(chance, rows, 1, 288)
    end = first + 200
    shape[first:end] = shape[first]
    return MINUTES, np.asarray(40 * shape + 2 * _carried(chance, rows, 0.4)), [(first, end)]


def _ramp(chance: Chance) -> Made:
    """A slow rise, over half a day, to ten times the noise; then back."""
    rows = 4_000
    values = 200 + 3 * _carried(chance, rows, 0.4)
    (first,) = _places(chance, rows, 1, 200)
    values[first : first + 150] += np.linspace(0, 36, 150)
    return MINUTES, values, [(first, first + 150)]


def _tall(chance: Chance) -> Made:
    """Usual spikes at no regular times, and two that are over twice as high."""
    rows = 6_000
    values = 10 + chance.normal(size=rows)
    usual = chance.random(rows) < 1 / 120
    values += usual * chance.uniform(25, 40, size=rows)
    events = []
    for first in _places(chance, rows, 2, 4):
        values[first : first + 2] = 10 + chance.uniform(90, 120)
        events.append((first, first + 2))
    return MINUTES, np.asarray(values), events


def _bursts(chance: Chance) -> Made:
    """Load with usual bursts of many rows and heights, and one far above them."""
    rows = 4_032
    values = 8 + 1.2 * np.abs(_carried(chance, rows, 0.6))
    row = 0
    while row < rows:
        row += int(chance.exponential(90)) + 10
        long = int(chance.integers(2, 12))
        values[row : row + long] += chance.uniform(10, 22)
        row += long
    (first,) = _places(chance, rows, 1, 30)
    values[first : first + 24] += chance.uniform(50, 70)
    return MINUTES, np.asarray(values), [(first, first + 24)]


def _weekdays(chance: Chance) -> Made:
    """Workdays and weekends by the half hour, and one workday that is a holiday."""
    rows = 48 * 7 * 10
    at = _at(HALF_HOURS, rows)
    weekend = ((at // 86_400 + 3) % 7) >= 5
    shape = np.exp(0.8 * np.sin(_day(at) - 2)) * np.where(weekend, 0.7, 1.0)
    day = int(chance.integers(35, 62))
    day -= 0 if not weekend[day * 48] else 3
    first = day * 48 + 14
    shape[first : first + 28] *= chance.uniform(0.35, 0.5)
    values = 10_000 * shape * np.exp(0.03 * _carried(chance, rows, 0.5))
    return HALF_HOURS, np.asarray(values), [(first, first + 28)]


def _early(chance: Chance) -> Made:
    """A short series by the hour, whose first incident comes after a seventh of it."""
    rows = 1_500
    at = _at(HOURS, rows)
    values = 60 + chance.uniform(5, 20) * np.sin(_day(at)) + 2.5 * chance.normal(size=rows)
    early = int(rows * chance.uniform(0.14, 0.17))
    late = int(rows * chance.uniform(0.5, 0.9))
    values[early : early + 2] += chance.uniform(35, 50)
    values[late] -= chance.uniform(35, 50)
    return HOURS, values, [(early, early + 2), (late, late + 1)]


def _cpu(chance: Chance) -> Made:
    """A load with a job at a period of its own, a little late at times; two wrong stretches."""
    rows = 4_032
    period = int(chance.integers(17, 50))
    values = 30 + 0.8 * chance.normal(size=rows)
    for start in range(0, rows, period):
        jitter = int(chance.integers(0, 2))
        values[start + jitter : start + jitter + 3] += 20 + 2 * chance.normal()
    first, second = _places(chance, rows, 2, 60)
    values[first : first + 40] += 22
    values[second : second + 2 * period] = 30 + 0.8 * chance.normal(size=2 * period)
    return MINUTES, values, [(first, first + 40), (second + period // 2, second + 2 * period)]


def _machine(chance: Chance) -> Made:
    """A temperature that wanders slowly, and falls for hours twice."""
    rows = 12_000
    values = 85 + 6 * _carried(chance, rows, 0.998) + 0.7 * _carried(chance, rows, 0.5)
    events = []
    for first in _places(chance, rows, 2, 200):
        fall = np.concatenate((np.linspace(0, 1, 25), np.ones(60), np.linspace(1, 0, 60)))
        values[first : first + 145] -= chance.uniform(25, 40) * fall
        events.append((first, first + 120))
    return MINUTES, values, events


def _mentions(chance: Chance) -> Made:
    """Heavy-tailed counts with a day in them and small usual bursts; two large ones."""
    rows = 10_000
    at = _at(MINUTES, rows)
    mean = 15 * np.exp(0.6 * np.sin(_day(at) - 2) + 0.35 * _carried(chance, rows, 0.9))
    values = chance.poisson(mean * chance.gamma(5, 0.2, size=rows)).astype(float)
    for first in np.flatnonzero(chance.random(rows) < 1 / 900):
        values[first : first + 4] *= chance.uniform(2, 3.5)
    events = []
    for first in _places(chance, rows, 2, 40):
        burst = 200 * chance.uniform(0.8, 1.6) * np.exp(-np.arange(24) / 8)
        values[first : first + 24] += np.round(burst)
        events.append((first, first + 20))
    return MINUTES, values, events


def _clicks(chance: Chance) -> Made:
    """A price by the hour: noisy, skewed, with a faint day; spikes and one quiet day."""
    rows = 1_620
    at = _at(HOURS, rows)
    values = 0.5 * np.exp(0.25 * chance.normal(size=rows) + 0.2 * np.sin(_day(at)))
    first, second, third = _places(chance, rows, 3, 30)
    values[first] += chance.uniform(2, 3)
    values[second : second + 2] += chance.uniform(2, 3)
    values[third : third + 24] = 0.3 + 0.01 * chance.normal(size=24)
    return HOURS, values, [(first, first + 1), (second, second + 2), (third, third + 24)]


def _shape(chance: Chance) -> Made:
    """A wave of a period that is no day; then half its period, or twice its swing, for a while."""
    rows = 4_000
    period = chance.uniform(20, 80)
    first, second = _places(chance, rows, 2, 260)
    pace = np.full(rows, 2 * np.pi / period)
    pace[first : first + 160] *= 2
    swing = np.full(rows, 10.0)
    swing[second : second + 160] *= 2.2
    values = 100 + swing * np.sin(np.cumsum(pace)) + chance.normal(size=rows)
    return MINUTES, values, [(first, first + 160), (second, second + 160)]


def _seasons(chance: Chance) -> Made:
    """By the hour, a day, half a day and a week over each other, a trend; points and a step."""
    rows = 1_680
    at = _at(HOURS, rows)
    week = 2 * np.pi * (at % 604_800) / 604_800
    values = 500 + np.linspace(0, chance.uniform(-200, 400), rows) + 8 * chance.normal(size=rows)
    values += 60 * np.sin(_day(at)) + 30 * np.sin(2 * _day(at)) + 40 * np.sin(week)
    first, second, third = _places(chance, rows, 3, 40)
    values[first] += chance.uniform(100, 160)
    values[second] -= chance.uniform(100, 160)
    values[third:] += chance.choice([-1, 1]) * chance.uniform(120, 200)
    return HOURS, values, [(first, first + 1), (second, second + 1), (third, third + 24)]


def _outage(chance: Chance) -> Made:
    """Counts with a day in them; zero for half an hour, and low for two hours by day."""
    rows = 4_032
    at = _at(MINUTES, rows)
    mean = 30 * np.exp(0.6 * np.sin(_day(at) - 1.5))
    events = []
    for first, long, share in zip(_places(chance, rows, 2, 30), (6, 24), (0.0, 0.4), strict=True):
        noon = int(first // 288) * 288 + 150
        mean[noon : noon + long] *= share
        events.append((noon, noon + long))
    return MINUTES, chance.poisson(mean).astype(float), events


SCENES: dict[str, Callable[[Chance], Made]] = {
    "level": _level,
    "variance": _variance,
    "flat": _flat,
    "ramp": _ramp,
    "tall": _tall,
    "bursts": _bursts,
    "weekdays": _weekdays,
    "early": _early,
    "cpu": _cpu,
    "machine": _machine,
    "mentions": _mentions,
    "clicks": _clicks,
    "shape": _shape,
    "seasons": _seasons,
    "outage": _outage,
}


def scenes(seed: int, each: int = 4) -> Iterator[Series]:
    """``each`` series of every scene."""
    for number, (name, make) in enumerate(SCENES.items()):
        for copy in range(each):
            chance = np.random.default_rng((seed, 1_000 + number, copy))
            seconds, values, events = make(chance)
            labels: Bools = np.zeros(len(values), dtype=np.bool_)
            for first, end in events:
                labels[first:end] = True
            kinds = {first: name for first, _ in events}
            at = _at(seconds, len(values))
            yield Series(f"{name}/{seconds}s/{copy}", at, np.asarray(values), labels, kinds)
