"""What one delta partition knows, folded row by row into Python objects: simplest, and right.

The oracle that the columns of ``DeltaPartition`` are held to. It knows no pages, no restarts and no
numpy, and takes 100 us a row.
"""

from collections import defaultdict
from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Any

from alerting.alert import Alert
from alerting.watch.scope_watch import ScopeState, ScopeWatch
from detectors.observation import Counts, add_counts, zero_counts
from detectors.scope import DEFAULT_ENVIRONMENT, OTHER, Scope
from detectors.window import DAY_SECONDS, HOUR_SECONDS
from stream.delta import DeltaRow, Promise
from stream.watch.bounds import Bounds
from stream.watch.config import WatchRoleConfig
from stream.watch.pages import page_of
from stream.watch.watermark import WatermarkPolicy, WatermarkVector

BEFORE_ALL = -(2**53)


class RowByRow:
    """The state of the scopes of one delta partition."""

    def __init__(
        self,
        *,
        config: WatchRoleConfig,
        policy: WatermarkPolicy,
        watch: ScopeWatch,
        bounds: Bounds,
    ) -> None:
        self.applied = -1
        self.scopes: dict[str, ScopeState] = {}
        self.vector = WatermarkVector(policy)
        self.hours: dict[tuple[int, int], dict[str, Counts]] = {}
        self.days: dict[tuple[int, int], dict[str, Counts]] = {}
        self.touched: set[int] = set()
        self._config = config
        self._watch = watch
        self._bounds = bounds
        self._names: defaultdict[str, int] = defaultdict(int)
        self._others: defaultdict[str, int] = defaultdict(int)
        self._due: list[tuple[int, str]] = []
        self._due_of: dict[str, int] = {}
        self._newest_at = BEFORE_ALL
        self._held: frozenset[str] = frozenset()

    def fold(self, offset: int, promise: Promise, rows: Iterable[DeltaRow]) -> list[Alert]:
        if offset <= self.applied:
            return []
        rows, alerts = list(rows), list[Alert]()
        watermark = BEFORE_ALL if self.vector.current is None else self.vector.current
        on_time = (row.minute * 60 for row in rows if not row.is_late)
        self._newest_at = max(self._newest_at, max(on_time, default=BEFORE_ALL))
        newest_at = self._newest_at
        if newest_at == BEFORE_ALL:
            newest_at = max((row.minute * 60 for row in rows), default=BEFORE_ALL)
        for row in rows:
            text = self._admit(row.scope)
            self._count(text, row)
            state = self.scopes.get(text)
            if state is None:
                state = self._watch.fresh(Scope.parse(text), row.minute)
                self._watch.set_held(state, self._held)
                self._enter(text, state)
            alerts += self._watch.fold(
                state,
                row.minute,
                row.counts,
                row.contributors,
                row.exemplar,
                is_late=row.is_late,
                watermark_seconds=watermark,
                newest_at=newest_at,
            )
            self._touch(text, state)
        self._advance(promise, alerts)
        self.applied = offset
        return alerts

    def _count(self, text: str, row: DeltaRow) -> None:
        """Without a bound ahead of the front: the tests' events are never beyond it."""
        kept = self._config.keep_hours * HOUR_SECONDS, self._config.keep_days * DAY_SECONDS
        at = row.minute * 60
        for history, size, keep in (
            (self.hours, HOUR_SECONDS, kept[0]),
            (self.days, DAY_SECONDS, kept[1]),
        ):
            if self.vector.current is not None and at < self.vector.current - keep:
                continue
            page = history.setdefault(
                (page_of(text, self._config.history_pages), at - at % size), {}
            )
            add_counts(page.setdefault(text, zero_counts()), row.counts)

    def _admit(self, text: str) -> str:
        if text in self.scopes:
            return text
        kind, _, rest = text.partition(":")
        bound = self._bounds.of(kind)
        if self._names[kind] < bound:
            return text
        other = f"{kind}:{OTHER}"
        _, at, environment = rest.partition("@")
        of_environment = f"{other}{at}{environment}"
        if of_environment in self.scopes or self._others[kind] < bound:
            return of_environment
        return other

    def _enter(self, text: str, state: ScopeState) -> None:
        self.scopes[text] = state
        if not state.scope.is_other:
            self._names[state.scope.kind] += 1
        elif state.scope.environment != DEFAULT_ENVIRONMENT:
            self._others[state.scope.kind] += 1

    def _touch(self, text: str, state: ScopeState) -> None:
        self.touched.add(page_of(text, self._config.pages))
        due_at = self._watch.due_at(state)
        if due_at is None:
            self._due_of.pop(text, None)
        elif self._due_of.get(text) != due_at:
            self._due_of[text] = due_at
            heappush(self._due, (due_at, text))

    def _advance(self, promise: Promise, alerts: list[Alert]) -> None:
        before = self.vector.current
        watermark = self.vector.observe(
            promise.source, promise.watermark_seconds, is_idle=promise.is_idle
        )
        if watermark is None or watermark == before:
            return
        while self._due and self._due[0][0] <= watermark:
            due_at, text = heappop(self._due)
            if self._due_of.get(text) == due_at:
                del self._due_of[text]
                alerts += self._watch.advance(self.scopes[text], watermark)
                self._touch(text, self.scopes[text])
        if before is None or before // HOUR_SECONDS != watermark // HOUR_SECONDS:
            for history, size, keep in (
                (self.hours, HOUR_SECONDS, self._config.keep_hours),
                (self.days, DAY_SECONDS, self._config.keep_days),
            ):
                for place in [at for at in history if at[1] + size <= watermark - keep * size]:
                    del history[place]

    def hold(self, alert_ids: frozenset[str]) -> None:
        if alert_ids != self._held:
            self._held = alert_ids
            for text, state in self.scopes.items():
                self._watch.set_held(state, alert_ids)
                due_at = self._watch.due_at(state)
                if due_at is not None and self._due_of.get(text) != due_at:
                    self._due_of[text] = due_at
                    heappush(self._due, (due_at, text))

    def known(self) -> dict[str, Any]:
        """All that it knows: what ``tests.support.deltas.known`` says of a ``DeltaPartition``."""
        return {
            "applied": self.applied,
            "time": self.vector.snapshot(),
            "live": {
                text: self._watch.live_snapshot(state)
                for text, state in sorted(self.scopes.items())
            },
            "learned": {
                text: self._watch.profile_snapshot(state)
                for text, state in sorted(self.scopes.items())
            },
            "hours": dict(sorted(self.hours.items())),
            "days": dict(sorted(self.days.items())),
        }
