"""Dollars leaked of an incident, told apart as far as they are known.

The excess of all calls started before the enforcer applied the action: what had been spent when the
decision was made, what was spent unseen between the newest event and the decision, what was spent
until the enforcer had it, and calls that were in flight then, which is known only afterwards.
"""

from alerting.alert import Alert, nanousd, usd
from alerting.throttle.action import Mode
from alerting.throttle.lease import Ask

_MILLISECONDS_PER_HOUR = 3_600_000


def leak_when_applied(ask: Ask, issued_at: float, applied_at: float) -> dict[str, str]:
    """The annotations of ``contained``; dollars as decimal strings.

    Args:
        ask: with the excess and its pace when it was decided, and that event time.
        issued_at: wall clock of the action.
        applied_at: wall clock, the enforcer's.
    """
    decision = nanousd(ask.excess_usd)
    lag = _spent(ask, ask.decided_at, issued_at)
    until_applied = _spent(ask, issued_at, applied_at)
    return {
        "leaked_usd": usd(decision + lag + until_applied),
        "leaked_decision_usd": usd(decision),
        "leaked_feed_lag_usd": usd(lag),
        "leaked_apply_usd": usd(until_applied),
    }


def leak_so_far(ask: Ask, alert: Alert) -> dict[str, str]:
    """The annotations of a later transition of the incident's own alert.

    While a block is in full force nothing new starts: what the excess has grown beyond the leak at
    the ack was in flight.
    """
    if not ask.leak or ask.mode is not Mode.BLOCK or ask.probe:
        return ask.leak
    in_flight = max(0, alert.excess_nanousd - nanousd(ask.leak["leaked_usd"]))
    return {
        **ask.leak,
        "leaked_in_flight_usd": usd(in_flight),
        "leaked_usd": usd(nanousd(ask.leak["leaked_usd"]) + in_flight),
    }


def _spent(ask: Ask, begin: float, end: float) -> int:
    """Nano-dollars at the ask's pace between two instants."""
    milliseconds = max(0, round((end - begin) * 1000))
    return nanousd(ask.excess_usd_per_hour) * milliseconds // _MILLISECONDS_PER_HOUR
