"""A delta that ends the process every time: after a few restarts it goes to the dead letters.

Faust would skip it and commit past it, and nobody would know; restarting for ever would stop every
scope of the partition. So failures are counted in a file for each such delta, and at the third the
delta is set aside, aloud: a dead letter that leads back to the bytes, and an alert on the feed.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

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
        """Told and over at once: what is lost is lost, and nobody could say later that it is not.

        Left firing it would be reminded of for ever. ``Alert.is_loss`` tells it from a recovery.
        """
        scope = Scope("feed", f"{self.topic}/{self.partition}")
        identity = fingerprint(RULE, scope)
        minute = Window.tumbling(at_seconds, MINUTE_SECONDS)
        summary = (
            f"A message of {self.topic}/{self.partition} could not be counted and was set aside."
            " Its spend is missing from all totals, for good. It is at offset"
            f" {self.offset} and in the dead letters: {self.detail}"
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
    """Which deltas have failed, and how often, over restarts of this host's workers.

    A file for each delta: workers of one host and group share the folder and never a partition.
    With the payload's digest in it, an offset that means another delta by now, in a topic made anew
    or another cluster's, does not inherit the count.
    """

    def __init__(self, folder: Path, bury: Callable[[DeadDelta, int], Awaitable[None]]) -> None:
        """What the folder knows.

        Args:
            folder: of the counts; made and written at a failure only.
            bury: makes a dead letter and its alerts durable; event time in epoch seconds.
        """
        self._folder = folder
        self._bury = bury
        self._failures = {path.stem: _read(path) for path in folder.glob("*.json")}

    def is_hopeless(self, partition: int, offset: int, payload: bytes) -> bool:
        """Whether a delta has failed often enough."""
        known = self._failures.get(_name(partition, offset))
        return known is not None and known.count_of(payload) >= FAILURES_BEFORE_BURIAL

    def note(self, partition: int, offset: int, payload: bytes, error: Exception) -> None:
        """A delta has failed once more."""
        name = _name(partition, offset)
        path = self._folder / f"{name}.json"
        before = _read(path) if path.exists() else None  # another worker may have had it meanwhile
        failures = _Failures(
            count=1 + (before.count_of(payload) if before else 0),
            detail=f"{type(error).__name__}: {error}"[:500],
            sha256=hashlib.sha256(payload).hexdigest(),
        )
        self._failures[name] = failures
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(msgspec.json.encode(failures))
        partial.replace(path)

    async def set_aside(
        self, topic: str, partition: int, offset: int, payload: bytes, at_seconds: int
    ) -> None:
        """To the dead letters with it; returns once that is durable."""
        detail = self._failures[_name(partition, offset)].detail
        await self._bury(DeadDelta(topic, partition, offset, payload, detail), at_seconds)
        _log.error("delta_set_aside", topic=topic, partition=partition, offset=offset)


class _Failures(msgspec.Struct, frozen=True):
    """What a file holds."""

    count: int
    detail: str
    sha256: str

    def count_of(self, payload: bytes) -> int:
        """How often this very payload has failed."""
        return self.count if hashlib.sha256(payload).hexdigest() == self.sha256 else 0


def _name(partition: int, offset: int) -> str:
    return f"{partition}-{offset}"


def _read(path: Path) -> _Failures:
    return msgspec.json.decode(path.read_bytes(), type=_Failures)
