"""Dollars leaked at decision: what a runaway spends until the first page about it.

Excess is exact: the runaway's calls come on top of the usual ones, and their dollars are summed
from its first call to the one with which a page was told. Feed lag and calls in flight are not in
it. The runaway pays $16,900 a day, which makes $17,000 of $100.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from alerting.watch.rules import RulesConfig
from alerting.watch.scope_watch import ScopeWatch
from detectors.observation import (
    COST,
    INPUT_TOKENS,
    NANOUSD_PER_USD,
    OUTPUT_TOKENS,
    REQUESTS,
    Counts,
    zero_counts,
)
from detectors.window import MINUTE_SECONDS
from tests.evaluation.background import Habit
from tests.evaluation.minutes import CACHE_READ, DAY_MINUTES, CallShape, Minutes, sizes
from tests.evaluation.scope_run import MONDAY, ScopeRun, is_page

RUNAWAY_USD_PER_DAY = 16_900.0
HISTORY_DAYS = 14
WINDOW_SECONDS = RulesConfig().window_seconds
AMOUNTS = (COST, INPUT_TOKENS, CACHE_READ, OUTPUT_TOKENS)
GIVEN_UP_SECONDS = 6 * 3600
RUNS_A_BACKGROUND = 5
"""Runaways that begin at different moments of the day after one and the same history."""


@dataclass(frozen=True, slots=True)
class LeakCase:
    """A row of the table.

    Attributes:
        name: of the row.
        habit: what is usual.
        call: what the runaway calls.
        wanted_usd: median and 95th percentile that the project wants, if it says any.
        is_young: the runaway begins in the agent's first hour, not after two weeks.
    """

    name: str
    habit: Habit
    call: CallShape
    wanted_usd: tuple[float, float] | None = None
    is_young: bool = False


def _case(
    name: str,
    usual_usd: float,
    wanted: tuple[float, float] | None,
    *,
    is_young: bool = False,
) -> LeakCase:
    call = CallShape(usual_usd)
    return LeakCase(name, Habit(name, call), call, wanted, is_young)


_FIVE_CENTS = CallShape(0.05)
_A_HUNDRED_TIMES = CallShape(5.0, 300_000.0, 30_000.0)

CASES = (
    _case("$0.005 calls", 0.005, (0.5, 1.0)),
    _case("$0.05 calls", 0.05, (2.0, 4.0)),
    _case("$0.50 calls", 0.50, (30.0, 50.0)),
    LeakCase(
        "$5 calls on a $0.05 agent",
        Habit("", _FIVE_CENTS),
        _A_HUNDRED_TIMES,
        (5.0, 15.0),
    ),
    _case("$5 calls on a $5 agent", 5.0, None),
    _case("$0.05 calls, first hour of life", 0.05, (10.0, 10.0), is_young=True),
)


@dataclass(frozen=True, slots=True)
class Leak:
    """One runaway.

    Attributes:
        usd: spent by it until it was paged for, that call included; all of it, if it never was.
        seconds: from its first call on.
        calls: of it.
        is_found: whether it was.
        is_early: whether it began in the first minute of a window, when the window before may
            still be open.
    """

    usd: float
    seconds: float
    calls: int
    is_found: bool
    is_early: bool = False


def runaway_calls(
    draw: np.random.Generator, call: CallShape, usd_per_day: float, seconds: float
) -> Iterator[tuple[float, Counts]]:
    """Seconds since its first call and amounts, call by call."""
    mean_gap = 86_400 * call.usd / usd_per_day
    at = 0.0
    while True:
        gaps = draw.exponential(mean_gap, 256).tolist()
        read, written = sizes(draw, 256)
        read, written = read * call.input_tokens, written * call.output_tokens
        cached = read * call.cached_share
        cost = call.cost(read, cached, written)
        columns = (gaps, cost.tolist(), read.tolist(), cached.tolist(), written.tolist())
        for gap_seconds, *amounts in zip(*columns, strict=True):
            counts = zero_counts()
            counts[REQUESTS] = 1
            for counter, amount in zip(AMOUNTS, amounts, strict=True):
                counts[counter] = round(amount)
            yield at, counts
            at += gap_seconds
            if at > seconds:
                return


def measure(
    run: ScopeRun,
    onset: int,
    calls: Iterator[tuple[float, Counts]],
    usual: Minutes,
) -> Leak:
    """Let a runaway begin at ``onset`` (epoch seconds) until it is paged for.

    The usual calls of a minute are told of when it is over.
    """
    spent, number, since, is_found = 0, 0, 0.0, False
    rows = usual.rows()
    waiting = next(rows, None)
    for since, counts in calls:
        number += 1
        at = onset + int(since)
        while waiting is not None and (waiting[0] + 1) * MINUTE_SECONDS <= at:
            run.row((waiting[0] + 1) * MINUTE_SECONDS - 1, waiting[1])
            waiting = next(rows, None)
        spent += counts[COST]
        run.row(at, counts)
        if is_found := any(is_page(alert) for alert in run.told):
            break
    is_early = onset % WINDOW_SECONDS < MINUTE_SECONDS
    return Leak(spent / NANOUSD_PER_USD, since, number, is_found, is_early)


def leaks(case: LeakCase, config: RulesConfig, *, seed: int, runs: int) -> list[Leak]:
    """So many runaways of a case."""
    found: list[Leak] = []
    number = 0
    while len(found) < runs:
        draw = np.random.default_rng((seed, number, *case.name.encode()))
        found += _of_one_background(case, config, draw)
        number += 1
    return found[:runs]


def _of_one_background(
    case: LeakCase, config: RulesConfig, draw: np.random.Generator
) -> Iterator[Leak]:
    run = ScopeRun(ScopeWatch(config, is_durable=False))
    history = 0 if case.is_young else HISTORY_DAYS * DAY_MINUTES
    minutes = case.habit.minutes(draw, MONDAY, history + 2 * DAY_MINUTES)
    begin = MONDAY + history
    run.minutes(minutes.between(MONDAY, begin))
    if case.is_young:
        begin += int(np.argmax(minutes[REQUESTS] > 0))
    span = 59 if case.is_young else DAY_MINUTES - 1
    moments = np.sort(draw.integers(1, span, RUNS_A_BACKGROUND)).tolist()
    until = begin
    for moment in moments:
        run.minutes(minutes.between(until, begin + moment))
        until = begin + moment
        if not run.is_calm:
            continue
        fork = run.fork()
        fork.told = []
        onset = until * MINUTE_SECONDS + int(draw.integers(0, MINUTE_SECONDS))
        calls = runaway_calls(draw, case.call, RUNAWAY_USD_PER_DAY, GIVEN_UP_SECONDS)
        yield measure(fork, onset, calls, minutes.between(until, until + GIVEN_UP_SECONDS // 60))
