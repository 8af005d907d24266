"""Budgets of one scope: money per calendar period, and the levels it crosses, told one by one.

What was spent is counted by event minute, late or not. While a level stays crossed and money comes
in, its figure is told anew once a day. A period is over when the watermark passes its end; money of
it that comes later is in the totals only, and tells nobody anything.
"""

from collections.abc import Sequence

from alerting.alert import Alert, ResolvedReason, Transition
from alerting.announcement import budget_alert, level_rule
from alerting.fingerprint import alert_id, fingerprint
from alerting.rules import BudgetRule
from alerting.scope_state import BudgetAccount, PeriodSpend, ScopeState
from detectors.budget import Budget
from detectors.scope import Scope
from detectors.window import DAY_SECONDS, Window

UPDATED_AFTER_SECONDS = DAY_SECONDS
"""A month's budget that was crossed on the 3rd has another figure every day; an hour's is noise."""


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
            alerts += _news(state, account, start, newest_at)
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


def _news(state: ScopeState, account: BudgetAccount, start: int, at: int) -> list[Alert]:
    """Levels newly crossed, each of which replaces the one below it; else a day's newer figure."""
    alerts: list[Alert] = []
    levels, period = account.budget.levels, account.periods[start]
    while (
        period.levels_told < len(levels)
        and period.spent_nanousd >= levels[period.levels_told].threshold_nanousd
    ):
        level = period.levels_told
        below: list[Alert] = []
        if level:
            reason = ResolvedReason.SUPERSEDED
            below = [_tell(state, account, start, level=level - 1, reason=reason, at=at)]
        period.fired_at = period.told_at = at
        alerts += [_tell(state, account, start, level=level, reason=None, at=at), *below]
        period.levels_told += 1
    if not alerts and period.levels_told and at - period.told_at >= UPDATED_AFTER_SECONDS:
        period.told_at = at
        level = period.levels_told - 1
        alerts = [_tell(state, account, start, level=level, reason=None, at=at)]
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
    """The crossing of a level if it is of now, else its newer figure; with a reason, its end."""
    crossed, period = account.budget.levels[level], account.periods[start]
    transition = Transition.FIRED if level == period.levels_told else Transition.UPDATED
    return budget_alert(
        transition if reason is None else Transition.RESOLVED,
        rule=account.rule.name,
        scope=state.scope,
        budget=account.budget,
        level=crossed,
        severity=account.rule.severities.of(crossed.name),
        period=Window(start, period.end_seconds),
        spent_nanousd=period.spent_nanousd,
        reason=reason,
        fired_at=period.fired_at,
        decided_at=at,
        held=state.held,
    )
