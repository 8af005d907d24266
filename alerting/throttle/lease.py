"""What is wanted of one target, for how long, and how it is let go again.

An action is a lease: renewed while its alerts fire, gone by itself when nobody renews it. A
throttle hides its own evidence, so letting go is a probe that lets a little through first. This
file holds the state of a target and its clockwork; it publishes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from alerting.throttle.action import Mode, OnLapse, ThrottleAction
from alerting.throttle.policy import Standing, ThrottleConfig
from detectors.window import MINUTE_SECONDS


@dataclass(frozen=True, slots=True)
class Ask:
    """What one incident wants of a target.

    Attributes:
        incident_id: whose wish it is.
        root_fingerprint: of the alert that named the incident when this was decided.
        considered_at: wall clock, when it was first thought of.
        seen_at: event time of the last sign that the excess is present.
        decided_at: event time of the decision.
        standing: what has become of it.
        mode: how hard.
        admit_ratio: 0-1.
        reason: a sentence.
        alert_ids: the alerts it answers.
        innocent_share: 0-1.
        innocent_usd_per_hour: decimal dollars.
        excess_usd: the incident's excess when it was decided, decimal dollars.
        excess_usd_per_hour: its pace then.
        held_since: wall clock from which the present hold counts, once enforced.
        probe: which step of the release it is on; 0 is the full hold.
        probe_since: wall clock, when that step began.
        approval: who decided and when, if a person did.
        leak: what had leaked when the enforcer applied it; annotations for the alert.
        first_sequence: sequence of the first action that carried this mode and ratio.
    """

    incident_id: str
    root_fingerprint: str
    considered_at: float
    seen_at: float
    decided_at: int
    standing: Standing = Standing.WAITING
    mode: Mode = Mode.THROTTLE
    admit_ratio: float = 1.0
    reason: str = ""
    alert_ids: tuple[str, ...] = ()
    innocent_share: float = 1.0
    innocent_usd_per_hour: str = "0"
    excess_usd: str = "0"
    excess_usd_per_hour: str = "0"
    held_since: float | None = None
    probe: int = 0
    probe_since: float = 0.0
    approval: dict[str, str] | None = None
    leak: dict[str, str] = field(default_factory=dict)
    first_sequence: int = 0


@dataclass(frozen=True, slots=True)
class OperatorAsk:
    """What a person wants of a target.

    Attributes:
        mode: how hard.
        admit_ratio: 0-1.
        reason: the person's words.
        asked_by: who.
        asked_at: wall clock.
        until: wall clock; None until released.
        on_lapse: what gateways do past the lease, should spendwatch die.
        limits: as in ``ThrottleAction``.
    """

    mode: Mode
    admit_ratio: float
    reason: str
    asked_by: str
    asked_at: float
    until: float | None
    on_lapse: OnLapse
    limits: dict[str, int | str] | None = None


@dataclass(frozen=True, slots=True)
class TargetState:
    """Everything known of one target.

    Attributes:
        target: in one-string form.
        sequence: of its newest action in either topic.
        asks: by incident id.
        operator: what a person wants, if anything.
        enforced: its newest record in ``throttle.actions``.
        shadow: its newest record in ``throttle.shadow``.
        held_from: sequence of the first action of the present hold.
        applied_at: wall clock from which an enforcer holds it; None until it says so.
        applied_by: which enforcer.
        complaints: acks that said otherwise, as ``<action_id>/<enforcer>``, newest last.
    """

    target: str
    sequence: int = 0
    asks: dict[str, Ask] = field(default_factory=dict)
    operator: OperatorAsk | None = None
    enforced: ThrottleAction | None = None
    shadow: ThrottleAction | None = None
    held_from: int = 0
    applied_at: float | None = None
    applied_by: str = ""
    complaints: tuple[str, ...] = ()

    @property
    def held_alert_ids(self) -> tuple[str, ...]:
        """The alerts that an action in force answers; empty if none is."""
        if self.enforced is None or self.enforced.mode is Mode.RELEASE:
            return ()
        return self.enforced.alert_ids

    @property
    def is_held(self) -> bool:
        """Whether an action is in force that may hold spend down."""
        return self.enforced is not None and self.enforced.mode is not Mode.RELEASE

    @property
    def is_dry(self) -> bool:
        """Whether an action would be in force if dry runs were real."""
        return self.shadow is not None and self.shadow.mode is not Mode.RELEASE

    def with_ask(self, ask: Ask) -> "TargetState":
        """The state with one incident's wish set."""
        return replace(self, asks={**self.asks, ask.incident_id: ask})

    def with_asks(self, asks: Mapping[str, Ask]) -> "TargetState":
        """The state with these wishes only."""
        return replace(self, asks=dict(asks))


def is_lapsed(action: ThrottleAction | None, wall_seconds: float) -> bool:
    """Whether gateways have let go of an action by themselves."""
    return (
        action is not None
        and action.mode is not Mode.RELEASE
        and action.on_lapse is OnLapse.ADMIT
        and wall_seconds >= action.expires_at
    )


def is_renewal_due(action: ThrottleAction, config: ThrottleConfig, wall_seconds: float) -> bool:
    """Whether an action in force is to be published again."""
    return wall_seconds - action.issued_at >= config.renew_minutes * MINUTE_SECONDS


def lease_end(config: ThrottleConfig, wall_seconds: float, until: float | None) -> float:
    """When an action issued now expires; never past what a person allowed."""
    end = wall_seconds + config.lease_minutes * MINUTE_SECONDS
    return end if until is None else min(end, until)


def probe_ratios(ask: Ask, config: ThrottleConfig) -> tuple[float, ...]:
    """The steps of an ask's release; those that would be harder than the ask are skipped."""
    floor = ask.admit_ratio if ask.mode is Mode.THROTTLE else 0.0
    return tuple(ratio for ratio in config.probe_ratios if ratio > floor)


def effective(ask: Ask, config: ThrottleConfig) -> tuple[Mode, float]:
    """Mode and admit ratio of an ask, its probe considered."""
    if ask.probe == 0:
        return ask.mode, ask.admit_ratio
    return Mode.THROTTLE, probe_ratios(ask, config)[ask.probe - 1]


def advanced(ask: Ask, config: ThrottleConfig, wall_seconds: float) -> Ask | None:
    """An enforced ask after its hold or probe step has run its time; None once it is let go."""
    since = ask.probe_since if ask.probe else ask.held_since
    minutes = config.probe_minutes if ask.probe else config.hold_minutes
    if since is None or wall_seconds - since < minutes * MINUTE_SECONDS:
        return ask
    if ask.probe == len(probe_ratios(ask, config)):
        return None
    return replace(ask, probe=ask.probe + 1, probe_since=wall_seconds)


def rearmed(ask: Ask, wall_seconds: float) -> Ask:
    """A probing ask back in its full hold, because the excess came back."""
    return replace(ask, probe=0, probe_since=0.0, held_since=wall_seconds)
