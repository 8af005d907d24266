"""How far above its band one scope goes now and then: from which excess on it is beyond chance.

A band says what is unusual; for a client that is idle for days and then busy, the unusual is
weekly. So the excess of a scope's windows, minutes and hours, in widths of the band, and the calls
of its busiest minute are remembered hour by hour: where a fifth of the hours with spend lie above,
and how the rest of the tail falls off. From that follow the *firm* edges, which one hour in so many
passes by chance. Below them nobody is woken. This file must not know dollars or severities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from math import exp, expm1, log
from typing import Any

from detectors.detector import State
from detectors.signal import Band
from detectors.window import HOUR_SECONDS, MINUTE_SECONDS, Window

# Measured 2026-11-25 with the bands of spike.py's table, floors of $10 an hour for a window and $25
# for a minute, one hour in a million; ServeGen clients at $100 a day, second week, episodes a
# scope-week by activity (> 90 %, 10-90 %, < 10 % of the time): 0.27, 2.1, 3.0 by the band alone;
# 0.11, 0.14, 0.44 beyond the firm edges, three in four of the last about newborns, who are judged
# by the cold-start pace. Days 11 to 14: 0.10, 0.20, 0.05 without them. They were looked at while
# settings were chosen, so none of these figures is held out.

FIRST_HOUR, HOUR, BUSY_HOURS, LARGEST, IS_ODD, CHANNELS, KNOWN = range(7)
"""Of a state: first hour learned (-1: none), the hour going on, hours with spend, the largest
excess of any window in nano-dollars, whether the hour going on teaches nothing, per channel a list,
and the edges found last, which follow from the rest and are in no snapshot: for which hour, while
which one was going on, and per channel an edge in widths of the band."""

PEAK, LOUD_HOUR, LEVEL, MEAN, SQUARE, COUNT = range(6)
"""Of a channel: excess in the hour going on in widths of the band, the largest or the sum (-1: no
spend), the last hour beyond its edge, logarithm of the level that ``ABOVE`` of the busy hours pass,
mean and mean square of the logarithms of those above it over that level, and their number."""

_NOTHING_KNOWN: tuple[int, int, list[float]] = (-1, -1, [])

ABOVE = 0.2
"""Share of the busy hours taken for the tail. 0.1 leaves too few of a sparse scope: the edge of one
that makes twenty calls a day was twice as high."""

MEMORY = 200
"""Hours of the tail that count: six weeks of a scope that is always busy."""

LEVEL_GAIN = 0.02
LEVEL_HASTE = 3.0
"""How fast the level moves: ``LEVEL_HASTE / (busy hours + 2 LEVEL_HASTE)``, at least the gain."""

MOST_AT_ONCE = 2.0
YOUNG_MOST_AT_ONCE = 0.5
YOUNG_HOURS = 24
"""One hour stretches the tail by at most ``e ** 2`` times the level; on the first day, whose bands
are not its own yet, by much less: 20 $5 calls a day had an hour's edge of $520 by it, not $361."""

RECORD_RATIO = 2
"""Times the largest excess ever seen that a window may reach, if that is far in dollars."""

PRIOR_COUNT = 5.0
PRIOR_BUSY_MEAN = 0.4
PRIOR_IDLE_MEAN = 1.0
PRIOR_SQUARE = 1.6
"""What is thought of a tail before it is seen: worth so many hours, of such a mean for a scope that
is always busy and for one that hardly ever is, and of ``1.6 mean ** 2``. It fades as ``5 / (5 +
seen)``: kept whole, it made the edges of steady scopes a third wider after two weeks. With one mean
for all, 0.8, an agent on its second day leaked five times as much."""

NO_SHAPE = 1e-9
"""In place of zero, where the quotient's limit is the logarithm."""

FEW_CALLS = 2
"""Calls more than the edge says that a minute may have: of a scope that makes one call an hour."""

MOST_CALLS = 10**9
"""No edge of calls is higher."""

LARGEST_NANOUSD = 10**15
"""No edge is higher: a million dollars in one window."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One of the quantities whose excess is remembered.

    Attributes:
        shift: added to the excess, in widths of the band, before its logarithm is taken: it keeps
            the noise of small excesses from looking like a long tail.
        level: the logarithm that the level starts from.
        share: of the allowed chance.
        shortest: the least shape of the falling part: fits to some hundred values are often shorter
            by chance.
    """

    shift: float
    level: float
    share: float
    shortest: float


WINDOWS = Channel(shift=1.0, level=0.2, share=0.1, shortest=-0.3)
MINUTES = Channel(shift=0.05, level=-0.9, share=0.65, shortest=-0.3)
HOURS = Channel(shift=6.0, level=1.9, share=0.1, shortest=-0.3)
CALLS = Channel(shift=2.0, level=2.0, share=0.1, shortest=-0.1)
ALL = (WINDOWS, MINUTES, HOURS, CALLS)
_PLACE_OF_HOURS = ALL.index(HOURS)
DRIFT_SHARE = 0.05
"""The shares, with ``drift.py``'s, are a weighted minimum: all are far from independent.
Calls and minutes stop a runaway of cheap calls, minutes one of dear ones; windows are for scopes of
few dear calls; hours, the sum of their windows' excess, for those whose single windows prove
nothing: without them a scope of $5 calls at $100 a day spent $17,000 a day for as long as one
looked. The hours' shift is half a width a window: with 1 the 95th percentile of their edge was $84
for $0.005 calls, not $41, and $348 for noisy ones, not $80. Least shapes: with -0.6 steady scopes
cried five times as often as with -0.3; with -0.1 the edge of minutes is twice as far, and that of
calls still near."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The firm edges of one scope's bands, from how far its hours went beyond them.

    With ``y`` the logarithms of the tail's values over the level, ``m`` and ``s`` their mean and
    mean square: the shape is ``m + 1 - 0.5 / (1 - m * m / s)`` (the last two limited), and the
    edge that one hour in ``1 / p`` passes is ``level * (1 + m * (1 - falling) * (r ** shape - 1) /
    shape)`` with ``r = ABOVE * busy share / p``. A long tail shows in ``m``, a short one in the
    falling part, so one formula serves a steady agent and a nightly batch.

    It is told of the windows that were unusual, too. Of hours beyond the edge in a row only the
    first counts, so that a runaway of hours is one surprise, not many.

    Attributes:
        chance: allowed share of hours that pass an edge though nothing is wrong.
        far_nanousd: excess of a window that is beyond chance for who was never seen near it. Of a
            young or sparse scope the tail alone would let thousands of dollars pass: with $42 its
            second and third day leak $42, for 5 alarms more in 36 weeks of sparse ServeGen clients.

    Sources:
        Dekkers, Einmahl, de Haan, "A moment estimator for the index of an extreme-value
        distribution", Annals of Statistics 17 (1989).
    """

    chance: float
    far_nanousd: int

    def fresh(self) -> State:
        """Nothing learned."""
        return [
            -1,
            -1,
            0,
            0,
            False,
            [[-1.0, -1, channel.level, 0.0, 0.0, 0.0] for channel in ALL],
            _NOTHING_KNOWN,
        ]

    def edges(self, state: State, band: Band, window: Window) -> tuple[int, int, int]:
        """What is no chance: more nano-dollars of a window, more of a minute, more calls of one."""
        of_windows, of_minutes, _, of_calls = self._edges(state, window)
        width = band.upper_nanousd - band.expected_nanousd
        minutes = window.size_seconds // MINUTE_SECONDS
        firm = min(of_windows * width, max(self.far_nanousd, RECORD_RATIO * state[LARGEST]))
        return (
            int(min(band.expected_nanousd + firm, LARGEST_NANOUSD)),
            int(min(band.expected_nanousd // minutes + of_minutes * width, LARGEST_NANOUSD)),
            int(min(of_calls, MOST_CALLS)) + FEW_CALLS,
        )

    def left_of_hour(self, state: State, band: Band, window: Window) -> int:
        """Nano-dollars of a window with which its hour passes the edge of hours.

        All windows before it are learned, or were left out.
        """
        left = self._edges(state, window)[_PLACE_OF_HOURS]
        if window.start_seconds // HOUR_SECONDS == state[HOUR]:
            left -= max(state[CHANNELS][_PLACE_OF_HOURS][PEAK], 0.0)
        width = band.upper_nanousd - band.expected_nanousd
        return int(min(band.expected_nanousd + max(left, 0.0) * width, LARGEST_NANOUSD))

    def learn(
        self,
        state: State,
        band: Band,
        window: Window,
        cost_nanousd: int,
        minute: Sequence[int],
        *,
        is_odd: bool = False,
    ) -> None:
        """Take one closed window into account, its dearest minute's cost and its busiest's calls.

        An odd one counts in its hour, for as long as that goes on, and the hour teaches nothing.

        Raises:
            ValueError: if the window lies in an hour before the one going on.
        """
        self._advance(state, window.start_seconds // HOUR_SECONDS)
        state[IS_ODD] = state[IS_ODD] or is_odd
        if not cost_nanousd:
            return
        minute_nanousd, minute_calls = minute
        width = max(band.upper_nanousd - band.expected_nanousd, 1)
        minutes = window.size_seconds // MINUTE_SECONDS
        excess = max((cost_nanousd - band.expected_nanousd) / width, 0.0)
        quick = max((minute_nanousd - band.expected_nanousd // minutes) / width, 0.0)
        state[LARGEST] = max(state[LARGEST], cost_nanousd - band.expected_nanousd)
        of_windows, of_minutes, of_hours, of_calls = state[CHANNELS]
        of_windows[PEAK] = max(of_windows[PEAK], excess)
        of_minutes[PEAK] = max(of_minutes[PEAK], quick)
        of_hours[PEAK] = max(of_hours[PEAK], 0.0) + excess
        of_calls[PEAK] = max(of_calls[PEAK], float(minute_calls))

    def skip(self, state: State, first: Window, count: int) -> None:
        """Let ``count`` windows without spend pass.

        Raises:
            ValueError: if they begin in an hour before the one going on.
        """
        if count:
            self._advance(state, first.start_seconds // HOUR_SECONDS)
            last = first.start_seconds + (count - 1) * first.size_seconds
            self._advance(state, last // HOUR_SECONDS)

    def _advance(self, state: State, hour: int) -> None:
        over = state[HOUR]
        if hour == over:
            return
        if hour < over:
            raise ValueError(f"hour {hour} comes before hour {over}, already going on")
        state[HOUR] = hour
        is_odd, state[IS_ODD] = state[IS_ODD], False
        if over < 0:
            state[FIRST_HOUR] = hour
            return
        channels = state[CHANNELS]
        if channels[0][PEAK] < 0.0:
            return
        if is_odd:
            for figures in channels:
                figures[PEAK] = -1.0
            return
        share = self._busy_share(state, over)
        busy = state[BUSY_HOURS] = state[BUSY_HOURS] + 1
        gain = max(LEVEL_HASTE / (busy + 2 * LEVEL_HASTE), LEVEL_GAIN)
        most = YOUNG_MOST_AT_ONCE if over < state[FIRST_HOUR] + YOUNG_HOURS else MOST_AT_ONCE
        for channel, figures in zip(ALL, channels, strict=True):
            if figures[PEAK] > self._edge(channel, figures, share):
                is_repeated = figures[LOUD_HOUR] == over - 1
                figures[LOUD_HOUR] = over
            else:
                is_repeated = False
            if not is_repeated:
                _stretch(figures, log(figures[PEAK] + channel.shift), gain, most)
            figures[PEAK] = -1.0

    def _busy_share(self, state: State, hour: int) -> float:
        """The part of the hours before one that had spend; one more of each is assumed."""
        busy: int = state[BUSY_HOURS]
        hours = hour - state[FIRST_HOUR] if state[FIRST_HOUR] >= 0 else 0
        return min((busy + 1.0) / (hours + 1.0), 1.0)

    def _edges(self, state: State, window: Window) -> list[float]:
        """Per channel, in widths of the band; the same for all windows of an hour.

        Found for each window, they were 4 of the 45 us in which a window is learned.
        """
        hour = window.start_seconds // HOUR_SECONDS
        of_hour, while_hour, edges = state[KNOWN]
        if (of_hour, while_hour) != (hour, state[HOUR]):
            share = self._busy_share(state, hour)
            edges = list(map(self._edge, ALL, state[CHANNELS], repeat(share)))
            state[KNOWN] = hour, state[HOUR], edges
        found: list[float] = edges
        return found

    def _edge(self, channel: Channel, state: State, share: float) -> float:
        """Excess in widths of the band."""
        level: float = state[LEVEL]
        mean: float = state[MEAN]
        square: float = state[SQUARE]
        count: float = state[COUNT]
        prior = PRIOR_COUNT * PRIOR_COUNT / (PRIOR_COUNT + count)
        usual = PRIOR_BUSY_MEAN * share + PRIOR_IDLE_MEAN * (1.0 - share)
        mean = (count * mean + prior * usual) / (count + prior)
        square = (count * square + prior * PRIOR_SQUARE * usual * usual) / (count + prior)
        falling = 1.0 - 0.5 / max(1.0 - mean * mean / square, 1e-3)
        falling = min(max(falling, channel.shortest), 0.0)
        shape = (mean + falling) or NO_SHAPE
        rarity = max(log(ABOVE * share / (self.chance * channel.share)), 0.0)
        stretch = 1.0 + mean * (1.0 - falling) * expm1(shape * rarity) / shape
        return exp(level) * stretch - channel.shift

    def snapshot(self, state: State) -> State:
        """Five figures, then each channel's six."""
        return [*state[:CHANNELS], *chain.from_iterable(state[CHANNELS])]

    def restore(self, snapshot: Sequence[Any]) -> State:
        """The state of a snapshot.

        Raises:
            ValueError: if it is not one.
        """
        try:
            first, hour, busy, largest, is_odd, *figures = snapshot
            channels = []
            size = COUNT + 1
            for place in range(len(ALL)):
                peak, loud, level, mean, square, count = figures[place * size : (place + 1) * size]
                channels.append([float(peak), int(loud), *map(float, (level, mean, square, count))])
            numbers = map(int, (first, hour, busy, largest))
            return [*numbers, bool(is_odd), channels, _NOTHING_KNOWN]
        except (TypeError, ValueError) as error:
            raise ValueError("not a snapshot of a calibration") from error


def _stretch(channel: State, value: float, gain: float, most: float) -> None:
    """Learn the logarithm of one hour's excess: it moves the level, or the tail above it too."""
    above = value - channel[LEVEL]
    if above <= 0:
        channel[LEVEL] -= gain * ABOVE
        return
    channel[LEVEL] += gain * (1 - ABOVE)
    above = min(above, most)
    channel[COUNT] = min(channel[COUNT] + 1.0, MEMORY)
    channel[MEAN] += (above - channel[MEAN]) / channel[COUNT]
    channel[SQUARE] += (above * above - channel[SQUARE]) / channel[COUNT]
