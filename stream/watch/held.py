"""Which alerts an enforced throttle action holds down, read from the action topic itself.

A throttle hides its own evidence: while it holds, the alert stays firing and nothing is learned.
This file must not decide anything; it follows ``throttle.actions``.
"""

from collections.abc import Callable

from alerting.throttle.action import Mode, ThrottleAction, decode_action


class HeldAlerts:
    """The actions in force now, by target."""

    def __init__(self, wall: Callable[[], float]) -> None:
        """Nothing is held yet.

        Args:
            wall: the wall clock, epoch seconds.
        """
        self._wall = wall
        self._actions: dict[bytes, ThrottleAction] = {}

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Take one record of the compacted topic; what does not read is not an action."""
        if key is None:
            return
        if value is None:
            self._actions.pop(key, None)
            return
        action = decode_action(value)
        if action is None:
            return
        known = self._actions.get(key)
        if known is None or action.sequence >= known.sequence:
            self._actions[key] = action

    @property
    def alert_ids(self) -> frozenset[str]:
        """The alerts whose spend an action that has not lapsed holds down."""
        now = self._wall()
        return frozenset(
            alert_id
            for action in self._actions.values()
            if action.mode is not Mode.RELEASE and action.expires_at > now
            for alert_id in action.alert_ids
        )
