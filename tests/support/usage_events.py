"""Usage events gone wrong in every way that somebody's producer will find."""

import json
import random
from typing import Any

GOOD: dict[str, Any] = {
    "event_id": "e-2",
    "timestamp": "2026-01-31T12:00:00Z",
    "provider": "openai",
    "model": "gpt-4o",
    "input_tokens": 4808,
    "output_tokens": 10,
    "cache_read_tokens": 1024,
    "cost_usd": "0.0123",
    "agent": "invoice-bot",
    "api_key": "key-3",
    "tags": {"squad": "billing"},
}

HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, 1e308, "", " ", "1_0", "1e400", "NaN", "Infinity",
    "\x00", "\ud800", "<!channel>", "x" * 300, [], {}, [[[]]], {"a": {"b": 1}}, "sk-live-secret",
)  # fmt: skip

RAW = (
    b"", b" ", b"null", b"[]", b"[", b"{", b"{}", b"0", b'"x"', b"\xff\xfe", b"\x00" * 10, b"NaN",
    b'{"event_id": 1e400}', b'{"a":' * 5000, b"[" * 5000, b"\xef\xbb\xbf{}", b"{}{}", b"[1,2",
    b'{"event_id":"a","event_id":"b"}', b'{"\\ud800": 1}',
)  # fmt: skip


def mutated(chance: random.Random, number: int) -> bytes:
    """One payload: a good event with a few of its parts replaced, cut, flipped or nested."""
    event: Any = dict(GOOD, event_id=f"e-{number}x")
    way = chance.randrange(8)
    if way == 0:
        return chance.choice(RAW)
    for _ in range(chance.randrange(1, 3)):
        name = chance.choice([*GOOD, "total_tokens", "requests", "status", "billable_units", "x"])
        if way == 1:
            event.pop(name, None)
        else:
            event[name] = chance.choice(HOSTILE)
    if way == 2:
        event = [event] * chance.randrange(3)
    payload = bytearray(json.dumps(event).encode())
    if way == 3:
        del payload[chance.randrange(len(payload)) :]
    elif way == 4:
        for _ in range(3):
            payload[chance.randrange(len(payload))] = chance.randrange(256)
    elif way == 5:
        at = chance.randrange(len(payload))
        payload[at:at] = chance.choice([b"\xff", b"\\ud83d", b"[" * 3000, b'"', b",", b"NaN"])
    return bytes(payload)
