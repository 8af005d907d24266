"""Rows of minutes of one scope as columns, and what calls put into them.

No event is made: a minute's sums are drawn at once. Nothing here knows what is judged.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.observation import (
    COST,
    COUNTER_INDEX,
    INPUT_TOKENS,
    NANOUSD_PER_USD,
    OUTPUT_TOKENS,
    REQUESTS,
    Counts,
    zero_counts,
)

DAY_MINUTES = 1440
WEEK_MINUTES = 7 * DAY_MINUTES
CACHE_READ = COUNTER_INDEX["cache_read_tokens"]
RETRIES = COUNTER_INDEX["retries"]
ERRORS = COUNTER_INDEX["errors"]
ACCEPTED = COUNTER_INDEX["accepted"]
REJECTED = COUNTER_INDEX["rejected"]

INPUT_COST_SHARE = 0.7
CACHE_READ_PRICE = 0.1
"""Of a token read from the provider's prompt cache, where a fresh one is 1."""
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
        amounts: counter, as numbered in ``COUNTERS``, to one amount per minute.
    """

    first: int
    amounts: Mapping[int, Ints]

    def __len__(self) -> int:
        return len(self.amounts[REQUESTS])

    def __add__(self, other: "Minutes") -> "Minutes":
        """Both together; of the same minutes."""
        nothing = np.zeros(len(self), np.int64)
        counters = dict.fromkeys((*self.amounts, *other.amounts))
        return Minutes(
            self.first,
            {
                each: self.amounts.get(each, nothing) + other.amounts.get(each, nothing)
                for each in counters
            },
        )

    def __getitem__(self, counter: int) -> Ints:
        found = self.amounts.get(counter)
        return np.zeros(len(self), np.int64) if found is None else found

    def with_(self, amounts: Mapping[int, Floats | Ints]) -> "Minutes":
        """The same with other amounts of some counters."""
        whole_amounts = {counter: whole(each) for counter, each in amounts.items()}
        return Minutes(self.first, {**self.amounts, **whole_amounts})

    def between(self, start: int, stop: int) -> "Minutes":
        """Those of epoch minutes ``[start, stop)``."""
        part = slice(max(0, start - self.first), max(0, stop - self.first))
        columns = {counter: column[part] for counter, column in self.amounts.items()}
        return Minutes(max(start, self.first), columns)

    def rows(self) -> Iterator[tuple[int, Counts]]:
        """Epoch minute and counts of each minute that has any calls."""
        used = np.flatnonzero(self.amounts[REQUESTS])
        counters = list(self.amounts)
        columns = [self.amounts[counter][used].tolist() for counter in counters]
        for minute, *amounts in zip((used + self.first).tolist(), *columns, strict=True):
            counts = zero_counts()
            for counter, amount in zip(counters, amounts, strict=True):
                counts[counter] = amount
            yield minute, counts

    @property
    def usd(self) -> float:
        """All dollars."""
        return float(self.amounts[COST].sum()) / NANOUSD_PER_USD


@dataclass(frozen=True, slots=True)
class CallShape:
    """What one call is like on average.

    Attributes:
        usd: its cost, 70 % of it for input.
        input_tokens: read, cached ones included.
        output_tokens: written.
        cached_share: 0-1, of its input that comes from the provider's prompt cache.
    """

    usd: float
    input_tokens: float = 3000.0
    output_tokens: float = 300.0
    cached_share: float = 0.0

    @classmethod
    def of(cls, minutes: Minutes) -> "CallShape":
        """The usual call of some minutes."""
        calls = max(1, int(minutes[REQUESTS].sum()))
        read = max(1, int(minutes[INPUT_TOKENS].sum()))
        written = int(minutes[OUTPUT_TOKENS].sum()) / calls
        cached = int(minutes[CACHE_READ].sum()) / read
        return cls(minutes.usd / calls, read / calls, max(1.0, written), cached)

    @property
    def input_usd(self) -> float:
        """Of a fresh token read."""
        usd = INPUT_COST_SHARE * self.usd / self.input_tokens
        return usd / (1 - (1 - CACHE_READ_PRICE) * self.cached_share)

    @property
    def output_usd(self) -> float:
        """Of a token written."""
        return (1 - INPUT_COST_SHARE) * self.usd / self.output_tokens

    def cost(self, read: Floats, cached: Floats, written: Floats) -> Ints:
        """Nano-dollars of so many tokens at its prices."""
        usd = self.input_usd * (read - (1 - CACHE_READ_PRICE) * cached)
        return whole((usd + self.output_usd * written) * NANOUSD_PER_USD)

    def minutes(self, draw: np.random.Generator, first: int, requests: Ints) -> Minutes:
        """So many calls per minute."""
        read, written = sums_of_sizes(draw, requests)
        read, written = read * self.input_tokens, written * self.output_tokens
        wobble = draw.normal(0, 0.2, len(requests)) / np.sqrt(np.maximum(requests, 1))
        share = np.clip(self.cached_share + wobble, 0, 1) if self.cached_share else 0.0
        cached = read * share
        amounts = {
            REQUESTS: whole(requests),
            COST: self.cost(read, cached, written),
            INPUT_TOKENS: whole(read),
            OUTPUT_TOKENS: whole(written),
        }
        if self.cached_share:
            amounts[CACHE_READ] = whole(cached)
        return Minutes(first, amounts)


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


def whole(amounts: Floats | Ints) -> Ints:
    """Rounded."""
    return np.rint(amounts).astype(np.int64)
