"""What tells a price error from runaways: many scopes' dollars a token rise at once by one factor.

A price ten times too high, or dollars sent as cents, makes scopes jump that have nothing in common
but the feed, all by about the same factor and none by its number of requests. This file reads that
factor off single alerts and says whether several agree. It opens no incident, stops no action and
must not explain a scope whose requests rose: dividing its dollars by the factor must leave it calm.

An alert says how many times as dear a token was as usually (``detectors/decomposition.py``), also
where less than one request was expected.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median_low

from pydantic import BaseModel, ConfigDict, Field

from alerting.alert import SPIKE, Alert, Status
from alerting.drivers import driver_scope, leading
from detectors.observation import NANOUSD_PER_USD
from detectors.scope import Scope

COUNTED_KINDS = ("agent", "api_key")
"""The finest scopes: only they are counted. Coarser ones rise with them, and mix prices."""

SAME = math.log(1.5)
"""Factors within 1.5 times of each other are the same. Measured 2026-11-29 on 40 simulated agents
with all prices times 10: factors of whole windows lie between 9.0 and 10.7."""

LIKE = math.log(5.0)
"""A window in which the error began holds old prices, too: in five minutes counted by the minute
such a factor is at most five times too low. So much may an alert's be above the common one."""

ROOM = 2.0
"""Times its band's upper edge that is left of a scope that the factor explains. From the second
window on an episode's factor is up to 1.7 times too low, for the reason above: (4 + 6 x 1000) / 10
of 1000."""

EXPLAINS_SHARE = 0.5
"""A coarse or sparse scope is explained if the price is at least half of its growth."""

NO_SPIKE_NANOUSD = NANOUSD_PER_USD
"""Dollars above what was expected of a window that are no spike (as shipped in ``rules.spikes``,
``min_excess_usd``). Late in an episode the upper edge may be as low as the expectation, and windows
of few requests are soon twice that: two of 21 agents left the suspicion for $0.06 and $0.23."""

UNUSED = math.log(50.0)
"""A model is new to a scope if less than a fiftieth of its dollars was expected of it. Measured as
above: the model whose price is wrong had a tenth of them at least, by the means of single models,
which are of all hours, beside the scope's own expectation, which is of this one."""

LEADS_SHARE = 0.8
"""A model is named if it carries so much of the excess."""


class SameFactorConfig(BaseModel):
    """When scopes that rise together are a suspicion against prices or units."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_scopes: int = Field(
        5,
        ge=3,
        description="Agents (or keys, of feeds without agents) whose dollars a token rise together"
        " by one factor: from so many on the prices or the units are suspected.",
    )
    minutes: float = Field(
        15, gt=0, description="How long 'together' is for their alerts, in event time."
    )
    min_price_share: float = Field(
        0.7,
        ge=0.5,
        le=1,
        description="Share of each one's excess that dearer tokens explain at least.",
    )


@dataclass(frozen=True, slots=True)
class Rise:
    """What one alert says of the price.

    Attributes:
        alert: whose.
        share: the price's part of the excess; above 1 where the rest shrank.
        factor: logarithm of how many times as dear.
    """

    alert: Alert
    share: float
    factor: float

    @property
    def onset_at(self) -> int:
        """When the alert began to fire, event time."""
        return self.alert.decided_at if self.alert.fired_at is None else self.alert.fired_at

    @property
    def who(self) -> str:
        """The scope that it is counted as: an agent's keys are no further ones."""
        agents = leading(self.alert, "agent", EXPLAINS_SHARE)
        return str(agents[0] if agents and self.alert.scope.kind != "agent" else self.alert.scope)

    def fits(self, factor: float) -> bool:
        """Whether the factor, by its logarithm, is the same."""
        return abs(self.factor - factor) <= SAME


@dataclass(frozen=True, slots=True)
class Agreement:
    """What several rises have in common.

    Attributes:
        factor: logarithm of how many times dearer it is.
        rises: those that agree, one a scope.
    """

    factor: float
    rises: tuple[Rise, ...]


def rise_of(alert: Alert) -> Rise | None:
    """What an alert says of the price; None if it says nothing, or the model was exchanged."""
    parts, excess = alert.decomposition, alert.excess_nanousd
    is_told = alert.kind == SPIKE and alert.status is not Status.RESOLVED
    if not is_told or parts is None or excess <= 0 or parts.price_nanousd <= 0:
        return None
    if not parts.price_ratio or parts.price_ratio <= 1 or _is_model_exchanged(alert):
        return None
    return Rise(alert, parts.price_nanousd / excess, math.log(parts.price_ratio))


def agreement(newest: Rise, others: Iterable[Rise], config: SameFactorConfig) -> Agreement | None:
    """What a rise has in common with others near it in time; None if they are too few.

    Args:
        newest: of the alert that has come.
        others: of alerts that fire.
        config: how many, how near, how pure.
    """
    reach = config.minutes * 60
    near = one_a_scope(
        each
        for each in (*others, newest)
        if each.share >= config.min_price_share and abs(each.onset_at - newest.onset_at) <= reach
    )
    alike = [each for each in near if each.fits(newest.factor)]
    if not alike:
        return None
    factor = common_factor(alike)
    agreeing = tuple(each for each in near if each.fits(factor))
    return Agreement(factor, agreeing) if len(agreeing) >= config.min_scopes else None


def one_a_scope(rises: Iterable[Rise]) -> tuple[Rise, ...]:
    """One rise for each scope that is counted: an agent's own before those of its keys."""
    return tuple({each.who: each for each in sorted(rises, key=_finest_last)}.values())


def common_factor(rises: Iterable[Rise]) -> float:
    """The logarithm of the factor in the middle; there is a rise."""
    return median_low([each.factor for each in rises])


def do_differ(rises: Sequence[Rise], factor: float) -> bool:
    """Whether most of the factors are not the common one, after all."""
    return 2 * sum(each.fits(factor) for each in rises) < len(rises)


def is_explained(rise: Rise | None, factor: float, *, is_member: bool) -> bool:
    """Whether the common factor explains an alert.

    At the old price what was seen is hardly news, and the price rose by no more than that factor.

    Args:
        rise: what the alert says of the price.
        factor: logarithm of the common one.
        is_member: whether it was explained before. Then only what speaks against it counts: by and
            by all kinds of windows are in an episode.
    """
    if rise is None or rise.factor > factor + LIKE:
        return False
    left = rise.alert.observed * math.exp(-rise.factor)
    is_calm = left <= ROOM * rise.alert.upper
    if is_member:
        return is_calm or left - rise.alert.expected <= NO_SPIKE_NANOUSD
    return is_calm and rise.share >= EXPLAINS_SHARE


def model_of(rises: Iterable[Rise]) -> str | None:
    """The model that nearly all of the excess is on, if it is one."""
    by_model: Counter[str] = Counter()
    for rise in rises:
        for scope, excess, _ in _models(rise.alert):
            by_model[scope.name] += excess
    if not by_model:
        return None
    name, most = by_model.most_common(1)[0]
    return name if most >= LEADS_SHARE * by_model.total() else None


def _finest_last(rise: Rise) -> tuple[bool, int, str]:
    """Of several alerts of one agent its own counts, then its dearest key's."""
    alert = rise.alert
    return alert.scope.kind == COUNTED_KINDS[0], alert.excess_nanousd, alert.fingerprint


def _spent(alert: Alert) -> int:
    """What was spent in all windows of the excess: each dimension of drivers adds up to it."""
    by_kind: Counter[str] = Counter()
    for driver in alert.drivers:
        by_kind[driver.scope.partition(":")[0]] += driver.observed_nanousd
    return max(alert.observed, alert.excess_nanousd, *by_kind.values())


def _models(alert: Alert) -> list[tuple[Scope, int, int]]:
    """The models with an excess: scope, excess and dollars seen, in nano-dollars."""
    return [
        (scope, driver.excess_nanousd, driver.observed_nanousd)
        for driver in alert.drivers
        if (scope := driver_scope(driver, alert)) is not None
        and scope.kind == "model"
        and driver.excess_nanousd > 0
    ]


def _is_model_exchanged(alert: Alert) -> bool:
    """Whether the dearest model was hardly used before: it is dear, its price need not be wrong."""
    models = _models(alert)
    if not models:
        return False
    spent = _spent(alert)
    grown = math.log(spent / max(spent - alert.excess_nanousd, 1))
    _, excess, seen = max(models, key=lambda each: each[1])
    return seen <= excess or math.log(seen / (seen - excess)) > grown + UNUSED
