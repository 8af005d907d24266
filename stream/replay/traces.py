"""What some scopes spent and what was expected of them, window by window, from a second reading.

A backtest keeps no past: which scopes matter is known at its end. So the file is read again, and of
all its rows only those of the wanted scopes are judged, by the same code. This file must not draw.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from alerting.watch.learning import Turn
from alerting.watch.lesson import Lesson
from alerting.watch.scope_judge import ScopeJudge
from alerting.watch.scope_state import Learned, Row, ScopeState
from alerting.watch.scope_watch import ScopeWatch
from detectors.scope import Scope
from detectors.signal import Band
from detectors.window import DAY_SECONDS, HOUR_SECONDS
from stream.config import Settings
from stream.ingest.combine import PieceRow
from stream.replay.file_ingest import FileIngest
from stream.replay.stretch import Stretch
from stream.replay.summary import IncidentSummary

LEAST_BEFORE_SECONDS = HOUR_SECONDS
MOST_BEFORE_SECONDS = 12 * HOUR_SECONDS
AFTER_SECONDS = HOUR_SECONDS
LONGEST_SECONDS = 2 * DAY_SECONDS
"""What is looked at of an incident: as much before it as it lasted, and no week of it."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Seen:
    """One closed window.

    Attributes:
        start: epoch seconds.
        cost_nanousd: spent in it.
        band: what was expected; None while warming up.
    """

    start: int
    cost_nanousd: int
    band: Band | None


@dataclass(slots=True)
class _Wanted:
    spans: list[Span] = field(default_factory=list)
    seen: dict[int, Seen] = field(default_factory=dict)

    def take(self, seen: Seen) -> None:
        if any(start <= seen.start < end for start, end in self.spans):
            self.seen[seen.start] = seen


class _TracingWatch(ScopeWatch):
    """Judges as WATCH does, and notes every window before it is learned."""

    def __init__(self, settings: Settings, wanted: Mapping[str, _Wanted]) -> None:
        super().__init__(settings.rules, is_durable=False)
        self._wanted = wanted

    def _learn(
        self, judge: ScopeJudge, learned: Learned, state: ScopeState, row: Row
    ) -> list[Turn]:
        found: list[Turn] = []
        count = row[1] if row[0] == Lesson.QUIET else 1
        for _ in range(count):  # quiet windows one by one: each has a band of its own
            cost = 0 if row[0] == Lesson.QUIET else row[1]
            self._wanted[str(state.scope)].take(Seen(learned.through, cost, learned.band))
            one = [row[0], 1] if row[0] == Lesson.QUIET else row
            found += super()._learn(judge, learned, state, one)
        return found


def span_of(incident: IncidentSummary) -> Span:
    """The time of an incident that is looked at, epoch seconds."""
    start = incident.started_at
    before = min(max(LEAST_BEFORE_SECONDS, incident.ended_at - start), MOST_BEFORE_SECONDS)
    return start - before, min(incident.ended_at + AFTER_SECONDS, start + LONGEST_SECONDS)


def traces_of(
    settings: Settings, incidents: Sequence[IncidentSummary], lines: Iterable[bytes]
) -> dict[str, Sequence[Seen]]:
    """The windows around each incident of the scope that it is named after, by incident id.

    Args:
        settings: of the backtest.
        incidents: what it found.
        lines: of the same file.
    """
    wanted: dict[str, _Wanted] = {}
    for each in incidents:
        wanted.setdefault(each.scope, _Wanted()).spans.append(span_of(each))
    _Tracing(settings, wanted).run(lines)
    traces: dict[str, Sequence[Seen]] = {}
    for each in incidents:
        start, end = span_of(each)
        seen = wanted[each.scope].seen
        traces[each.incident_id] = [seen[at] for at in sorted(seen) if start <= at < end]
    return traces


class _Tracing:
    """One reading."""

    def __init__(self, settings: Settings, wanted: Mapping[str, _Wanted]) -> None:
        self._ingest = FileIngest(settings)
        self._watch = _TracingWatch(settings, wanted)
        self._wanted = wanted
        self._states: dict[str, ScopeState] = {}
        self._watermark: int | None = None

    def run(self, lines: Iterable[bytes]) -> None:
        last_at = 0
        for stretch in self._ingest.feed(lines):
            rows_by_step = self._rows(stretch)
            for step, newest_at in enumerate(stretch.newest_at, stretch.first_step):
                last_at = newest_at
                for row in rows_by_step.get(step, ()):
                    self._fold(row, newest_at)
            self._pass_time(stretch.watermark_seconds)
        self._pass_time(last_at + AFTER_SECONDS)

    def _rows(self, stretch: Stretch) -> Mapping[int, Sequence[PieceRow]]:
        if stretch.rows_by_step is None:
            return stretch.events.rows_by_step(self._wanted)
        return {
            step: [row for row in rows if row.row.scope in self._wanted]
            for step, rows in stretch.rows_by_step.items()
        }

    def _fold(self, piece: PieceRow, newest_at: int) -> None:
        row = piece.row
        state = self._states.get(row.scope)
        if state is None:
            state = self._watch.fresh(Scope.parse(row.scope), row.minute)
            self._states[row.scope] = state
        self._watch.fold(
            state,
            row.minute,
            row.counts,
            row.contributors,
            is_late=row.is_late,
            watermark_seconds=0 if self._watermark is None else self._watermark,
            newest_at=newest_at,
        )

    def _pass_time(self, watermark: int | None) -> None:
        if watermark is None or watermark == self._watermark:
            return
        self._watermark = watermark
        for state in self._states.values():
            self._watch.advance(state, watermark)
