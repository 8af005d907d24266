"""Everything one scope goes through: counted, judged, told, learned; the chain WATCH folds into.

The worker on Kafka, the backtest over a file and the tests run this very code. It must not know
pages, topics or clocks: rows and watermarks are handed in, transitions are handed out. What is
decided is a function of the rows' windows and the watermark, never of how rows were batched.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from alerting.alert import Alert
from alerting.rules import WatchConfig
from detectors.observation import Counts, zero_counts
from detectors.scope import Scope

ContributorRow = tuple[str, str, int]
"""Dimension, name, nano-dollars; ``stream.records.Contributor`` is one."""


@dataclass(slots=True)
class ScopeState:
    """What is known of one scope; made by ``ScopeWatch`` and changed only by it.

    Readable by anyone:

    Attributes:
        scope: whom it is about.
        totals: every row ever folded, late ones included, in the order of ``COUNTERS``.
        first_minute: earliest minute seen, epoch minutes.
        last_minute: latest minute seen, epoch minutes.
        late_rows: rows that INGEST marked late: in the totals and the budgets, never judged.
        skipped_rows: rows not marked late whose window was already closed here (their input lags
            by more than the allowed skew): in the totals and the budgets, never judged.
    """

    scope: Scope
    first_minute: int
    last_minute: int
    totals: Counts = field(default_factory=zero_counts)
    late_rows: int = 0
    skipped_rows: int = 0


class ScopeWatch:
    """The chain of one scope. One object serves all scopes: it holds configuration, no state.

    For every row of a delta, in any order: ``fold``. Whenever the watermark has passed
    ``due_at(state)``: ``advance``. Both return the transitions to tell, in order; WATCH has them
    acknowledged by the broker before it writes the page that remembers them.
    """

    def __init__(self, config: WatchConfig) -> None:
        self.config = config

    def fresh(self, scope: Scope, minute: int) -> ScopeState:
        """The state of a scope first seen in ``minute`` (epoch minutes)."""
        raise NotImplementedError

    def fold(
        self,
        state: ScopeState,
        minute: int,
        counts: Counts,
        contributors: Sequence[ContributorRow] = (),
        *,
        is_late: bool,
        watermark_seconds: int,
        newest_at: int,
    ) -> list[Alert]:
        """Count one row; judge the open window and the budgets.

        Args:
            state: the scope's, changed in place.
            minute: of the row, epoch minutes.
            counts: the row's amounts; not kept.
            contributors: the row's largest, per dimension; not kept.
            is_late: INGEST's flag.
            watermark_seconds: WATCH's watermark before this delta; a row whose window ends at or
                before it is counted, never judged. Any value at or before the first row's minute
                stands for "none yet".
            newest_at: newest event time in the log so far, epoch seconds; only for ``decided_at``
                and the pace of an open window.

        Returns:
            Transitions to tell now; nearly always empty.
        """
        raise NotImplementedError

    def advance(self, state: ScopeState, watermark_seconds: int) -> list[Alert]:
        """Close every window that ends at or before the watermark; judge the one then open.

        Windows without rows are learned as zeros, lazily: calling this on a quiet scope does
        nothing, and calling it seldom gives the same as calling it often.
        """
        raise NotImplementedError

    def due_at(self, state: ScopeState) -> int | None:
        """The earliest watermark at which ``advance`` can do something; ``None`` if a row must come
        first. It changes with ``fold``, ``advance`` and ``set_held``.
        """  # noqa: D205 - one sentence
        raise NotImplementedError

    def set_held(self, state: ScopeState, alert_ids: frozenset[str]) -> None:
        """Say which of all alerts an enforced throttle action holds down now.

        A held alert does not resolve, and nothing is learned while one is.
        """
        raise NotImplementedError

    def live_snapshot(self, state: ScopeState) -> list[Any]:
        """What must be durable soon, as plain data for msgpack (ints, floats, str, None, lists)."""
        raise NotImplementedError

    def profile_snapshot(self, state: ScopeState) -> list[Any]:
        """What is learned, as plain data; its first element is ``through`` (epoch seconds)."""
        raise NotImplementedError

    def profile_durable(self, state: ScopeState, through: int) -> None:
        """Say that a profile snapshot whose first element is ``through`` is durable.

        From the next ``live_snapshot`` on, the windows it has absorbed are left out.
        """
        raise NotImplementedError

    def restore(
        self, scope: Scope, live: Sequence[Any], profile: Sequence[Any] | None
    ) -> ScopeState:
        """The state of two snapshots, going on exactly as if there had been no restart.

        The profile may be older than ``live`` or newer, as long as it is not older than the last
        ``profile_durable`` before ``live`` was taken.

        Raises:
            ValueError: if the snapshots do not fit together or are not of this version.
        """
        raise NotImplementedError
