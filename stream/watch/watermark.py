"""The watermark of a delta partition: the minimum over the inputs that speak.

Watermarks, idle verdicts and silence are read from the log, never from a clock, so that a replay
repeats them.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class WatermarkPolicy:
    """Whom the minimum waits for.

    Attributes:
        inputs: how many input partitions there are; until each has spoken or been silent for too
            long, no window closes: the first to speak must not close the others' windows.
        max_silence_messages: an input is left behind after the others have sent this many
            messages each without a word of it. They send at least one a second.
        max_skew_seconds: an input further behind the furthest than this is left behind even while
            it speaks. Large on purpose: after an outage partitions catch up unevenly, and what is
            left behind is counted but not judged.
    """

    inputs: int
    max_silence_messages: int = 60
    max_skew_seconds: int = 86400


@dataclass(slots=True)
class _Input:
    watermark_seconds: int | None = None
    is_idle: bool = False
    silence_messages: int = 0


@dataclass(slots=True)
class WatermarkVector:
    """What each input partition has promised so far."""

    policy: WatermarkPolicy
    _inputs: dict[str, _Input] = field(default_factory=dict)
    _messages: int = 0
    _current: int | None = None

    def observe(self, source: str, watermark_seconds: int | None, *, is_idle: bool) -> int | None:
        """Take one delta's promise, and return the watermark after it; it never goes back.

        Args:
            source: ``topic/partition`` of the input.
            watermark_seconds: its promise in epoch seconds; ``None`` before its first event.
            is_idle: INGEST's verdict; an idle input is not waited for.
        """
        self._messages += 1
        for name, other in self._inputs.items():
            other.silence_messages = 0 if name == source else other.silence_messages + 1
        mine = self._inputs.setdefault(source, _Input())
        if watermark_seconds is not None:
            mine.watermark_seconds = max(
                watermark_seconds,
                watermark_seconds if mine.watermark_seconds is None else mine.watermark_seconds,
            )
        mine.is_idle = is_idle
        minimum = self._minimum()
        if minimum is not None:
            self._current = minimum if self._current is None else max(self._current, minimum)
        return self._current

    def _minimum(self) -> int | None:
        patience = self.policy.max_silence_messages * max(1, self.policy.inputs - 1)
        missing = self.policy.inputs - len(self._inputs)
        if missing > 0 and self._messages <= patience:
            return None
        marks = []
        for each in self._inputs.values():
            if each.is_idle or each.silence_messages > patience:
                continue
            if each.watermark_seconds is None:
                return None  # it speaks and has yet to see an event: its first may be old
            marks.append(each.watermark_seconds)
        if not marks:  # all idle: time goes on with the furthest of them
            idle = [
                each.watermark_seconds
                for each in self._inputs.values()
                if each.watermark_seconds is not None
            ]
            return max(idle, default=None)
        horizon = max(marks) - self.policy.max_skew_seconds
        return min(at for at in marks if at >= horizon)

    @property
    def current(self) -> int | None:
        """Epoch seconds before which every window may close; ``None`` before the first event."""
        return self._current

    @property
    def furthest(self) -> int | None:
        """How far the input that is furthest has come, epoch seconds; it never goes back."""
        marks = (each.watermark_seconds for each in self._inputs.values())
        return max((at for at in marks if at is not None), default=None)

    def snapshot(self) -> list[Any]:
        """As plain values."""
        return [
            self._messages,
            self._current,
            [
                [name, each.watermark_seconds, each.is_idle, each.silence_messages]
                for name, each in self._inputs.items()
            ],
        ]

    @classmethod
    def restore(cls, policy: WatermarkPolicy, state: list[Any]) -> "WatermarkVector":
        """The vector of a snapshot, under the policy of now."""
        messages, current, inputs = state
        return cls(
            policy,
            {name: _Input(at, idle, silence) for name, at, idle, silence in inputs},
            messages,
            current,
        )
