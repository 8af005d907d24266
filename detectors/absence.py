"""Absence: a scope that spends nothing in hours in which it always spends.

Hours without any spend are held against the lower edges of the same hours on other days, those that
drift holds their upper ones against: an agent of office hours may be silent at night, one that has
not missed a morning may not. Silence brings no rows, so it is looked at when hours end.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from detectors.detector import State
from detectors.observation import NANOUSD_PER_USD
from detectors.span_edges import Edge
from detectors.window import HOUR_SECONDS, Window

SILENT_FROM, ABSENT_SINCE, FIRED_AT, EXPECTED = range(4)
"""Of a state: end of the last window with spend (epoch seconds, -1: none yet); start of the absence
that was told (-1: none, ``ACCEPTED``: it was told and is normal now), when, and what its hours were
expected to cost, nano-dollars."""

ACCEPTED = -2

FIRST_LOOK_HOURS = 6
LAST_LOOK_HOURS = 80
"""Silence is looked at as hours end that lie so far behind the last spend: the shortest span that
has edges, and beyond the longest. What is not found by then never is."""

ACCEPTED_HOURS = 72
"""Who is silent for so long after it was told has been switched off: that is normal now."""

Edges = Callable[[int, int], Iterable[Edge]]
"""Takes the whole hours of a silence, and what they must usually cost at least, nano-dollars.
Returns what the spans that end with the last of them may cost."""

MissedFrom = Callable[[int, int, int], int | None]
"""Takes the first hour of a silence, the hour after its last, and what it must usually cost at
least, nano-dollars. Returns the end of the first of these hours that may be missed, epoch seconds,
or ``None``. ``Edges`` finds nothing of a silence that has not reached it."""


class AbsenceConfig(BaseModel):
    """From when on silence is news."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least_usd: Decimal = Field(
        Decimal("5.00"),
        gt=0,
        description="What the silent hours usually cost, at least; and the week before them.",
    )


class Presence(StrEnum):
    """What a window did to an absence."""

    GONE = "gone"
    BACK = "back"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class AbsenceFinding:
    """A silence that is news.

    Attributes:
        change: what happened.
        since: end of the last window with spend, epoch seconds.
        silent: the silent hours that were found; later, all of the silence.
        fired_at: when it was found, epoch seconds.
        expected_nanousd: what its hours usually cost, when it was found.
        lower_nanousd: their lower edge; 0 later.
    """

    change: Presence
    since: int
    silent: Window
    fired_at: int
    expected_nanousd: int
    lower_nanousd: int = 0


def is_absent(state: State) -> bool:
    """Whether a silence was told that goes on. Of an empty state: no."""
    return bool(state and state[ABSENT_SINCE] >= 0)


class AbsenceDetector:
    """Holds configuration; a scope's state is a plain list."""

    def __init__(self, config: AbsenceConfig) -> None:
        """From configuration."""
        self._least = int(config.least_usd * NANOUSD_PER_USD)

    def fresh(self) -> State:
        """Nothing spent yet."""
        return [-1, -1, 0, 0]

    def due_at(
        self, state: State, through: int, missed_from: MissedFrom | None = None
    ) -> int | None:
        """The end of the next hour at which silence may be news, if it lasts; ``None``: never.

        Args:
            state: the scope's.
            through: everything before it is learned, epoch seconds.
            missed_from: says in which hours there is nothing to look for: most scopes are silent
                every night, and a look takes 300 us. ``learn`` finds the same with it and without:
                no edges are found in the hours that it leaves out.
        """
        silent_from, absent_since = state[SILENT_FROM], state[ABSENT_SINCE]
        if silent_from < 0 or absent_since == ACCEPTED:
            return None
        following = (through // HOUR_SECONDS + 1) * HOUR_SECONDS
        if absent_since >= 0:
            return max(following, _whole_hour(state[FIRED_AT]) + ACCEPTED_HOURS * HOUR_SECONDS)
        first = _whole_hour(silent_from)
        due = max(following, first + FIRST_LOOK_HOURS * HOUR_SECONDS)
        last = first + LAST_LOOK_HOURS * HOUR_SECONDS
        if missed_from is not None and due <= last:
            missed = missed_from(first // HOUR_SECONDS, last // HOUR_SECONDS, self._least)
            if missed is None:
                return None
            due = max(due, missed)
        return due if due <= last else None

    def learn(
        self, state: State, window: Window, cost_nanousd: int, edges: Edges, *, is_held: bool
    ) -> AbsenceFinding | None:
        """Take a closed window into account, before anything else has learned it.

        Args:
            state: the scope's.
            window: later than all before it; of quiet ones those that ``due_at`` names are enough.
            cost_nanousd: spent in it.
            edges: asked for only where silence has lasted.
            is_held: an enforced action holds the scope down, so its silence says nothing.
        """
        end = window.end_seconds
        if cost_nanousd:
            was_absent = state[ABSENT_SINCE] >= 0
            finding = _told(state, Presence.BACK, window.start_seconds) if was_absent else None
            state[SILENT_FROM], state[ABSENT_SINCE] = end, -1
            return finding
        if is_held:
            state[SILENT_FROM] = end
            return None
        if end != self.due_at(state, window.start_seconds):
            return None
        if state[ABSENT_SINCE] >= 0:
            finding = _told(state, Presence.ACCEPTED, end)
            state[ABSENT_SINCE] = ACCEPTED
            return finding
        return self._looked(state, end, edges)

    def _looked(self, state: State, end: int, edges: Edges) -> AbsenceFinding | None:
        hours = (end - state[SILENT_FROM]) // HOUR_SECONDS
        missed = [
            edge
            for edge in edges(hours, self._least)
            if edge.hours <= hours
            and edge.lower_nanousd > 0
            and edge.expected_nanousd >= self._least
        ]
        if not missed:
            return None
        edge = max(missed, key=lambda each: each.expected_nanousd)
        state[ABSENT_SINCE], state[FIRED_AT] = state[SILENT_FROM], end
        state[EXPECTED] = edge.expected_nanousd
        return AbsenceFinding(
            Presence.GONE,
            state[SILENT_FROM],
            Window(end - edge.hours * HOUR_SECONDS, end),
            end,
            edge.expected_nanousd,
            edge.lower_nanousd,
        )

    def snapshot(self, state: State) -> State:
        """Plain numbers."""
        return list(state)

    def restore(self, plain: Sequence[Any]) -> State:
        """The state of a snapshot.

        Raises:
            ValueError: if it is not one.
        """
        try:
            silent_from, absent_since, fired_at, expected = map(int, plain)
        except (TypeError, ValueError) as error:
            raise ValueError("not a snapshot of an absence") from error
        return [silent_from, absent_since, fired_at, expected]


def _whole_hour(seconds: int) -> int:
    """The end of the hour that an instant lies in."""
    return -(-seconds // HOUR_SECONDS) * HOUR_SECONDS


def _told(state: State, change: Presence, end: int) -> AbsenceFinding:
    since = state[ABSENT_SINCE]
    return AbsenceFinding(change, since, Window(since, end), state[FIRED_AT], state[EXPECTED])
