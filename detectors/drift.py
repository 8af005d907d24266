"""Drift: more than usual for hours or days, though no single window is unusual.

Spans of six hours, a day and three days that end now are held against the same hours of other days:
``1.5`` times the usual for a day, or 5 % more each day, is inside the band of every five minutes.
How far a span may go follows from how far such spans went before from what was expected of them.
This file must not know severities; what one window alone may cost is ``spike.py``'s.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import log2
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from detectors import hour_ring
from detectors.calibration import DRIFT_SHARE
from detectors.detector import State
from detectors.hour_ring import COST, HOUR
from detectors.moved_hours import Moved, moved
from detectors.observation import NANOUSD_PER_USD
from detectors.same_hours import DAY_HOURS, FAR_NANOUSD, LENGTHS, WEEK_DAYS
from detectors.span_edges import Edge, EdgeFinder, Span
from detectors.window import HOUR_SECONDS, Window

DRIFT_SOURCE = "same_hours"

LATELY_HOURS = 2
"""Hours before the one going on that say whether a drift is over."""

CALL_GAIN = 0.02
"""Of an hour with calls in what a call usually costs: a memory of two days."""

RING, HOURS, REQUESTS, SPENT, CALLS, CALL_BEFORE = range(6)
"""Of a state: the ring of hours; what was found of the hour going on and of the next, which follows
from the rest and is in no snapshot; calls in the hour going on; means of nano-dollars and of calls
of hours with calls; and nano-dollars of a usual call when the hour before began."""


class DriftConfig(BaseModel):
    """How far a scope's last hours and days may lie above those of other days."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    false_notes_per_week: float = Field(
        0.05,
        gt=0,
        le=1,
        description="How often a week chance alone may make information of one scope.",
    )
    warning_usd: Decimal = Field(
        Decimal("10.00"),
        gt=0,
        description="Dollars above the usual, in all, from which a drift beyond chance is a "
        "warning.",
    )
    critical_usd: Decimal = Field(
        Decimal("50.00"), gt=0, description="The same, from which it pages and may throttle."
    )


@dataclass(slots=True)
class _Hour:
    """What is known of the spans that end with an hour.

    Attributes:
        number: of the hour.
        spent_nanousd: hours of a span to what it cost in those that are over.
        quiet_nanousd: below half of it, spent in the hour going on, no span may be news.
        room_nanousd: what that hour may cost, up to that, while none may be.
        edges: hours of a span to what it may cost; ``None``: nobody has asked yet.
        moved: what of them may be the usual of other hours; likewise.
    """

    number: int
    spent_nanousd: dict[int, int]
    quiet_nanousd: int
    room_nanousd: int
    edges: dict[int, Edge] | None
    moved: Moved | None = None


class DriftDetector:
    """Holds configuration; a scope's state is a ring of its hours (``hour_ring.py``)."""

    def __init__(
        self, config: DriftConfig, *, info_usd_per_hour: Decimal, chance_of_an_hour: float
    ) -> None:
        """From configuration.

        Args:
            config: how strictly.
            info_usd_per_hour: average pace above the expectation that an unusual span has at least.
            chance_of_an_hour: share of hours in which chance may pass a firm edge.
        """
        pace = int(info_usd_per_hour * NANOUSD_PER_USD)
        self._floors = {length.hours: pace * length.hours for length in LENGTHS}
        self.critical_nanousd = int(config.critical_usd * NANOUSD_PER_USD)
        week = WEEK_DAYS * DAY_HOURS
        self._finder = EdgeFinder(
            self._floors,
            int(config.warning_usd * NANOUSD_PER_USD),
            usual_a_week=config.false_notes_per_week,
            firm=DRIFT_SHARE * chance_of_an_hour * week,
        )

    def fresh(self) -> State:
        """Nothing known."""
        return [hour_ring.fresh(), {}, 0, 0.0, 0.0, 0.0]

    def learn(
        self,
        state: State,
        window: Window,
        cost_nanousd: int,
        requests: int,
        *,
        aside_nanousd: int,
        is_odd: bool,
    ) -> None:
        """Count a closed window.

        Args:
            state: the scope's.
            window: the one after the last.
            cost_nanousd: of it.
            requests: calls in it.
            aside_nanousd: of the cost, what is beyond the expectation of a window that was beyond
                chance by itself: it was told, and would keep its spans unusual for days.
            is_odd: whether it belongs to an episode.

        Raises:
            ValueError: if the window lies in an hour before the one going on.
        """
        hour = window.start_seconds // HOUR_SECONDS
        hour_ring.add(state[RING], hour, cost_nanousd, aside_nanousd, is_odd=is_odd)
        state[REQUESTS] += requests
        self._advance(state, window.end_seconds // HOUR_SECONDS)

    def skip(self, state: State, first: Window, count: int) -> None:
        """Let ``count`` windows without spend pass.

        Raises:
            ValueError: if they begin in an hour before the one going on.
        """
        if count:
            self._advance(state, first.start_seconds // HOUR_SECONDS)
            end = first.start_seconds + count * first.size_seconds
            self._advance(state, end // HOUR_SECONDS)

    def _advance(self, state: State, hour: int) -> None:
        """End the hours before one, and know better what a call costs."""
        ring, before = state[RING], _call(state)
        over, cost = ring[HOUR], ring[COST]
        hour_ring.advance(ring, hour)
        if hour == over:
            return
        if state[REQUESTS]:
            state[SPENT] += CALL_GAIN * (cost - state[SPENT])
            state[CALLS] += CALL_GAIN * (state[REQUESTS] - state[CALLS])
            state[REQUESTS] = 0
        state[CALL_BEFORE] = before if hour == over + 1 else _call(state)
        known = state[HOURS].get(hour)
        state[HOURS] = {} if known is None else {hour: self._summed(state, hour, known.edges)}

    def leave_out(self, state: State, since_seconds: int, nanousd: int, *, at_seconds: int) -> None:
        """Let an excess that people were told of, and that is over, make no span dear any more.

        Args:
            state: the scope's.
            since_seconds: when it began at the earliest, epoch seconds.
            nanousd: how much it was.
            at_seconds: the end of the last window learned, epoch seconds.
        """
        ring, since = state[RING], since_seconds // HOUR_SECONDS
        passed = at_seconds / HOUR_SECONDS - ring[HOUR]
        hour_ring.leave_out(ring, since, nanousd, days=WEEK_DAYS, passed=passed)
        state[HOURS].clear()

    def accept(self, state: State, nanousd_per_hour: int, hours: int) -> None:
        """Take the pace of the last hours for the new level: what was usual grows to it.

        Args:
            state: the scope's.
            nanousd_per_hour: the pace.
            hours: over so many; the same ones of the last week say what was usual.
        """
        ring = state[RING]
        usual = hour_ring.usual_pace(ring, hours, days=WEEK_DAYS)
        if usual and nanousd_per_hour:
            hour_ring.scale(ring, log2(nanousd_per_hour / usual))
            state[HOURS].clear()

    # -- asking ------------------------------------------------------------------------------

    def spans(self, state: State, open_nanousd: int) -> list[Span]:
        """The spans that end with the open window, if any is dear enough to be news.

        Args:
            state: the scope's; all windows before the open one are learned.
            open_nanousd: spent in the open window.
        """
        ring = state[RING]
        hour, now = self._hour(state, ring[HOUR]), hour_ring.spent_now(ring)
        if 2 * (now + open_nanousd) < hour.quiet_nanousd:
            return []
        edges = self._edges(state, hour)
        if hour.moved is None:
            expected = {hours: edge.expected_nanousd for hours, edge in edges.items()}
            hour.moved = moved(ring, expected, hour.spent_nanousd)
        elsewhen = hour.moved
        day = edges.get(DAY_HOURS)
        of_day = hour.spent_nanousd[DAY_HOURS] + now + open_nanousd - elsewhen.early_nanousd
        is_usual = day is not None and of_day <= day.upper_nanousd
        return [
            Span(
                edge,
                hour.spent_nanousd[hours] + now,
                hour_ring.set_aside(ring, hours),
                hour_ring.told_of(ring, hours),
                elsewhen.forgiven(hours, is_usual_day=is_usual),
            )
            for hours, edge in edges.items()
        ]

    def left(self, state: State, open_nanousd: int, *, to_critical: bool = False) -> int:
        """What the open window may cost, up to that, with no span being news.

        At least so much: edges are looked for only where there may be news.

        Args:
            state: the scope's; all windows before the open one are learned.
            open_nanousd: spent in the open window.
            to_critical: news is only what is critical.
        """
        hour = self._hour(state, state[RING][HOUR])
        return self._left(state, hour, open_nanousd, to_critical=to_critical)

    def room(self, state: State) -> tuple[int, int]:
        """What windows may cost together, up to that, with no span being news; and until when.

        Returns:
            Nano-dollars, and the end of the next hour, epoch seconds.
        """
        first = state[RING][HOUR]
        hours = [self._hour(state, each) for each in (first, first + 1)]
        left = min(self._left(state, each, 0, to_critical=False) for each in hours)
        return left, (first + 2) * HOUR_SECONDS

    def _left(self, state: State, hour: "_Hour", open_nanousd: int, *, to_critical: bool) -> int:
        """A span may be news that has half of the least excess that is.

        Of most scopes none has: then the answer is one difference. It is asked for three times as a
        window ends; span by span that was 6 us, of 75 in all for a young scope.
        """
        now, least = hour_ring.spent_now(state[RING]), FAR_NANOUSD
        if 2 * (now + open_nanousd) < hour.quiet_nanousd:
            return max(hour.room_nanousd - now, 0)
        for hours, before in hour.spent_nanousd.items():
            spent = before + now
            limit = self._floors[hours]
            if 2 * (spent + open_nanousd) >= limit:
                edge = self._edges(state, hour).get(hours)
                if edge is None:
                    continue
                limit = edge.upper_nanousd
                if to_critical:  # what was set aside counts in what is lost, not in what is news
                    lost = self.critical_nanousd - hour_ring.set_aside(state[RING], hours)
                    limit = max(edge.firm_nanousd, edge.expected_nanousd + lost - 1)
            least = min(least, limit - spent)
        return max(least, 0)

    def is_back(
        self, state: State, edge: Edge, window: Window, cost_nanousd: int, *, is_going_on: bool
    ) -> bool:
        """Whether what was spent lately is usual, however dear the span still is.

        A span may stay dear for days after what made it so is over. The last two or three hours
        are held against what the span is expected to cost, in the shape of its days: a drift goes
        on while they cost more, and begins only where they are as far above it as the edge is.
        The hour going on has a shape, too: without it the first minutes of a nightly job, after two
        hours of little, woke people for what a stuck job had cost a day before.

        Args:
            state: the scope's; all windows before this one are learned.
            edge: the span's.
            window: the newest.
            cost_nanousd: of it.
            is_going_on: whether a drift has begun.
        """
        ring = state[RING]
        limit = edge.expected_nanousd if is_going_on else edge.upper_nanousd
        hours = LATELY_HOURS, window.end_seconds / HOUR_SECONDS - ring[HOUR]
        span = hour_ring.usual_pace(ring, min(edge.hours, DAY_HOURS), days=WEEK_DAYS, last=0)
        before = hour_ring.usual_pace(ring, LATELY_HOURS, days=WEEK_DAYS, otherwise=span)
        now = hour_ring.usual_pace(ring, 1, days=WEEK_DAYS, last=0, otherwise=before)
        usual = hours[0] * before + hours[1] * now if span else sum(hours)
        lately = hour_ring.spent_lately(ring, LATELY_HOURS) + cost_nanousd
        return lately * (span or 1) * edge.hours <= limit * usual

    def edges(self, state: State) -> Iterable[Edge]:
        """Of the spans that end with the hour going on."""
        return self._edges(state, self._hour(state, state[RING][HOUR])).values()

    def missed_from(self, state: State, first: int, stop: int, least_nanousd: int) -> int | None:
        """When hours without spend may be the first time unlike those of the week before.

        Args:
            state: the scope's.
            first: the first of them, at most the one after the hour going on.
            stop: the hour before which the answer is looked for.
            least_nanousd: who spent less in the week before the first of them is missed by nobody.

        Returns:
            The end of the first hour that was not silent a week before, epoch seconds; ``None``:
            there is none.
        """
        levels = hour_ring.levels_of(state[RING], first - WEEK_DAYS * DAY_HOURS, first)
        silent = len(levels) - len(levels.lstrip(b"\0"))
        if silent >= stop - first or hour_ring.nanousd_of(levels) < least_nanousd:
            return None
        return (first + silent + 1) * HOUR_SECONDS

    def edges_of_silence(self, state: State, hours: int, least_nanousd: int) -> Iterable[Edge]:
        """Of the spans that end with the hour going on, if nothing was spent for so many hours.

        There are none where those hours of the week before were silent, too: edges take 300 us, and
        all agents of office hours are silent every night.

        Args:
            state: the scope's.
            hours: whole ones without spend; of longer spans no edge is found.
            least_nanousd: as in ``missed_from``.
        """
        now = state[RING][HOUR]
        if self.missed_from(state, now + 1 - hours, now + 1, least_nanousd) is None:
            return ()
        hour = self._hour(state, now)
        if hour.edges is not None:
            return hour.edges.values()
        return self._finder.find(state[RING], now, state[CALL_BEFORE], longest=hours).values()

    # -- what is usual -----------------------------------------------------------------------

    def _hour(self, state: State, number: int) -> "_Hour":
        known: dict[int, _Hour] = state[HOURS]
        found = known.get(number)
        if found is None:
            found = known[number] = self._summed(state, number, None)
        return found

    def _summed(self, state: State, number: int, edges: dict[int, Edge] | None) -> "_Hour":
        ring = state[RING]
        spent = {each.hours: hour_ring.spent_before(ring, each.hours, number) for each in LENGTHS}
        quiet = min([floor - 2 * spent[hours] for hours, floor in self._floors.items()])
        room = min([floor - spent[hours] for hours, floor in self._floors.items()])
        return _Hour(number, spent, quiet, min(room, FAR_NANOUSD), edges)

    def _edges(self, state: State, hour: "_Hour") -> dict[int, Edge]:
        if hour.edges is None:
            is_now = hour.number == state[RING][HOUR]
            call = state[CALL_BEFORE] if is_now else _call(state)
            hour.edges = self._finder.find(state[RING], hour.number, call)
        return hour.edges

    def snapshot(self, state: State) -> State:
        """As plain data: the ring's, then four numbers."""
        return [*hour_ring.snapshot(state[RING]), *state[REQUESTS:]]

    def restore(self, plain: Sequence[Any]) -> State:
        """The state of a snapshot.

        Raises:
            ValueError: if it is not one.
        """
        ring, figures = plain[: len(hour_ring.fresh())], plain[len(hour_ring.fresh()) :]
        try:
            requests, spent, calls, before = figures
            counted = [int(requests), float(spent), float(calls), float(before)]
        except (TypeError, ValueError) as error:
            raise ValueError("not a snapshot of the drift detector") from error
        return [hour_ring.restore(ring), {}, *counted]


def _call(state: State) -> float:
    """Nano-dollars of a usual call."""
    return state[SPENT] / state[CALLS] if state[CALLS] else 0.0
