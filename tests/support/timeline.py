"""Virtual time around one scope's chain: what is spent when, and what is told because of it.

Stands in for WATCH: it keeps the watermark a minute behind the newest event and calls ``advance``
when the scope is due, exactly as the role does.
"""

from collections.abc import Mapping, Sequence

from alerting.alert import Alert, Transition
from alerting.exemplar import Exemplar
from alerting.watch.rules import RulesConfig
from alerting.watch.scope_watch import ScopeWatch
from detectors.observation import COST, NANOUSD_PER_USD, REQUESTS, Counts, zero_counts
from detectors.scope import Scope

LATENESS_SECONDS = 60

MONDAY = 1_699_833_600
"""2023-11-13T00:00:00Z, the start of a week, a day and a window."""


def counts_of(usd: float, requests: int = 1) -> Counts:
    """Amounts of one row."""
    counts = zero_counts()
    counts[COST] = round(usd * NANOUSD_PER_USD)
    counts[REQUESTS] = requests
    return counts


class Timeline:
    """One scope from its first call on; times are epoch seconds."""

    def __init__(self, scope: str = "agent:invoice-bot", config: RulesConfig | None = None) -> None:
        self.scope = Scope.parse(scope)
        self.watch = ScopeWatch(config or RulesConfig())
        self.state = self.watch.fresh(self.scope, 0)
        self.is_new = True
        self.now = 0
        self.watermark = -(2**53)
        self.alerts: list[Alert] = []

    def spend(
        self,
        at: int,
        usd: float,
        *,
        requests: int = 1,
        contributors: Sequence[tuple[str, str, float]] = (),
        is_late: bool = False,
        more: Mapping[int, int] | None = None,
        url: str | None = None,
    ) -> list[Alert]:
        """One row at an instant, ``more`` counters by place; what it and the time passed told.

        With a ``url`` it is one call, which can be looked at.
        """
        if self.is_new:
            self.state = self.watch.fresh(self.scope, at // 60)
            self.is_new = False
        self.now = max(self.now, at)
        counts = counts_of(usd, requests)
        for place, count in (more or {}).items():
            counts[place] = count
        told = self.watch.fold(
            self.state,
            at // 60,
            counts,
            [(dim, name, round(part * NANOUSD_PER_USD)) for dim, name, part in contributors],
            Exemplar(counts[COST], url) if url else None,
            is_late=is_late,
            watermark_seconds=self.watermark,
            newest_at=self.now,
        )
        self.alerts += told
        return told + self.reach(self.now - LATENESS_SECONDS)

    def reach(self, watermark: int) -> list[Alert]:
        """Let the watermark reach an instant."""
        told: list[Alert] = []
        self.watermark = max(self.watermark, watermark)
        while (due := self.watch.due_at(self.state)) is not None and due <= self.watermark:
            told += self.watch.advance(self.state, self.watermark)
            following = self.watch.due_at(self.state)
            assert following is None or following > self.watermark, "advance left something due"
        self.alerts += told
        return told

    def spend_steadily(
        self, start: int, end: int, usd_per_day: float, *, every: int = 60, **row: Sequence[object]
    ) -> list[Alert]:
        """The same amount again and again in ``[start, end)``."""
        told: list[Alert] = []
        for at in range(start, end, every):
            told += self.spend(at, usd_per_day * every / 86400, **row)  # type: ignore[arg-type] # tests' own
        return told

    def of(self, transition: Transition) -> list[Alert]:
        """Everything told of one kind, in order."""
        return [alert for alert in self.alerts if alert.transition is transition]
