"""Commands and acks read, or are refused with a reason."""

import json

import pytest

from alerting.command import (
    BadCommandError,
    SilenceAdd,
    ThrottleSet,
    decode_ack,
    decode_command,
    encode_command,
)
from alerting.matcher import parse_matcher
from alerting.silence import Silence
from alerting.throttle.action import Mode, OnLapse
from tests.support.decisions import START, instant

HEAD = {"id": "c-1", "issued_by": "on-call", "issued_at": "2026-11-22T10:00:00Z"}


def command(name: str, **fields: object) -> bytes:
    return json.dumps({"command": name, **HEAD, **fields}).encode()


def test_a_command_survives_the_wire():
    order = ThrottleSet(
        id="c-1",
        issued_by="on-call",
        issued_at=instant(START),
        target="api_key:k",
        mode=Mode.THROTTLE,
        admit_ratio=0.2,
        on_lapse=OnLapse.HOLD,
        limits={"requests_per_minute": 5},
    )
    assert decode_command(encode_command(order)) == order


def test_a_silence_that_reads_passes():
    silence = Silence("s", (parse_matcher("name=bot"),), 1.0, 2.0, "me")
    read = decode_command(command("silence_add", silence=silence.to_json()))
    assert isinstance(read, SilenceAdd)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "no command"),
        (b"{", "no command"),
        (b"\xff", "no command"),
        (b"[" * 60_000, "no command"),
        (b" " * 70_000, "at most 65536"),
        (b"[]", "Expected `object`"),
        (command("throttle_everything"), "Invalid value"),
        (json.dumps(HEAD).encode(), "missing required field `command`"),
        (command("throttle_pause", id=""), r"length >= 1 - at `\$.id`"),
        (command("throttle_pause", id="x" * 201), r"length <= 200 - at `\$.id`"),
        (command("throttle_pause", issued_at="2026-11-22T10:00:00"), "timezone"),
        (command("throttle_pause", issued_at=1), "issued_at"),
        (command("throttle_pause", also=1), "unknown field `also`"),
        (command("throttle_release", target="key"), "target: not a scope"),
        (command("throttle_release", target="k"), "length >= 3"),
        (command("throttle_approve", target="api_key:", action_id="a"), "target: not a scope"),
        (command("throttle_set", target="api_key:k", mode="kill"), "mode"),
        (command("throttle_set", target="api_key:k", mode="release"), "mode: release"),
        (command("throttle_set", target="api_key:k", mode="throttle"), "admit_ratio"),
        (command("throttle_set", target="api_key:k", mode="block", admit_ratio=0.5), "admit_ratio"),
        (command("throttle_set", target="a:k", mode="throttle", admit_ratio=1.1), "<= 1"),
        (command("throttle_set", target="a:k", mode="block", minutes=0), "> 0"),
        (command("throttle_mode", mode="Enforce"), "Invalid enum value"),
        (command("silence_add", silence={"silence_id": "s"}), "silence: 'matchers'"),
        (command("silence_add", silence={"silence_id": "s", "matchers": 3}), "silence: "),
    ],
)
def test_a_bad_command_is_refused_with_its_reason(payload, why):
    with pytest.raises(BadCommandError, match=why):
        decode_command(payload)


def ack(**fields: object) -> bytes:
    record = {
        "action_id": "a",
        "enforcer": "gw",
        "applied_at": "2026-11-22T10:00:00.250Z",
        "result": "applied",
        **fields,
    }
    return json.dumps(record).encode()


def test_an_ack_reads_with_or_without_detail_and_with_others_fields():
    read = decode_ack(ack(detail="x" * 2000, region="eu"))
    assert (read.applied_at, read.is_applied, len(read.detail)) == (START + 0.25, True, 1000)
    failed = decode_ack(ack(result="failed", detail=None))
    assert (failed.is_applied, failed.detail) == (False, "")


@pytest.mark.parametrize(
    "payload",
    [b"null", ack(result="done"), ack(applied_at="now"), ack(enforcer=""), ack(action_id=None)],
)
def test_a_bad_ack_is_refused(payload):
    with pytest.raises(BadCommandError, match="no ack"):
        decode_ack(payload)
