"""How much may be spent before a budget has something to tell."""

from decimal import Decimal

import pytest

from alerting.watch.rules import BudgetRule, RulesConfig
from alerting.watch.scope_watch import ScopeWatch
from detectors.budget import Period
from detectors.observation import COST, NANOUSD_PER_USD, zero_counts
from detectors.scope import Scope
from detectors.window import DAY_SECONDS
from tests.support.timeline import MONDAY

AGENT = Scope("agent", "invoice-bot")
MINUTE = MONDAY // 60
DAY = DAY_SECONDS // 60


def daily(usd: str, name: str = "daily", **changes: str) -> BudgetRule:
    return BudgetRule(
        name=name, kind="agent", amount_usd=Decimal(usd), period=Period.DAY, **changes
    )


def spent(*amounts: tuple[int, int], rules: tuple[BudgetRule, ...]) -> Decimal:
    """Dollars of room after these minutes and dollars."""
    watch = ScopeWatch(RulesConfig(budgets=rules))
    state = watch.fresh(AGENT, MINUTE)
    for minute, usd in amounts:
        counts = zero_counts()
        counts[COST] = usd * NANOUSD_PER_USD
        watch.fold(
            state, minute, counts, is_late=False, watermark_seconds=MONDAY - 60, newest_at=MONDAY
        )
    return Decimal(watch.budget_room(state)) / NANOUSD_PER_USD


@pytest.mark.parametrize(
    ("amounts", "room"),
    [
        ((), 80),
        (((MINUTE, 50),), 30),
        (((MINUTE, 85),), 15),  # to the next level
        (((MINUTE, 85), (MINUTE + DAY, 70)), 10),  # the day that is nearest
        (((MINUTE, 30), (MINUTE + DAY, 20)), 50),
        (((MINUTE, 119),), 1),
        (((MINUTE, 500),), 80),  # all told: the days not begun are left
    ],
)
def test_room_is_what_is_left_to_the_nearest_level_of_any_period(
    amounts: tuple[tuple[int, int], ...], room: int
) -> None:
    assert spent(*amounts, rules=(daily("100"),)) == room


def test_room_is_that_of_the_tightest_budget() -> None:
    assert spent((MINUTE, 30), rules=(daily("100"), daily("50", name="tight"))) == 10


def test_spending_the_room_tells_and_a_nanodollar_less_does_not() -> None:
    watch = ScopeWatch(RulesConfig(budgets=(daily("100"),)))
    for short, told in ((1, 0), (0, 1)):
        state = watch.fresh(AGENT, MINUTE)
        cost = watch.budget_room(state) - short
        assert len(watch.fold_budgets(state, MINUTE, cost, MONDAY - 60, MONDAY)) == told


def test_without_a_budget_there_is_no_room() -> None:
    """Nobody asks: whoever has none is not looked at for budgets."""
    assert spent(rules=()) == 0
