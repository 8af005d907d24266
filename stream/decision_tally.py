"""What DECIDE shows of its decisions: counted as they are published, and looked at once a second.

It says loudly, in the log, what ended unprotected. This file decides nothing and publishes nothing.
"""

from collections import Counter

import structlog

from alerting.alert import Alert, Transition
from alerting.decide.decider import Decider
from alerting.decide.ledger import Ledger, Outcome
from alerting.decide.protection import LAPSED_RULE, LEFT_RULE
from alerting.throttle.action import Mode, ThrottleAction
from alerting.throttle.lease import is_lapsed
from alerting.throttle.merge import POLICY_AUTOMATIC
from detectors.observation import NANOUSD_PER_USD
from stream.health import catalogue
from stream.health.labels import Topics

_log = structlog.get_logger()


class Tally:
    """The metrics of one reign of DECIDE.

    Args:
        ledger: what it took over: a renewal of that is no first action.
    """

    def __init__(self, ledger: Ledger) -> None:
        states = ledger.targets.values()
        self._held = {(Topics.ENFORCED, state.target) for state in states if state.is_held}
        self._held |= {(Topics.SHADOW, state.target) for state in states if state.is_dry}

    def count(self, outcome: Outcome) -> None:
        """Count what an outcome, now published, told and did."""
        for alert in outcome.alerts:
            catalogue.ALERTS.labels(alert.severity, alert.transition).inc()
            self._say_unprotected(alert)
        for topic, actions in (
            (Topics.ENFORCED, outcome.actions),
            (Topics.SHADOW, outcome.shadow),
        ):
            for action in actions:
                catalogue.ACTIONS.labels(action.mode, topic).inc()
                self._time(topic, action)

    def _time(self, topic: Topics, action: ThrottleAction) -> None:
        """Take the time of a first action; a renewal or a release is none."""
        key = topic, str(action.target)
        if action.mode is Mode.RELEASE:
            self._held.discard(key)
            return
        is_first = key not in self._held and action.policy == POLICY_AUTOMATIC
        self._held.add(key)
        if is_first and action.approval is None:
            catalogue.EVENT_TO_ACTION.observe(max(0.0, action.issued_at - action.decided_at))

    @staticmethod
    def _say_unprotected(alert: Alert) -> None:
        if alert.transition is not Transition.FIRED:
            return
        keys = alert.observed // NANOUSD_PER_USD
        if alert.rule == LAPSED_RULE:
            catalogue.LAPSED.inc(keys)
            _log.error("protection_lapsed", keys=keys, summary=alert.annotations["summary"])
        elif alert.rule == LEFT_RULE:
            _log.error("protection_left", keys=keys, summary=alert.annotations["summary"])

    @staticmethod
    def show(decider: Decider, wall_seconds: float) -> None:
        """Set the gauges to what is so now."""
        ledger = decider.ledger
        held = Counter(
            state.enforced.mode
            for state in ledger.targets.values()
            if state.is_held
            and state.enforced is not None
            and not is_lapsed(state.enforced, wall_seconds)
        )
        for mode in Mode:
            if mode is not Mode.RELEASE:
                catalogue.LEASES.labels(mode).set(held[mode])
        catalogue.INCIDENTS.set(sum(one.is_open for one in ledger.incidents.values()))
        catalogue.PAUSED.set(ledger.control.is_paused)
