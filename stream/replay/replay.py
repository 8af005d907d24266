"""The whole chain over a file, without Kafka: backtests, tests, demos.

The same code as on Kafka, from the bytes of an event to the alert, with the same number of
partitions and the same placement of keys, so that the same events give the same alerts. Event
time is the only time: the wall clock that DECIDE asks for is how far the file has come. This file
must not decide anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from alerting.alert import Alert, Status, nanousd
from alerting.decide.decider import Decider
from alerting.decide.ledger import Outcome
from alerting.throttle.action import Mode, ThrottleAction, target_key
from alerting.throttle.leak import leak_when_applied
from alerting.watch.scope_watch import ScopeWatch
from detectors.window import MINUTE_SECONDS
from stream.canary import split_rows
from stream.config import Settings
from stream.delta import NO_ROWS
from stream.derived_settings import bounds_of, watermark_policy
from stream.replay.file_ingest import FileDelta, FileIngest, Intake
from stream.watch.partition import DeltaPartition
from stream.watch.queries import SpendPart

SETTLE_WINDOWS = 288
"""After the end of the file time runs on for at most a day of five-minute windows."""


@dataclass(slots=True)
class ReplayResult:
    """What a replay came to.

    Attributes:
        intake: what INGEST found out: statistics, totals, dead letters.
        alerts: every transition that DECIDE told, in order.
        signals: every transition of single scopes, before grouping, in order.
        actions: every throttle action it would have issued, in order, dry runs among them.
        enforced: ids of those that were none.
        leaked_nanousd: incident to the excess that was spent before its first action.
    """

    intake: Intake
    alerts: list[Alert] = field(default_factory=list)
    signals: list[Alert] = field(default_factory=list)
    actions: list[ThrottleAction] = field(default_factory=list)
    enforced: set[str] = field(default_factory=set)
    leaked_nanousd: dict[str, int] = field(default_factory=dict)


class Replay:
    """One run of the chain; feed it once, then settle it."""

    def __init__(self, settings: Settings) -> None:
        self._ingest = FileIngest(settings)
        self.result = ReplayResult(self._ingest.intake)
        watch = ScopeWatch(settings.rules)
        policy = watermark_policy(settings, settings.topics.usage_events_partitions)
        self.partitions = [
            DeltaPartition(
                number,
                incarnation="replay",
                config=settings.watch,
                policy=policy,
                watch=watch,
                bounds=bounds_of(settings),
            )
            for number in range(settings.topics.deltas_partitions)
        ]
        self._decider = Decider(settings.incidents, settings.throttle)
        self._window_seconds = settings.rules.window_seconds
        self._lateness_seconds = settings.ingest.allowed_lateness_seconds
        self._delta_offset = 0
        self._head: int | None = None

    def feed(self, lines: Iterable[bytes]) -> None:
        """Take events in the order of the log; blank lines are none."""
        for delta in self._ingest.feed(lines):
            self._take(delta)

    def _take(self, delta: FileDelta) -> None:
        signals: list[Alert] = []
        for partition in self.partitions:
            rows, _ = split_rows(delta.rows.get(partition.partition, NO_ROWS))
            signals += partition.fold(self._delta_offset, delta.promise, rows)
        self._delta_offset += 1
        self._decide(signals)

    def _decide(self, signals: list[Alert]) -> None:
        self.result.signals += signals
        marks = self._ingest.watermarks
        if marks:
            # On Kafka an input without events keeps up with the clock; here the one that is ahead
            # stands for it.
            self._advance(marks[-1])
        for alert in signals:
            self._keep(self._decider.on_signal(alert, self._wall(alert.decided_at)))
        if self._head is not None:
            self._keep(self._decider.on_tick(self._wall(self._head), self._head))

    def _advance(self, watermark: int) -> None:
        self._head = watermark if self._head is None else max(self._head, watermark)

    def _wall(self, otherwise: int) -> float:
        """How far the file has come: what a watermark holds back is its allowed lateness."""
        return float(otherwise if self._head is None else self._head + self._lateness_seconds)

    def _keep(self, outcome: Outcome) -> None:
        self.result.alerts += outcome.alerts
        self.result.enforced.update(action.action_id for action in outcome.actions)
        actions = [*outcome.actions, *outcome.shadow]
        self.result.actions += actions
        for action in actions:
            self._note_leak(action)

    def _note_leak(self, action: ThrottleAction) -> None:
        if action.mode is Mode.RELEASE or action.incident_id in self.result.leaked_nanousd:
            return
        ask = self._decider.ledger.target(target_key(action.target)).asks.get(action.incident_id)
        if ask is not None:
            leak = leak_when_applied(ask, action.issued_at, action.issued_at)
            self.result.leaked_nanousd[action.incident_id] = nanousd(leak["leaked_usd"])

    def settle(self) -> ReplayResult:
        """Let time run on until open alerts settle, and return what came of it all."""
        watermark = self.partitions[0].vector.current
        marks = self._ingest.watermarks
        start = max((at for at in [watermark, *marks] if at is not None), default=None)
        for step in range(SETTLE_WINDOWS if start is not None else 0):
            at = (start or 0) + (step + 1) * self._window_seconds
            for delta in self._ingest.promises(at):
                self._take(delta)
            self._advance(at)
            if not self._open_alerts():
                break
        return self.result

    def _open_alerts(self) -> set[str]:
        """Anomalies that still fire; a budget's alert lasts until its period ends."""
        firing: dict[str, Alert] = {}
        for alert in self.result.signals:
            firing[alert.fingerprint] = alert
        return {
            fingerprint
            for fingerprint, alert in firing.items()
            if alert.status is not Status.RESOLVED and alert.kind != "budget"
        }

    @property
    def span(self) -> tuple[int, int] | None:
        """Event time of the first event and after the last one, to the minute, epoch seconds."""
        states = [state for each in self.partitions for state in each.scopes.values()]
        if not states:
            return None
        return (
            min(state.first_minute for state in states) * MINUTE_SECONDS,
            (max(state.last_minute for state in states) + 1) * MINUTE_SECONDS,
        )

    def spend(self, kind: str, span: tuple[int, int] | None) -> list[SpendPart]:
        """What the scopes of a kind spent, as the workers' tables say it."""
        return [
            (scope, *row)
            for partition in self.partitions
            for scope, row in partition.spend(kind, span).items()
        ]
