"""Ratios that turn bad: fewer answers accepted, less from a cache, more errors or retries.

A ratio is judged over spans of at least an hour and of ``least_trials`` trials, so that a scope of
ten calls a day is judged as seldom as it says anything. How far one span lies from what is usual is
measured in deviations that a beta-binomial with the scope's own spread would have, and added up: a
collapse is told after an hour, a smaller change once it has lasted. This file must not know
severities, nor what a ratio is of (``ratio_channels.py``).

Sources:
    Page, "Continuous inspection schemes", Biometrika 41 (1954) 100-115.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from detectors.detector import State
from detectors.observation import NANOUSD_PER_USD
from detectors.ratio_channels import RATIOS, RatioChannel, Span, output_of
from detectors.ratio_memory import (
    ALLOWANCE,
    BAD_HITS,
    BAD_SINCE,
    BAD_TRIALS,
    CALM,
    COST,
    FIRED_AT,
    HITS,
    LIMIT,
    LOST,
    MADE,
    MOST_RECORD,
    OUTPUT,
    RECORD,
    RECORD_RATIO,
    SINCE,
    SPANS,
    SUM,
    TOKEN_CALLS,
    TRIALS,
    TRIED_AT,
    USUAL,
    WORST,
    Deviation,
    Memory,
    begun,
    deviation,
    learn,
    next_span,
)
from detectors.window import DAY_SECONDS, HOUR_SECONDS, Window

FIRST, CALLS, BAD, CHANNELS = range(4)
"""Of a state: start of the first window (epoch seconds, -1: none), calls ever made, how many ratios
are bad now, and per ratio an array, or ``None`` where nothing was ever counted."""

WARM_UP_SPANS = 12
WARM_UP_SECONDS = DAY_SECONDS
"""So many spans and so much time must be known first."""

CALM_DEVIATION = 1.0
CALM_SPANS = 2
"""So many spans below so many deviations, and an episode is over."""

SILENT_SECONDS = DAY_SECONDS
"""Without a trial for so long, nobody knows any more, and the episode is over."""

LONGEST_SECONDS = 7 * DAY_SECONDS
"""What has lasted for so long is the usual ratio now, whatever it costs: who has not mended it in a
week has heard of it every hour."""


class RatioConfig(BaseModel):
    """From when on a ratio of a scope has changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least_trials: int = Field(
        20, ge=5, description="Answers, calls and so on that a judged span has at least."
    )
    min_change: float = Field(
        0.1, gt=0, lt=1, description="Least change of a ratio that is news: 0.1 is from 90 to 80 %."
    )


class Change(StrEnum):
    """What a span did to an episode."""

    BEGAN = "began"
    GOES_ON = "goes_on"
    RECOVERED = "recovered"
    ABSORBED = "absorbed"
    NO_DATA = "no_data"


@dataclass(frozen=True, slots=True)
class RatioFinding:
    """A span of one ratio that is news.

    Attributes:
        channel: which ratio.
        change: what happened.
        span: the windows it was judged over.
        seen: the ratio in them, 0-1.
        trials: in them.
        usual: what was expected.
        lower: of three deviations around it.
        upper: likewise.
        score: 0-1; 0.5 is the threshold.
        started_at: of the episode, epoch seconds.
        cost_nanousd: spent in the span.
        lost_nanousd: of that, in vain beyond what is usual.
        lost_in_all_nanousd: the same of the whole episode.
        worst_nanousd_per_hour: the same of its worst span.
        fired_at: end of its first span, epoch seconds.
    """

    channel: RatioChannel
    change: Change
    span: Window
    seen: float
    trials: int
    usual: float
    lower: float
    upper: float
    score: float
    started_at: int
    cost_nanousd: int
    lost_nanousd: int
    lost_in_all_nanousd: int
    worst_nanousd_per_hour: int
    fired_at: int


def is_any_bad(state: State) -> bool:
    """Whether an episode goes on. Of an empty state: no."""
    return bool(state and state[BAD])


class RatioDetector:
    """Holds configuration; a scope's state is a plain list."""

    def __init__(
        self,
        config: RatioConfig,
        *,
        least_usd_per_hour: Decimal,
        absorb_after_seconds: int | None,
        absorb_max_nanousd_per_day: int,
    ) -> None:
        """From configuration.

        Args:
            config: how strictly.
            least_usd_per_hour: lost in vain, below which nothing is news.
            absorb_after_seconds: age of an episode at which its ratio becomes the usual one;
                ``None``: never.
            absorb_max_nanousd_per_day: lost a day, up to which it does.
        """
        self._config = config
        self._least = float(least_usd_per_hour) * NANOUSD_PER_USD
        self._absorb_after = absorb_after_seconds
        self._absorb_max = absorb_max_nanousd_per_day

    def fresh(self) -> State:
        """Nothing known."""
        return [-1, 0, 0, [None] * len(RATIOS)]

    def due_at(self, state: State) -> int | None:
        """The earliest end of a window that can end a span; ``None``: a window must come first."""
        starts = [each[SINCE] for each in state[CHANNELS] if each is not None and each[SINCE] >= 0]
        return int(min(starts)) + HOUR_SECONDS if starts else None

    def learn(
        self, state: State, window: Window, cost_nanousd: int, calls: int, beside: Sequence[int]
    ) -> list[RatioFinding]:
        """Count a closed window, judge the spans that end with it, and learn those.

        Args:
            state: the scope's.
            window: later than all before it.
            cost_nanousd: spent in it.
            calls: made in it.
            beside: its counters ``BESIDE``.

        Returns:
            What is news; nearly always nothing.
        """
        if state[FIRST] < 0:
            state[FIRST] = window.start_seconds
        found: list[RatioFinding] = []
        arrays, output = state[CHANNELS], output_of(beside)
        for index, channel in enumerate(RATIOS):
            each, hits = arrays[index], beside[channel.hit]
            if each is None:
                if hits <= 0:
                    continue
                each = arrays[index] = begun(
                    channel, state[FIRST], state[CALLS], window.start_seconds
                )
            trials = channel.trials_of(calls, beside)
            if trials > 0:
                if each[SINCE] < 0:
                    each[SINCE] = window.start_seconds
                each[HITS] += hits
                each[TRIALS] += trials
                each[MADE] += calls
                each[OUTPUT] += output
                each[TRIED_AT] = window.end_seconds
            if each[SINCE] >= 0:
                each[COST] += cost_nanousd
            news = self._judged(state, channel, each, window.end_seconds)
            if news is not None:
                found.append(news)
        state[CALLS] += calls
        return found

    def _judged(
        self, state: State, channel: RatioChannel, each: Memory, end: int
    ) -> RatioFinding | None:
        """The span, if it ends here."""
        is_bad = each[BAD_SINCE] >= 0
        trials = each[MADE] / TOKEN_CALLS if channel.of_tokens else each[TRIALS]
        is_over = each[SINCE] >= 0 and end - each[SINCE] >= HOUR_SECONDS
        if not (is_over and trials >= self._config.least_trials):
            if is_bad and end - each[TRIED_AT] >= SILENT_SECONDS:
                return self._ended(state, channel, each, end)
            return None
        span = Span(each[HITS], each[TRIALS], each[MADE], each[COST], each[OUTPUT])
        away = deviation(channel, each, span.ratio, trials)
        share = max(channel.lost_share(span, each[USUAL]), 0.0)
        lost = share * span.cost_nanousd
        pace = lost * HOUR_SECONDS / (end - each[SINCE])
        before, each[SUM] = each[SUM], max(each[SUM] + away.count - ALLOWANCE, 0.0)
        change: Change | None = None
        if is_bad:
            each[LOST] += lost
            each[WORST] = max(each[WORST], pace)
            each[BAD_HITS] += span.hits
            each[BAD_TRIALS] += span.trials
            each[CALM] = each[CALM] + 1 if away.count < CALM_DEVIATION else 0
            change = self._goes_on(each, end)
        elif end - state[FIRST] >= WARM_UP_SECONDS and self._is_news(channel, each, span, pace):
            each[RECORD] = max(each[RECORD], each[SUM])
            each[BAD_SINCE], each[FIRED_AT] = each[SINCE], end
            each[LOST], each[WORST], each[CALM] = lost, pace, 0
            each[BAD_HITS], each[BAD_TRIALS] = span.hits, span.trials
            state[BAD] += 1
            change = Change.BEGAN
        else:
            if away.count < ALLOWANCE:  # while the sum rises it need not exceed itself
                each[RECORD] = max(each[RECORD], before)
            learn(each, span.ratio, trials, away)
        finding = None
        if change is not None:
            finding = _finding(channel, each, span, away, change, end=end, lost=lost)
        next_span(each, end if channel.is_late else -1.0)
        if change in (Change.RECOVERED, Change.ABSORBED):
            _end_episode(state, each, is_absorbed=change is Change.ABSORBED)
        return finding

    def _is_news(self, channel: RatioChannel, each: Memory, span: Span, pace: float) -> bool:
        change = span.ratio - each[USUAL] if channel.rises else each[USUAL] - span.ratio
        limit = max(LIMIT, RECORD_RATIO * min(each[RECORD], MOST_RECORD))
        return (
            each[SPANS] >= WARM_UP_SPANS
            and each[SUM] > limit
            and change >= self._config.min_change
            and pace >= self._least
        )

    def _goes_on(self, each: Memory, end: int) -> Change:
        if each[CALM] >= CALM_SPANS:
            return Change.RECOVERED
        age = end - each[BAD_SINCE]
        if self._absorb_after is not None and age >= self._absorb_after:
            is_little = each[LOST] * DAY_SECONDS <= self._absorb_max * age
            if is_little or age >= max(LONGEST_SECONDS, self._absorb_after):
                return Change.ABSORBED
        return Change.GOES_ON

    def _ended(self, state: State, channel: RatioChannel, each: Memory, end: int) -> RatioFinding:
        """An episode that nobody knows anything of any more."""
        trials = max(each[BAD_TRIALS], 1.0)
        span = Span(each[BAD_HITS], trials, 0.0, 0.0, 0.0)
        each[SINCE] = each[TRIED_AT]
        away = deviation(channel, each, span.ratio, trials)
        finding = _finding(channel, each, span, away, Change.NO_DATA, end=end, lost=0.0)
        next_span(each)
        _end_episode(state, each, is_absorbed=False)
        return finding

    def snapshot(self, state: State) -> State:
        """As plain data: a ratio's figures as eight bytes each, without an episode's if none is."""
        return [*state[:CHANNELS], [each and _packed(each) for each in state[CHANNELS]]]

    def restore(self, plain: Sequence[Any]) -> State:
        """The state of a snapshot.

        Raises:
            ValueError: if it is not one.
        """
        try:
            first, calls, bad, rows = plain
            arrays = [None if row is None else _unpacked(row) for row in rows]
            figures = [int(first), int(calls), int(bad)]
        except (TypeError, ValueError) as error:
            raise ValueError("not a snapshot of the ratios") from error
        if len(arrays) != len(RATIOS):
            raise ValueError("not a snapshot of the ratios")
        return [*figures, arrays]


def _packed(each: Memory) -> bytes:
    return (each if each[BAD_SINCE] >= 0 else each[:BAD_SINCE]).tobytes()


def _unpacked(row: bytes) -> Memory:
    each = array("d", row)
    if len(each) == BAD_SINCE:
        each.extend([-1.0, *([0.0] * (BAD_TRIALS - BAD_SINCE))])
    if len(each) != BAD_TRIALS + 1:
        raise ValueError("not a ratio's figures")
    return each


def _finding(
    channel: RatioChannel,
    each: Memory,
    span: Span,
    away: Deviation,
    change: Change,
    *,
    end: int,
    lost: float,
) -> RatioFinding:
    usual = each[USUAL]
    return RatioFinding(
        channel=channel,
        change=change,
        span=Window(int(each[SINCE]), end),
        seen=span.ratio,
        trials=int(span.trials),
        usual=usual,
        lower=max(usual - 3.0 * away.one, 0.0),
        upper=min(usual + 3.0 * away.one, 1.0),
        score=each[SUM] / (each[SUM] + LIMIT),
        started_at=int(each[BAD_SINCE]),
        cost_nanousd=int(span.cost_nanousd),
        lost_nanousd=int(lost),
        lost_in_all_nanousd=int(each[LOST]),
        worst_nanousd_per_hour=int(each[WORST]),
        fired_at=int(each[FIRED_AT]),
    )


def _end_episode(state: State, each: Memory, *, is_absorbed: bool) -> None:
    if is_absorbed:
        each[USUAL] = min(each[BAD_HITS] / each[BAD_TRIALS], 1.0)
    each[BAD_SINCE] = -1.0
    each[FIRED_AT] = each[WORST] = each[SUM] = each[LOST] = each[CALM] = 0.0
    each[BAD_HITS] = each[BAD_TRIALS] = 0.0
    state[BAD] -= 1
