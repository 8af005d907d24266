"""Brings the two topics in line with what is wanted of a target.

The one place that counts sequences. It never asks why something is wanted.
"""

from dataclasses import replace

from alerting.decide.ledger import Draft, Ledger
from alerting.throttle.action import Mode
from alerting.throttle.hold import is_held
from alerting.throttle.lease import TargetState
from alerting.throttle.merge import POLICY_AUTOMATIC, Wish, next_action, wanted
from alerting.throttle.policy import ThrottleConfig

RECOVERED = "The excess is over."


class Publisher:
    """Writes actions into a draft.

    Attributes:
        config: leases.
        ledger: the targets.
    """

    def __init__(self, config: ThrottleConfig, ledger: Ledger) -> None:
        self.config = config
        self.ledger = ledger

    def publish(
        self,
        target: str,
        wall_seconds: float,
        draft: Draft,
        *,
        may_renew: bool = False,
        release_reason: str = RECOVERED,
    ) -> None:
        """Says what is wanted of a target, where it is not said yet.

        Args:
            target: in one-string form.
            wall_seconds: now.
            draft: takes the actions.
            may_renew: whether leases that say the right thing are renewed if due.
            release_reason: a sentence, should this release it.
        """
        state = self.ledger.target(target)
        was = state.is_held, state.is_dry
        real, dry = wanted(state, self.config)
        states = self.ledger.targets.values()
        real = self._answering(real, target, {one.target for one in states if one.is_held})
        dry = self._answering(dry, target, {one.target for one in states if one.is_dry})
        # What a person set or approved is there again after a pause longer than its lease.
        is_automatic = real is not None and (
            real.policy == POLICY_AUTOMATIC and real.approval is None
        )
        action = next_action(
            state,
            state.enforced,
            real,
            self.config,
            wall_seconds,
            may_renew=may_renew and not (is_automatic and self.ledger.control.is_paused),
            release_reason=release_reason,
        )
        if action is not None:
            draft.actions.append(action)
            if not state.is_held:
                state = replace(state, held_from=action.sequence)
            if action.mode is Mode.RELEASE:
                state = replace(state, applied_at=None, applied_by="", complaints=())
            state = replace(state, sequence=action.sequence, enforced=action)
        action = next_action(
            state,
            state.shadow,
            dry,
            self.config,
            wall_seconds,
            may_renew=may_renew,
            release_reason=release_reason,
        )
        if action is not None:
            draft.shadow.append(action)
            state = replace(state, sequence=action.sequence, shadow=action)
        self.ledger.put_target(state)
        if (state.is_held, state.is_dry) != was:
            for other in self._beside(state):  # what they hold together has changed
                self.publish(other.target, wall_seconds, draft)

    def _beside(self, state: TargetState) -> list[TargetState]:
        return [
            other
            for other in self.ledger.targets.values()
            if other.target != state.target and not state.asks.keys().isdisjoint(other.asks)
        ]

    def _answering(self, wish: Wish | None, target: str, held: set[str]) -> Wish | None:
        """The wish with those alerts only that the target holds down, together with others.

        Another target's own alert is that one's to answer.
        """
        if wish is None:
            return None
        alerts = self.ledger.known(wish.alert_ids)
        held = held - {target}
        answered = [
            one.alert_id
            for one in alerts
            if str(one.scope) not in held and is_held(one, {*held, target}, alerts)
        ]
        return replace(wish, alert_ids=tuple(sorted(answered)))
