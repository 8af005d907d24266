"""What is held now, as the throttle topics say it: for people who look, and for scripts.

A function of records and the wall clock; nothing is read or decided here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from alerting.decide.orders import SEQUENCES_BACK
from alerting.fingerprint import action_id
from alerting.throttle.action import (
    Mode,
    ThrottleAction,
    action_to_json,
    decode_action,
    target_key,
)
from alerting.throttle.lease import is_lapsed
from stream.canary import is_canary_action


class Hold(StrEnum):
    """How real an action is at this moment."""

    ENFORCED = "enforced"
    PAUSED = "paused"
    """It would be enforced, were throttling not paused."""
    LAPSED = "lapsed"
    """Its lease ran out and nobody renewed it: consumers admit, unless it says to hold."""
    SHADOW = "shadow"
    """A dry run, or a proposal that waits for approval."""
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Entry:
    """One target in one of the two topics.

    Attributes:
        action: its newest record there.
        hold: how real it is now.
        is_dry_run: whether it is from ``throttle.shadow``.
    """

    action: ThrottleAction
    hold: Hold
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """All targets.

    Attributes:
        is_paused: every consumer admits everything.
        mode: ``shadow`` or ``enforce``, as last said on ``throttle.control``.
        entries: enforced ones first, then by target.
        unreadable: records that are no actions.
    """

    is_paused: bool
    mode: str
    entries: tuple[Entry, ...]
    unreadable: int = 0

    @property
    def held(self) -> set[str]:
        """Keys of the targets that an action in ``throttle.actions`` is about, not yet released."""
        return {
            target_key(each.action.target)
            for each in self.entries
            if not each.is_dry_run and each.hold is not Hold.RELEASED
        }

    def proposals(self, action: str) -> list[tuple[str, str]]:
        """Target and full id of the dry-run actions whose id begins so.

        Leases are renewed every few minutes under a new id, so earlier ones of a target are known
        too, as far back as DECIDE knows them.
        """
        found = []
        for entry in self.entries:
            if not entry.is_dry_run or entry.hold is Hold.RELEASED:
                continue
            target, newest = target_key(entry.action.target), entry.action.sequence
            for sequence in range(newest, max(0, newest - SEQUENCES_BACK), -1):
                identity = action_id(target, sequence)
                if identity.startswith(action):
                    found.append((target, identity))
        return found

    def to_json(self) -> dict[str, Any]:
        """For scripts: the actions as in the topics, each with ``hold`` and ``dry_run``."""
        return {
            "paused": self.is_paused,
            "mode": self.mode,
            "targets": [
                {
                    **action_to_json(each.action),
                    "hold": each.hold.value,
                    "dry_run": each.is_dry_run,
                }
                for each in self.entries
            ],
        }


def control_of(records: Iterable[Any], default_mode: str) -> tuple[bool, str]:
    """Whether throttling is paused, and its mode, by the newest record of ``throttle.control``."""
    is_paused, mode = False, default_mode
    for record in records:
        if record.value is None:
            is_paused, mode = False, default_mode
            continue
        said = _decoded(record.value)
        # As the client reads it: what does not read changes nothing.
        if isinstance(said, dict) and isinstance(said.get("paused"), bool):
            is_paused = said["paused"]
            mode = str(said.get("mode") or default_mode)
    return is_paused, mode


def board_of(
    actions: Iterable[Any],
    shadow: Iterable[Any],
    control: Iterable[Any],
    *,
    default_mode: str,
    now: float,
) -> Board:
    """The board of the records of the three topics, oldest first.

    Args:
        actions: of ``throttle.actions``.
        shadow: of ``throttle.shadow``.
        control: of ``throttle.control``.
        default_mode: the configured mode, which holds until an operator says otherwise.
        now: wall clock, epoch seconds.
    """
    is_paused, mode = control_of(control, default_mode)
    real, bad_real = _newest(actions)
    dry, bad_dry = _newest(shadow)
    standing = Hold.PAUSED if is_paused else Hold.ENFORCED
    entries = [Entry(each, _hold(each, now, standing)) for each in real]
    entries += [Entry(each, _hold(each, now, Hold.SHADOW), is_dry_run=True) for each in dry]
    order = list(Hold)
    entries.sort(key=lambda each: (order.index(each.hold), target_key(each.action.target)))
    return Board(is_paused, mode, tuple(entries), bad_real + bad_dry)


def _newest(records: Iterable[Any]) -> tuple[list[ThrottleAction], int]:
    """By target, the record of the highest sequence that was not removed; and the unreadable."""
    newest: dict[bytes, ThrottleAction] = {}
    unreadable = 0
    for record in records:
        if record.value is None:
            newest.pop(record.key, None)
            continue
        action = decode_action(record.value)
        if action is None:
            unreadable += 1
        elif is_canary_action(action):
            continue
        elif record.key not in newest or newest[record.key].sequence <= action.sequence:
            newest[record.key] = action
    return list(newest.values()), unreadable


def _hold(action: ThrottleAction, now: float, standing: Hold) -> Hold:
    if action.mode is Mode.RELEASE:
        return Hold.RELEASED
    return Hold.LAPSED if is_lapsed(action, now) else standing


def _decoded(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
