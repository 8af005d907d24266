"""Two readers of one contract, and hostile bytes by the thousand."""

import json
import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stream.ingest.dead_letter import PayloadPolicy, dead_letter
from stream.usage.decode import _literal_number, _refusal_of, decode
from stream.usage.event import UsageEvent
from stream.usage.rejection import RejectReason
from stream.usage.usage import Usage
from stream.usage.wire import FIELDS, Wire, usage_of
from tests.support.usage_events import mutated

REQUIRED = {"event_id": "e-1", "timestamp": "2026-01-31T12:00:00Z", "model": "gpt-4o"}

texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "",
            " ",
            "\t",
            "a\nb",
            "<!channel>",
            "x" * 256,
            "x" * 257,
            "Jürgen",
            "\u2028",
            "\x7f",
            "sk-proj-4eC39HqLyjWDarjtT1zdp7dc",
            "Bearer abc",
            " padded ",
            "\u00a0",
            "\ufffd",
        ]
    ),
)
counts = st.one_of(
    st.integers(0, 50), st.sampled_from([-1, 10**12, 10**12 + 1, 2**63, 2**64, 10**30])
)
oddities = st.sampled_from(
    [None, True, False, 1.0, 1.5, -0.0, 1e30, "1", "1_0", [], {}, [1], {"a": 1}]
)
costs = st.one_of(
    st.decimals(0, 100_001, allow_nan=False).map(str),
    st.floats(0, 2, allow_nan=False),
    st.integers(-1, 100_001),
    st.sampled_from(
        ["1e-9", "5e-10", "1e400", "NaN", "-0", "1_0", "", " 1", "00012.5", "1.", "0.0"]
    ),
)
stamps = st.one_of(
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.floats(0, 5e12, allow_nan=False),
    st.integers(-1, 5 * 10**12),
    st.sampled_from(
        ["2026-01-31T12:00:60Z", "2026-01-31 12:00:00.5+05:30", "2026-01-31T12:00:00", "now", ""]
    ),
)


def strategy_of(name: str) -> st.SearchStrategy[object]:
    """Mostly what belongs in a field, sometimes what does not."""
    kind = UsageEvent.model_fields[name].annotation if name in UsageEvent.model_fields else str
    fitting: st.SearchStrategy[object]
    if name == "timestamp":
        fitting = stamps
    elif name == "cost_usd":
        fitting = costs
    elif name == "tags":
        fitting = st.dictionaries(texts, st.one_of(texts, st.none()), max_size=34)
    elif name == "billable_units":
        fitting = st.dictionaries(texts, st.one_of(counts, st.floats(0, 5)), max_size=3)
    elif name in {"record", "status", "outcome"}:
        values = ["call", "outcome", "ok", "error", "refused", "edited", "escalated", " ", "odd"]
        fitting = st.sampled_from(values)
    elif kind is bool:
        fitting = st.booleans()
    elif name == "latency_ms":
        fitting = st.floats(0, 3e9, allow_nan=False)
    elif kind is str:
        fitting = texts
    else:
        fitting = counts
    return st.one_of(fitting, fitting, fitting, fitting, oddities)


events = (
    st.lists(st.sampled_from(sorted(FIELDS)), max_size=5, unique=True)
    .flatmap(lambda chosen: st.fixed_dictionaries({name: strategy_of(name) for name in chosen}))
    .flatmap(lambda sent: st.sampled_from([REQUIRED | sent] * 6 + [sent]))
)


def by_the_contract(payload: bytes) -> Usage | RejectReason:
    """What the pydantic model says, with no part of the fast reader in it."""
    sent = msgspec.json.Decoder(float_hook=_literal_number).decode(payload)
    try:
        return UsageEvent.model_validate(sent).to_usage()
    except ValidationError as error:
        return _refusal_of(error)[0]


@settings(max_examples=800)
@given(events, st.booleans())
def test_the_fast_reader_and_the_contract_agree(sent, ascii_only):
    payload = json.dumps(sent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    decoded = decode(payload)
    found = decoded.usages[0] if decoded.usages else decoded.rejections[0].reason
    if isinstance(found, RejectReason) and found in {RejectReason.NOT_UTF8, RejectReason.NOT_JSON}:
        return
    assert found == by_the_contract(payload)


names = st.sampled_from(["", "bot", "a b", "Jürgen", "a\tb", "x" * 256, "key-1"])
few = st.integers(0, 9)


@settings(max_examples=300)
@given(
    st.fixed_dictionaries(
        {"event_id": st.text("abc\u00e9", min_size=1, max_size=5), "model": st.just("gpt-4o")},
        optional={
            "input_tokens": st.integers(20, 10**12),
            "output_tokens": st.integers(20, 10**12),
            "total_tokens": st.integers(0, 10**12),
            "cost_usd": st.decimals(0, 1000, places=12).map(str),
            "retries": few,
            "requests": st.integers(1, 10**9),
            "cache_hit": st.booleans(),
            "estimated": st.booleans(),
            "latency_ms": st.floats(0, 1e6),
            "status": st.sampled_from(["ok", "error", "refused"]),
            "tags": st.dictionaries(names.map(lambda name: name[:64]), names, max_size=4),
            "ignored": st.text(),
            "agent": names,
            "user": names,
            "api_key": names,
        },
    )
)
def test_what_is_in_the_contract_never_needs_the_slow_reader(sent):
    payload = json.dumps(sent | {"timestamp": 1_700_000_000}).encode()
    quick = usage_of(msgspec.json.decode(payload, type=Wire), is_plain=False)
    assert quick == by_the_contract(payload)


def test_ten_thousand_hostile_payloads_are_each_counted_or_refused():
    chance = random.Random(20261122)
    accepted = refused = 0
    for number in range(10_000):
        payload = mutated(chance, number)
        decoded = decode(payload)
        assert decoded.usages or decoded.rejections or payload.strip()[:1] == b"["
        for rejection in decoded.rejections:
            letter = dead_letter(
                rejection,
                topic="t",
                partition=0,
                offset=number,
                policy=PayloadPolicy.MASKED,
                max_bytes=5000,
            )
            assert len(letter) <= 5000
            assert rejection.reason in set(RejectReason)
        for usage in decoded.usages:
            assert 0 <= usage.input_tokens <= 10**12
        accepted += bool(decoded.usages)
        refused += not decoded.usages
    assert accepted + refused == 10_000
    assert min(accepted, refused) > 1000


def is_element(sent: bytes) -> bool:
    """Whether it can stand in an array: its own strings and brackets are closed, nothing follows.

    Written as a reader would, a byte at a time, to hold the scanner of ``array_split`` to.
    """
    depth, is_string, is_escaped = 0, False, False
    for byte in sent:
        if is_string:
            is_string = is_escaped or byte != ord('"')
            is_escaped = not is_escaped and byte == ord("\\")
        elif byte == ord('"'):
            is_string = True
        elif byte == ord("\\"):
            return False  # outside a string, nobody can say what it escapes
        else:
            depth += (byte in b"[{") - (byte in b"]}")
            if depth < 0 or (depth == 0 and byte == ord(",")):
                return False
    return depth == 0 and not is_string


def test_hostile_elements_and_their_neighbours_add_up():
    chance = random.Random(7)
    good = json.dumps(REQUIRED).encode()
    arrays = unread = 0
    for number in range(1500):
        bad = [mutated(chance, number) for _ in range(5)]
        elements = [each for one in bad if is_element(one) for each in (good, one)]
        if not elements:
            continue
        decoded = decode(b"[" + b",".join(elements) + b"]")
        assert all(rejection.index is not None for rejection in decoded.rejections)
        assert len(decoded.usages) + len(decoded.rejections) == len(elements)
        assert sum(usage.event_id == "e-1" for usage in decoded.usages) >= len(elements) // 2
        arrays += 1
        unread += any(rejection.reason in UNREAD for rejection in decoded.rejections)
    assert min(arrays, unread) > 500


UNREAD = {RejectReason.NOT_UTF8, RejectReason.NOT_JSON, RejectReason.TOO_DEEP}


def test_an_array_with_an_element_left_open_is_refused_whole_or_adds_up():
    chance = random.Random(8)
    good = json.dumps(REQUIRED).encode()
    whole = 0
    for number in range(1500):
        bad = mutated(chance, number)
        if is_element(bad):
            continue
        decoded = decode(b"[" + b",".join([good, bad, good]) + b"]")
        assert decoded.rejections
        if decoded.rejections[0].index is None:
            assert decoded.usages == []
            assert len(decoded.rejections) == 1
            whole += 1
    assert whole > 50
