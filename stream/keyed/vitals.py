"""What DECIDE and NOTIFY show of themselves once a second: ownership and lag.

What they decide and tell is counted by their sessions. This file must not change anything.
"""

from typing import Any, Final, Protocol

from stream.health import catalogue
from stream.health.vitals import READY, Readiness, show_lag, unready
from stream.kafka.progress import progress_of_app

NEAR_HEAD_RECORDS: Final = 200
"""Records behind the end of an input at which the owner counts as caught up: they are rare, and a
burst of so many is decided within a second or two."""


class Owned(Protocol):
    """What is looked at of a role with one owner."""

    @property
    def is_recovered(self) -> bool:
        """Whether its table is complete and its group has settled."""

    @property
    def is_owner(self) -> bool:
        """Whether it is the owner."""

    @property
    def recovery_seconds(self) -> float:
        """How long it took to become that."""


class KeyedVitals:
    """Looks at a role with one owner; whoever waits for its turn is as ready as can be.

    Args:
        name: the role's.
        app: its Faust app.
        role: the role.
        topics: its inputs.
    """

    def __init__(self, name: str, app: Any, role: Owned, topics: tuple[str, ...]) -> None:
        self._name = name
        self._app = app
        self._role = role
        self._topics = topics
        catalogue.INPUTS_REFUSED.labels(name)  # from zero on

    def look(self) -> Readiness:
        """Set the gauges, and say whether it is recovered and, as the owner, up to date."""
        role = self._role
        lags = []
        if role.is_owner:
            lags = [
                max(0, progress.end - progress.position)
                for source, progress in progress_of_app(self._app).items()
                if source.topic in self._topics  # its changelog is assigned, too
            ]
            catalogue.RECOVERY_SECONDS.labels(self._name).set(role.recovery_seconds)
        show_lag(self._name, lags)
        if not role.is_recovered:
            return unready("its state is being recovered")
        if max(lags, default=0) > NEAR_HEAD_RECORDS:
            return unready(f"{max(lags)} records behind in the worst input")
        return READY
