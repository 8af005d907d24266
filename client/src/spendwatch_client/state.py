"""May this key call now? The compacted throttle topics as one object in memory.

Pure: records go in, decisions come out, the clock is an argument. A gateway asks it before every
call, so the answer takes microseconds and needs no lock: writers replace single entries, which are
immutable. Whatever it does not understand it admits, and counts. This file must not know Kafka.
"""

import random as random_module
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

from spendwatch_client.key import key_id
from spendwatch_client.lease import (
    DEFAULT_ENVIRONMENT,
    Lease,
    MalformedActionError,
    Mode,
    Target,
    parse_lease,
    parse_target_key,
)

_key_id = lru_cache(maxsize=8_192)(key_id)
# Only in here: a gateway holds its callers' keys anyway, and the rule costs up to 20 us for a key.

_MOST_RETRY_SECONDS = 60.0
# A refused caller asks again within a minute: leases are renewed and released at that pace.


class Effect(StrEnum):
    """What a record did to the state; also the names of the counters in ``ThrottleState.counts``.

    ``applied`` now in force · ``repeated`` known already, by sequence and id · ``older`` a newer
    action of that target was there before, so this one is ignored · ``rejected`` understood only in
    part, so it enforces nothing · ``removed`` a tombstone · ``malformed`` not an action at all, the
    state is unchanged.
    """

    APPLIED = "applied"
    REPEATED = "repeated"
    OLDER = "older"
    REJECTED = "rejected"
    REMOVED = "removed"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one record.

    Attributes:
        effect: see ``Effect``.
        action_id: of the action, empty where there is none to name.
        detail: a sentence on why it was not applied, empty when it was.
        lease: the lease now held for the target, if the record made one.
    """

    effect: Effect
    action_id: str = ""
    detail: str = ""
    lease: Lease | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether one call may go on.

    Attributes:
        admit: whether it may.
        action_id: the action that decided, None when no action is about this call.
        mode: of that action.
        reason: why, for the person whose call it is.
        retry_after_seconds: when asking again makes sense; None when admitted.
        limits: of the action, for a gateway that can enforce them itself; this package does not,
            so a call that is admitted under limits may be one too many.
        approval: of the action: who decided that it is enforced. With mode ``require_approval`` it
            does not stand for the approval of calls; those wait until a release.
        target: whom the action is about.
    """

    admit: bool
    action_id: str | None = None
    mode: Mode | None = None
    reason: str = ""
    retry_after_seconds: float | None = None
    limits: Mapping[str, Any] | None = None
    approval: Mapping[str, Any] | None = None
    target: Target | None = None


_ADMITTED = Decision(admit=True, reason="no action on this call")
_PAUSED = Decision(admit=True, reason="throttling is paused")
_STRICTNESS = {
    Mode.UNKNOWN: 0,
    Mode.RELEASE: 0,
    Mode.THROTTLE: 1,
    Mode.REQUIRE_APPROVAL: 2,
    Mode.BLOCK: 3,
}


class ThrottleState:
    """The newest action of every target, and whether everything is paused.

    Of several actions about one call (its key, its agent) the strictest decides. Past
    ``expires_at`` an action admits or holds as its ``on_lapse`` says, with no word from anybody. A
    record never overwrites one of a higher sequence, not even after a tombstone. Safe to ask from
    many threads while one feeds it.

    Args:
        draw: a number in [0, 1), asked where the caller gives neither ``call_id`` nor ``random``.

    >>> state = ThrottleState()
    >>> state.decide(api_key="key-7", agent="invoice-bot", now=0.0).admit
    True
    """

    def __init__(self, draw: Callable[[], float] = random_module.random) -> None:
        self._draw = draw
        self._lock = threading.Lock()
        self._leases: dict[Target, Lease] = {}
        self._sequences: dict[Target, int] = {}
        self._kinds: tuple[tuple[str, tuple[str, ...]], ...] = ()
        self._paused = False
        self.counts: Counter[str] = Counter({effect.value: 0 for effect in Effect})
        self.counts.update(unknown_fields=0, malformed_control=0, lapsed=0)

    @property
    def is_paused(self) -> bool:
        """Whether the operator has paused all throttling."""
        return self._paused

    def leases(self) -> list[Lease]:
        """The newest action of every target, lapsed ones and releases included."""
        with self._lock:
            return list(self._leases.values())

    def lease_of(self, target: Target) -> Lease | None:
        """The newest action of one target, lapsed or a release as it may be; None without any."""
        return self._leases.get(target)

    def decide(
        self,
        *,
        api_key: str | None = None,
        agent: str | None = None,
        environment: str = DEFAULT_ENVIRONMENT,
        now: float,
        call_id: str | None = None,
        random: float | None = None,
        others: Mapping[str, str] | None = None,
    ) -> Decision:
        """Whether a call may go on. Never raises, never blocks.

        Args:
            api_key: the caller's key or its id; what looks like a live secret is hashed first.
            agent: the agent that calls.
            environment: the call's environment; actions of other environments do not matter.
            now: wall clock, epoch seconds.
            call_id: makes ``admit_ratio`` deterministic: a call that is tried again under the same
                id gets the same answer.
            random: a number in [0, 1) to compare with ``admit_ratio``, where there is no
                ``call_id``.
            others: further scopes of the call by kind, such as ``{"team": "pay", "run": "r-1"}``.
        """
        if self._paused:
            return _PAUSED
        if not self._kinds:
            return _ADMITTED
        names = dict(others) if others else {}
        if api_key is not None:
            names["api_key"] = _key_id(api_key)
        if agent is not None:
            names["agent"] = agent
        lease = self._strictest(names, environment, now)
        if lease is None:
            return _ADMITTED
        if self._admits(lease, call_id, random):
            return Decision(
                admit=True,
                action_id=lease.action_id,
                mode=lease.mode,
                reason=lease.reason,
                limits=lease.limits,
                approval=lease.approval,
                target=lease.target,
            )
        left = lease.expires_at - now
        return Decision(
            admit=False,
            action_id=lease.action_id,
            mode=lease.mode,
            reason=lease.reason,
            retry_after_seconds=min(_MOST_RETRY_SECONDS, left) if left > 0 else _MOST_RETRY_SECONDS,
            limits=lease.limits,
            approval=lease.approval,
            target=lease.target,
        )

    def apply_action(self, key: bytes | None, value: bytes | None) -> Applied:
        """Take in one record of ``throttle.actions``. Never raises.

        Args:
            key: the record's key; needed for tombstones only.
            value: the action as JSON; None for a tombstone.
        """
        with self._lock:
            try:
                applied = self._remove(key) if value is None else self._put(parse_lease(value))
            except MalformedActionError as error:
                applied = Applied(Effect.MALFORMED, error.action_id, str(error))
            self.counts[applied.effect] += 1
            return applied

    def apply_control(self, value: bytes | None) -> bool:
        """Take in one record of ``throttle.control``; a tombstone resumes. Never raises.

        Returns:
            Whether the record could be read; if not, the state stays as it was.
        """
        paused: object = False
        if value is not None:
            try:
                record = msgspec.json.decode(value)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                record = None
            paused = record.get("paused") if isinstance(record, dict) else None
        if not isinstance(paused, bool):
            with self._lock:
                self.counts["malformed_control"] += 1
            return False
        self._paused = paused
        return True

    def adopt_actions(self, fresh: "ThrottleState") -> None:
        """Replace all actions by those of ``fresh``, which has read the topic from its start.

        Sequences are replaced too: a topic made anew starts at one again.
        """
        with self._lock:
            self._leases = dict(fresh._leases)  # noqa: SLF001  its own class
            self._sequences = dict(fresh._sequences)  # noqa: SLF001  its own class
            self._kinds = fresh._kinds  # noqa: SLF001  its own class
            self.counts.update(fresh.counts)

    def adopt_control(self, fresh: "ThrottleState") -> None:
        """Replace the pause by that of ``fresh``."""
        self._paused = fresh._paused  # noqa: SLF001  its own class

    def _strictest(self, names: Mapping[str, str], environment: str, now: float) -> Lease | None:
        leases = self._leases
        strictest: Lease | None = None
        for kind, parts in self._kinds:
            if len(parts) == 1:
                name = names.get(kind)
            else:
                name = _combined([names.get(part) for part in parts])
            if name is None:
                continue
            lease = leases.get((kind, name, environment))
            if lease is None or lease.has_lapsed(now):
                continue
            if strictest is None or _hardness(lease) > _hardness(strictest):
                strictest = lease
        return strictest

    def _admits(self, lease: Lease, call_id: str | None, random: float | None) -> bool:
        if lease.mode is Mode.THROTTLE:
            if call_id is not None:
                digest = blake2b(call_id.encode("utf-8", "surrogatepass"), digest_size=7).digest()
                random = int.from_bytes(digest) / 2**56
            elif random is None:
                random = self._draw()
            return random < lease.admit_ratio
        return lease.mode not in (Mode.BLOCK, Mode.REQUIRE_APPROVAL)

    def _put(self, lease: Lease) -> Applied:
        target = lease.target
        newest = self._sequences.get(target)
        held = self._leases.get(target)
        sequence = lease.sequence
        if newest is not None and sequence < newest:
            return Applied(
                Effect.OLDER,
                lease.action_id,
                f"sequence {sequence} is older than {newest}",
                held,
            )
        if held is not None and (held.sequence, held.action_id) == (sequence, lease.action_id):
            return Applied(Effect.REPEATED, lease.action_id, "", held)
        self._leases[target] = lease
        self._sequences[target] = sequence
        kind = target[0]
        if all(kind != known for known, _ in self._kinds):
            self._kinds = (*self._kinds, (kind, tuple(kind.split("+"))))
        self.counts["unknown_fields"] += lease.unknown_fields
        if lease.trouble:
            return Applied(Effect.REJECTED, lease.action_id, lease.trouble, lease)
        return Applied(Effect.APPLIED, lease.action_id, "", lease)

    def _remove(self, key: bytes | None) -> Applied:
        try:
            kind, name, environment = parse_target_key((key or b"").decode())
        except UnicodeDecodeError as error:
            raise MalformedActionError("key is not UTF-8") from error
        target = (kind, key_id(name) if kind == "api_key" else name, environment)
        lease = self._leases.pop(target, None)
        return Applied(Effect.REMOVED, lease.action_id if lease else "")


def _hardness(lease: Lease) -> tuple[int, float]:
    return _STRICTNESS[lease.mode], -lease.admit_ratio


def _combined(names: list[str | None]) -> str | None:
    """The name of a combination's scope, as native.md section 2 spells it."""
    parts = [name.replace("%", "%25").replace("|", "%7C") for name in names if name is not None]
    return "|".join(parts) if len(parts) == len(names) else None
