"""One state per target, out of everybody's wishes.

Several incidents and a person may want different things of one key; gateways get one record. The
strictest wins, except that a person who has looked overrules what he looked at (``Standing.
OVERRULED``, set by ``alerting/decide/orders.py``). Pure: wishes in, action out.
"""

from dataclasses import dataclass, replace

from alerting.fingerprint import action_id
from alerting.throttle.action import Mode, OnLapse, ThrottleAction
from alerting.throttle.lease import (
    Ask,
    OperatorAsk,
    TargetState,
    effective,
    is_renewal_due,
    lease_end,
)
from alerting.throttle.policy import Standing, ThrottleConfig
from detectors.scope import Scope
from detectors.window import rfc3339

POLICY_AUTOMATIC = "automatic"
POLICY_OPERATOR = "operator"

_HARDNESS = {Mode.RELEASE: 0, Mode.THROTTLE: 1, Mode.REQUIRE_APPROVAL: 2, Mode.BLOCK: 3}


@dataclass(frozen=True, slots=True)
class Wish:
    """An action without its lease and its number; fields as in ``ThrottleAction``.

    Attributes:
        until: wall clock past which it is not wanted; None if that is open.
    """

    mode: Mode
    admit_ratio: float
    reason: str
    alert_ids: tuple[str, ...]
    incident_id: str
    policy: str
    innocent_share: float
    innocent_usd_per_hour: str
    decided_at: int
    on_lapse: OnLapse
    limits: dict[str, int | str] | None = None
    approval: dict[str, str] | None = None
    until: float | None = None


def hardness(mode: Mode, admit_ratio: float) -> tuple[int, float]:
    """Sorts from mildest to hardest; of two throttles the one that admits less is harder."""
    return _HARDNESS[mode], -admit_ratio


def wish_of(ask: Ask, config: ThrottleConfig) -> Wish:
    """An incident's ask as a wish."""
    mode, admit_ratio = effective(ask, config)
    if ask.standing is Standing.PROPOSED:
        mode = Mode.REQUIRE_APPROVAL
    reason = f"Probing release: {ask.reason}" if ask.probe else ask.reason
    return Wish(
        mode=mode,
        admit_ratio=admit_ratio,
        reason=reason,
        alert_ids=ask.alert_ids,
        incident_id=ask.incident_id,
        policy=POLICY_AUTOMATIC,
        innocent_share=ask.innocent_share,
        innocent_usd_per_hour=ask.innocent_usd_per_hour,
        decided_at=ask.decided_at,
        on_lapse=config.on_lapse,
        approval=ask.approval,
    )


def wish_of_operator(operator: OperatorAsk, state: TargetState) -> Wish:
    """A person's ask as a wish; it answers the alerts of every incident that looks at the key."""
    asks = sorted(state.asks.values(), key=lambda ask: (ask.considered_at, ask.incident_id))
    first = asks[0] if asks else None
    return Wish(
        mode=operator.mode,
        admit_ratio=operator.admit_ratio,
        reason=operator.reason,
        alert_ids=(),
        incident_id=first.incident_id if first else "",
        policy=POLICY_OPERATOR,
        innocent_share=first.innocent_share if first else 1.0,
        innocent_usd_per_hour=first.innocent_usd_per_hour if first else "0",
        decided_at=first.decided_at if first else int(operator.asked_at),
        on_lapse=operator.on_lapse,
        limits=operator.limits,
        approval={
            "decision": "set",
            "decided_by": operator.asked_by,
            "decided_at": rfc3339(operator.asked_at),
        },
        until=operator.until,
    )


def strictest(wishes: list[Wish], alert_ids: tuple[str, ...]) -> Wish | None:
    """The hardest of the wishes, answering all of ``alert_ids``; the first of equals."""
    if not wishes:
        return None
    hardest = max(wishes, key=lambda wish: hardness(wish.mode, wish.admit_ratio))
    return replace(hardest, alert_ids=alert_ids)


def wanted(state: TargetState, config: ThrottleConfig) -> tuple[Wish | None, Wish | None]:
    """What ``throttle.actions`` and ``throttle.shadow`` should say of a target."""
    real = [wish_of(ask, config) for ask in _asks(state, Standing.ENFORCED)]
    answered = [ask for ask in _asks(state, *Standing) if state.operator is not None]
    if state.operator is not None:
        real.insert(0, wish_of_operator(state.operator, state))
    answered = answered or _asks(state, Standing.ENFORCED)
    dry = _asks(state, Standing.SHADOW, Standing.PROPOSED)
    return (
        strictest(real, _alert_ids(answered)),
        strictest([wish_of(ask, config) for ask in dry], _alert_ids(dry)),
    )


def _asks(state: TargetState, *standings: Standing) -> list[Ask]:
    found = [ask for ask in state.asks.values() if ask.standing in standings]
    return sorted(found, key=lambda ask: (ask.considered_at, ask.incident_id))


def _alert_ids(asks: list[Ask]) -> tuple[str, ...]:
    return tuple(sorted({alert_id for ask in asks for alert_id in ask.alert_ids}))


def _is_said(last: ThrottleAction, wish: Wish) -> bool:
    """Whether the last record already says what is wished."""
    return (
        last.mode is wish.mode
        and last.admit_ratio == wish.admit_ratio
        and last.alert_ids == wish.alert_ids
        and last.incident_id == wish.incident_id
        and last.policy == wish.policy
        and last.on_lapse is wish.on_lapse
        and last.limits == wish.limits
        and last.approval == wish.approval
    )


def next_action(
    state: TargetState,
    last: ThrottleAction | None,
    wish: Wish | None,
    config: ThrottleConfig,
    wall_seconds: float,
    *,
    may_renew: bool,
    release_reason: str,
) -> ThrottleAction | None:
    """The record to publish on one topic so that it says ``wish``; None if nothing is to be said.

    Args:
        state: of the target; its sequence is counted on.
        last: the newest record on that topic.
        wish: what it should say; None for a release.
        config: leases.
        wall_seconds: now.
        may_renew: whether a lease that says the right thing may be renewed.
        release_reason: a sentence, should this be a release.
    """
    sequence = state.sequence + 1
    supersedes = None if last is None else last.action_id
    identity = action_id(state.target, sequence)
    if wish is None:
        if last is None or last.mode is Mode.RELEASE:
            return None
        return replace(
            last,
            action_id=identity,
            mode=Mode.RELEASE,
            admit_ratio=1.0,
            limits=None,
            reason=release_reason,
            issued_at=wall_seconds,
            expires_at=lease_end(config, wall_seconds, None),
            on_lapse=OnLapse.ADMIT,
            sequence=sequence,
            supersedes=supersedes,
        )
    is_due = may_renew and last is not None and is_renewal_due(last, config, wall_seconds)
    if last is not None and _is_said(last, wish) and not is_due:
        return None
    return ThrottleAction(
        action_id=identity,
        target=Scope.parse(state.target),
        mode=wish.mode,
        admit_ratio=wish.admit_ratio,
        reason=wish.reason,
        alert_ids=wish.alert_ids,
        incident_id=wish.incident_id,
        policy=wish.policy,
        innocent_share=wish.innocent_share,
        innocent_usd_per_hour=wish.innocent_usd_per_hour,
        decided_at=wish.decided_at,
        issued_at=wall_seconds,
        expires_at=lease_end(config, wall_seconds, wish.until),
        on_lapse=wish.on_lapse,
        sequence=sequence,
        supersedes=supersedes,
        limits=wish.limits,
        approval=wish.approval,
    )
