"""What is known of one scope.

It is written in two forms. The *live* one is small and written often: totals, unclosed windows,
episodes, budget periods, and the closed windows that no durable profile has absorbed yet. The
*profile* is what was learned. This file only holds; ``scope_rows.py`` encodes, ``scope_watch.py``
decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import add
from typing import Any

from alerting.alert import Severity, Transition
from alerting.exemplar import Exemplar, dearer
from alerting.watch.judgement import NO_MORE, Spend, Trigger
from alerting.watch.lesson import Lesson
from alerting.watch.lifecycle import Episode
from alerting.watch.rules import BudgetRule
from detectors.attribution import Parts
from detectors.budget import Budget
from detectors.detector import State
from detectors.observation import BESIDE, COST, REQUESTS, Counts, zero_counts
from detectors.scope import Scope
from detectors.signal import Band

UNBORN = -1
"""``open_start`` of a scope none of whose windows the watermark has reached."""

Row = list[Any]
"""Plain data: None, bool, int, float, str, bytes, and lists and dicts of these."""


@dataclass(slots=True)
class Cell:
    """One unclosed window.

    Attributes:
        cost_nanousd: spent in it so far.
        requests: calls in it so far.
        last_minute: latest minute seen in it, epoch minutes.
        amounts: spent in each of its minutes, calls in each, then the counters ``BESIDE``.
        parts: who spent it, as far as rows said; ``None`` if none did.
        exemplar: the dearest call in it that can be looked at; ``None``: none can.
    """

    cost_nanousd: int
    requests: int
    last_minute: int
    amounts: list[int]
    parts: Parts | None = None
    exemplar: Exemplar | None = None

    @property
    def spend(self) -> Spend:
        """What is judged of it."""
        minutes = self._minutes
        dearest, busiest = max(self.amounts[:minutes]), max(self.amounts[minutes : 2 * minutes])
        return Spend(self.cost_nanousd, dearest, self.requests, busiest)

    @property
    def _minutes(self) -> int:
        return (len(self.amounts) - len(BESIDE)) // 2

    @property
    def beside(self) -> list[int]:
        """The counters ``BESIDE``."""
        return self.amounts[-len(BESIDE) :]

    def add(self, minute: int, counts: Counts, parts: Iterable[tuple[str, str, int]]) -> None:
        """Count one row."""
        self.cost_nanousd += counts[COST]
        self.requests += counts[REQUESTS]
        minutes = self._minutes
        self.amounts[minute % minutes] += counts[COST]  # windows divide an hour
        self.amounts[minutes + minute % minutes] += counts[REQUESTS]
        place = 2 * minutes
        for counter in BESIDE:  # most are 0
            if counts[counter]:
                self.amounts[place] += counts[counter]
            place += 1
        self.last_minute = max(self.last_minute, minute)
        if parts:
            into = self.parts
            if into is None:
                into = self.parts = {}
            for dimension, name, amount in parts:
                names = into.setdefault(dimension, {})
                names[name] = names.get(name, 0) + amount

    def show(self, exemplar: Exemplar | None) -> None:
        """Keep the dearer: whatever is counted, it is one a window."""
        self.exemplar = dearer(self.exemplar, exemplar)

    def take(self, last_minute: int, cost_nanousd: int, requests: int, amounts: list[int]) -> None:
        """Count rows added up."""
        self.cost_nanousd += cost_nanousd
        self.requests += requests
        self.last_minute = max(self.last_minute, last_minute)
        self.amounts = list(map(add, self.amounts, amounts))


@dataclass(slots=True)
class Track:
    """One rule's alert about one scope; there is none while all is calm.

    Attributes:
        episode: as of the last closed window; ``None``: only the open window was anomalous so far.
        told: what was already told of the open window.
        told_severity: the highest severity told of the episode.
        told_at: event time at which firing was told early.
        parts: who spent in the episode, from its first to its last anomalous window.
        parts_calm: who spent in the calm windows since.
        amounts: calls and the counters ``BESIDE``, in the windows of ``parts``; empty: not known.
        amounts_calm: likewise of ``parts_calm``.
        recent: cost and calls of the last closed windows, oldest first, for absorbing.
        exemplar: the dearest of the episode's anomalous windows that are closed.
    """

    episode: Episode | None = None
    told: frozenset[Transition] = frozenset()
    told_severity: Severity | None = None
    told_at: int = 0
    parts: Parts = field(default_factory=dict)
    parts_calm: Parts = field(default_factory=dict)
    amounts: list[int] = field(default_factory=list)
    amounts_calm: list[int] = field(default_factory=list)
    recent: list[tuple[int, int]] = field(default_factory=list)
    exemplar: Exemplar | None = None


@dataclass(slots=True)
class PeriodSpend:
    """One budget's period.

    Attributes:
        end_seconds: first second after it.
        spent_nanousd: so far.
        levels_told: how many of the budget's levels, lowest first.
        fired_at: event time at which the highest of them was crossed.
        days_told: how many days of the period are over whose figure need not be told any more.
        told_nanousd: the figure of the last of them that was told.
        by_day: what was spent on each day that is not over, counted from the period's start.
    """

    end_seconds: int
    spent_nanousd: int = 0
    levels_told: int = 0
    fired_at: int = 0
    days_told: int = 0
    told_nanousd: int = 0
    by_day: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class BudgetAccount:
    """One budget of one scope.

    Attributes:
        rule: as configured.
        budget: with the scope's own amount; shared by scopes of the same amount.
        periods: the unfinished periods with money in them, by start.
    """

    rule: BudgetRule
    budget: Budget
    periods: dict[int, PeriodSpend] = field(default_factory=dict)


@dataclass(slots=True)
class Learned:
    """What was learned of a scope's closed windows, and the bands fixed by it.

    Attributes:
        through: everything before it (epoch seconds) is learned or was left out.
        spike: the EWMA's state.
        calibration: how far the windows went beyond their bands.
        seasonal: the seasonal baseline's state; empty where the rule has none.
        drift: likewise of its hours and days.
        contributors: the attribution's state.
        usual: what requests usually are.
        first_seen: when contributors came.
        ratios: what dollars buy; empty where nobody judges it.
        absence: likewise, since when nothing is spent.
        call_cost: likewise, what a call costs.
        band: of the window that starts at ``through``; ``None`` while warming up.
        next_band: of the window after that.
        season: the seasonal band asked for last, and for which hour it holds; follows from the rest
            and is in no snapshot.
    """

    through: int
    spike: State
    calibration: State
    seasonal: State
    drift: State
    contributors: State
    usual: State
    first_seen: State
    ratios: State
    absence: State
    call_cost: State
    band: Band | None = None
    next_band: Band | None = None
    season: tuple[tuple[int, int], Band | None] | None = None


MANY_QUIET = 4
"""Rows of the log; an agent's silence is looked at in up to 80 hours, each of them a row."""


@dataclass(slots=True)
class ScopeState:
    """What is known of one scope; made by ``ScopeWatch``, changed only by it and ``Tally``.

    Readable by anyone are the first six.

    Attributes:
        scope: whom it is about.
        totals: every row ever folded, late ones included, in the order of ``COUNTERS``.
        first_minute: earliest minute seen, epoch minutes.
        last_minute: latest minute seen, epoch minutes.
        late_rows: rows that INGEST marked late: in the totals and the budgets, never judged.
        skipped_rows: rows not marked late whose window was already closed here (their input lags
            by more than the allowed skew): in the totals and the budgets, never judged.
        learned: what was learned; ``None`` before its first window is reached.
        open_start: start of the first window not closed, ``UNBORN`` before there is one.
        trigger: from where on judging that window again can bring something new.
        cells: the unclosed windows with rows, by start.
        tracks: alerts that are not calm, ``spike`` and ``contributor``.
        accounts: one per budget that fits the scope.
        log_from: start of the first window in ``log``.
        log: closed windows that no durable profile has absorbed; see ``learning.py``.
        has_profile: whether a durable profile has absorbed windows that ``log`` no longer has.
        held: ids of all alerts that an enforced action holds down, this scope's or not.
    """

    scope: Scope
    first_minute: int
    last_minute: int
    totals: Counts = field(default_factory=zero_counts)
    late_rows: int = 0
    skipped_rows: int = 0
    learned: Learned | None = None
    open_start: int = UNBORN
    trigger: Trigger = NO_MORE
    cells: dict[int, Cell] = field(default_factory=dict)
    tracks: dict[str, Track] = field(default_factory=dict)
    accounts: tuple[BudgetAccount, ...] = ()
    log_from: int = UNBORN
    log: list[Row] = field(default_factory=list)
    has_profile: bool = False
    held: frozenset[str] = frozenset()

    @property
    def has_learned(self) -> bool:
        """Whether a window with spend is in no durable profile, or are many stretches without."""
        return len(self.log) > MANY_QUIET or any(row[0] != Lesson.QUIET for row in self.log)
