"""A delta that ends the process every time: after a few restarts it goes to the dead letters.

Faust would skip it and commit past it, and nobody would know; restarting for ever would stop every
scope of the partition. So failures are counted in a file beside the process, and at the third the
delta is set aside, aloud: a dead letter that leads back to the bytes, and an alert on the feed.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog

from alerting.alert import Alert, ResolvedReason, Severity, Transition
from alerting.fingerprint import alert_id, fingerprint, transition_id
from detectors.scope import Scope
from detectors.window import MINUTE_SECONDS, Window

FAILURES_BEFORE_BURIAL = 3

RULE = "feed/unfoldable_delta"

REASON = "unfoldable_delta"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeadDelta:
    """A delta that is set aside.

    Attributes:
        topic: of the deltas.
        partition: in it.
        offset: in that.
        payload: its bytes; only their size and digest are told, the log has the rest.
        detail: what the last failure said.
    """

    topic: str
    partition: int
    offset: int
    payload: bytes
    detail: str

    def record(self) -> bytes:
        """As a dead letter."""
        return msgspec.json.encode(
            {
                "reason": REASON,
                "topic": self.topic,
                "partition": self.partition,
                "offset": self.offset,
                "index": None,
                "detail": self.detail,
                "size": len(self.payload),
                "sha256": hashlib.sha256(self.payload).hexdigest(),
                "payload": None,
            }
        )

    def alerts(self, at_seconds: int) -> list[Alert]:
        """Told and over at once: there is nothing to wait for, only something to look into."""
        scope = Scope("feed", f"{self.topic}/{self.partition}")
        identity = fingerprint(RULE, scope)
        minute = Window.tumbling(at_seconds, MINUTE_SECONDS)
        summary = (
            f"A message of {self.topic}/{self.partition} at offset {self.offset} could not be"
            f" counted and was set aside: {self.detail}. Its spend is missing from all totals."
        )

        def alert(transition: Transition, reason: ResolvedReason | None) -> Alert:
            return Alert(
                fingerprint=identity,
                alert_id=alert_id(identity, self.offset),
                transition_id=transition_id(identity, self.offset, transition),
                transition=transition,
                rule=RULE,
                kind="feed",
                severity=Severity.CRITICAL,
                scope=scope,
                metric="unfoldable_deltas",
                window=minute,
                observed=0,
                expected=0,
                lower=0,
                upper=0,
                score=1.0,
                started_at=at_seconds,
                decided_at=at_seconds,
                fired_at=at_seconds,
                resolved_at=at_seconds if reason else None,
                resolved_reason=reason,
                annotations={"summary": summary},
            )

        return [
            alert(Transition.FIRED, None),
            alert(Transition.RESOLVED, ResolvedReason.NO_DATA),
        ]


class UnfoldableDeltas:
    """Which deltas have failed, and how often, over restarts of this worker."""

    def __init__(self, path: Path, bury: Callable[[DeadDelta, int], Awaitable[None]]) -> None:
        """What the file knows.

        Args:
            path: of the count, written at a failure only.
            bury: makes a dead letter and its alerts durable; event time in epoch seconds.
        """
        self._path = path
        self._bury = bury
        self._failures: dict[str, dict[str, Any]] = {}
        if path.exists():
            self._failures = json.loads(path.read_text())

    def is_hopeless(self, partition: int, offset: int) -> bool:
        """Whether a delta has failed often enough."""
        known = self._failures.get(f"{partition}/{offset}")
        return known is not None and known["count"] >= FAILURES_BEFORE_BURIAL

    def note(self, partition: int, offset: int, error: Exception) -> None:
        """A delta has failed once more."""
        key = f"{partition}/{offset}"
        count = self._failures.get(key, {"count": 0})["count"] + 1
        self._failures[key] = {"count": count, "detail": f"{type(error).__name__}: {error}"[:500]}
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(self._failures))
        partial.replace(self._path)

    async def set_aside(
        self, topic: str, partition: int, offset: int, payload: bytes, at_seconds: int
    ) -> None:
        """To the dead letters with it; returns once that is durable."""
        detail = str(self._failures[f"{partition}/{offset}"]["detail"])
        await self._bury(DeadDelta(topic, partition, offset, payload, detail), at_seconds)
        _log.error("delta_set_aside", topic=topic, partition=partition, offset=offset)
