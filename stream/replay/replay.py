"""The whole chain over a file, without Kafka: backtests, tests, demos.

The same code as on Kafka, from the bytes of an event to the alert, with the same number of
partitions and the same placement of keys, so that the same events give the same alerts. Event
time is the only time: the wall clock that DECIDE asks for is how far the file has come. This file
must not decide anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from alerting.alert import ABSENCE, NO_OVERSPEND, Alert, Status, nanousd
from alerting.decide.decider import Decider
from alerting.decide.ledger import Outcome
from alerting.throttle.action import Mode, ThrottleAction, target_key
from alerting.throttle.leak import leak_when_applied
from alerting.watch.part_names import NameBook
from alerting.watch.scope_watch import ScopeWatch
from stream.canary import is_canary_row, split_rows
from stream.config import Settings
from stream.delta import NO_ROWS, Promise
from stream.derived_settings import bounds_of, watermark_policy
from stream.ingest.combine import PieceRow
from stream.replay.file_ingest import FileIngest
from stream.replay.file_partition import FilePartition, Quiet
from stream.replay.intake import Intake
from stream.replay.stretch import Stretch
from stream.watch.queries import SpendPart

FEW_SCOPES = 32
"""So few scopes of a partition close their windows one by one, and none on paper: in a sparse file
their next rows are folded one by one, too. 40,000 events of 20 agents took 20 s so, 22 with 8."""

LONG_KINDS = NO_OVERSPEND | {"budget"}
"""Kinds whose alerts are not waited for at the end: they end with a period or after a day."""

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

    def __init__(
        self, settings: Settings, ingest: FileIngest | None = None, *, is_durable: bool = False
    ) -> None:
        """From configuration.

        Args:
            settings: what is watched and how strictly.
            ingest: another run's, that what was read once is judged several times; the settings
                must differ in ``rules``, ``incidents`` and ``throttle`` alone.
            is_durable: whether its states will be compared with those of workers; else the windows
                that those would write, a kilobyte each, are not kept.
        """
        self.ingest = FileIngest(settings) if ingest is None else ingest
        self.result = ReplayResult(self.ingest.intake)
        watch = ScopeWatch(settings.rules, is_durable=is_durable)
        # The inputs' common watermark is found once for all partitions; they hear of it as of one.
        policy = watermark_policy(settings, 1)
        book = NameBook()
        self.partitions = [
            FilePartition(
                number,
                incarnation="replay",
                config=settings.watch,
                policy=policy,
                watch=watch,
                bounds=bounds_of(settings),
                book=book,
                few=FEW_SCOPES,
            )
            for number in range(settings.topics.deltas_partitions)
        ]
        self._decider = Decider(settings.incidents, settings.throttle)
        self._window_seconds = settings.rules.window_seconds
        self._lateness_seconds = settings.ingest.allowed_lateness_seconds
        self._offset = 0
        self._newest_at: int | None = None

    @classmethod
    def several(cls, settings: Sequence[Settings]) -> list["Replay"]:
        """Runs over one file that is read once; feed them with ``feed_together``."""
        first = cls(settings[0])
        return [first, *(cls(each, first.ingest) for each in settings[1:])]

    def feed(self, lines: Iterable[bytes]) -> None:
        """Take events in the order of the log; blank lines are none."""
        self.feed_together([self], lines)

    @staticmethod
    def feed_together(replays: Sequence["Replay"], lines: Iterable[bytes]) -> None:
        """Give the same events to all of ``several``."""
        for stretch in replays[0].ingest.feed(lines):
            for replay in replays:
                replay.take(stretch)

    def take(self, stretch: Stretch) -> None:
        """Fold and judge what ``ingest`` made of some lines."""
        quiet: dict[int, Quiet] = {}
        rows_by_step = stretch.rows_by_step
        if rows_by_step is None:
            rows_by_step, quiet = self._sift(stretch)
        signals, newest_at = list[Alert](), self._newest_at or 0
        last = stretch.first_step + len(stretch.newest_at) - 1
        for step, newest_at in enumerate(stretch.newest_at, stretch.first_step):
            rows = rows_by_step.get(step, ())
            signals = self._fold(rows, newest_at)
            if step < last and (signals or not self._decider.is_idle):
                self._decide(signals, newest_at)
        for number, each in quiet.items():
            self.partitions[number].count(self._offset, each, newest_at)
        for number, corrections in stretch.corrections.items():
            self.partitions[number].fold_each(self._offset, corrections, newest_at)
        if stretch.newest_at:  # one tick a step: a second one may decide what waits for the next
            self._decide(signals + self._pass_time(stretch.watermark_seconds), newest_at)

    def _sift(self, stretch: Stretch) -> tuple[Mapping[int, list[PieceRow]], dict[int, Quiet]]:
        """The rows by step of scopes that there may be news of, and all others' as they are."""
        found: dict[int, Quiet] = {}
        loud = set[str]()
        for number, every in stretch.events.rows().items():
            rows, _ = split_rows(every)
            quiet = self.partitions[number].quiet(rows)
            if quiet is None:
                loud.update(row.scope for row in rows)
            else:
                found[number] = quiet
                loud |= quiet.loud
        return stretch.events.rows_by_step(loud) if loud else {}, found

    def _fold(self, rows: Iterable[PieceRow], newest_at: int) -> list[Alert]:
        signals: list[Alert] = []
        for number, each in groupby(rows, key=attrgetter("partition")):
            some = [row.row for row in each if not is_canary_row(row.row)]
            if some:
                signals += self.partitions[number].fold_each(self._offset, some, newest_at)
        return signals

    def _pass_time(self, watermark: int | None) -> list[Alert]:
        promise = Promise("file", watermark, is_idle=False)
        signals: list[Alert] = []
        for partition in self.partitions:
            signals += partition.fold(self._offset, promise, NO_ROWS)
        self._offset += 1
        return signals

    def _decide(self, signals: list[Alert], newest_at: int) -> None:
        """Hand signals to DECIDE; the wall clock that it asks for is how far the file has come."""
        self.result.signals += signals
        self._newest_at = newest_at
        for alert in signals:
            self._keep(self._decider.on_signal(alert, float(newest_at)))
        self._keep(self._decider.on_tick(float(newest_at), newest_at - self._lateness_seconds))

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
        if self._newest_at is None:
            return self.result
        start = self._newest_at - self._lateness_seconds
        start = max(start, self.partitions[0].vector.current or start)
        for step in range(SETTLE_WINDOWS):
            at = start + (step + 1) * self._window_seconds
            told = [each for each in self._pass_time(at) if each.kind != ABSENCE]  # nobody knows
            self._decide(told, at + self._lateness_seconds)
            if not self._open_alerts():
                break
        return self.result

    def _open_alerts(self) -> set[str]:
        """Anomalies that still fire and are waited for."""
        firing: dict[str, Alert] = {}
        for alert in self.result.signals:
            firing[alert.fingerprint] = alert
        return {
            fingerprint
            for fingerprint, alert in firing.items()
            if alert.status is not Status.RESOLVED and alert.kind not in LONG_KINDS
        }

    @property
    def span(self) -> tuple[int, int] | None:
        """Event time of the first event and after the last one, to the minute, epoch seconds."""
        return self.result.intake.span

    def spend(self, kind: str, span: tuple[int, int] | None) -> list[SpendPart]:
        """What the scopes of a kind spent, as the workers' tables say it."""
        return [
            (scope, *row)
            for partition in self.partitions
            for scope, row in partition.spend(kind, span).items()
        ]
