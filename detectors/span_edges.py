"""How far a span of hours may go: the guesses of ``same_hours.py`` as edges in nano-dollars.

The edges of an hour follow from the hours that were over one hour before it and from what a call
costs, so they may be found then or later. This file must not judge.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np

from detectors import hour_ring
from detectors.detector import State
from detectors.hour_ring import FIRST_HOUR, LONGEST_SPAN_HOURS
from detectors.same_hours import (
    DAY_HOURS,
    DAYS_BACK,
    LEAST_DAYS,
    LENGTHS,
    PRIOR_COUNT,
    Days,
    Length,
    Past,
)

SEEN_RATIO = 1.25
"""Of what was seen more than once: a weekly job of an hour is nothing new."""

FIRM_FREEDOM = 14
"""Degrees of freedom at most for a firm edge: far out, real days have longer tails than a normal
distribution's. With all of them 2 more of 37 always busy ServeGen clients paged in a week, with 14
or 10 one; three times the usual for a day pages half of simulated scopes with 14, none with 10."""

CALL_VARIANCE = 1.6
"""Of a sum of calls, in mean calls: 1 for their number, 0.6 for log-normal sizes of spread 0.7."""

STEADY_CALLS = 15
"""Of a span of fewer calls nothing may be left by chance: of 6 calls, that is one span in 400."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What a span may cost, fixed before its last hour began.

    Attributes:
        hours: its length.
        expected_nanousd: of all of it.
        upper_nanousd: above it is unusual.
        firm_nanousd: above it chance is ruled out.
        lower_nanousd: below it is unusual, too; 0 where nothing is not, or was seen a week before.
    """

    hours: int
    expected_nanousd: int
    upper_nanousd: int
    firm_nanousd: int
    lower_nanousd: int


@dataclass(frozen=True, slots=True)
class Span:
    """A span that ends with the hour going on.

    Attributes:
        edge: what it may cost.
        spent_nanousd: of it before the open window, without what was set aside or told.
        aside_nanousd: what was.
        told_nanousd: what was told of and is over.
        forgiven_nanousd: an excess up to it is the usual of other hours.
    """

    edge: Edge
    spent_nanousd: int
    aside_nanousd: int = 0
    told_nanousd: int = 0
    forgiven_nanousd: int = 0

    def is_moved(self, open_nanousd: int) -> bool:
        """Whether it has more than usual only because other hours have less.

        Args:
            open_nanousd: spent in the open window.
        """
        excess = self.spent_nanousd + open_nanousd - self.edge.expected_nanousd
        return excess <= self.forgiven_nanousd


class EdgeFinder:
    """Finds edges; holds configuration.

    In logarithms, a span is expected to be the mean of those of the last seven days, or of the same
    weekday's, or of what came before it on other days on top of the last 24 hours: whichever has
    missed by the least. The spread is what it missed by on the days known, with a prior worth
    ``PRIOR_COUNT`` days; the edges are Student's t of as many degrees of freedom. Since a slow
    creep teaches all of these, three days are also held against days 8 to 21.

    Sources:
        Prediction from few values by Student's t: Hahn, Meeker, "Statistical Intervals" (1991),
        chapter 4.
    """

    def __init__(
        self, floors: Mapping[int, int], warning_nanousd: int, *, usual_a_week: float, firm: float
    ) -> None:
        """From configuration.

        Args:
            floors: hours of a span to the excess that is usual in any case, nano-dollars.
            warning_nanousd: excess that is not firm in any case.
            usual_a_week: how often a week chance may pass an upper edge.
            firm: likewise a firm one.
        """
        self._floors = floors
        self._warning = warning_nanousd
        self._quantiles = {
            (length.hours, is_lagged): (
                _quantiles(usual_a_week * share / length.a_week),
                _quantiles(firm * share / length.a_week),
            )
            for length in LENGTHS
            for is_lagged, share in ((False, length.share), (True, length.lagged_share))
            if share
        }

    def find(
        self, ring: State, hour: int, call: float, *, longest: int = LONGEST_SPAN_HOURS
    ) -> dict[int, Edge]:
        """The edges of spans that end with an hour, from what was over an hour before it.

        Args:
            ring: of a scope's hours.
            hour: the last of each span.
            call: nano-dollars of a usual call.
            longest: hours; longer spans are left out.
        """
        if not ring[hour_ring.LEVELS] or hour - ring[FIRST_HOUR] < LEAST_DAYS * DAY_HOURS:
            return {}
        sums, odd, first = hour_ring.sums_until(ring, hour)
        past = Past(sums.astype(np.float64), odd, first)
        edges: dict[int, Edge] = {}
        for length in LENGTHS:
            days = past.days(length) if length.hours <= longest else None
            if days is None:
                continue
            edge = self._edge(length, days, call, is_lagged=False)
            if edge is not None and length.lagged_share:
                lagged = self._edge(length, days, call, is_lagged=True)
                if lagged is not None and lagged.upper_nanousd < edge.upper_nanousd:
                    edge = lagged
            if edge is not None:
                edges[length.hours] = edge
        return edges

    def _edge(self, length: Length, days: Days, call: float, *, is_lagged: bool) -> Edge | None:
        lagged = days.lagged_guess(length) if is_lagged else None
        guesses = [lagged] if lagged else [] if is_lagged else days.guesses(length)
        if not guesses:
            return None
        usual, firm = self._quantiles[length.hours, is_lagged]
        best = min(guesses, key=lambda each: each.spread * usual[each.freedom])
        expected = days.nanousd(best.centre)
        spread = max(best.spread, sqrt(CALL_VARIANCE * call / max(expected, 1)))
        near, far = spread * usual[best.freedom], spread * firm[min(best.freedom, FIRM_FREEDOM)]
        lower, upper = days.nanousd(best.centre - near), days.nanousd(best.centre + near)
        beyond = days.nanousd(best.centre + far)
        known = int(SEEN_RATIO * days.seen_nanousd)
        upper = max(upper, expected + self._floors[length.hours], known)
        firm_edge = max(beyond, upper, expected + self._warning)
        is_steady = expected >= STEADY_CALLS * call
        low = days.if_seen_last_week(lower) if is_steady else 0
        return Edge(length.hours, expected, upper, firm_edge, low)


def _quantiles(chance: float) -> list[float]:
    """Student's t that is passed with that chance, by degrees of freedom."""
    from scipy.special import stdtrit  # noqa: PLC0415  0.5 s of every start, for WATCH alone

    freedom = np.arange(1, round(PRIOR_COUNT) + DAYS_BACK + 1)
    passed: list[float] = (-stdtrit(freedom, min(chance, 0.5))).tolist()
    return [passed[0], *passed]
