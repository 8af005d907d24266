"""Where an incident's wish for a target comes to be, is judged, renewed, probed and given up.

The clockwork around ``policy.judge``: nothing acts before a moment of calm and the key's own
evidence, nothing old acts at all, and what acts is let go step by step. Operators' words are
``orders.py``'s.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from alerting.alert import (
    CONTRIBUTOR,
    FEED,
    LATE_AFTER_SECONDS,
    NO_OVERSPEND,
    Alert,
    Status,
    usd,
)
from alerting.decide.incident import Incident
from alerting.decide.ledger import Draft, Ledger
from alerting.decide.publish import RECOVERED, Publisher
from alerting.root import root_of
from alerting.throttle.guard import is_capped, with_action, with_onset, without
from alerting.throttle.lease import (
    Ask,
    TargetState,
    advanced,
    effective,
    is_lapsed,
    rearmed,
)
from alerting.throttle.policy import (
    Situation,
    Standing,
    TargetVerdict,
    ThrottleConfig,
    ThrottleMode,
    judge,
    may_act,
)
from alerting.throttle.target import (
    Evidence,
    evidence_of,
    guilty_agents,
    no_evidence,
    targets_of,
)
from detectors.drift import DRIFT_SOURCE
from detectors.observation import NANOUSD_PER_USD
from detectors.window import MINUTE_SECONDS

_UNDECIDED = (Standing.WAITING, Standing.SHADOW, Standing.PROPOSED)


class Desk:
    """The automatic asks of all incidents.

    Attributes:
        config: the policy.
        ledger: the state.
        publisher: sends actions.
    """

    def __init__(self, config: ThrottleConfig, ledger: Ledger, publisher: Publisher) -> None:
        self.config = config
        self.ledger = ledger
        self.publisher = publisher

    @property
    def mode(self) -> ThrottleMode:
        """Shadow or enforce, as the operator last said."""
        return self.ledger.control.mode or self.config.mode

    def consider(self, incident_id: str, alert: Alert, wall_seconds: float, draft: Draft) -> None:
        """Takes note of a transition of one of the incident's alerts."""
        self._rearm(incident_id, alert, wall_seconds, draft)
        firing = self._relevant(incident_id)
        share = self.config.min_driver_share
        if may_act(self.config, alert):
            acting = [one for one in firing if may_act(self.config, one)]
            for scope in targets_of(acting, share):
                self._ask(str(scope), incident_id, acting, wall_seconds)
                self.decide(str(scope), incident_id, wall_seconds, draft)
        still = {str(scope) for scope in targets_of(firing, share)}
        for state in self._asked_by(incident_id):
            if state.target not in still and state.asks[incident_id].standing in _UNDECIDED:
                self._drop(state, incident_id, wall_seconds, draft)

    def revisit(self, target: str, alert: Alert, wall_seconds: float, draft: Draft) -> None:
        """Takes note of a signal about a target itself: it is evidence for whoever asks."""
        for incident_id in list(self.ledger.target(target).asks):
            self._rearm(incident_id, alert, wall_seconds, draft)
            if not alert.is_late:
                self.decide(target, incident_id, wall_seconds, draft)

    def reconsider(self, wall_seconds: float, draft: Draft, release_reason: str) -> None:
        """Judges everything anew, because what holds for all has changed.

        Args:
            wall_seconds: now.
            draft: takes the outcome.
            release_reason: a sentence, for targets that are let go by it.
        """
        for state in list(self.ledger.targets.values()):
            for incident_id, ask in state.asks.items():
                if ask.standing is Standing.ENFORCED and self._is_revoked(ask, wall_seconds):
                    self.ledger.put_target(self.ledger.target(state.target).with_ask(_waiting(ask)))
                self.decide(
                    state.target, incident_id, wall_seconds, draft, release_reason=release_reason
                )

    def drop(self, incident_id: str, wall_seconds: float, draft: Draft) -> None:
        """Gives up all of an incident's asks, because it is over."""
        for state in self._asked_by(incident_id):
            self._drop(state, incident_id, wall_seconds, draft)

    def is_holding(self, incident_id: str) -> bool:
        """Whether an action of an incident is enforced."""
        asks = (state.asks[incident_id] for state in self._asked_by(incident_id))
        return any(ask.standing is Standing.ENFORCED for ask in asks)

    def withdraw(self, incident_id: str, wall_seconds: float, draft: Draft, reason: str) -> None:
        """Gives up what automation alone wished for an incident, as if it had never been.

        Args:
            incident_id: the incident.
            wall_seconds: now.
            draft: takes the outcome.
            reason: a sentence, for targets that are let go by it.
        """
        for state in self._asked_by(incident_id):
            if state.asks[incident_id].approval is None:  # else a person has looked
                self._drop(state, incident_id, wall_seconds, draft, reason)
                self.ledger.put_caps(without(self.ledger.caps, state.target, self.config))

    def hand_over(self, ended: Incident, survivor: Incident) -> None:
        """Gives a merged incident's asks to the one that took it over."""
        for state in self._asked_by(ended.incident_id):
            asks = dict(state.asks)
            moved = replace(asks.pop(ended.incident_id), incident_id=survivor.incident_id)
            rival = asks.get(survivor.incident_id)
            if rival is None or rival.standing in _UNDECIDED:
                asks[survivor.incident_id] = moved
            self.ledger.put_target(state.with_asks(asks))

    def tick(self, wall_seconds: float, draft: Draft, *, is_old: bool) -> None:
        """Lets time do its work on every target.

        Args:
            wall_seconds: now.
            draft: takes the outcome.
            is_old: whether the log's head is not reached, so that nothing new may act.
        """
        for target in list(self.ledger.targets):
            state = self.ledger.targets[target]
            reason = "The probe has run its course without the excess coming back."
            if is_lapsed(state.enforced, wall_seconds):
                reason = "The lease lapsed without being renewed."
                state = _without(state, Standing.ENFORCED)
            until = None if state.operator is None else state.operator.until
            if until is not None and wall_seconds >= until:
                reason = "The time that the operator gave it is over."
                state = replace(_without(state, Standing.OVERRULED), operator=None)
            asks = {name: self._advanced(ask, wall_seconds) for name, ask in state.asks.items()}
            state = state.with_asks({name: ask for name, ask in asks.items() if ask is not None})
            self.ledger.put_target(state)
            if not is_old:
                for incident_id, ask in state.asks.items():
                    if ask.standing is Standing.WAITING and self._is_fresh(ask, wall_seconds):
                        self.decide(target, incident_id, wall_seconds, draft)
            self.publisher.publish(
                target, wall_seconds, draft, may_renew=True, release_reason=reason
            )

    def decide(
        self,
        target: str,
        incident_id: str,
        wall_seconds: float,
        draft: Draft,
        *,
        release_reason: str = RECOVERED,
    ) -> None:
        """Judges one ask if it is time, and publishes what follows."""
        state = self.ledger.target(target)
        before = state.asks[incident_id]
        firing = self._relevant(incident_id)
        ask = replace(before, alert_ids=self._answered(before, target, firing))
        if ask.standing in _UNDECIDED and firing:
            ask = self._judged(state, ask, firing, wall_seconds)
        if ask.standing is Standing.ENFORCED and before.standing is not Standing.ENFORCED:
            self.ledger.put_caps(with_action(self.ledger.caps, target, wall_seconds))
        self.ledger.put_target(state.with_ask(ask))
        self.publisher.publish(target, wall_seconds, draft, release_reason=release_reason)

    def _judged(
        self, state: TargetState, ask: Ask, firing: Sequence[Alert], wall_seconds: float
    ) -> Ask:
        """The ask after the verdict; as it was while it is not yet, or no longer, time for one."""
        config = self.config
        guilty = guilty_agents(firing, config.min_driver_share)
        evidence = self._evidence(state.target, guilty)
        waited = wall_seconds - ask.considered_at
        wait = config.settle_seconds if evidence else config.evidence_wait_seconds
        is_present = wall_seconds - ask.seen_at <= config.present_minutes * MINUTE_SECONDS
        if waited < max(wait, config.settle_seconds) or not is_present:
            return ask
        root = root_of(firing)
        evidence = evidence or no_evidence(root)
        verdict = judge(
            config,
            Situation(
                target=state.target,
                guilty=guilty,
                evidence=evidence,
                mode=self.mode,
                is_paused=self.ledger.control.is_paused,
                is_suspect=self.ledger.caps.is_suspect,
                is_capped=is_capped(self.ledger.caps, state.target, config, wall_seconds),
            ),
        )
        was = (ask.standing, ask.mode, ask.admit_ratio)
        is_same = was == (verdict.standing, verdict.mode, verdict.admit_ratio)
        is_enforced = verdict.standing is Standing.ENFORCED
        return replace(
            ask,
            standing=verdict.standing,
            mode=verdict.mode,
            admit_ratio=verdict.admit_ratio,
            reason=_sentence(root, state.target, verdict),
            innocent_share=evidence.innocent_share,
            innocent_usd_per_hour=evidence.innocent_usd_per_hour,
            held_since=wall_seconds if is_enforced else None,
            first_sequence=ask.first_sequence if is_same else state.sequence + 1,
        )

    def _ask(
        self, target: str, incident_id: str, acting: Sequence[Alert], wall_seconds: float
    ) -> None:
        """Makes or refreshes an incident's ask; the excess is present now."""
        state = self.ledger.target(target)
        ask = state.asks.get(incident_id)
        root = root_of(acting)
        seen_at = max(alert.decided_at for alert in acting)
        if ask is None:
            ask = Ask(incident_id, root.fingerprint, wall_seconds, seen_at, root.decided_at)
            caps = with_onset(self.ledger.caps, target, root.decided_at, self.config)
            self.ledger.put_caps(caps)
        if ask.standing is Standing.WAITING and not self._is_fresh(ask, wall_seconds):
            ask = replace(ask, considered_at=wall_seconds)  # the key may speak anew, too
        ask = replace(ask, seen_at=max(ask.seen_at, seen_at))
        if ask.standing in _UNDECIDED:
            ask = replace(
                ask,
                root_fingerprint=root.fingerprint,
                decided_at=root.decided_at,
                excess_usd=usd(root.excess_nanousd),
                excess_usd_per_hour=usd(root.excess_nanousd_per_hour),
            )
        self.ledger.put_target(state.with_ask(ask))

    def _is_fresh(self, ask: Ask, wall_seconds: float) -> bool:
        """Whether the excess was seen so lately that only the key's own word was waited for.

        After an outage signals that say otherwise may not be read yet.
        """
        patience = max(self.config.settle_seconds, self.config.evidence_wait_seconds)
        return wall_seconds - ask.seen_at <= patience + LATE_AFTER_SECONDS + MINUTE_SECONDS

    def _rearm(self, incident_id: str, alert: Alert, wall_seconds: float, draft: Draft) -> None:
        """Takes a probe back if what it lets through would be an excess at full rate.

        An agent may spend through other keys too, which makes its probe look worse than it is: that
        errs towards holding the agent that ran away.
        """
        if alert.is_late or alert.status is not Status.FIRING:
            return
        if alert.annotations.get("baseline") == DRIFT_SOURCE:
            return  # its figures are of hours before the probe, too
        if alert.kind in NO_OVERSPEND:
            return  # its figures are no dollars
        for state in self._asked_by(incident_id):
            ask = state.asks[incident_id]
            is_about = str(alert.scope) == state.target or alert.scope.kind == "agent"
            is_after = alert.window.end_seconds > ask.probe_since
            if not (ask.probe and is_about and is_after):
                continue
            _, admit_ratio = effective(ask, self.config)
            if alert.observed > alert.upper * admit_ratio:
                self.ledger.put_target(state.with_ask(rearmed(ask, wall_seconds)))
                self.publisher.publish(state.target, wall_seconds, draft)

    def _evidence(self, target: str, guilty: frozenset[str]) -> Evidence | None:
        """What the target's newest signal says; its own spike before a contributor's."""
        spoken = sorted(
            (
                alert
                for alert in self.ledger.about(target)
                if not alert.is_late
                and alert.kind not in ("budget", "forecast")
                and alert.kind not in NO_OVERSPEND
            ),
            key=lambda alert: (alert.decided_at, alert.kind != CONTRIBUTOR, alert.fingerprint),
            reverse=True,
        )
        share = self.config.min_driver_share
        found = (evidence_of(alert, guilty, share) for alert in spoken)
        return next((evidence for evidence in found if evidence is not None), None)

    def _answered(self, ask: Ask, target: str, firing: Sequence[Alert]) -> tuple[str, ...]:
        """The alerts an ask answers, evidence included: all that the action may silence."""
        own = {alert.alert_id for alert in firing}
        evidence = {
            alert.alert_id for alert in self.ledger.about(target) if alert.kind == CONTRIBUTOR
        }
        kept = () if ask.standing in _UNDECIDED else ask.alert_ids
        return tuple(sorted({*own, *evidence, *kept}))

    def _relevant(self, incident_id: str) -> list[Alert]:
        """What an incident may wish by; nothing where the feed itself is suspected."""
        firing = self.ledger.firing(incident_id)
        if any(alert.kind == FEED for alert in firing):
            return []
        return [alert for alert in firing if alert.kind not in self.config.excluded_kinds]

    def _asked_by(self, incident_id: str) -> list[TargetState]:
        return [state for state in self.ledger.targets.values() if incident_id in state.asks]

    def _drop(
        self,
        state: TargetState,
        incident_id: str,
        wall_seconds: float,
        draft: Draft,
        reason: str = RECOVERED,
    ) -> None:
        asks = {name: ask for name, ask in state.asks.items() if name != incident_id}
        self.ledger.put_target(state.with_asks(asks))
        self.publisher.publish(state.target, wall_seconds, draft, release_reason=reason)

    def _is_revoked(self, ask: Ask, wall_seconds: float) -> bool:
        """Whether an enforced ask is taken back: a dry run again, or part of a suspect burst.

        What a person approved is not: automation does not overrule them.
        """
        if ask.approval is not None:
            return False
        if self.mode is ThrottleMode.SHADOW:
            return True
        span = self.config.wide_minutes * MINUTE_SECONDS
        is_young = ask.held_since is not None and wall_seconds - ask.held_since < span
        return self.ledger.caps.is_suspect and is_young

    def _advanced(self, ask: Ask, wall_seconds: float) -> Ask | None:
        if ask.standing is not Standing.ENFORCED:
            return ask
        return advanced(ask, self.config, wall_seconds)


def _waiting(ask: Ask) -> Ask:
    """An ask as if it had never been enforced."""
    return replace(ask, standing=Standing.WAITING, probe=0, held_since=None, approval=None, leak={})


def _without(state: TargetState, standing: Standing) -> TargetState:
    asks = state.asks.items()
    return state.with_asks({name: ask for name, ask in asks if ask.standing is not standing})


def _sentence(root: Alert, target: str, verdict: TargetVerdict) -> str:
    pace = Decimal(root.excess_nanousd_per_hour) / NANOUSD_PER_USD
    return (
        f"{root.scope} spends ${pace:,.2f} an hour above expected through {target}:"
        f" {verdict.mode.value}; {verdict.reason}."
    )
