"""The contract between NOTIFY and a receiver.

One implementation a folder beside this file; ``delivery.py`` is the only caller.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from alerting.alert import Alert
from alerting.notify.incident_view import Change, IncidentView

Memory = dict[str, str]
"""What a notifier must remember of one incident, such as the message to update. Plain and small."""

Remember = Callable[[Memory], Awaitable[None]]
"""Makes a memory durable; returns once it is."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell one receiver.

    Attributes:
        notice_id: the transition's id: stable over retries and restarts, so a consumer can tell a
            repeat.
        incident_id: what it belongs to.
        change: what happened.
        at: event time of it, epoch seconds.
        alert: the transition told; ``None`` for an action or a summary.
        text: the sentence of a summary (``caught_up``, ``storm``); empty otherwise.
        count: what the summary counts.
    """

    notice_id: str
    incident_id: str
    change: Change
    at: int
    alert: Alert | None = None
    text: str = ""
    count: int = 0


def notice_id_of(*parts: str) -> str:
    """The id of a notice that is no transition and no action; the same of the same parts."""
    return sha256("\x1f".join(parts).encode()).hexdigest()[:32]


class Notifier(Protocol):
    """Sends to one receiver.

    ``deliver`` is called by one task at a time, with every notice of one incident that waits (one
    only, where ``is_coalescing`` is false), oldest first. It may block as long as its own time-out
    says; nobody else waits for it. It may be called again with the same notices after a failure, a
    cancellation or a restart: what ``remember`` was awaited with comes back as ``memory``, and a
    call that has already succeeded must not be made again. It never retries by itself.
    """

    @property
    def is_coalescing(self) -> bool:
        """Whether one message shows the incident's present state, so that news can be folded."""
        ...

    async def deliver(
        self,
        notices: tuple[Notice, ...],
        view: IncidentView | None,
        memory: Memory,
        remember: Remember,
    ) -> None:
        """Tells it.

        Args:
            notices: at least one, all of one incident.
            view: the incident as it is now; ``None`` for summaries.
            memory: what was last remembered; empty at first. Not to be changed in place.
            remember: to be awaited after each request that succeeded.

        Raises:
            DeliveryError: if an attempt failed. Nothing else.
        """
        ...

    async def close(self) -> None:
        """Gives connections back. Called once, after the last ``deliver``."""
        ...
