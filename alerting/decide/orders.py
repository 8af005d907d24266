"""What an operator's command does to targets.

A person who has looked wins over automation about what he looked at: ``set`` and ``release``
overrule the asks that exist then, for as long as their incidents last. A new incident may ask anew.
"""

from dataclasses import replace
from typing import Any

from alerting.command import (
    ThrottleApprove,
    ThrottleModeSwitch,
    ThrottlePause,
    ThrottleReject,
    ThrottleRelease,
    ThrottleReleaseAll,
    ThrottleResume,
    ThrottleSet,
)
from alerting.decide.desk import Desk
from alerting.decide.ledger import Draft, Ledger
from alerting.decide.publish import Publisher
from alerting.fingerprint import action_id
from alerting.throttle.action import Mode
from alerting.throttle.lease import Ask, OperatorAsk, TargetState
from alerting.throttle.policy import Standing, ThrottleConfig, protecting
from detectors.scope import Scope
from detectors.window import MINUTE_SECONDS, rfc3339

SEQUENCES_BACK = 64
"""How many actions back an approval or an ack may name; leases renew every five minutes."""

Order = (
    ThrottleSet
    | ThrottleRelease
    | ThrottleReleaseAll
    | ThrottlePause
    | ThrottleResume
    | ThrottleModeSwitch
    | ThrottleApprove
    | ThrottleReject
)


def is_of(state: TargetState, identity: str, first_sequence: int) -> bool:
    """Whether an action id is one of a target's, from ``first_sequence`` on."""
    begin = max(first_sequence, state.sequence - SEQUENCES_BACK, 1)
    return any(
        identity == action_id(state.target, sequence)
        for sequence in range(begin, state.sequence + 1)
    )


class Orders:
    """Carries out commands.

    Attributes:
        config: the policy.
        ledger: the state.
        desk: judges anew where a command changes what holds for all.
        publisher: sends actions.
    """

    def __init__(
        self, config: ThrottleConfig, ledger: Ledger, desk: Desk, publisher: Publisher
    ) -> None:
        self.config = config
        self.ledger = ledger
        self.desk = desk
        self.publisher = publisher

    def obey(self, order: Order, wall_seconds: float, draft: Draft) -> None:
        """Does what is ordered, or says in ``draft.rejections`` why not."""
        match order:
            case ThrottleSet():
                self._set(order, wall_seconds, draft)
            case ThrottleRelease():
                target = str(Scope.parse(order.target))
                reason = order.reason or f"Released by {order.issued_by}."
                if not self._release(target, wall_seconds, draft, reason):
                    draft.rejections.append(f"{target}: nothing holds it, nothing was released")
            case ThrottleReleaseAll():
                reason = order.reason or f"Everything released by {order.issued_by}."
                for target in list(self.ledger.targets):
                    self._release(target, wall_seconds, draft, reason)
            case ThrottlePause() | ThrottleResume():
                is_paused = isinstance(order, ThrottlePause)
                self.ledger.put_control(replace(self.ledger.control, is_paused=is_paused))
                draft.control.append(self._record(order))
                done = "paused" if is_paused else "resumed"
                reason = f"Throttling was {done} by {order.issued_by}."
                self.desk.reconsider(wall_seconds, draft, reason)
            case ThrottleModeSwitch():
                self.ledger.put_control(replace(self.ledger.control, mode=order.mode))
                draft.control.append(self._record(order))
                reason = f"Throttling was switched to {order.mode.value} by {order.issued_by}."
                self.desk.reconsider(wall_seconds, draft, reason)
            case ThrottleApprove():
                self._approve(order, wall_seconds, draft)
            case _:
                self._reject(order, wall_seconds, draft)

    def _set(self, order: ThrottleSet, wall_seconds: float, draft: Draft) -> None:
        target = str(Scope.parse(order.target))
        if order.mode is Mode.BLOCK and not order.force:
            protected = protecting(self.config, (target,))
            if protected is not None:
                draft.rejections.append(
                    f"{target}: never_block names it; use throttle with an admit_ratio, or force"
                )
                return
        asked_at = order.issued_at.timestamp()
        until = None if order.minutes is None else asked_at + order.minutes * MINUTE_SECONDS
        if until is not None and until <= wall_seconds:
            draft.rejections.append(f"{target}: its {order.minutes:g} minutes are already over")
            return
        operator = OperatorAsk(
            mode=order.mode,
            admit_ratio=0.0 if order.admit_ratio is None else order.admit_ratio,
            reason=order.reason or f"Set by {order.issued_by}.",
            asked_by=order.issued_by,
            asked_at=asked_at,
            until=until,
            on_lapse=order.on_lapse,
            limits=order.limits,
        )
        state = _overruled(self.ledger.target(target))
        self.ledger.put_target(replace(state, operator=operator))
        self.publisher.publish(target, wall_seconds, draft)

    def _release(self, target: str, wall_seconds: float, draft: Draft, reason: str) -> bool:
        """Releases one target; False if there was nothing to release."""
        state = self.ledger.target(target)
        freed = replace(_overruled(state), operator=None)
        self.ledger.put_target(freed)
        self.publisher.publish(target, wall_seconds, draft, release_reason=reason)
        return freed != state

    def _approve(self, order: ThrottleApprove, wall_seconds: float, draft: Draft) -> None:
        found = self._proposal(order, draft)
        if found is None:
            return
        state, ask = found
        protected = protecting(self.config, (state.target,))
        if protected is not None and ask.mode is Mode.BLOCK:
            draft.rejections.append(f"{state.target}: never_block names it; use throttle set")
            return
        approved = replace(
            ask,
            standing=Standing.ENFORCED,
            held_since=wall_seconds,
            approval=_approval(order, "approved"),
        )
        self.ledger.put_target(state.with_ask(approved))
        self.publisher.publish(state.target, wall_seconds, draft)

    def _reject(self, order: ThrottleReject, wall_seconds: float, draft: Draft) -> None:
        found = self._proposal(order, draft)
        if found is None:
            return
        state, ask = found
        rejected = replace(ask, standing=Standing.OVERRULED, approval=_approval(order, "rejected"))
        self.ledger.put_target(state.with_ask(rejected))
        reason = f"Rejected by {order.issued_by}."
        self.publisher.publish(state.target, wall_seconds, draft, release_reason=reason)

    def _proposal(
        self, order: ThrottleApprove | ThrottleReject, draft: Draft
    ) -> tuple[TargetState, Ask] | None:
        """The ask that an action of ``throttle.shadow`` stood for, unless it has changed since."""
        state = self.ledger.target(str(Scope.parse(order.target)))
        for ask in state.asks.values():
            is_open = ask.standing in (Standing.SHADOW, Standing.PROPOSED)
            if is_open and is_of(state, order.action_id, ask.first_sequence):
                return state, ask
        draft.rejections.append(
            f"{state.target}: no open proposal {order.action_id}; it was decided, or has changed"
        )
        return None

    def _record(self, order: Order) -> dict[str, Any]:
        return control_record(
            order, is_paused=self.ledger.control.is_paused, mode=self.desk.mode.value
        )


def control_record(order: Order, *, is_paused: bool, mode: str) -> dict[str, Any]:
    """The one record of ``throttle.control``.

    Args:
        order: what led to it.
        is_paused: whether every consumer admits everything.
        mode: ``shadow`` or ``enforce``, for people; consumers need not know.
    """
    return {
        "paused": is_paused,
        "mode": mode,
        "issued_by": order.issued_by,
        "issued_at": rfc3339(order.issued_at.timestamp()),
        "command_id": order.id,
    }


def _overruled(state: TargetState) -> TargetState:
    """The state with every ask of now overruled."""
    return state.with_asks(
        {name: replace(ask, standing=Standing.OVERRULED) for name, ask in state.asks.items()}
    )


def _approval(order: ThrottleApprove | ThrottleReject, decision: str) -> dict[str, str]:
    return {
        "decision": decision,
        "decided_by": order.issued_by,
        "decided_at": rfc3339(order.issued_at.timestamp()),
    }
