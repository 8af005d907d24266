"""What is kept of a refused record."""

import hashlib
import json

import pytest

from stream.ingest.dead_letter import (
    DEAD_LETTER_PAYLOAD_MAX_BYTES,
    DeadLetterConfig,
    PayloadPolicy,
    dead_letter,
    masked,
)
from stream.usage.decode import decode
from stream.usage.rejection import Rejection, RejectReason


def encoded(
    rejection: Rejection, policy: PayloadPolicy = PayloadPolicy.MASKED, max_bytes: int = 900_000
) -> bytes:
    return dead_letter(
        rejection, topic="usage.events", partition=3, offset=77, policy=policy, max_bytes=max_bytes
    )


def letter(payload: bytes, policy: PayloadPolicy = PayloadPolicy.MASKED, index: int | None = None):
    rejection = Rejection(RejectReason.WRONG_TYPE, "agent: write a string", index, payload)
    return json.loads(encoded(rejection, policy))


def test_a_letter_says_why_and_where():
    sent = b'{"agent": 5}'
    assert letter(sent, index=2) == {
        "reason": "wrong_type",
        "detail": "agent: write a string",
        "topic": "usage.events",
        "partition": 3,
        "offset": 77,
        "index": 2,
        "size": 12,
        "sha256": hashlib.sha256(sent).hexdigest(),
        "payload": {"agent": 5},
    }


def test_masking_keeps_structure_and_numbers_and_no_text():
    sent = b'{"a": [1, 2.5, true, null, "a secret"], "b": {"c": "x"}, "say my secret": "y"}'
    assert masked(sent) == {
        "a": [1, 2.5, True, None, "<8 characters>"],
        "b": {"c": "<1 characters>"},
        "<key 2>": "<1 characters>",
    }
    assert "secret" not in json.dumps(letter(sent))


def test_a_secret_is_masked_as_a_key_too():
    assert masked(b'{"sk-proj-4eC39HqLyjWDarjtT1zdp7dc": 1}') == {"<key 0>": 1}
    assert masked(b'{"AKIAIOSFODNN7EXAMPLE": 1}') == {"<key 0>": 1}


@pytest.mark.parametrize(
    "sent", [b"", b"my secret", b'{"a": "my secret', b"\xff\xfe", b"[" * 60_000, b'{"a":"\\ud800"}']
)
def test_what_is_no_json_keeps_its_size_and_hash_only(sent):
    kept = letter(sent)
    assert kept["payload"] is None
    assert (kept["size"], kept["sha256"]) == (len(sent), hashlib.sha256(sent).hexdigest())


@pytest.mark.parametrize(
    "sent", [b"[1e400]", b"[1e99999999999999999999]", b"[" + b"9" * 400 + b"]", b"[-0.0, 1E+5]"]
)
def test_numbers_of_any_size_make_a_letter(sent):
    assert letter(sent)["size"] == len(sent)


def test_a_deep_payload_makes_a_letter_whatever_its_depth():
    for depth in (100, 500, 800, 900, 990, 1000, 2000):
        assert letter(b"[" * depth + b"]" * depth)["size"] == 2 * depth


def test_the_original_is_kept_only_where_configured():
    assert letter(b'{"p": "text"}', PayloadPolicy.ORIGINAL)["payload"] == '{"p": "text"}'
    assert letter(b"\xfftext", PayloadPolicy.ORIGINAL)["payload"] == "\\xfftext"
    assert letter(b'{"p": "text"}', PayloadPolicy.NONE)["payload"] is None
    assert DeadLetterConfig().payload is PayloadPolicy.MASKED


def test_a_payload_too_large_to_copy_is_not_copied():
    large = b"[" + b"1," * (DEAD_LETTER_PAYLOAD_MAX_BYTES // 2) + b"1]"
    for policy in PayloadPolicy:
        assert letter(large, policy)["payload"] is None


@pytest.mark.parametrize("policy", PayloadPolicy)
@pytest.mark.parametrize("payload", [b"[" + b'"",' * 21_000 + b"1]", b"\xff" * 65_000])
def test_a_letter_that_grew_too_large_goes_without_its_payload(payload, policy):
    rejection = Rejection(RejectReason.NOT_JSON, "send JSON", 3, payload)
    found = encoded(rejection, policy, 65_536)
    assert len(found) <= 65_536
    kept = json.loads(found)
    assert kept["payload"] is None
    assert (kept["reason"], kept["offset"], kept["index"]) == ("not_json", 77, 3)
    assert (kept["size"], kept["sha256"]) == (len(payload), hashlib.sha256(payload).hexdigest())


def test_a_letter_that_just_fits_keeps_its_payload():
    rejection = Rejection(RejectReason.NOT_JSON, "send JSON", 3, b'["a"]')
    size = len(encoded(rejection))
    assert json.loads(encoded(rejection, max_bytes=size))["payload"] == ["<1 characters>"]
    assert json.loads(encoded(rejection, max_bytes=size - 1))["payload"] is None


def test_a_refused_element_leads_back_to_itself():
    (rejection,) = decode(b'[{"event_id": 5, "prompt": "tell me"}]').rejections
    kept = json.loads(encoded(rejection))
    assert kept["index"] == 0
    assert kept["payload"] == {"event_id": 5, "prompt": "<7 characters>"}
