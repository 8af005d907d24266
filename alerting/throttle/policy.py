"""How far automation may go: the configuration of throttling, and the one verdict it gives.

A throttle that is wrong is an outage that we made, so every rule here only ever makes an action
milder. Nothing is sent from here, and no clock is read.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from alerting.alert import Alert, Severity, Status
from alerting.throttle.action import Mode, OnLapse
from alerting.throttle.target import Evidence
from alerting.words import percent
from detectors.observation import NANOUSD_PER_USD

AlertKind = Literal["spike", "contributor", "budget", "forecast", "feed", "ratio", "absence"]
"""What an alert can be of (``Alert.kind``)."""


class ThrottleMode(StrEnum):
    """Whether decisions are real."""

    SHADOW = "shadow"
    ENFORCE = "enforce"


class Fallback(StrEnum):
    """What becomes of an action that automation may not take alone."""

    SHADOW = "shadow"
    REQUIRE_APPROVAL = "require_approval"


class Standing(StrEnum):
    """What has become of one incident's wish for a target."""

    WAITING = "waiting"  # for the key's own evidence, or for a moment of calm
    SHADOW = "shadow"  # written down, not enforced
    PROPOSED = "proposed"  # enforced once a person approves
    ENFORCED = "enforced"
    OVERRULED = "overruled"  # a person has looked and decided otherwise


PROTECTED_KINDS = ("api_key", "agent", "user")
"""What ``never_block`` can name: a key, and those of whom a key knows that they use it."""


def _is_protecting(entry: str) -> str:
    """Refuses an entry that would protect nothing."""
    kind, colon, rest = entry.partition(":")
    if entry == "*":
        return entry
    if not colon:
        raise ValueError(f"{entry!r} names no scope: write api_key:{entry or 'NAME'}")
    if not rest.partition("@")[0]:
        raise ValueError(f"{entry!r} has no name: write {kind}:NAME")
    if not any(fnmatchcase(known, kind) for known in PROTECTED_KINDS):
        raise ValueError(
            f"{entry!r} would spare no key: keys know their agents and users only, so name its keys"
            f" or agents with one of {', '.join(PROTECTED_KINDS)}"
        )
    return entry


class ThrottleConfig(BaseModel):
    """The policy of automatic throttling."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: ThrottleMode = Field(
        ThrottleMode.SHADOW,
        description="shadow writes decisions to throttle.shadow only; enforce makes them real.",
    )
    never_block: tuple[Annotated[str, AfterValidator(_is_protecting)], ...] = Field(
        (),
        description="Keys that automation never touches, with * and ?: api_key:prod-*. A key is"
        " also left alone if an agent:NAME or user:NAME named here is known on it, and throttled"
        " instead of blocked where part of its spend has no name.",
    )
    max_automatic_targets_per_hour: int = Field(
        3, ge=0, description="Targets that automation may newly act on within an hour."
    )
    over_cap: Fallback = Field(
        Fallback.SHADOW, description="What becomes of actions over the hourly cap."
    )
    block_max_innocent_share: float = Field(
        0.05, ge=0, le=1, description="Innocent part of a target's spend up to which it is blocked."
    )
    throttle_max_innocent_share: float = Field(
        0.5, ge=0, le=1, description="Innocent part up to which a target is throttled."
    )
    uncertain: Fallback = Field(
        Fallback.SHADOW,
        description="What becomes of actions whose innocent part is larger, or unknown.",
    )
    min_admit_ratio: float = Field(
        0.01, gt=0, le=1, description="The least share of calls that a throttle lets through."
    )
    require_approval: bool = Field(
        default=False, description="Whether a person must approve every automatic action."
    )
    lease_minutes: float = Field(15, gt=0, description="After this an action lapses by itself.")
    renew_minutes: float = Field(5, gt=0, description="How often it is renewed while needed.")
    on_lapse: OnLapse = Field(
        OnLapse.ADMIT, description="What gateways do past the lease: admit or hold."
    )
    min_severity: Severity = Field(
        Severity.CRITICAL, description="The least severity that may cause an action."
    )
    min_excess_usd: Decimal = Field(
        Decimal("0.25"),
        ge=0,
        description="The least excess of an episode that may cause an action. What is critical is "
        "told once: an action that waits for more waits for the end of the window.",
    )
    metrics: tuple[Literal["cost_usd"], ...] = Field(
        ("cost_usd",), description="Metrics whose alerts may cause an action; never estimates."
    )
    excluded_kinds: tuple[AlertKind, ...] = Field(
        ("budget", "forecast", "feed", "contributor", "ratio", "absence"),
        description="Kinds of alerts that never cause an action.",
    )
    min_driver_share: float = Field(
        0.2, gt=0, le=1, description="Share of the excess from which a driver counts as a cause."
    )
    settle_seconds: float = Field(
        5,
        ge=0,
        description="Wait before an action, so that a burst of keys is seen as a burst first.",
    )
    evidence_wait_seconds: float = Field(
        30, ge=0, description="Wait for the key's own signal; then all its spend is innocent."
    )
    wide_targets: int = Field(
        10, ge=1, description="More distinct targets than this at once: the feed is suspected."
    )
    wide_minutes: float = Field(10, gt=0, description="How long 'at once' is, in event time.")
    hold_minutes: float = Field(30, gt=0, description="How long an action holds before it probes.")
    probe_minutes: float = Field(10, gt=0, description="How long each step of the release lasts.")
    probe_ratios: tuple[float, ...] = Field(
        (0.05, 0.25), description="Shares of calls let through, step by step, before release."
    )
    present_minutes: float = Field(
        15, gt=0, description="How old the last sign of the excess may be for a new action."
    )

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if self.renew_minutes >= self.lease_minutes:
            raise ValueError("renew_minutes must be below lease_minutes, or every lease lapses")
        if self.block_max_innocent_share > self.throttle_max_innocent_share:
            raise ValueError(
                "block_max_innocent_share must not be above throttle_max_innocent_share"
            )
        steps = (0.0, *self.probe_ratios, 1.0)
        if any(after <= before for before, after in pairwise(steps)):
            raise ValueError("probe_ratios must rise and lie between 0 and 1")
        return self


def may_act(config: ThrottleConfig, alert: Alert) -> bool:
    """Whether an alert can cause an action: the excess is present, large and measured."""
    return (
        alert.status is Status.FIRING
        and not alert.is_late
        and alert.kind not in config.excluded_kinds
        and alert.metric in config.metrics
        and alert.severity.rank >= config.min_severity.rank
        and alert.observed > alert.upper
        and alert.excess_nanousd >= config.min_excess_usd * NANOUSD_PER_USD
    )


def protecting(config: ThrottleConfig, scopes: tuple[str, ...]) -> str | None:
    """The first scope that ``never_block`` names, if any."""
    for scope in scopes:
        if any(fnmatchcase(scope, pattern) for pattern in config.never_block):
            return scope
    return None


@dataclass(frozen=True, slots=True)
class Situation:
    """What a verdict depends on besides the configuration.

    Attributes:
        target: the key, in one-string form.
        guilty: the incident's agents.
        evidence: who else is on the key.
        mode: shadow or enforce, as the operator last said.
        is_paused: an operator stopped automation.
        is_suspect: many keys at once: the feed is suspected.
        is_capped: the hour's automatic targets are used up.
    """

    target: str
    guilty: frozenset[str]
    evidence: Evidence
    mode: ThrottleMode
    is_paused: bool
    is_suspect: bool
    is_capped: bool


@dataclass(frozen=True, slots=True)
class TargetVerdict:
    """What is to be done about a target.

    Attributes:
        mode: how hard, were it enforced.
        admit_ratio: 0-1; 0 with ``block``.
        standing: whether it is.
        reason: why it is not, or why it is no harder; a clause.
    """

    mode: Mode
    admit_ratio: float
    standing: Standing
    reason: str


def judge(config: ThrottleConfig, situation: Situation) -> TargetVerdict:
    """The verdict: how hard by innocent share, and whether by everything that holds it back."""
    evidence = situation.evidence
    share = f"{percent(evidence.innocent_share)} of its spend is innocent"
    if not evidence.is_known:
        share = "it has not said who else uses it, so all of its spend counts as innocent"
    mode, ratio = Mode.THROTTLE, max(config.min_admit_ratio, evidence.admit_ratio)
    reasons = [share]
    if evidence.is_known and evidence.innocent_share <= config.block_max_innocent_share:
        hidden = _hidden_kinds(config, evidence)
        if hidden:
            kinds = " and ".join(hidden)
            reasons.append(f"not blocked: never_block may name one of its {kinds}s without a name")
        else:
            mode, ratio = Mode.BLOCK, 0.0
    standing, why = _standing(config, situation)
    return TargetVerdict(mode, ratio, standing, "; ".join([*reasons, why] if why else reasons))


def _hidden_kinds(config: ThrottleConfig, evidence: Evidence) -> list[str]:
    """The kinds in which somebody protected may be on the key without being named."""
    protected = {entry.partition(":")[0] for entry in config.never_block}
    return [
        kind
        for kind in sorted(evidence.unnamed)
        if any(fnmatchcase(kind, pattern) for pattern in protected)
    ]


def _fallback(fallback: Fallback) -> Standing:
    is_shadow = fallback is Fallback.SHADOW
    return Standing.SHADOW if is_shadow else Standing.PROPOSED


def _standing(config: ThrottleConfig, situation: Situation) -> tuple[Standing, str]:
    """Everything that holds automation back, in one list; the first that holds decides."""
    evidence = situation.evidence
    protected = protecting(config, (situation.target, *sorted(situation.guilty), *evidence.others))
    is_shadow = situation.mode is ThrottleMode.SHADOW
    is_shared = evidence.innocent_share > config.throttle_max_innocent_share
    cap = config.max_automatic_targets_per_hour
    brakes = (
        (protected is not None, Standing.SHADOW, f"never_block names {protected}"),
        (situation.is_suspect, Standing.SHADOW, "many keys at once, so the feed is suspected"),
        (situation.is_paused, Standing.SHADOW, "throttling is paused"),
        (is_shadow, Standing.SHADOW, "throttle.mode is shadow"),
        (is_shared, _fallback(config.uncertain), "too much of it may be innocent"),
        (config.require_approval, Standing.PROPOSED, "a person must approve"),
        (situation.is_capped, _fallback(config.over_cap), f"{cap} automatic targets this hour"),
    )
    for holds, standing, why in brakes:
        if holds:
            return standing, f"not enforced: {why}"
    return Standing.ENFORCED, ""
