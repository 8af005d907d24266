"""The menu of incidents: what each makes of the usual minutes of a scope while it lasts.

What is usual stays as it was drawn, so the excess of every minute is exact. Sizes and lengths are
drawn from ranges that are wide on purpose: some incidents are too small to be seen by anybody.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from detectors.observation import COST, INPUT_TOKENS, NANOUSD_PER_USD, REQUESTS
from tests.evaluation.minutes import (
    ACCEPTED,
    CACHE_READ,
    CACHE_READ_PRICE,
    DAY_MINUTES,
    ERRORS,
    INPUT_COST_SHARE,
    REJECTED,
    RETRIES,
    CallShape,
    Floats,
    Minutes,
)

HOUR_MINUTES = 60


@dataclass(frozen=True, slots=True)
class Injected:
    """What really happened instead.

    Attributes:
        minutes: of the scope itself, the usual ones included.
        strangers: of that, what new agents on it spent, each with its own minutes.
        excess_usd: more than usual, per minute; negative where it spent less.
    """

    minutes: Minutes
    excess_usd: Floats
    strangers: tuple[Minutes, ...] = ()


Change = Callable[[np.random.Generator, Minutes, CallShape, float], Injected]
"""Randomness, usual minutes, usual call and usual calls a minute to what happened."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of incident.

    Attributes:
        name: in tables.
        change: what it does.
        minutes: shortest and longest.
        scope: kind of the scope it is looked for on; strangers are looked for as agents, too.
        is_unborn: it is the scope's first hour.
        is_on_saturday: it begins then.
        costs: whether it is about dollars at all.
    """

    name: str
    change: Change
    minutes: tuple[int, int]
    scope: str = "agent"
    is_unborn: bool = False
    is_on_saturday: bool = False
    costs: bool = field(default=True)


def _with_excess(usual: Minutes, changed: Minutes, strangers: tuple[Minutes, ...] = ()) -> Injected:
    return Injected(changed, (changed[COST] - usual[COST]) / NANOUSD_PER_USD, strangers)


def _factor(draw: np.random.Generator, low: float, high: float) -> float:
    """Log-uniform."""
    return float(np.exp(draw.uniform(np.log(low), np.log(high))))


def more_calls(
    draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float | Floats
) -> Minutes:
    """Calls on top, so many expected a minute."""
    return call.minutes(draw, usual.first, draw.poisson(np.broadcast_to(pace, len(usual))))


def runaway(draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float) -> Injected:
    """A loop: 3 to 170 times the calls, of the usual size."""
    extra = more_calls(draw, usual, call, pace * (_factor(draw, 3, 170) - 1))
    return _with_excess(usual, usual + extra)


def retry_storm(
    draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float
) -> Injected:
    """Everything is tried again and again: 3 to 25 times the calls, half of them failing."""
    extra = more_calls(draw, usual, call, pace * (_factor(draw, 3, 25) - 1))
    failed = draw.binomial(extra[REQUESTS], 0.5)
    return _with_excess(usual, usual + extra.with_({RETRIES: extra[REQUESTS], ERRORS: failed}))


def prompt_bloat(
    draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float
) -> Injected:
    """As many calls as ever with 3 to 10 times the input, from one minute to the next."""
    return _with_excess(usual, _with_input(usual, _factor(draw, 3, 10)))


def slow_bloat(draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float) -> Injected:
    """The input of a call grows by 1 % an hour."""
    return _with_excess(usual, _with_input(usual, 1.01 ** (np.arange(len(usual)) / HOUR_MINUTES)))


def context_growth(
    draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float
) -> Injected:
    """A session never forgets: the input of a call grows evenly to 10 to 30 times."""
    growth = np.linspace(1, _factor(draw, 10, 30), len(usual))
    return _with_excess(usual, _with_input(usual, growth))


def _with_input(usual: Minutes, factor: float | Floats) -> Minutes:
    cost = usual[COST] * (1 + INPUT_COST_SHARE * (np.asarray(factor) - 1))
    amounts = {COST: cost, INPUT_TOKENS: usual[INPUT_TOKENS] * factor}
    if CACHE_READ in usual.amounts:
        amounts[CACHE_READ] = usual[CACHE_READ] * factor
    return usual.with_(amounts)


def model_switch(
    draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float
) -> Injected:
    """The same tokens at 5 to 15 times the price."""
    return _with_excess(usual, usual.with_({COST: usual[COST] * _factor(draw, 5, 15)}))


def cache_failure(
    draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float
) -> Injected:
    """Nothing comes from the prompt cache any more."""
    share = call.cached_share or 0.8  # where the data knows of no cache, it had a good one
    dearer = 1 / (1 - (1 - CACHE_READ_PRICE) * share)
    cost = usual[COST] * (1 + INPUT_COST_SHARE * (dearer - 1))
    amounts = {COST: cost}
    if CACHE_READ in usual.amounts:
        amounts[CACHE_READ] = usual[CACHE_READ] * 0
    return _with_excess(usual, usual.with_(amounts))


def sub_agents(draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float) -> Injected:
    """Thirty new agents on the key, together 10 to 100 times the usual calls."""
    each = pace * _factor(draw, 10, 100) / 30
    strangers = tuple(more_calls(draw, usual, call, each) for _ in range(30))
    return _with_excess(usual, sum(strangers, usual), strangers)


def leaked_key(draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float) -> Injected:
    """A stranger spends $30 to $500 an hour with the key, in calls of $0.20."""
    dear = CallShape(0.2, 8_000.0, 1_000.0)
    usd_per_hour = _factor(draw, 30, 500)
    stranger = more_calls(draw, usual, dear, usd_per_hour / dear.usd / HOUR_MINUTES)
    return _with_excess(usual, usual + stranger, (stranger,))


def new_agent(draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float) -> Injected:
    """Nobody has seen it before, and it spends $1,500 to $17,000 a day from its first minute."""
    usd_per_day = _factor(draw, 1_500, 17_000)
    newborn = more_calls(draw, usual, call, usd_per_day / call.usd / DAY_MINUTES)
    return Injected(newborn, newborn[COST] / NANOUSD_PER_USD)


def weekend_job(
    draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float
) -> Injected:
    """A Saturday at the rate of a weekday's busy hours, three times the week's mean."""
    return _with_excess(usual, usual + more_calls(draw, usual, call, 3 * pace))


def stuck_off(draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float) -> Injected:
    """Not a single call."""
    nothing = {counter: column * 0 for counter, column in usual.amounts.items()}
    return _with_excess(usual, Minutes(usual.first, nothing))


def creep(draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float) -> Injected:
    """5 % more a day, every day."""
    growth = 1.05 ** (np.arange(len(usual)) / DAY_MINUTES)
    return _with_excess(usual, usual + more_calls(draw, usual, call, pace * (growth - 1)))


def quality_collapse(
    draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float
) -> Injected:
    """The same spend, but people accept 0.3 of it, not 0.9."""
    accepted = draw.binomial(usual[ACCEPTED], 1 / 3)
    rejected = usual[REJECTED] + usual[ACCEPTED] - accepted
    return _with_excess(usual, usual.with_({ACCEPTED: accepted, REJECTED: rejected}))


def times(factor: float) -> Change:
    """So many times the usual dollars, by more calls of the usual size, at every hour alike."""

    def change(draw: np.random.Generator, usual: Minutes, call: CallShape, pace: float) -> Injected:
        extra = draw.poisson(usual[REQUESTS] * (factor - 1))
        return _with_excess(usual, usual + call.minutes(draw, usual.first, extra))

    return change


_DAY = DAY_MINUTES
KINDS = (
    Kind("runaway loop x3-x170", runaway, (10, 360)),
    Kind("retry storm x3-x25", retry_storm, (10, 360)),
    Kind("prompt bloat, step x3-x10", prompt_bloat, (60, _DAY)),
    Kind("prompt bloat, +1 % an hour", slow_bloat, (2 * _DAY, 3 * _DAY)),
    Kind("context growth to x10-x30", context_growth, (60, 360)),
    Kind("model switch x5-x15", model_switch, (60, _DAY)),
    Kind("prompt cache fails", cache_failure, (60, _DAY)),
    Kind("30 sub-agents", sub_agents, (10, 120), scope="api_key"),
    Kind("key leaked", leaked_key, (60, 360), scope="api_key"),
    Kind("weekend job at weekday rate", weekend_job, (_DAY, _DAY), is_on_saturday=True),
    Kind("agent stuck off", stuck_off, (360, _DAY), costs=False),
    Kind("creep +5 % a day", creep, (10 * _DAY, 10 * _DAY)),
    Kind("new agent $1,500-$17,000 a day", new_agent, (30, 240), is_unborn=True),
    Kind("quality collapse", quality_collapse, (_DAY, 2 * _DAY), costs=False),
)
"""All of them; every name is a row of the table."""


def lasting(kind: Kind, minutes: int) -> Kind:
    """The same, for so long."""
    return replace(kind, minutes=(minutes, minutes))
