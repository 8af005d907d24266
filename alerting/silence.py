"""Who need not be told for a while, because somebody said so.

A silence hides messages, never facts: alerts stay in ``spend.alerts`` and throttling goes on. This
file must not read a clock, and keeps nothing but the silences.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from alerting.alert import Alert
from alerting.matcher import Matcher, parse_matcher
from detectors.window import rfc3339


class SilenceState(StrEnum):
    """Where a silence stands, as in Alertmanager."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


class SilenceError(ValueError):
    """A silence that must not be; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence.

    Attributes:
        silence_id: chosen by whoever adds it; adding it again replaces it.
        matchers: all of them must match.
        starts_at: wall clock, epoch seconds, inclusive.
        ends_at: wall clock, epoch seconds, exclusive.
        created_by: who is to be asked about it.
        comment: why.

    Raises:
        SilenceError: if it has no matcher, none that needs a value, or ends before it starts.
    """

    silence_id: str
    matchers: tuple[Matcher, ...]
    starts_at: float
    ends_at: float
    created_by: str
    comment: str = ""

    def __post_init__(self) -> None:
        if all(matcher.matches_empty for matcher in self.matchers):
            raise SilenceError(
                "a silence needs a matcher that an empty value does not satisfy, or it would hide"
                " everything; add for example name=invoice-bot"
            )
        if not self.starts_at < self.ends_at:
            raise SilenceError("a silence must end after it starts")

    def state(self, now: float) -> SilenceState:
        """Where it stands at ``now``, epoch seconds."""
        if now < self.starts_at:
            return SilenceState.PENDING
        return SilenceState.ACTIVE if now < self.ends_at else SilenceState.EXPIRED

    def is_match(self, alert: Alert) -> bool:
        """Whether all matchers match the alert."""
        return all(matcher.is_match(alert) for matcher in self.matchers)

    def to_json(self) -> dict[str, Any]:
        """A plain record, times in RFC 3339."""
        return {
            "silence_id": self.silence_id,
            "matchers": [str(matcher) for matcher in self.matchers],
            "starts_at": rfc3339(self.starts_at),
            "ends_at": rfc3339(self.ends_at),
            "created_by": self.created_by,
            "comment": self.comment,
        }


def silence_from_json(record: Mapping[str, Any]) -> Silence:
    """The silence of a plain record.

    Raises:
        KeyError: if a field is missing.
        ValueError: if a field does not read.
    """
    return Silence(
        silence_id=record["silence_id"],
        matchers=tuple(parse_matcher(text) for text in record["matchers"]),
        starts_at=datetime.fromisoformat(record["starts_at"]).timestamp(),
        ends_at=datetime.fromisoformat(record["ends_at"]).timestamp(),
        created_by=record["created_by"],
        comment=record["comment"],
    )


class Silences:
    """All silences, oldest first."""

    def __init__(self) -> None:
        self._silences: dict[str, Silence] = {}

    def add(self, silence: Silence) -> None:
        """Adds one, or replaces the one with its id."""
        self._silences[silence.silence_id] = silence

    def expire(self, silence_id: str, now: float) -> Silence:
        """Ends one at ``now``; it stays listed. One that had not begun is ended just the same.

        Raises:
            KeyError: if there is none with that id.
        """
        silence = self._silences[silence_id]
        if silence.state(now) is not SilenceState.EXPIRED:
            starts_at = min(silence.starts_at, now - 1)
            silence = replace(silence, starts_at=starts_at, ends_at=now)
            self._silences[silence_id] = silence
        return silence

    def forget(self, silence_id: str) -> None:
        """Removes one from the list, once nobody asks about it any more."""
        self._silences.pop(silence_id, None)

    def list(self) -> tuple[Silence, ...]:
        """All of them, expired ones too."""
        return tuple(self._silences.values())

    def silencing(self, alert: Alert, now: float) -> Silence | None:
        """The first active silence that hides the alert, if any."""
        for silence in self._silences.values():
            if silence.state(now) is SilenceState.ACTIVE and silence.is_match(alert):
                return silence
        return None
