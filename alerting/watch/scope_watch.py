"""Everything one scope goes through: counted, judged, told, learned; the chain WATCH folds into.

The worker on Kafka, the backtest over a file and the tests run this very code. It must not know
pages, topics or clocks: rows and watermarks are handed in, transitions are handed out. What is
decided is a function of the windows' contents and the watermark, never of how rows were batched.
Hence only the first unclosed window is judged early: whether a later one begins an episode depends
on what still arrives for the first.
"""

from collections.abc import Sequence
from typing import Any

from alerting.alert import CONTRIBUTOR, SPIKE, Alert
from alerting.exemplar import Exemplar
from alerting.watch.budget_watch import BudgetWatch
from alerting.watch.judgement import NEVER
from alerting.watch.learning import Turn
from alerting.watch.lesson import Lesson
from alerting.watch.rules import RulesConfig
from alerting.watch.scope_judge import ScopeJudge, elapsed_seconds
from alerting.watch.scope_resume import absorb_log, resume
from alerting.watch.scope_rows import check_version, enter_accounts, live_row
from alerting.watch.scope_state import UNBORN, Cell, Learned, Row, ScopeState
from alerting.watch.tracking import CALM
from detectors.absence import is_absent
from detectors.observation import BESIDE, COST, Counts, add_counts
from detectors.ratios import is_any_bad
from detectors.scope import Scope
from detectors.window import MINUTE_SECONDS, Window

__all__ = ["ContributorRow", "ScopeState", "ScopeWatch"]

ContributorRow = tuple[str, str, int]
"""Dimension, name, nano-dollars; ``stream.delta.Contributor`` is one."""


class ScopeWatch:
    """The chain of one scope. One object serves all scopes: it holds configuration, no state.

    For every row of a delta, in any order: ``fold``. Whenever the watermark has passed
    ``due_at(state)``: ``advance``. Both return the transitions to tell, in order; WATCH has them
    acknowledged by the broker before it writes the page that remembers them.
    """

    def __init__(self, config: RulesConfig, *, is_durable: bool = True) -> None:
        """From configuration.

        Args:
            config: what is judged and how strictly.
            is_durable: whether snapshots will be taken; a backtest says no and keeps less.
        """
        self.config = config
        self.window_seconds = config.window_seconds
        self._is_durable = is_durable
        self._budgets = BudgetWatch(config.budgets)
        self._judges: dict[str, ScopeJudge | None] = {}
        self._nothing_spent = self.empty_cell(0)

    def _judge(self, scope: Scope) -> ScopeJudge | None:
        if scope.is_other:
            return None
        if scope.kind not in self._judges:
            self._judges[scope.kind] = ScopeJudge.of(self.config, scope)
        return self._judges[scope.kind]

    def empty_cell(self, minute: int) -> Cell:
        """A window whose first row is of ``minute`` (epoch minutes), without that row."""
        minutes = self.window_seconds // MINUTE_SECONDS
        return Cell(0, 0, minute, [0] * (2 * minutes + len(BESIDE)))

    # -- rows in -----------------------------------------------------------------------------

    def fresh(self, scope: Scope, minute: int) -> ScopeState:
        """The state of a scope first seen in ``minute`` (epoch minutes)."""
        return ScopeState(
            scope=scope,
            first_minute=minute,
            last_minute=minute,
            accounts=() if scope.is_other else self._budgets.accounts(scope),
        )

    def fold(
        self,
        state: ScopeState,
        minute: int,
        counts: Counts,
        contributors: Sequence[ContributorRow] = (),
        exemplar: Exemplar | None = None,
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
            exemplar: the row's; the dearest of an unclosed window is kept.
            is_late: INGEST's flag.
            watermark_seconds: WATCH's watermark before this delta; a row whose window ends at or
                before it is counted, never judged. Any value before the first row's minute stands
                for "none yet".
            newest_at: newest event time in the log so far, epoch seconds; only for ``decided_at``.

        Returns:
            Transitions to tell now; nearly always empty.
        """
        add_counts(state.totals, counts)
        if minute > state.last_minute:
            state.last_minute = minute
        elif minute < state.first_minute:
            state.first_minute = minute
        cost = counts[COST]
        alerts = self.fold_budgets(state, minute, cost, watermark_seconds, newest_at)
        if is_late:
            state.late_rows += 1
            return alerts
        start = minute * MINUTE_SECONDS // self.window_seconds * self.window_seconds
        if start + self.window_seconds <= watermark_seconds or start < state.open_start:
            state.skipped_rows += 1
        elif (judge := self._judge(state.scope)) is not None:
            cell = state.cells.get(start)
            if cell is None:
                cell = state.cells[start] = self.empty_cell(minute)
            cell.add(minute, counts, contributors)
            cell.show(exemplar)
            if state.learned is None or start != state.open_start:
                if start <= watermark_seconds:
                    alerts += self.advance(state, watermark_seconds)
            elif state.trigger.is_reached(cell.cost_nanousd, cell.requests):
                alerts += self._look(judge, state.learned, state, newest_at)
        return alerts

    def fold_budgets(
        self, state: ScopeState, minute: int, cost_nanousd: int, watermark: int, newest_at: int
    ) -> list[Alert]:
        """Count a row against the budgets alone; all of ``fold`` that is in the order of rows."""
        if not (cost_nanousd and state.accounts):
            return []
        return self._budgets.fold(state, minute, cost_nanousd, watermark, newest_at)

    # -- time passes -------------------------------------------------------------------------

    def due_at(self, state: ScopeState) -> int | None:
        """The earliest watermark at which ``advance`` can do something.

        ``None`` if a row must come first. It changes with ``fold``, ``advance`` and ``set_held``.
        """
        timer = self.timer_at(state)
        cells = state.cells
        if state.open_start in cells or self._is_eventful(state):
            due = state.open_start + self.window_seconds
        elif cells:
            due = min(cells)
        else:
            return timer
        return due if timer is None else min(due, timer)

    def timer_at(self, state: ScopeState) -> int | None:
        """The earliest watermark at which there may be news without any row, or there is none.

        Of a budget's period, or of a silence; rows put the latter off.
        """
        due = self._budgets.due_at(state) if state.accounts else None
        judge = self._judge(state.scope)
        silence = None
        if judge is not None and state.learned is not None:
            silence = judge.learner.silence_due_at(state.learned)
        return min((each for each in (due, silence) if each is not None), default=None)

    def advance(self, state: ScopeState, watermark_seconds: int) -> list[Alert]:
        """Close every window that ends at or before the watermark; judge the one then open.

        Windows without rows are learned as zeros, lazily: calling this on a quiet scope does
        nothing, and calling it seldom gives the same as calling it often.
        """
        alerts: list[Alert] = []
        judge = self._judge(state.scope)
        if judge is not None:
            before = state.open_start
            learned = self._run(judge, state, watermark_seconds, alerts)
            if learned is not None and state.open_start != before:
                alerts += self._look(judge, learned, state, watermark_seconds)
        if state.accounts:
            alerts += self._budgets.advance(state, watermark_seconds)
        return alerts

    def set_held(self, state: ScopeState, alert_ids: frozenset[str]) -> None:
        """Say which of all alerts an enforced throttle action holds down now.

        A held alert does not resolve, and nothing is learned while one is.
        """
        state.held = alert_ids

    def _run(
        self, judge: ScopeJudge, state: ScopeState, watermark: int, alerts: list[Alert]
    ) -> Learned | None:
        """Close windows in order, as far as the watermark and the rows allow."""
        learned = state.learned
        while True:
            if learned and (state.open_start in state.cells or self._is_eventful(state)):
                if watermark < state.open_start + self.window_seconds:
                    return learned
                self._close(judge, learned, state, alerts)
                continue
            first = min(state.cells, default=None)
            due_at = None if learned is None else judge.learner.silence_due_at(learned)
            if learned and due_at is not None and due_at <= min(watermark, first or watermark):
                self._pass(judge, learned, state, due_at, alerts)
                continue
            if first is None or watermark < first:
                return learned
            if learned is None:
                learned = state.learned = judge.learner.fresh(first)
                state.log_from = first
            else:
                self._pass(judge, learned, state, first, alerts)
            state.open_start = first

    def _pass(
        self,
        judge: ScopeJudge,
        learned: Learned,
        state: ScopeState,
        until: int,
        alerts: list[Alert],
    ) -> None:
        """Learn that nothing was spent in the windows before an instant."""
        count = (until - learned.through) // self.window_seconds
        if count > 0:
            turns = self._learn(judge, learned, state, [int(Lesson.QUIET), count])
            if turns:
                alerts += judge.tell(state.scope, Window(until - self.window_seconds, until), turns)
        state.open_start = until

    def _look(self, judge: ScopeJudge, learned: Learned, state: ScopeState, at: int) -> list[Alert]:
        """Judge the first unclosed window early, and set from where on to look again."""
        alerts: list[Alert] = []
        window = Window(state.open_start, state.open_start + self.window_seconds)
        cell = state.cells.get(state.open_start, self._nothing_spent)
        at = max(at, cell.last_minute * MINUTE_SECONDS)
        elapsed = elapsed_seconds(window, cell)
        trigger = judge.spike_trigger(learned, state.tracks.get(SPIKE), window, cell)
        if trigger.is_reached(cell.cost_nanousd, cell.requests):
            finding = judge.spike_finding(learned, state.tracks.get(SPIKE), window, cell)
            alerts += judge.spikes.announce(state, learned, finding, at=at, elapsed_seconds=elapsed)
            trigger = judge.spike_trigger(learned, state.tracks.get(SPIKE), window, cell)
        found = judge.contributor_finding(learned, state.tracks.get(CONTRIBUTOR), window, cell)
        if found is not None:
            finding, missing = found
            trigger = trigger.or_from(cell.cost_nanousd + missing)
            if finding.judged.is_anomalous:
                alerts += judge.contributors.announce(
                    state, learned, finding, at=at, elapsed_seconds=elapsed
                )
                trigger = judge.spike_trigger(learned, state.tracks.get(SPIKE), window, cell)
        state.trigger = trigger
        return alerts

    def _close(
        self, judge: ScopeJudge, learned: Learned, state: ScopeState, alerts: list[Alert]
    ) -> None:
        """Judge the first unclosed window for good, tell, and learn it if it may be learned."""
        start = state.open_start
        window = Window(start, start + self.window_seconds)
        cell = state.cells.pop(start, self._nothing_spent)
        is_held = self._is_held(judge, state, window)
        spike = judge.spike_finding(learned, state.tracks.get(SPIKE), window, cell, is_closed=True)
        by_spike = judge.spikes.settle(state, learned, spike)
        found = judge.contributor_finding(learned, state.tracks.get(CONTRIBUTOR), window, cell)
        by_parts = CALM if found is None else judge.contributors.settle(state, learned, found[0])
        alerts += by_spike.alerts
        alerts += by_parts.alerts
        state.open_start = window.end_seconds
        if learned.through > start:  # by a profile newer than this state: it knows the window
            return
        is_drift = spike.judged.drifted is not None
        lesson = judge.lesson(
            window.end_seconds, by_spike, by_parts, is_held=is_held, is_drift=is_drift
        )
        row = judge.learner.row(learned, lesson, cell, by_spike.recent, by_spike.told)
        turns = self._learn(judge, learned, state, row)
        if turns:
            alerts += judge.tell(state.scope, window, turns)

    def _learn(
        self, judge: ScopeJudge, learned: Learned, state: ScopeState, row: Row
    ) -> list[Turn]:
        found = judge.learner.apply(learned, row)
        if self._is_durable:
            state.log.append(row)
        return found

    def _is_held(self, judge: ScopeJudge, state: ScopeState, window: Window) -> bool:
        """Whether an enforced action holds down any alert of the scope."""
        if not state.held:
            return False
        rules = [(SPIKE, judge.rule.name)]
        if judge.contributor is not None:
            rules.append((CONTRIBUTOR, judge.contributor.name))
        return self._has_held_budget(state) or any(
            judge.spikes.is_held(state, name, state.tracks.get(kind), window)
            for kind, name in rules
        )

    def _is_eventful(self, state: ScopeState) -> bool:
        """Whether every single window counts, also one without rows."""
        learned = state.learned
        if learned is None:
            return False
        return bool(state.tracks or is_any_bad(learned.ratios)) or self._has_held_budget(state)

    def _has_held_budget(self, state: ScopeState) -> bool:
        is_possible = bool(state.held and state.accounts)
        return is_possible and not state.held.isdisjoint(self._budgets.told_ids(state))

    # -- for those who count many scopes at once ---------------------------------------------

    def least_news(self, scope: Scope) -> int | None:
        """What a window must cost at least before a calm scope of that kind can have news.

        ``None``: no spike rule fits, its windows are not judged.
        """
        judge = self._judge(scope)
        return None if judge is None else judge.least_news_nanousd

    def quiet_room(self, state: ScopeState) -> tuple[int, int]:
        """What all open windows of a calm scope may cost, less than that, without any news.

        Returns:
            Nano-dollars beyond what they cost now, and the instant up to which that holds.
        """
        judge = self._judge(state.scope)
        if judge is None:
            return NEVER, NEVER
        room, until = judge.quiet_room(state.learned)
        return room - sum(cell.cost_nanousd for cell in state.cells.values()), until

    def dear_from(self, state: ScopeState) -> tuple[int, int]:
        """From which cost on, in all and a call, a calm scope's window is news as it closes."""
        judge = self._judge(state.scope)
        return (NEVER, 0) if judge is None else judge.dear_from(state.learned)

    def budget_room(self, state: ScopeState) -> int:
        """What may be spent, less than that, before any budget has a level to tell."""
        return self._budgets.room(state)

    def is_calm(self, state: ScopeState) -> bool:
        """Whether closing a window that cost less than what is news only teaches."""
        learned = state.learned
        if learned is not None and (is_any_bad(learned.ratios) or is_absent(learned.absence)):
            return False
        return not (state.tracks or self._has_held_budget(state))

    # -- durability --------------------------------------------------------------------------

    def live_snapshot(self, state: ScopeState) -> Row:
        """What must be durable soon, as plain data for msgpack; encode it before the next row."""
        return live_row(state, self.window_seconds)

    def profile_snapshot(self, state: ScopeState) -> Row:
        """What is learned, as plain data; its first element is ``through`` (epoch seconds)."""
        judge = self._judge(state.scope)
        if judge is None or state.learned is None:
            return [UNBORN]
        return judge.learner.snapshot(state.learned)

    def profile_durable(self, state: ScopeState, through: int) -> None:
        """Say that a profile snapshot whose first element is ``through`` is durable.

        From the next ``live_snapshot`` on, the windows it has absorbed are left out.
        """
        absorb_log(state, through, self.window_seconds)

    def restore(
        self, scope: Scope, live: Sequence[Any], profile: Sequence[Any] | None
    ) -> ScopeState:
        """The state of two snapshots, going on exactly as if there had been no restart.

        The profile may be older than ``live``, as long as it is not older than the last
        ``profile_durable`` before ``live`` was taken. If it is newer, the windows that it knows and
        ``live`` does not are judged by its bands and not learned twice: near, but not exact. After
        a change of ``window_seconds`` totals and budgets stay and judging begins anew.

        Raises:
            ValueError: if the snapshots do not fit together or are not of this version.
        """
        check_version(live)
        state = self.fresh(scope, live[1])
        _, _, state.last_minute, state.late_rows, state.skipped_rows, totals, accounts = live[:7]
        state.totals = list(totals)
        enter_accounts(state.accounts, accounts)
        judge = self._judge(scope)
        if judge is None or live[7] != self.window_seconds:
            return state
        resume(state, judge, live, profile)
        return state
