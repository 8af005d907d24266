"""Leases that ran out without a release: protection that ended although nobody decided so.

It means that whoever renews them is gone or cannot reach Kafka, or that this gateway cannot. This
file must not know Kafka, and it changes nothing: the state lets calls through by itself.
"""

from spendwatch_client.lease import Lease, Mode, Target
from spendwatch_client.state import ThrottleState


class Lapses:
    """Tells each lapse once.

    What had lapsed before the first look is old news, and what lapses while everything is paused
    holds nobody anyway.
    """

    def __init__(self) -> None:
        self._known: dict[Target, str] | None = None

    def look(self, state: ThrottleState, now: float) -> list[Lease]:
        """The leases that have lapsed since the last look.

        Args:
            state: complete, as far as anybody knows.
            now: wall clock, epoch seconds.
        """
        lapsed = {
            lease.target: lease
            for lease in state.leases()
            if lease.mode not in (Mode.RELEASE, Mode.UNKNOWN) and lease.has_lapsed(now)
        }
        before, self._known = (
            self._known,
            {target: lease.action_id for target, lease in lapsed.items()},
        )
        if before is None or state.is_paused:
            return []
        return [lease for target, lease in lapsed.items() if before.get(target) != lease.action_id]
