"""Bytes to usages: what is accepted, what is refused, and by which reason."""

import hashlib
import json

import pytest

from stream.usage.decode import ARRAY_MAX_EVENTS, PAYLOAD_MAX_BYTES, RejectReason, decode

CALL = {"event_id": "1", "timestamp": 1_700_000_000, "model": "gpt-4o", "input_tokens": 5}


def payload(**fields: object) -> bytes:
    return json.dumps(CALL | fields).encode()


def only_rejection(sent: bytes):
    decoded = decode(sent)
    assert decoded.usages == []
    (rejection,) = decoded.rejections
    return rejection


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", RejectReason.NOT_JSON),
        (b"{", RejectReason.NOT_JSON),
        (b"not json", RejectReason.NOT_JSON),
        (b"\xef\xbb\xbf{}", RejectReason.NOT_JSON),
        (b"{} {}", RejectReason.NOT_JSON),
        (b'{"x": NaN}', RejectReason.NOT_JSON),
        (b'"text"', RejectReason.NOT_AN_OBJECT),
        (b"5", RejectReason.NOT_AN_OBJECT),
        (b"null", RejectReason.NOT_AN_OBJECT),
        (b"[" * 100_000, RejectReason.TOO_DEEP),
        (b'{"x":' * 100_000, RejectReason.TOO_DEEP),
        (b"[" * (50 * 1024 * 1024), RejectReason.TOO_LARGE),
        (b" " * (PAYLOAD_MAX_BYTES + 1), RejectReason.TOO_LARGE),
        (b'{"event_id": "\xff"}', RejectReason.NOT_UTF8),
        (payload()[:-1] + b', "prompt": "\xc3\x28"}', RejectReason.NOT_UTF8),
        (b"{}", RejectReason.MISSING_FIELD),
        (payload(model=None), RejectReason.MISSING_FIELD),
        (payload(input_tokens=-1), RejectReason.OUT_OF_BOUNDS),
        (payload(input_tokens=10**30), RejectReason.OUT_OF_BOUNDS),
        (payload(input_tokens=1.5), RejectReason.WRONG_TYPE),
        (payload(input_tokens="1_0"), RejectReason.WRONG_TYPE),
        (payload(cost_usd="1_0"), RejectReason.WRONG_TYPE),
        (payload(cost_usd="1e400"), RejectReason.OUT_OF_BOUNDS),
        (payload(cost_usd="NaN"), RejectReason.WRONG_TYPE),
        (payload(cost_usd={"usd": 1}), RejectReason.WRONG_TYPE),
        (payload()[:-1] + b', "cost_usd": 1e400}', RejectReason.OUT_OF_BOUNDS),
        (payload()[:-1] + b', "cost_usd": 1e99999999999999999999}', RejectReason.WRONG_TYPE),
        (payload()[:-1] + b', "timestamp": 1e400}', RejectReason.OUT_OF_BOUNDS),
        (payload()[:-1] + b', "latency_ms": 1e400}', RejectReason.OUT_OF_BOUNDS),
        (payload()[:-1] + b', "input_tokens": ' + b"9" * 5000 + b"}", RejectReason.OUT_OF_BOUNDS),
        (payload(event_id="cut \ud83d"), RejectReason.OUT_OF_BOUNDS),
        (payload(status="fine"), RejectReason.UNKNOWN_VALUE),
        (payload(cache_read_tokens=6), RejectReason.INCONSISTENT_COUNTS),
        (payload(timestamp="yesterday"), RejectReason.WRONG_TYPE),
        (payload(event_id="x" * 201), RejectReason.OUT_OF_BOUNDS),
        (payload(event_id="\n"), RejectReason.MISSING_FIELD),
    ],
)
def test_what_cannot_be_counted_is_refused_by_its_reason(sent, reason):
    rejection = only_rejection(sent)
    assert rejection.reason is reason
    assert rejection.index is None
    assert rejection.payload == sent
    assert rejection.detail


def test_an_element_that_is_bad_leaves_its_neighbours_alone():
    good = json.dumps(CALL).encode()
    bad = json.dumps(CALL | {"input_tokens": -1}).encode()
    decoded = decode(b" [" + b",".join([good, bad, b"7", b"[]", good]) + b"]")
    assert len(decoded.usages) == 2
    assert [(r.index, r.reason, r.payload) for r in decoded.rejections] == [
        (1, RejectReason.OUT_OF_BOUNDS, bad),
        (2, RejectReason.NOT_AN_OBJECT, b"7"),
        (3, RejectReason.NOT_AN_OBJECT, b"[]"),
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"agent": "J\xfcrgen"}', RejectReason.NOT_UTF8),
        (payload()[:-1] + b', "prompt": "\xe4\xf6"}', RejectReason.NOT_UTF8),
        (payload()[:-1] + b', "x": ' + b"[" * 1500 + b"]" * 1500 + b"}", RejectReason.TOO_DEEP),
        (b"[" * 3000 + b"]" * 3000, RejectReason.NOT_AN_OBJECT),
        (b'{"input_tokens": NaN}', RejectReason.NOT_JSON),
        (b"{'agent': 1}", RejectReason.NOT_JSON),
        (b'{"a": 1]', RejectReason.NOT_JSON),
        (b'{"a": "x\\"y\\\\"} {}', RejectReason.NOT_JSON),
        (b'{"a": "\x01"}', RejectReason.NOT_JSON),
        (b"", RejectReason.NOT_JSON),
    ],
)
def test_an_element_that_no_decoder_reads_leaves_its_neighbours_alone(bad, reason):
    good = payload(agent='bot [1], "2"\\', prompt="}{ü")
    decoded = decode(b" [" + b" ,\n".join([good, bad, good, bad]) + b"] ")
    assert [usage.agent for usage in decoded.usages] == ['bot [1], "2"\\'] * 2
    assert decoded.unknown_fields == 2
    assert [(r.index, r.reason, r.payload) for r in decoded.rejections] == [
        (1, reason, bad),
        (3, reason, bad),
    ]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b'[{"a": "x}, {"b": 1}]', RejectReason.NOT_JSON),
        (b'[{"a": [1}, {"b": 1}]', RejectReason.NOT_JSON),
        (b"[{}, NaN], {}]", RejectReason.NOT_JSON),
        (b"[{}, NaN] {}", RejectReason.NOT_JSON),
        (b'[{"a": "\xff"}, {"b": 1}', RejectReason.NOT_UTF8),
        (b'[{"a": "\xff"}, {"b": 1}}', RejectReason.NOT_UTF8),
        ("[{}]".encode("utf-16-le"), RejectReason.NOT_JSON),
        (b"[" * 3000 + b"]" * 2999, RejectReason.TOO_DEEP),
        (b"[" + b"NaN," * ARRAY_MAX_EVENTS + b"1]", RejectReason.TOO_LARGE),
    ],
)
def test_an_array_whose_elements_cannot_be_told_apart_is_refused_whole(sent, reason):
    rejection = only_rejection(sent)
    assert (rejection.reason, rejection.index, rejection.payload) == (reason, None, sent)


def test_half_an_emoji_is_mended_beside_an_element_that_no_decoder_reads():
    cut = payload(agent="bot \ud83d", prompt="\ude00")
    decoded = decode(b"[" + cut + b", NaN]")
    assert [usage.agent for usage in decoded.usages] == ["bot \ufffd"]
    assert [rejection.index for rejection in decoded.rejections] == [1]


def test_an_array_is_one_however_much_blank_is_before_it():
    assert len(decode(b" " * 100 + b"[" + payload() + b"]").usages) == 1


def test_an_empty_array_holds_nothing():
    assert decode(b"[]") == ([], [], 0)


def test_an_array_of_too_many_events_is_refused_whole():
    assert len(decode(b"[" + b",".join([b"1"] * ARRAY_MAX_EVENTS) + b"]").rejections) == (
        ARRAY_MAX_EVENTS
    )
    sent = b"[" + b",".join([b"1"] * (ARRAY_MAX_EVENTS + 1)) + b"]"
    assert only_rejection(sent).reason is RejectReason.TOO_LARGE


def test_unknown_fields_are_ignored_and_counted():
    with_two = payload(prompt="say nothing", messages=[{"a": "\ud800"}])
    decoded = decode(with_two)
    assert decoded.unknown_fields == 2
    assert decoded.usages == decode(payload()).usages
    assert "say nothing" not in repr(decoded)
    assert decode(b"[" + with_two + b"," + with_two + b"]").unknown_fields == 4


def test_a_cost_is_never_rounded_through_a_binary_float():
    for literal in (b"0.1234567895", b'"0.1234567895"', b"0.12345678950"):
        (usage,) = decode(payload()[:-1] + b', "cost_usd": ' + literal + b"}").usages
        assert usage.reported_nanousd == 123_456_790  # half-even; as a binary float it is below
    (usage,) = decode(payload()[:-1] + b', "cost_usd": 0.1234567890123456789}').usages
    assert usage.reported_nanousd == 123_456_789


def test_half_an_emoji_costs_neither_its_event_nor_the_neighbours():
    cut = payload(agent="bot \ud83d", prompt="\ude00 \ud83d\ude00 \\ud83d")
    for sent in (cut, b"[" + cut + b"]"):
        (usage,) = decode(sent).usages
        assert usage.agent == "bot \ufffd"


def test_a_live_secret_is_hashed_before_anything_else_sees_it():
    secret = "sk-proj-4eC39HqLyjWDarjtT1zdp7dc"
    for sent in (secret, f"Bearer {secret}", f"Bearer\n{secret}", f" {secret}"):
        decoded = decode(payload(api_key=sent))
        assert decoded.usages[0].api_key == "sha256:" + hashlib.sha256(secret.encode()).hexdigest()
        assert secret not in repr(decoded)
    assert decode(payload(api_key="key-7")).usages[0].api_key == "key-7"


@pytest.mark.parametrize("cost", ["100001", 100_001, "999999.5", "100000.000000001", 123_456])
def test_a_cost_just_above_the_bound_is_refused(cost):
    assert only_rejection(payload(cost_usd=cost)).reason is RejectReason.OUT_OF_BOUNDS


@pytest.mark.parametrize(
    ("cost", "nanousd"), [("100000", 10**14), ("099999.9", 99_999_900_000_000)]
)
def test_a_cost_at_the_bound_is_accepted(cost, nanousd):
    assert decode(payload(cost_usd=cost)).usages[0].reported_nanousd == nanousd


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a\x7fb", "a\ufffdb"),
        ("a\nb", "a\ufffdb"),
        ("a\u2028b", "a\ufffdb"),
        ("a\x85b", "a\ufffdb"),
        ("   ", ""),
        ("\t", ""),
        ("", ""),
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_name_is_safe_however_it_was_written(sent, kept, ascii_only):
    written = json.dumps(CALL | {"agent": sent, "tags": {"k": sent}}, ensure_ascii=ascii_only)
    (usage,) = decode(written.encode()).usages
    assert usage.agent == kept
    assert usage.tags == ({"k": kept} if kept else {})


def test_a_hostile_name_is_only_a_name():
    (usage,) = decode(payload(agent="<!channel>")).usages
    assert usage.agent == "<!channel>"


def test_details_name_the_field_and_never_what_was_sent():
    secret = "sk-proj-4eC39HqLyjWDarjtT1zdp7dc"
    for fields in (
        {"input_tokens": secret},
        {"tags": {secret: 5}},
        {"billable_units": {secret: secret}},
        {"status": secret},
        {"cost_usd": secret},
        {"timestamp": secret},
    ):
        rejection = only_rejection(payload(**fields))
        assert secret not in rejection.detail
        assert rejection.detail.startswith(next(iter(fields)))
