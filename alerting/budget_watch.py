"""Budgets of one scope: money per calendar period, and the levels it crosses, told one by one.

What was spent is counted by event minute, late or not. A period is over when the watermark passes
its end; money of it that comes later is in the totals only, and tells nobody anything.
"""

from collections.abc import Sequence

from alerting.alert import Alert, ResolvedReason
from alerting.announcement import budget_alert, level_rule
from alerting.fingerprint import alert_id, fingerprint
from alerting.rules import BudgetRule
from alerting.scope_state import BudgetAccount, PeriodSpend, ScopeState
from detectors.budget import Budget
from detectors.scope import Scope
from detectors.window import Window


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
        """Count what was spent in a minute; every level crossed is told, lowest first."""
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
            alerts += _crossings(state, account, start, period, newest_at)
        return alerts

    def advance(self, state: ScopeState, watermark: int) -> list[Alert]:
        """End the periods that are over; what was told of them is resolved."""
        alerts: list[Alert] = []
        for account in state.accounts:
            for start, period in sorted(account.periods.items()):
                if period.end_seconds <= watermark and period.levels_told:
                    level, reason = period.levels_told - 1, ResolvedReason.RECOVERED
                    at = period.end_seconds
                    alerts.append(_tell(state, account, start, level=level, reason=reason, at=at))
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

    def due_at(self, state: ScopeState) -> int | None:
        """The end of the first period of which something was told."""
        return min(
            (
                period.end_seconds
                for account in state.accounts
                for period in account.periods.values()
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
        level = period.levels_told
        alerts.append(_tell(state, account, start, level=level, reason=None, at=at))
        if level:
            reason = ResolvedReason.SUPERSEDED
            alerts.append(_tell(state, account, start, level=level - 1, reason=reason, at=at))
        period.levels_told += 1
    return alerts


def _tell(
    state: ScopeState,
    account: BudgetAccount,
    start: int,
    *,
    level: int,
    reason: ResolvedReason | None,
    at: int,
) -> Alert:
    crossed, period = account.budget.levels[level], account.periods[start]
    return budget_alert(
        rule=account.rule.name,
        scope=state.scope,
        budget=account.budget,
        level=crossed,
        severity=account.rule.severities.of(crossed.name),
        period=Window(start, period.end_seconds),
        spent_nanousd=period.spent_nanousd,
        reason=reason,
        decided_at=at,
        held=state.held,
    )
