"""Dollars leaked: what calls cost that were started before the gateway applied the action.

Told apart as the time to decide, the time an operator took, the feed's lag and what was in flight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from deploy.demo.traffic import BadCall


@dataclass(frozen=True, slots=True)
class Leak:
    """One incident's dollars and seconds.

    Attributes:
        decision_usd: calls that had ended when the dry run decided.
        operator_usd: further calls until the operator's switch became an action.
        feed_usd: further calls until the gateway had it.
        in_flight_usd: calls that were under way then.
        decision_seconds: from the first bad call to the dry run's decision.
        enforcement_seconds: from the enforced action to the gateway's ack.
    """

    decision_usd: Decimal
    operator_usd: Decimal
    feed_usd: Decimal
    in_flight_usd: Decimal
    decision_seconds: float
    enforcement_seconds: float

    def __str__(self) -> str:
        """The one line at the end of the demo."""
        total = self.decision_usd + self.operator_usd + self.feed_usd + self.in_flight_usd
        return (
            f"leaked ${total:.2f} instead of $17,000 a day: ${self.decision_usd:.2f} until decided"
            f" ({self.decision_seconds:.1f} s), ${self.operator_usd:.2f} while in shadow,"
            f" ${self.feed_usd:.2f} feed lag ({self.enforcement_seconds:.1f} s),"
            f" ${self.in_flight_usd:.2f} in flight"
        )


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def leak_of(
    calls: Sequence[BadCall],
    shadow: Mapping[str, Any],
    enforced: Mapping[str, Any],
    applied_at: float,
) -> Leak:
    """What the calls of an incident add up to.

    Args:
        calls: of the agent that went wrong.
        shadow: the first dry-run action.
        enforced: the first enforced one.
        applied_at: wall clock of the gateway's ack.
    """
    decided, issued = _seconds(shadow["issued_at"]), _seconds(enforced["issued_at"])
    sums = dict.fromkeys(("decision", "operator", "feed", "flight"), Decimal(0))
    for call in calls:
        if call.is_refused or call.started_at >= applied_at:
            continue
        ended = call.ended_at or applied_at + 1
        if ended <= decided:
            part = "decision"
        elif ended <= issued:
            part = "operator"
        elif ended <= applied_at:
            part = "feed"
        else:
            part = "flight"
        sums[part] += call.cost_usd
    return Leak(
        sums["decision"],
        sums["operator"],
        sums["feed"],
        sums["flight"],
        decided - calls[0].started_at,
        applied_at - issued,
    )
