"""One scope through the chain that ships, in virtual time: rows in, what is told out.

Stands in for WATCH as ``tests/support/timeline.py`` does, but for weeks of rows: the watermark is
as far behind the newest event as shipped, and ``advance`` is called when the scope is due. Every
row is judged when it comes, so an open window is looked at as early as its rows allow.
"""

import copy
from collections.abc import Sequence

from alerting.alert import CONTRIBUTOR, Alert, Severity, Status
from alerting.watch.scope_watch import ContributorRow, ScopeState, ScopeWatch
from detectors.observation import COST, Counts
from detectors.scope import Scope
from detectors.window import MINUTE_SECONDS
from stream.ingest.config import IngestConfig
from tests.evaluation.minutes import Minutes

LATENESS_SECONDS = IngestConfig().allowed_lateness_seconds
MONDAY = 1_699_833_600 // MINUTE_SECONDS
"""2023-11-13T00:00:00Z in epoch minutes: the start of a week."""

ContributorPart = tuple[str, str]


class ScopeRun:
    """One scope, from its first row on.

    Attributes:
        told: every transition so far; without contributors', which are told to nobody, unless
            all are asked for.
    """

    def __init__(
        self, watch: ScopeWatch, scope: str = "agent:invoice-bot", *, hears_all: bool = False
    ) -> None:
        self.told: list[Alert] = []
        self._hears_all = hears_all
        self._watch = watch
        self._scope = Scope.parse(scope)
        self._state: ScopeState | None = None
        self._newest_at = 0

    def fork(self) -> "ScopeRun":
        """The same past, another future."""
        other = copy.copy(self)
        other.told = list(self.told)
        other._state = copy.deepcopy(self._state)
        return other

    @property
    def is_calm(self) -> bool:
        """Whether no episode is open."""
        return not any(alert.kind != CONTRIBUTOR for alert in open_alerts(self.told))

    def row(self, at: int, counts: Counts, parts: Sequence[ContributorRow] = ()) -> list[Alert]:
        """Calls that ended at an instant (epoch seconds), and what they and the time told."""
        minute = at // MINUTE_SECONDS
        if self._state is None:
            self._state = self._watch.fresh(self._scope, minute)
        watermark = self._newest_at - LATENESS_SECONDS
        self._newest_at = max(self._newest_at, at)
        told = self._watch.fold(
            self._state,
            minute,
            counts,
            parts,
            is_late=False,
            watermark_seconds=watermark,
            newest_at=self._newest_at,
        )
        return self._keep(told) + self.reach(self._newest_at)

    def reach(self, at: int) -> list[Alert]:
        """Let it be that late, epoch seconds."""
        self._newest_at = max(self._newest_at, at)
        watermark = self._newest_at - LATENESS_SECONDS
        due = None if self._state is None else self._watch.due_at(self._state)
        if due is None or due > watermark:
            return []
        return self._keep(self._watch.advance(self._state, watermark))

    def minutes(self, minutes: Minutes, part: ContributorPart | None = None) -> list[Alert]:
        """Minute after minute, each told of when it is over.

        Args:
            minutes: what is spent.
            part: dimension and name of who spends it all, on a scope that has parts.
        """
        told: list[Alert] = []
        for minute, counts in minutes.rows():
            parts = () if part is None else ((*part, counts[COST]),)
            told += self.row(minute * MINUTE_SECONDS + MINUTE_SECONDS - 1, counts, parts)
        return told + self.reach((minutes.first + len(minutes)) * MINUTE_SECONDS - 1)

    def _keep(self, told: list[Alert]) -> list[Alert]:
        heard = [alert for alert in told if self._hears_all or alert.kind != CONTRIBUTOR]
        self.told += heard
        return heard


def is_page(alert: Alert) -> bool:
    """Whether somebody is paged, and something may be throttled."""
    return alert.severity is Severity.CRITICAL and alert.status is Status.FIRING


def open_alerts(told: Sequence[Alert]) -> list[Alert]:
    """The last word on each alert that is not resolved."""
    last = {alert.alert_id: alert for alert in told}
    return [alert for alert in last.values() if alert.status is not Status.RESOLVED]


def worst_by_episode(told: Sequence[Alert]) -> dict[str, tuple[int, Severity]]:
    """When each episode that fired began (epoch seconds), and the worst it was told as."""
    worst: dict[str, tuple[int, Severity]] = {}
    for alert in told:
        if alert.status is Status.FIRING:
            before = worst.get(alert.alert_id)
            if before is None or alert.severity.rank > before[1].rank:
                worst[alert.alert_id] = (alert.started_at, alert.severity)
    return worst
