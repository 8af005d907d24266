"""What is remembered of one ratio of one scope: the span going on, what is usual, an episode.

How far a span lies from what is usual is measured in deviations that a beta-binomial with the
scope's own spread would have. This file must not say what is news.

Sources:
    Skellam, J. R. Stat. Soc. B 10 (1948) 257-261, for counts whose probability itself varies.
"""

from array import array
from dataclasses import dataclass
from math import sqrt
from typing import TypeAlias

from detectors.ratio_channels import RatioChannel
from detectors.window import HOUR_SECONDS

Memory: TypeAlias = "array[float]"
"""Of one ratio, by the places below."""

SINCE, HITS, TRIALS, MADE, COST, OUTPUT = range(6)
USUAL, WEIGHT, SPREAD, SPANS, SUM, RECORD = range(6, 12)
TRIED_AT, BAD_SINCE, FIRED_AT, LOST, WORST, CALM, BAD_HITS, BAD_TRIALS = range(12, 20)
"""Of a ratio's array. Of the span going on: its start (epoch seconds, -1: none), what was counted,
of how many, calls, nano-dollars, output tokens. Of what is usual: the ratio; the precision with
which it is known, in trials; the variance beyond a binomial's, as a share of it; spans learned; the
sum of deviations; the largest that was nothing; the end of the last window with trials. Of an
episode: its start (-1: none), when it was found, nano-dollars lost, the most an hour that were,
calm spans in a row, and what was counted of how many."""

MEMORY_SPANS = 50
"""Spans that count in what is usual: two days of a scope that is always busy."""

PRIOR_SPREAD = 0.01
LEAST_SPREAD = 0.001
"""Variance beyond a binomial's before it is known, and at least: at 90 % from hour to hour 3 and
1 percentage points."""

SPREAD_GAIN = 1 / 48
LEAST_VARIANCE = 0.02 * 0.98
"""Of a trial: of a ratio near 0 or 1 two odd ones of twenty are no surprise."""

ALLOWANCE = 1.0
LIMIT = 6.0
"""Deviations that pass unnoticed each time, and the sum that is news: one span of 7, two of 4, six
of 2. With normal deviations that is one span in 100,000."""

RECORD_RATIO = 1.25
RECORD_KEPT = 0.9985
MOST_RECORD = 40.0
"""The sum must exceed the largest of the last weeks by a quarter: a cache that is cold every night
is usual, though each night of it is not, and errors that come in bursts are told the first time.
It fades by half in 19 days, and no record counts beyond that many. So a collapse that comes again
within days is told some hours later than the first one."""


TOKEN_CALLS = 2.0
"""Calls whose tokens say as much of a ratio as one would, were all calls of a size: the mean square
over the squared mean of log-normal sizes of spread 0.8."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far a span lies on the bad side, and what one deviation is."""

    count: float
    one: float


def begun(channel: RatioChannel, first_at: int, calls: int, start: int) -> Memory:
    """A ratio of which something was counted for the first time.

    That no call failed before says as much as the calls before it.

    Args:
        channel: which ratio.
        first_at: when the scope's first window began, epoch seconds.
        calls: of the scope since then.
        start: of the window in which it was counted, epoch seconds.
    """
    each = array("d", [0.0] * (BAD_TRIALS + 1))
    each[SINCE] = each[BAD_SINCE] = -1.0
    each[SPREAD] = PRIOR_SPREAD
    spans = (start - first_at) // HOUR_SECONDS
    if channel.rises and calls and spans:
        spans = min(spans, calls, MEMORY_SPANS)
        each[SPANS] = spans
        each[USUAL] = 0.5 / calls
        each[WEIGHT] = spans / (spans / calls + PRIOR_SPREAD)
    return each


def deviation(channel: RatioChannel, each: Memory, ratio: float, trials: float) -> Deviation:
    """How far a ratio of so many trials lies from what is usual."""
    usual = each[USUAL]
    unknown = 1.0 / each[WEIGHT] if each[WEIGHT] else 1.0
    variance = max(usual * (1.0 - usual), LEAST_VARIANCE)
    one = sqrt(variance * (1.0 / trials + each[SPREAD] + unknown))
    return Deviation((ratio - usual if channel.rises else usual - ratio) / one, one)


def learn(each: Memory, ratio: float, trials: float, away: Deviation) -> None:
    """Take a span into account that is no news."""
    usual, spread = each[USUAL], each[SPREAD]
    weight = 1.0 / (1.0 / trials + spread)
    if each[SPANS]:
        variance = max(usual * (1.0 - usual), LEAST_VARIANCE)
        square = min((ratio - usual) ** 2, (4.0 * away.one) ** 2) / variance
        beyond = square - 1.0 / trials - 1.0 / each[WEIGHT]
        each[SPREAD] = max(spread + SPREAD_GAIN * (beyond - spread), LEAST_SPREAD)
    kept = each[WEIGHT] * (1.0 - 1.0 / MEMORY_SPANS)
    each[WEIGHT] = kept + weight
    gain = max(weight / each[WEIGHT], 1.0 / MEMORY_SPANS)  # what was steady would weigh for weeks
    each[USUAL] += gain * (ratio - usual)
    each[SPANS] += 1
    each[RECORD] *= RECORD_KEPT


def next_span(each: Memory, since: float = -1.0) -> None:
    """Begin anew with nothing counted; -1: with the next window that has trials."""
    each[SINCE] = since
    each[HITS] = each[TRIALS] = each[MADE] = each[COST] = each[OUTPUT] = 0.0
