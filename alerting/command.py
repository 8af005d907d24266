"""What operators say on ``spend.commands``, and what enforcers say on ``throttle.acks``.

Both come from outside, so reading one gives a value or a reason, never a crash. Who may write to
the topics is Kafka's business (ACLs); what a command does is ``alerting/decide/orders.py``'s.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from alerting.silence import silence_from_json
from alerting.throttle.action import Mode, OnLapse
from alerting.throttle.policy import ThrottleMode
from detectors.scope import Scope

MAX_BYTES = 65_536
"""A command or an ack is a few hundred bytes; CloudEvents promises 64 KiB at most."""

_Id = Annotated[str, Meta(min_length=1, max_length=200)]
_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_Target = Annotated[str, Meta(min_length=3, max_length=600)]
_Reason = Annotated[str, Meta(max_length=1000)]
_Instant = Annotated[datetime, Meta(tz=True)]


class BadCommandError(ValueError):
    """A command or an ack that does not read; the message says which field and why."""


class _Command(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="command", forbid_unknown_fields=True
):
    """What all commands carry.

    Attributes:
        id: chosen by the sender; a repeat of it is a duplicate.
        issued_by: who, for the record.
        issued_at: when, by the sender's clock.
    """

    id: _Id
    issued_by: _Name
    issued_at: _Instant


class ThrottleSet(_Command, frozen=True, kw_only=True, tag="throttle_set"):
    """Hold a target, whatever automation thinks of it.

    Attributes:
        target: in one-string form.
        mode: ``throttle``, ``require_approval`` or ``block``.
        admit_ratio: 0-1, needed with ``throttle``.
        minutes: for how long; without it until released.
        on_lapse: what gateways do should spendwatch die.
        limits: for the target as a whole.
        reason: a sentence.
        force: block a target that ``never_block`` names all the same.
    """

    target: _Target
    mode: Mode
    admit_ratio: Annotated[float, Meta(ge=0, le=1)] | None = None
    minutes: Annotated[float, Meta(gt=0, le=525_600)] | None = None
    on_lapse: OnLapse = OnLapse.ADMIT
    limits: dict[str, int | str] | None = None
    reason: _Reason = ""
    force: bool = False


class ThrottleRelease(_Command, frozen=True, kw_only=True, tag="throttle_release"):
    """Let a target go, and keep automation off it for the incidents of now."""

    target: _Target
    reason: _Reason = ""


class ThrottleReleaseAll(_Command, frozen=True, kw_only=True, tag="throttle_release_all"):
    """Let every target go, likewise."""

    reason: _Reason = ""


class ThrottlePause(_Command, frozen=True, kw_only=True, tag="throttle_pause"):
    """Every consumer admits everything; no new automatic actions."""


class ThrottleResume(_Command, frozen=True, kw_only=True, tag="throttle_resume"):
    """The end of a pause."""


class ThrottleModeSwitch(_Command, frozen=True, kw_only=True, tag="throttle_mode"):
    """Make decisions real, or dry runs again, until said otherwise."""

    mode: ThrottleMode


class ThrottleApprove(_Command, frozen=True, kw_only=True, tag="throttle_approve"):
    """Make real what ``throttle.shadow`` said of a target in ``action_id``."""

    target: _Target
    action_id: _Id


class ThrottleReject(_Command, frozen=True, kw_only=True, tag="throttle_reject"):
    """Refuse it, for this incident."""

    target: _Target
    action_id: _Id


class Acknowledge(_Command, frozen=True, kw_only=True, tag="acknowledge"):
    """Somebody is on it."""

    incident_id: _Id


class SilenceAdd(_Command, frozen=True, kw_only=True, tag="silence_add"):
    """NOTIFY's; DECIDE lets it pass."""

    silence: dict[str, Any]


class SilenceExpire(_Command, frozen=True, kw_only=True, tag="silence_expire"):
    """NOTIFY's; DECIDE lets it pass."""

    silence_id: _Id


Command = (
    ThrottleSet
    | ThrottleRelease
    | ThrottleReleaseAll
    | ThrottlePause
    | ThrottleResume
    | ThrottleModeSwitch
    | ThrottleApprove
    | ThrottleReject
    | Acknowledge
    | SilenceAdd
    | SilenceExpire
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)


def encode_command(command: Command) -> bytes:
    """The wire form: one JSON object."""
    return _encoder.encode(command)


def decode_command(payload: bytes) -> Command:
    """The command of a wire form.

    Raises:
        BadCommandError: with the reason, if it is none.
    """
    command = _decoded(_decoder, payload, "command")
    if isinstance(command, ThrottleSet | ThrottleRelease | ThrottleApprove | ThrottleReject):
        try:
            Scope.parse(command.target)
        except ValueError as error:
            raise BadCommandError(f"target: {error}") from error
    if isinstance(command, ThrottleSet):
        _check_set(command)
    if isinstance(command, SilenceAdd):
        try:
            silence_from_json(command.silence)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise BadCommandError(f"silence: {error}") from error
    return command


def _check_set(command: ThrottleSet) -> None:
    if command.mode is Mode.RELEASE:
        raise BadCommandError("mode: release is a command of its own, throttle_release")
    if (command.admit_ratio is None) == (command.mode is Mode.THROTTLE):
        raise BadCommandError("admit_ratio: needed with mode throttle, and only there")


@dataclass(frozen=True, slots=True)
class Ack:
    """An enforcer's word on one action.

    Attributes:
        action_id: which.
        enforcer: who.
        applied_at: wall clock, epoch seconds.
        result: ``applied``, ``rejected`` or ``failed``.
        detail: a sentence.
    """

    action_id: str
    enforcer: str
    applied_at: float
    result: str
    detail: str = ""

    @property
    def is_applied(self) -> bool:
        """Whether it is in force there."""
        return self.result == "applied"


class _AckRecord(msgspec.Struct, frozen=True):
    """The wire form; fields that are not ours are let pass, since others write it."""

    action_id: _Id
    enforcer: _Name
    applied_at: _Instant
    result: Annotated[str, Meta(pattern="^(applied|rejected|failed)$")]
    detail: str | None = None


_ack_decoder = msgspec.json.Decoder(_AckRecord)


def decode_ack(payload: bytes) -> Ack:
    """The ack of a wire form.

    Raises:
        BadCommandError: with the reason, if it is none.
    """
    record = _decoded(_ack_decoder, payload, "ack")
    return Ack(
        action_id=record.action_id,
        enforcer=record.enforcer,
        applied_at=record.applied_at.timestamp(),
        result=record.result,
        detail=(record.detail or "")[:1000],
    )


_Value = TypeVar("_Value")


def _decoded(decoder: "msgspec.json.Decoder[_Value]", payload: bytes, what: str) -> _Value:
    if len(payload) > MAX_BYTES:
        raise BadCommandError(f"{what} of {len(payload)} bytes; at most {MAX_BYTES}")
    try:
        return decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadCommandError(f"no {what}: {error}") from error
