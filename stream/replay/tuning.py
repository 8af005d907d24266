"""A small grid of the settings that matter, and the one that leaks least at a wanted rate of pages.

Every variant is backtested in full; nothing is estimated. What is best on this file need not be on
the next one: the grid is coarse on purpose. Nothing is printed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from alerting.watch.rules import SeverityFloors, SpikeRule
from stream.config import Settings
from stream.replay.comparison import is_same_cause
from stream.replay.summary import BacktestSummary, IncidentSummary
from stream.replay.verdict import Verdict

FLOOR_FACTORS = (Decimal("0.5"), Decimal(1), Decimal(2), Decimal(4))
"""Times the floors in dollars an hour, of all severities."""

SPREAD_FACTORS = (0.7, 1.0, 1.5)
"""Times the spreads above the mean that make a spike."""

_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Variant:
    """One point of the grid.

    Attributes:
        floor_factor: times the present floors.
        spread_factor: times the present spreads.
        settings: with them.
    """

    floor_factor: Decimal
    spread_factor: float
    settings: Settings

    @property
    def is_present(self) -> bool:
        """Whether it changes nothing."""
        return self.floor_factor == 1 and self.spread_factor == 1

    def fragment(self) -> dict[str, Any]:
        """What to write into the configuration: its spike rules, defaults left out."""
        rules = [
            rule.model_dump(mode="json", exclude_defaults=True)
            for rule in self.settings.rules.spikes
        ]
        return {"rules": {"spikes": rules}}


def variants_of(settings: Settings) -> list[Variant]:
    """The grid around the present settings."""
    return [
        Variant(floor_factor, spread_factor, _changed(settings, floor_factor, spread_factor))
        for spread_factor in SPREAD_FACTORS
        for floor_factor in FLOOR_FACTORS
    ]


def _changed(settings: Settings, floor_factor: Decimal, spread_factor: float) -> Settings:
    spikes = tuple(
        _changed_rule(rule, floor_factor, spread_factor) for rule in settings.rules.spikes
    )
    rules = settings.rules.model_copy(update={"spikes": spikes})
    return settings.model_copy(update={"rules": rules})


def _changed_rule(rule: SpikeRule, floor_factor: Decimal, spread_factor: float) -> SpikeRule:
    floors = {
        name: (getattr(rule.severity, name) * floor_factor).quantize(_CENT)
        for name in SeverityFloors.model_fields
    }
    spreads = round(rule.ewma.spreads * spread_factor, 2)
    return rule.model_copy(
        update={
            "severity": SeverityFloors(**floors),
            "ewma": rule.ewma.model_copy(update={"spreads": spreads}),
        }
    )


@dataclass(frozen=True, slots=True)
class Tried:
    """What a variant came to.

    Attributes:
        variant: what was tried.
        summary: what it found.
        verdict: held against labels, if there are any.
        leaked_nanousd: of all causes that any variant found (of those labelled, if there are
            labels): until the throttle would have acted, or all that it cost where it never would.
    """

    variant: Variant
    summary: BacktestSummary
    verdict: Verdict | None
    leaked_nanousd: int

    @property
    def pages_per_week(self) -> float:
        """False pages a week where there are labels, else all pages a week."""
        verdict, summary = self.verdict, self.summary
        return summary.a_week(len(summary.pages) if verdict is None else verdict.false_pages)


def weigh(
    results: Sequence[tuple[Variant, BacktestSummary, Verdict | None]],
) -> list[Tried]:
    """What each variant leaked of all that there was to find."""
    causes: list[IncidentSummary] = []
    for _, summary, verdict in results:
        for incident in _real(summary, verdict):
            index = next((n for n, e in enumerate(causes) if is_same_cause(e, incident)), None)
            if index is None:
                causes.append(incident)
            elif incident.excess_nanousd > causes[index].excess_nanousd:
                causes[index] = incident
    return [
        Tried(variant, summary, verdict, sum(_leaked(each, summary) for each in causes))
        for variant, summary, verdict in results
    ]


def _real(summary: BacktestSummary, verdict: Verdict | None) -> Sequence[IncidentSummary]:
    if verdict is None:
        return summary.incidents
    return [each for each in summary.incidents if each.incident_id in verdict.label_of]


def _leaked(cause: IncidentSummary, summary: BacktestSummary) -> int:
    costs = [each.cost_nanousd for each in summary.incidents if is_same_cause(cause, each)]
    return min([*costs, cause.excess_nanousd])


def best(tried: Sequence[Tried], pages_per_week: float) -> Tried:
    """The one that leaks least at no more than a rate of pages; if none is so calm, the calmest.

    Of several that leak alike, the calmest, and of those the one nearest to the present settings.
    """
    calm = [each for each in tried if each.pages_per_week <= pages_per_week]
    if not calm:
        return min(tried, key=lambda each: (each.pages_per_week, each.leaked_nanousd))
    return min(
        calm,
        key=lambda each: (
            each.leaked_nanousd,
            each.pages_per_week,
            not each.variant.is_present,
        ),
    )
