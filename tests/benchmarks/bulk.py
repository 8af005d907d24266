"""Part f: what judging and learning cost per scope and minute, and what a scope's state weighs.

All scopes at once in columns (``detectors/bank.py``), and one at a time as WATCH does it. Time is
CPU time: nothing here waits.
"""

import random
import statistics
import time
from collections.abc import Iterable, Sequence

import numpy as np

from alerting.watch.scope_watch import ScopeState, ScopeWatch
from detectors.bank import SeasonalBank, SpikeBank, combine
from detectors.observation import (
    COMPUTED,
    COST,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    REPORTED,
    REQUESTS,
    zero_counts,
)
from detectors.scope import Scope
from detectors.seasonal import SeasonalConfig, SeasonalDetector
from detectors.spike import SpikeConfig, SpikeDetector
from detectors.window import DAY_SECONDS, Window
from stream.config import Settings
from stream.delta import CONTRIBUTOR_DIMENSIONS, Contributor
from stream.watch.pages import encode_page
from tests.benchmarks.row import Row

WINDOW_SECONDS = 300
MONDAY = 1_791_763_200
"""2026-10-12T00:00:00Z."""

_DAYS = 29
# Past the longest memory: state is then as large as it gets.

_SINGLE_WINDOWS = 5
_ACTIVE_HOURS = (9, 10, 14)

_PAGE_SCOPES = 98
"""Of 100,000 scopes on 16 partitions of 64 pages."""


def bulk_rows(scopes: int, repeats: int, singles: int) -> list[Row]:
    """All rows of the part.

    Args:
        scopes: columns' length.
        repeats: windows judged with the full state.
        singles: scopes that are judged one at a time.
    """
    seconds = _bank_seconds(scopes, repeats)
    per_window = statistics.median(seconds) * 1e6 / scopes
    single, sizes = _single_seconds(singles)
    minutes = WINDOW_SECONDS // 60
    return [
        Row(
            "f",
            "detectors in bulk (numpy bank)",
            per_window / minutes,
            "us a scope and minute",
            at_most=1.0,
            detail=f"{per_window:.2f} us a window of {minutes} min; {scopes:,} scopes,"
            f" {_DAYS} days of state; not what WATCH runs",
        ),
        Row(
            "f",
            "one scope at a time, as WATCH closes windows",
            single / minutes,
            "us a scope and minute",
            detail=f"{single:.1f} us a window: folded, judged, learned; {singles:,} scopes",
        ),
        Row(
            "f",
            "state of a scope, written (median)",
            statistics.median(sizes),
            "bytes",
            at_most=1024,
            detail=f"its share of a live and a profile page of {_PAGE_SCOPES} scopes that differ in"
            f" names and costs, compressed; three hours a day for {_DAYS} days",
        ),
        Row(
            "f",
            "state of a scope, written (richest)",
            max(sizes),
            "bytes",
            at_most=32 * 1024,
            detail="alone on its pages; every hour of every day, 64 contributors in every"
            " dimension",
        ),
    ]


def _costs(draw: np.random.Generator, scopes: int) -> np.ndarray:
    return draw.lognormal(17.0, 1.0, scopes).astype(np.int64)  # a median of $0.024


def _bank_seconds(scopes: int, repeats: int) -> list[float]:
    """How long each window took: bands of both detectors, a verdict, learning."""
    draw = np.random.default_rng(7)
    spike_detector = SpikeDetector(SpikeConfig(), WINDOW_SECONDS)
    seasonal_detector = SeasonalDetector(SeasonalConfig(), WINDOW_SECONDS)
    spike = SpikeBank(spike_detector, [spike_detector.fresh()] * scopes)
    seasonal = SeasonalBank(seasonal_detector, [seasonal_detector.fresh()] * scopes)
    everyone = np.ones(scopes, bool)
    for day in range(_DAYS):
        for hour in _ACTIVE_HOURS:
            start = MONDAY + day * DAY_SECONDS + hour * 3600
            cost = _costs(draw, scopes)
            spike.learn(cost, np.full(scopes, 3), everyone)
            seasonal.learn(Window(start, start + WINDOW_SECONDS), cost, everyone)
    taken = []
    for number in range(repeats):
        start = MONDAY + _DAYS * DAY_SECONDS + 9 * 3600 + number * WINDOW_SECONDS
        window = Window(start, start + WINDOW_SECONDS)
        cost, requests = _costs(draw, scopes), np.full(scopes, 3)
        since = time.process_time()
        bands = combine(spike.bands(), seasonal.bands(window))
        anomalous, _ = bands.judge(cost)
        spike.learn(cost, requests, ~anomalous)
        seasonal.learn(window, cost, ~anomalous)
        taken.append(time.process_time() - since)
    return taken


def _single_seconds(scopes: int) -> tuple[float, list[float]]:
    """Microseconds a scope and window, one scope after the other; bytes of each state written."""
    watch = ScopeWatch(Settings().rules)
    draw = random.Random(7)
    grown = [
        _grown(watch, f"agent-{number}", _ACTIVE_HOURS, draw, names=2) for number in range(scopes)
    ]
    start = MONDAY + _DAYS * DAY_SECONDS + 9 * 3600
    amounts, parts = _counts(24_000_000), _parts(24_000_000, ["0", "1"])
    taken = 0.0
    # The first window ends a night of silence, which is learned with it; those after it count.
    for number in range(1 + _SINGLE_WINDOWS):
        at = start + number * WINDOW_SECONDS
        since = time.process_time()
        for state in grown:
            watch.fold(
                state, at // 60, amounts, parts, is_late=False, watermark_seconds=at, newest_at=at
            )
            watch.advance(state, at + WINDOW_SECONDS)
            # Two windows are still logged in the live page: half a minute later none would be.
            watch.profile_durable(state, at - WINDOW_SECONDS)
        taken += (time.process_time() - since) * bool(number)
    pages = [grown[at : at + _PAGE_SCOPES] for at in range(0, len(grown), _PAGE_SCOPES)]
    richest = _grown(watch, "richest", range(24), draw, names=64)
    return taken * 1e6 / scopes / _SINGLE_WINDOWS, [
        _written(watch, page) for page in (*pages, [richest])
    ]


def _grown(
    watch: ScopeWatch, name: str, hours: Iterable[int], draw: random.Random, *, names: int
) -> ScopeState:
    """The state of a scope that has spent in these hours of every day, for weeks."""
    state = watch.fresh(Scope("team", name), MONDAY // 60)
    own = [f"{draw.getrandbits(40):010x}" for _ in range(names)]
    for day in range(_DAYS):
        for hour in hours:
            at = MONDAY + day * DAY_SECONDS + hour * 3600
            cost = int(draw.lognormvariate(17.0, 1.0))
            # A row names at most 16 of a dimension; which ones changes from row to row.
            start = (day + hour) * 16 % names
            parts = _parts(cost, own[start : start + 16])
            counts = _counts(cost)
            watch.fold(
                state, at // 60, counts, parts, is_late=False, watermark_seconds=at, newest_at=at
            )
            watch.advance(state, at + WINDOW_SECONDS)
            watch.profile_durable(state, watch.profile_snapshot(state)[0])
    return state


def _counts(cost_nanousd: int) -> list[int]:
    counts = zero_counts()
    counts[REQUESTS], counts[COST] = 3, cost_nanousd
    counts[INPUT_TOKENS], counts[OUTPUT_TOKENS] = 4_000, 900
    counts[REPORTED] = counts[COMPUTED] = cost_nanousd
    return counts


def _parts(cost_nanousd: int, names: Sequence[str]) -> list[Contributor]:
    return [
        Contributor(dimension, f"{dimension}-{name}", cost_nanousd // len(names))
        for dimension in CONTRIBUTOR_DIMENSIONS
        for name in names
    ]


def _written(watch: ScopeWatch, page: Sequence[ScopeState]) -> float:
    """Bytes a scope of its pages."""
    live = encode_page(0, {str(each.scope): watch.live_snapshot(each) for each in page})
    learned = encode_page(0, {str(each.scope): watch.profile_snapshot(each) for each in page})
    return (len(live) + len(learned)) / len(page)
