from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from alerting.alert import Severity
from alerting.watch.rules import (
    AbsenceRule,
    BudgetRule,
    ContributorRule,
    RatioRule,
    RulesConfig,
    SeverityFloors,
    SpikeRule,
    nanousd_of,
)
from detectors.budget import Period
from detectors.scope import Scope


def budget(**settings: Any) -> BudgetRule:
    return BudgetRule.model_validate(
        {"name": "b", "kind": "team", "amount_usd": "100", "period": "day"} | settings
    )


def test_who_configures_nothing_gets_the_spike_rule_for_every_kind_and_no_budget() -> None:
    config = RulesConfig()
    [rule] = config.spikes
    assert rule.name == "spike"
    assert rule.fits(Scope("agent", "a"))
    assert rule.fits(Scope("tags.cost-centre", "7"))
    assert config.budgets == ()
    assert config.contributor is not None
    assert config.contributor.fits(Scope("api_key", "k"))
    assert not config.contributor.fits(Scope("agent", "a"))


def test_what_dollars_buy_and_who_is_silent_is_judged_of_agents_unless_said_otherwise() -> None:
    config = RulesConfig()
    assert config.ratios is not None
    assert config.absence is not None
    assert (config.ratios.name, config.absence.name) == ("ratio", "absence")
    agent, team = Scope("agent", "a"), Scope("team", "a")
    for rule in (config.ratios, config.absence):
        assert rule.fits(agent)
        assert not rule.fits(team)
    assert RatioRule(kinds=("team",)).fits(team)
    assert AbsenceRule(kinds=("team",)).fits(team)
    assert config.absence.severity is Severity.INFO


def test_a_newborn_team_is_not_held_against_the_pace_of_a_newborn_agent() -> None:
    rule = SpikeRule()
    assert rule.ewma_of("agent") == rule.ewma
    wide = rule.ewma_of("team")
    assert wide.cold_start_usd_per_hour is None
    assert wide.warm_up_hours == rule.ewma.young_hours


def test_a_rule_of_some_kinds_fits_only_those() -> None:
    assert SpikeRule(kinds=("agent",)).fits(Scope("agent", "a"))
    assert not SpikeRule(kinds=("agent",)).fits(Scope("team", "a"))


def test_dollars_become_integers_exactly() -> None:
    assert nanousd_of(Decimal("0.1")) == 100_000_000


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"window_seconds": 420}, "must divide 3600"),
        ({"window_seconds": 90}, "multiple of 60"),
        ({"windows": 300}, "Extra inputs"),
        ({"spikes": [{"name": "x"}, {"name": "x"}]}, "two rules are called 'x'"),
        ({"contributor": {"name": "spike"}}, "two rules are called 'spike'"),
        (
            {"budgets": [{"name": "spike", "kind": "team", "amount_usd": 1}]},
            "two rules are called 'spike'",
        ),
        ({"ratios": {"name": "spike"}}, "two rules are called 'spike'"),
        ({"absence": {"name": "contributor"}}, "two rules are called 'contributor'"),
        ({"absence": {"name": "ratio"}}, "two rules are called 'ratio'"),
        ({"ratios": {"name": "ratio/accepted"}}, "String should match pattern"),
        ({"ratios": {"warning_usd_per_hour": "0.99"}}, "info <= warning"),
        ({"ratios": {"info_usd_per_hour": 11}}, "floors of ratios must rise"),
        ({"ratios": {"info_usd_per_hour": -1}}, "greater than or equal to 0"),
        ({"ratios": {"least_trials": 4}}, "greater than or equal to 5"),
        ({"absence": {"least_usd": 0}}, "greater than 0"),
        ({"absence": {"severity": "loud"}}, "severity"),
        ({"spikes": [{"name": "Has Spaces"}]}, "String should match pattern"),
        ({"spikes": [{"severity": {"info_usd_per_hour": 20}}]}, "info <= warning <= critical"),
        ({"spikes": [{"severity": {"critical_usd_per_hour": 9}}]}, "info <= warning <= critical"),
        ({"budgets": [{"name": "b", "kind": "team", "amount_usd": 0}]}, "greater than 0"),
        (
            {"budgets": [{"name": "b", "kind": "team", "amount_usd": 1, "zone": "Mars/Olympus"}]},
            "no time zone",
        ),
        (
            {"budgets": [{"name": "b", "kind": "t", "amount_usd": 1, "amounts_usd": {"x": -1}}]},
            "budget of 'x' must be above 0",
        ),
    ],
)
def test_a_wrong_setting_says_what_is_wrong(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        RulesConfig.model_validate(settings)


def test_a_configuration_without_a_contributor_rule_is_fine() -> None:
    assert RulesConfig(contributor=None).contributor is None


def test_a_rule_that_is_switched_off_has_no_name() -> None:
    config = RulesConfig(ratios=None, absence=AbsenceRule(name="ratio"))
    assert config.ratios is None
    other = RulesConfig(absence=None, ratios=RatioRule(name="absence"))
    assert other.absence is None


def test_floors_of_ratios_may_be_equal() -> None:
    rule = RatioRule(warning_usd_per_hour=Decimal(5), info_usd_per_hour=Decimal(5))
    assert rule.warning_usd_per_hour == rule.info_usd_per_hour


def test_severity_floors_may_be_equal() -> None:
    floors = SeverityFloors(
        critical_usd_per_hour=Decimal(5), warning_usd_per_hour=Decimal(5), info_usd_per_hour=5
    )
    assert floors.warning_usd_per_hour == 5


def test_a_contributor_rule_knows_its_dimensions() -> None:
    with pytest.raises(ValidationError, match="dimension"):
        ContributorRule.model_validate({"dimension": "shoe_size"})


def test_a_budget_of_a_kind_is_for_each_of_its_scopes_with_amounts_of_their_own() -> None:
    rule = budget(amounts_usd={"rich": "500"})
    poor, rich = rule.budget_of(Scope("team", "poor")), rule.budget_of(Scope("team", "rich"))
    assert poor is not None
    assert rich is not None
    assert (poor.amount_nanousd, rich.amount_nanousd) == (100 * 10**9, 500 * 10**9)
    assert poor.period is Period.DAY
    assert rule.budget_of(Scope("agent", "poor")) is None


def test_a_budget_of_one_scope_is_for_that_scope_alone() -> None:
    rule = budget(scope="growth")
    assert rule.budget_of(Scope("team", "growth")) is not None
    assert rule.budget_of(Scope("team", "other")) is None


def test_a_budget_is_for_production_unless_it_says_otherwise() -> None:
    staging = Scope("team", "growth", "staging")
    assert budget().budget_of(staging) is None
    assert budget(environment="staging").budget_of(staging) is not None
    assert budget(environment=None).budget_of(staging) is not None


def test_levels_have_severities() -> None:
    rule = budget(severities={"near": "warning"})
    assert [rule.severities.of(level) for level in ("near", "reached", "exceeded")] == [
        Severity.WARNING,
        Severity.WARNING,
        Severity.CRITICAL,
    ]
