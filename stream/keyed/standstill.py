"""Notices that this process stood still for so long that its group may have gone on without it.

A process that was frozen past its session does not know: its timers are due at once, and a tick
would renew leases under sequences that its successor has used already. So would one that was frozen
as it took over. It learns of its successor with its next heartbeat; until then it must say nothing.
This file must not know what is held back.
"""

import asyncio
from collections.abc import Callable

import structlog

PULSE_SECONDS = 0.25

_log = structlog.get_logger()


class Standstill:
    """Looks at the clock again and again; a long time without a look is a standstill."""

    def __init__(self, session_seconds: float, now: Callable[[], float]) -> None:
        """Awake.

        Args:
            session_seconds: after so long a silent member is replaced; it sends four heartbeats in
                that time (``stream/kafka/faust_app.py``), and is told of its successor by the
                second at the latest.
            now: a clock that goes on while the process does not run.
        """
        self._longest = session_seconds / 2
        self._hold = session_seconds / 2 + 1.0
        self._now = now
        self._looked_at = self._still_until = now()

    async def look_for_ever(self) -> None:
        """Look often, whatever else is waited for meanwhile."""
        while True:
            self.is_over()
            await asyncio.sleep(PULSE_SECONDS)

    async def wait(self) -> None:
        """Return once it is over; at once, if there is none."""
        while not self.is_over():  # noqa: ASYNC110  only time ends it
            await asyncio.sleep(PULSE_SECONDS)

    def is_over(self) -> bool:
        """Whether it is known that the group has not gone on without us."""
        now = self._now()
        if now - self._looked_at > self._longest:
            self._still_until = now + self._hold
            seconds = round(now - self._looked_at, 3)
            _log.warning("keyed_role_stood_still", seconds=seconds, hold_seconds=self._hold)
        self._looked_at = now
        return now >= self._still_until
