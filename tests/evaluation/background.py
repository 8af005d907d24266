"""Simulated usual spend of one scope, as the rows of minutes that INGEST would send.

Calls come as a Poisson process whose pace has a daily rhythm and log-normal noise by hour and by
day; their sizes are log-normal. No event is made: a minute's sums are drawn at once. Nothing here
knows what is judged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.observation import (
    COST,
    INPUT_TOKENS,
    NANOUSD_PER_USD,
    OUTPUT_TOKENS,
    REQUESTS,
    zero_counts,
)

DAY_MINUTES = 1440
WEEK_MINUTES = 7 * DAY_MINUTES
INPUT_COST_SHARE = 0.7
COMMON_SPREAD = 0.6
"""Of the logarithm of a call's size, input and output alike …"""
OWN_SPREAD = 0.4
"""… and of each of the two alone: together 0.7, and dollars a token are not constant."""
MANY_CALLS = 64
"""A minute of more is drawn as a gamma of the same mean and variance."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Minutes:
    """Consecutive minutes of one scope.

    Attributes:
        first: epoch minute of the first.
        requests: calls, per minute.
        cost_nanousd: per minute.
        input_tokens: per minute.
        output_tokens: per minute.
    """

    first: int
    requests: Ints
    cost_nanousd: Ints
    input_tokens: Ints
    output_tokens: Ints

    def __len__(self) -> int:
        return len(self.requests)

    def between(self, start: int, stop: int) -> "Minutes":
        """Those of epoch minutes ``[start, stop)``."""
        part = slice(max(0, start - self.first), max(0, stop - self.first))
        columns = (self.requests, self.cost_nanousd, self.input_tokens, self.output_tokens)
        return Minutes(max(start, self.first), *(column[part] for column in columns))

    def rows(self):
        """Epoch minute and counts of each minute that has any calls."""
        used = np.flatnonzero(self.requests)
        columns = (self.requests, self.cost_nanousd, self.input_tokens, self.output_tokens)
        for at, requests, cost, read, written in zip(
            (used + self.first).tolist(),
            *(column[used].tolist() for column in columns),
            strict=True,
        ):
            yield at, counts_of(requests, cost, read, written)


def counts_of(requests: int, cost_nanousd: int, input_tokens: int, output_tokens: int) -> list[int]:
    """One row's amounts."""
    counts = zero_counts()
    counts[REQUESTS], counts[COST] = requests, cost_nanousd
    counts[INPUT_TOKENS], counts[OUTPUT_TOKENS] = input_tokens, output_tokens
    return counts


@dataclass(frozen=True, slots=True)
class CallShape:
    """What one call is like on average.

    Attributes:
        usd: its cost, 70 % of it for input.
        input_tokens: read.
        output_tokens: written.
    """

    usd: float
    input_tokens: float = 3000.0
    output_tokens: float = 300.0


@dataclass(frozen=True, slots=True)
class Habit:
    """How a scope spends when nothing is wrong.

    Attributes:
        name: in tables.
        call: its usual call.
        usd_per_day: on average.
        swing: range of the busiest hour's pace over the quietest's, drawn per scope.
        hour_noise: of the logarithm of an hour's pace.
        day_noise: of a day's.
        is_office: ten hours of five days only, and 3 % of that pace else.
    """

    name: str
    call: CallShape
    usd_per_day: float = 100.0
    swing: tuple[float, float] = (1.4, 2.2)
    hour_noise: float = 0.3
    day_noise: float = 0.19
    is_office: bool = False

    def pace(self, draw: np.random.Generator, first: int, count: int) -> Floats:
        """Expected calls a minute, noise included."""
        at = np.arange(first, first + count)
        hour, day = at // 60, at // DAY_MINUTES
        swing = draw.uniform(*self.swing)
        depth = (swing - 1) / (swing + 1)
        weight = 1 + depth * np.sin(2 * np.pi * (at / DAY_MINUTES + draw.uniform()))
        if self.is_office:
            opens = 8 * 60 + draw.integers(-60, 60)
            is_open = (at % DAY_MINUTES >= opens) & (at % DAY_MINUTES < opens + 600)
            is_open &= (day + 3) % 7 < 5
            weight = weight * np.where(is_open, 1.0, 0.03) / (50 / 168 + 0.03)
        noise = _noise(draw, hour - hour[0], self.hour_noise)
        noise = noise * _noise(draw, day - day[0], self.day_noise)
        return self.usd_per_day / self.call.usd / DAY_MINUTES * weight * noise

    def minutes(self, draw: np.random.Generator, first: int, count: int) -> Minutes:
        """That many minutes of it."""
        requests = draw.poisson(self.pace(draw, first, count))
        read, written = sums_of_sizes(draw, requests)
        read, written = read * self.call.input_tokens, written * self.call.output_tokens
        cost = cost_of(self.call, read, written)
        return Minutes(first, requests, cost, whole(read), whole(written))


def _noise(draw: np.random.Generator, number: Ints, spread: float) -> Floats:
    """A factor of mean one for each number."""
    drawn = draw.lognormal(-(spread**2) / 2, spread, int(number[-1]) + 1)
    return drawn[number]


def cost_of(call: CallShape, read: Floats, written: Floats) -> Ints:
    """Nano-dollars at the prices that make the usual call cost what it costs."""
    usd = INPUT_COST_SHARE * call.usd / call.input_tokens * read
    usd = usd + (1 - INPUT_COST_SHARE) * call.usd / call.output_tokens * written
    return whole(usd * NANOUSD_PER_USD)


def sums_of_sizes(draw: np.random.Generator, requests: Ints) -> tuple[Floats, Floats]:
    """Input and output of so many calls, where the usual call's is one."""
    few = np.where(requests <= MANY_CALLS, requests, 0)
    minute = np.repeat(np.arange(len(requests)), few)
    read, written = sizes(draw, len(minute))
    sums = [np.bincount(minute, each, len(requests)) for each in (read, written)]
    many = requests > MANY_CALLS
    if many.any():
        spread = COMMON_SPREAD**2 + OWN_SPREAD**2
        shape = 1 / np.expm1(spread)
        drawn = draw.gamma(requests[many] * shape) / shape
        sums[0][many] = sums[1][many] = drawn
    return sums[0], sums[1]


def sizes(draw: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Input and output of single calls, where the usual call's is one."""
    common = draw.normal(-(COMMON_SPREAD**2) / 2, COMMON_SPREAD, count)
    own = draw.normal(-(OWN_SPREAD**2) / 2, OWN_SPREAD, (2, count))
    return np.exp(common + own[0]), np.exp(common + own[1])


def whole(amounts: Floats) -> Ints:
    """Rounded."""
    return np.rint(amounts).astype(np.int64)
