"""Budgets of one scope: money per calendar period, and the levels it crosses, told one by one.

What was spent is counted by event minute, late or not. While a level stays crossed, its figure is
told anew when the watermark passes the end of a day on which money was spent: of what was spent
until then, so that neither order nor batches of events change what is told. A period is over when
the watermark passes its end; money of it that comes later is in the totals only, and tells nobody
anything.
"""

from collections.abc import Sequence

from alerting.alert import Alert, ResolvedReason, Transition
from alerting.fingerprint import alert_id, fingerprint
from alerting.watch.announcement import budget_alert, level_rule
from alerting.watch.rules import BudgetRule
from alerting.watch.scope_state import BudgetAccount, PeriodSpend, ScopeState
from detectors.budget import Budget
from detectors.scope import Scope
from detectors.window import DAY_SECONDS, MINUTE_SECONDS, Window


class BudgetWatch:
    """Counts and tells; the money is in the accounts of the scope's state."""

    def __init__(self, rules: Sequence[BudgetRule]) -> None:
        self.rules = tuple(rules)
        self._shared: dict[Budget, Budget] = {}

    def accounts(self, scope: Scope) -> tuple[BudgetAccount, ...]:
        """An empty account per budget that fits a scope, in the order of configuration."""
        return tuple(
            BudgetAccount(rule, self._shared.setdefault(budget, budget))
            for rule in self.rules
            if (budget := rule.budget_of(scope)) is not None
        )

    def fold(
        self, state: ScopeState, minute: int, cost_nanousd: int, watermark: int, newest_at: int
    ) -> list[Alert]:
        """Count what was spent in a minute; every level crossed is told, lowest first.

        Args:
            state: the scope's, changed in place.
            minute: epoch minutes.
            cost_nanousd: what was spent in it, not 0.
            watermark: money of a period that ends at or before it tells nobody anything.
            newest_at: newest event time in the log so far, epoch seconds.
        """
        alerts: list[Alert] = []
        for account in state.accounts:
            start, end = account.budget.period_of(minute)
            if end <= watermark:
                continue
            period = account.periods.get(start)
            if period is None:
                _forget_over(account, watermark)
                period = account.periods[start] = PeriodSpend(end)
            period.spent_nanousd += cost_nanousd
            _count_day(period, start, minute, cost_nanousd, watermark)
            alerts += _crossings(state, account, start, period, newest_at)
        return alerts

    def advance(self, state: ScopeState, watermark: int) -> list[Alert]:
        """Tell the figures of days that are over, and end the periods that are."""
        alerts: list[Alert] = []
        for account in state.accounts:
            for start, period in sorted(account.periods.items()):
                alerts += _newer_figures(state, account, start, period, watermark)
                if period.end_seconds <= watermark and period.levels_told:
                    level, reason = period.levels_told - 1, ResolvedReason.RECOVERED
                    at = period.end_seconds
                    alerts.append(_end(state, account, start, level=level, reason=reason, at=at))
                    period.levels_told = 0
            _forget_over(account, watermark)
        return alerts

    def told_ids(self, state: ScopeState) -> set[str]:
        """The ids of the budget alerts that are firing."""
        return {
            alert_id(fingerprint(level_rule(account.rule.name, level.name), state.scope), start)
            for account in state.accounts
            for start, period in account.periods.items()
            for level in account.budget.levels[max(period.levels_told - 1, 0) : period.levels_told]
        }

    def room(self, state: ScopeState) -> int:
        """What is left until the nearest level of any period, one not begun among them."""
        return min(
            (
                level.threshold_nanousd - spent
                for account in state.accounts
                for told, spent in [
                    (0, 0),
                    *((each.levels_told, each.spent_nanousd) for each in account.periods.values()),
                ]
                for level in account.budget.levels[told : told + 1]
            ),
            default=0,
        )

    def due_at(self, state: ScopeState) -> int | None:
        """The end of the first day or period of which something was told."""
        return min(
            (
                min(period.end_seconds, start + (period.days_told + 1) * DAY_SECONDS)
                for account in state.accounts
                for start, period in account.periods.items()
                if period.levels_told
            ),
            default=None,
        )


def _forget_over(account: BudgetAccount, watermark: int) -> None:
    """Drop finished periods, but for those whose alerts ``advance`` has yet to resolve."""
    account.periods = {
        start: period
        for start, period in account.periods.items()
        if period.end_seconds > watermark or period.levels_told
    }


def _count_day(
    period: PeriodSpend, start: int, minute: int, cost_nanousd: int, watermark: int
) -> None:
    """Count by day what is spent; days that are over go when a new one begins."""
    over = max(watermark - start, 0) // DAY_SECONDS
    if not period.levels_told:
        period.days_told = over
    day = (minute * MINUTE_SECONDS - start) // DAY_SECONDS
    if day not in period.by_day:
        period.by_day = {each: spent for each, spent in period.by_day.items() if each >= over}
    period.by_day[day] = period.by_day.get(day, 0) + cost_nanousd


def _crossings(
    state: ScopeState, account: BudgetAccount, start: int, period: PeriodSpend, at: int
) -> list[Alert]:
    """Levels newly crossed; each replaces the one below it."""
    alerts: list[Alert] = []
    levels = account.budget.levels
    while (
        period.levels_told < len(levels)
        and period.spent_nanousd >= levels[period.levels_told].threshold_nanousd
    ):
        level, below = period.levels_told, list[Alert]()
        if level:
            reason = ResolvedReason.SUPERSEDED
            below = [_end(state, account, start, level=level - 1, reason=reason, at=at)]
        period.fired_at = at
        alerts += [_tell(state, account, start, Transition.FIRED, level=level, at=at), *below]
        period.levels_told += 1
    return alerts


def _newer_figures(
    state: ScopeState, account: BudgetAccount, start: int, period: PeriodSpend, watermark: int
) -> list[Alert]:
    """What was spent until the end of each day that is over, if that is more than was told."""
    alerts: list[Alert] = []
    until = min(watermark, period.end_seconds - 1)
    while period.levels_told and (at := start + (period.days_told + 1) * DAY_SECONDS) <= until:
        period.days_told += 1
        ahead = sum(spent for day, spent in period.by_day.items() if day >= period.days_told)
        spent = period.spent_nanousd - ahead
        level = sum(each.threshold_nanousd <= spent for each in account.budget.levels) - 1
        if level == period.levels_told - 1 and spent > period.told_nanousd:
            period.told_nanousd = spent
            alerts.append(
                _tell(
                    state,
                    account,
                    start,
                    Transition.UPDATED,
                    level=level,
                    at=at,
                    spent_nanousd=spent,
                )
            )
    return alerts


def _end(
    state: ScopeState,
    account: BudgetAccount,
    start: int,
    *,
    level: int,
    reason: ResolvedReason,
    at: int,
) -> Alert:
    resolved = Transition.RESOLVED
    return _tell(state, account, start, resolved, level=level, at=at, reason=reason)


def _tell(
    state: ScopeState,
    account: BudgetAccount,
    start: int,
    transition: Transition,
    *,
    level: int,
    at: int,
    spent_nanousd: int | None = None,
    reason: ResolvedReason | None = None,
) -> Alert:
    crossed, period = account.budget.levels[level], account.periods[start]
    return budget_alert(
        transition,
        rule=account.rule.name,
        scope=state.scope,
        budget=account.budget,
        level=crossed,
        severity=account.rule.severities.of(crossed.name),
        period=Window(start, period.end_seconds),
        spent_nanousd=period.spent_nanousd if spent_nanousd is None else spent_nanousd,
        reason=reason,
        fired_at=period.fired_at,
        decided_at=at,
        held=state.held,
    )
