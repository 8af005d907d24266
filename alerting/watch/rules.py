"""What WATCH judges and how strictly, as configured; who sets nothing gets the spike rule.

This file holds settings and the arithmetic that only depends on settings (floors per window,
selection by scope); what is done with them is ``scope_watch.py``'s.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from alerting.alert import Severity
from detectors.absence import AbsenceConfig
from detectors.attribution import AttributionConfig
from detectors.budget import Budget, BudgetConfig
from detectors.call_cost import CallCostConfig
from detectors.drift import DriftConfig
from detectors.observation import NANOUSD_PER_USD
from detectors.ratios import RatioConfig
from detectors.scope import DEFAULT_ENVIRONMENT, Scope
from detectors.seasonal import SeasonalConfig
from detectors.spike import SpikeConfig
from detectors.window import HOUR_SECONDS

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
"""Rule and budget names: they are parts of ids and labels."""


WEEK_HOURS = 168


def nanousd_of(dollars: Decimal) -> int:
    """Configured dollars as integer nano-dollars."""
    return int(dollars * NANOUSD_PER_USD)


class SeverityFloors(BaseModel):
    """How many projected dollars an hour above expectation make which severity.

    Sources:
        $17,000 a day, the incident this program exists for, is $708 an hour.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    critical_usd_per_hour: Decimal = Field(
        Decimal("25.00"), ge=0, description="Pages, and may throttle."
    )
    warning_usd_per_hour: Decimal = Field(Decimal("10.00"), ge=0, description="Goes to a channel.")
    info_usd_per_hour: Decimal = Field(
        Decimal("1.00"), ge=0, description="Waits for the digest; below it nothing is an alert."
    )

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if not (self.critical_usd_per_hour >= self.warning_usd_per_hour >= self.info_usd_per_hour):
            raise ValueError("severity floors must rise: info <= warning <= critical")
        return self


class SpikeRule(BaseModel):
    """More dollars in one window than the scope's own past explains, season included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("spike", pattern=NAME_PATTERN, description="Name in alerts and silences.")
    kinds: tuple[str, ...] = Field(
        (),
        description="Scope kinds it judges; empty: all. The first rule that fits a scope counts.",
    )
    ewma: SpikeConfig = Field(SpikeConfig(), description="Against the scope's last hours and days.")
    cold_start_kinds: tuple[str, ...] = Field(
        ("agent", "workflow", "api_key", "user"),
        description="Kinds whose newborns are held against the cold-start pace. Others, such as a "
        "team, are large from their first minute: they are judged once their first day is known.",
    )
    seasonal: SeasonalConfig | None = Field(
        SeasonalConfig(), description="Against the same hour of other days; null: not looked at."
    )
    drift: DriftConfig | None = Field(
        DriftConfig(), description="Against whole hours and days; null: not looked at."
    )
    call_cost: CallCostConfig | None = Field(
        CallCostConfig(), description="Against what a call usually costs; null: not looked at."
    )
    severity: SeverityFloors = Field(SeverityFloors(), description="By projected excess an hour.")

    def fits(self, scope: Scope) -> bool:
        """Whether it judges a scope."""
        return not self.kinds or scope.kind in self.kinds

    def ewma_of(self, kind: str) -> SpikeConfig:
        """What is expected of a kind.

        At an installation every scope is new, and a pace that is absurd for one agent says nothing
        of an organization (seen: alerts on organization, department and model in the first hour
        of a history without any incident).
        """
        if kind in self.cold_start_kinds:
            return self.ewma
        warm_up = max(self.ewma.warm_up_hours, self.ewma.young_hours)
        return self.ewma.model_copy(
            update={"cold_start_usd_per_hour": None, "warm_up_hours": warm_up}
        )


class ContributorRule(BaseModel):
    """One agent on a key far above its own past, though the key as a whole may not be.

    Evidence for whom a throttle would hit, not news for people: severity is always ``info``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("contributor", pattern=NAME_PATTERN, description="Name in alerts.")
    kinds: tuple[str, ...] = Field(("api_key",), description="Scope kinds whose parts are judged.")
    dimension: Literal["agent", "api_key", "prompt_version", "user", "model"] = Field(
        "agent", description="Which parts."
    )
    ratio: float = Field(3.0, gt=1, description="Times its own expected window that is unusual.")
    min_excess_usd: Decimal = Field(
        Decimal("1.00"), gt=0, description="Dollars above its expectation that a window needs."
    )
    warm_up_windows: int = Field(
        12, ge=1, description="Windows of a new scope before its parts are judged."
    )

    def fits(self, scope: Scope) -> bool:
        """Whether it judges a scope's parts."""
        return scope.kind in self.kinds


class RatioRule(RatioConfig):
    """Dollars that buy less than they used to: answers accepted, cache hits, errors, retries.

    Each ratio is an alert of its own, whose rule is called ``<name>/accepted`` and so on. None is
    ever critical: what was lost in vain is what a person has to mend, and no throttle would.
    """

    name: str = Field(
        "ratio",
        pattern=NAME_PATTERN,
        description="Name in alerts and silences, with the ratio's: ratio/accepted.",
    )
    kinds: tuple[str, ...] = Field(("agent",), description="Scope kinds whose ratios are judged.")
    warning_usd_per_hour: Decimal = Field(
        Decimal("10.00"), ge=0, description="Lost in vain, from which it goes to a channel."
    )
    info_usd_per_hour: Decimal = Field(
        Decimal("1.00"), ge=0, description="The same, below which nothing is an alert."
    )

    def fits(self, scope: Scope) -> bool:
        """Whether it judges a scope's ratios."""
        return scope.kind in self.kinds

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.warning_usd_per_hour < self.info_usd_per_hour:
            raise ValueError("floors of ratios must rise: info <= warning")
        return self


class AbsenceRule(AbsenceConfig):
    """Nothing spent in hours that are never silent. It throttles nobody."""

    name: str = Field("absence", pattern=NAME_PATTERN, description="Name in alerts and silences.")
    kinds: tuple[str, ...] = Field(("agent",), description="Scope kinds whose silence is news.")
    severity: Literal[Severity.WARNING, Severity.INFO] = Field(
        Severity.INFO, description="Who hears of it: warning or info; nobody is woken for it."
    )

    def fits(self, scope: Scope) -> bool:
        """Whether it looks for a scope's silence."""
        return scope.kind in self.kinds


class BudgetSeverities(BaseModel):
    """Who hears of which level of a budget."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    near: Severity = Field(Severity.INFO, description="Of the level near.")
    reached: Severity = Field(Severity.WARNING, description="Of the level reached.")
    exceeded: Severity = Field(Severity.CRITICAL, description="Of the level exceeded.")

    def of(self, level: str) -> Severity:
        """The severity of a level, by its name."""
        return {"near": self.near, "reached": self.reached, "exceeded": self.exceeded}[level]


class BudgetRule(BudgetConfig):
    """So many dollars per calendar period for one scope, or for each scope of a kind.

    Each level is an alert of its own, whose rule is called ``<name>/near`` and so on.
    """

    name: str = Field(pattern=NAME_PATTERN, description="Name in alerts and silences.")
    kind: str = Field(min_length=1, description="Scope kind, for example team.")
    scope: str | None = Field(None, description="Name of the scope; null: each scope of the kind.")
    environment: str | None = Field(
        DEFAULT_ENVIRONMENT, description="Environment it holds for; null: in each one separately."
    )
    amounts_usd: dict[str, Decimal] = Field(
        default_factory=dict, description="Other amounts for some names, where scope is null."
    )
    severities: BudgetSeverities = Field(BudgetSeverities(), description="Who hears of a level.")

    @field_validator("amounts_usd")
    @classmethod
    def _are_positive(cls, amounts: dict[str, Decimal]) -> dict[str, Decimal]:
        for name, amount in amounts.items():
            if amount <= 0:
                raise ValueError(f"the budget of {name!r} must be above 0")
        return amounts

    def budget_of(self, scope: Scope) -> Budget | None:
        """The budget of a scope; ``None`` if it is not meant."""
        is_meant = (
            scope.kind == self.kind
            and self.environment in (None, scope.environment)
            and self.scope in (None, scope.name)
        )
        if not is_meant:
            return None
        amount = self.amounts_usd.get(scope.name, self.amount_usd)
        return self.model_copy(update={"amount_usd": amount}).budget()


class RulesConfig(BaseModel):
    """How scopes are watched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_seconds: int = Field(
        300,
        ge=60,
        le=HOUR_SECONDS,
        multiple_of=60,
        description="Length of the judged windows, in seconds; divides an hour, and is longer than "
        "the allowed lateness.",
    )
    pending_windows: int = Field(
        0, ge=0, le=12, description="Anomalous windows in a row before the one that fires."
    )
    false_pages_per_week: float = Field(
        2.0,
        gt=0,
        description="Pages a week that chance alone may cause, in the whole installation.",
    )
    expected_scopes: int = Field(
        10_000, ge=1, description="Judged scopes that share them: keys, agents, teams and so on."
    )
    resolve_after_windows: int = Field(
        3, ge=1, le=288, description="Calm windows in a row after which an alert resolves."
    )
    absorb_after_hours: float | None = Field(
        24.0,
        gt=0,
        description="Age at which a small lasting excess becomes the new normal; null: never.",
    )
    absorb_max_usd_per_day: Decimal = Field(
        Decimal("100.00"), ge=0, description="Largest average excess a day that may be absorbed."
    )
    spikes: tuple[SpikeRule, ...] = Field(
        (SpikeRule(),), description="Spike rules; the first that fits a scope judges it."
    )
    contributor: ContributorRule | None = Field(
        ContributorRule(), description="Who on a shared key is unusual; null: not looked at."
    )
    ratios: RatioRule | None = Field(
        RatioRule(), description="What dollars buy: quality, caches, failures; null: not looked at."
    )
    absence: AbsenceRule | None = Field(
        AbsenceRule(),
        description="Who has stopped to spend, by the hours that drift knows; null: not looked at.",
    )
    attribution: AttributionConfig = Field(
        AttributionConfig(), description="How the drivers of an excess are remembered and named."
    )
    budgets: tuple[BudgetRule, ...] = Field((), description="Budgets; all that fit a scope count.")

    @property
    def chance_of_an_hour(self) -> float:
        """Share of one scope's hours in which chance may page."""
        return min(self.false_pages_per_week / (self.expected_scopes * WEEK_HOURS), 1.0)

    @field_validator("window_seconds")
    @classmethod
    def _divides_an_hour(cls, window_seconds: int) -> int:
        if HOUR_SECONDS % window_seconds:
            raise ValueError("window_seconds must divide 3600")
        return window_seconds

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [rule.name for rule in self.spikes] + [budget.name for budget in self.budgets]
        if self.contributor is not None:
            names.append(self.contributor.name)
        if self.ratios is not None:
            names.append(self.ratios.name)
        if self.absence is not None:
            names.append(self.absence.name)
        _refuse_repeated("rule", names)
        return self


def _refuse_repeated(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"two {what}s are called {name!r}; give each its own name")
        seen.add(name)
