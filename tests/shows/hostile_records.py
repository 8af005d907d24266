"""Records in which something is wrong, or might be: as many as one likes, reproducible from a seed.

Valid shapes of every kind (calls, outcomes, estimates, pre-aggregated feeds, arrays, units, tags,
and what neighbours write) with parts replaced, dropped, doubled, cut, flipped, nested and encoded
otherwise; every twentieth record is a good one. This file must not send anything.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from stream.usage.decode import decode
from tests.support.auditor import Auditor
from tests.support.neighbours import NEIGHBOURS
from tests.support.usage_events import HOSTILE, RAW

Json = dict[str, Any]

START = 1_767_607_200
"""2026-01-05 10:00 UTC."""

GOOD_EVERY = 20
NEIGHBOUR_RATIO = 0.2
MODEL = "gpt-4o"

SHAPES: tuple[Json, ...] = (
    {"input_tokens": 1200, "output_tokens": 300},
    {"total_tokens": 1500},
    {"cost_usd": "0.0123", "provider": "openai"},
    {"record": "outcome", "outcome": "accepted", "workflow": "w", "prompt_version": "v1"},
    {"estimated": True, "input_tokens": 900},
    {"requests": 40, "input_tokens": 90_000, "output_tokens": 4000, "retries": 3},
    {"input_tokens": 10, "billable_units": {"web_search": 2, "image": 1.5}},
    {"input_tokens": 10, "tags": {"squad": "billing", "tier": "gold"}, "environment": "staging"},
    {"input_tokens": 5, "cache_read_tokens": 3, "reasoning_tokens": 0, "service_tier": "batch"},
    {"status": "error", "latency_ms": 812.5, "cache_hit": False, "trace_url": "https://t/1"},
)

OTHER_FIELDS = ("total_tokens", "requests", "status", "record", "x")
"""Fields that are spoiled also where a shape has none of them."""


def shaped(chance: random.Random, number: int) -> Json:
    """A valid event of some shape, or what a neighbour writes."""
    name, at = f"h-{number}", START + number % 3600
    if chance.random() < NEIGHBOUR_RATIO:
        return chance.choice(NEIGHBOURS)(name, at)
    own = {"event_id": name, "timestamp": at, "model": MODEL}
    return {**own, "agent": "victim", "api_key": f"key-{number % 9}", **chance.choice(SHAPES)}


def spoiled(chance: random.Random, number: int) -> Any:
    """An event with none to three of its parts dropped, quoted or replaced."""
    event = shaped(chance, number)
    way = chance.randrange(4)
    for _ in range(chance.randrange(4)):
        name = chance.choice((*event, *OTHER_FIELDS))
        if way == 0:
            event.pop(name, None)
        else:
            event[name] = str(event.get(name)) if way == 1 else chance.choice(HOSTILE)
    return event


def flipped(chance: random.Random, payload: bytes) -> bytes:
    """With some bytes that nobody sent."""
    flipping = bytearray(payload)
    for _ in range(chance.randrange(1, 5)):
        flipping[chance.randrange(len(flipping))] = chance.randrange(256)
    return bytes(flipping)


def spliced(chance: random.Random, payload: bytes) -> bytes:
    """With something in the middle that does not belong there."""
    at = chance.randrange(len(payload))
    return payload[:at] + chance.choice(SPLICES) + payload[at:]


SPLICES = (b"\xff", b"\\ud83d", b"[" * 3000, b'"', b",", b"NaN", b"\\", b"}", b"1e999")

DAMAGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    lambda chance, payload: payload[: chance.randrange(len(payload))],
    flipped,
    spliced,
    lambda _, payload: payload + payload,
    lambda _, payload: b"[" + payload + b"]",
    lambda chance, _: chance.choice(RAW),
    *[lambda _, payload: payload] * 6,
)
"""What becomes of a record's bytes; nothing, half of the time."""


def hostile(chance: random.Random, number: int) -> bytes:
    """A record in which something is wrong, or might be."""
    event = spoiled(chance, number)
    if number % 11 == 0:
        event = [shaped(chance, number), event, chance.choice(HOSTILE)]
    if number % 13 == 0:
        return json.dumps(event).encode(chance.choice(["utf-16", "utf-32", "utf-8-sig"]))
    text = json.dumps(event, ensure_ascii=number % 7 > 0)
    return chance.choice(DAMAGES)(chance, text.encode("utf-8", "surrogatepass"))


def elements(payload: bytes) -> int | None:
    """How many events a record stands for; ``None``: one or several, as a reader sees it.

    JSON is UTF-8 without a byte order mark (RFC 8259, 8.1); anything else is refused whole.
    """
    try:
        value = json.loads(payload.decode())
    except (ValueError, RecursionError):
        is_array = payload.lstrip().startswith(b"[") and payload.rstrip().endswith(b"]")
        return None if is_array else 1
    return len(value) if isinstance(value, list) else 1


def good(number: int) -> Json:
    """An event in which nothing is wrong, with a price of its own."""
    return {
        "event_id": f"g-{number}",
        "timestamp": START + number % 3600,
        "model": MODEL,
        "agent": f"good-{number % 7}",
        "input_tokens": number % 5000,
        "output_tokens": number % 700,
        "cost_usd": f"0.{number % 10**6:06d}",
    }


@dataclass
class Sent:
    """What went in, as read record by record.

    Attributes:
        records: how many.
        accepted: events in them, repeats included.
        refused: those that ought to be dead letters.
        problems: records of which nothing came, or not as many as they stand for.
        good: those in which nothing is wrong, added up.
    """

    records: int = 0
    accepted: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)
    good: Auditor = field(default_factory=Auditor)

    def count(self, payload: bytes) -> None:
        """Read one record alone."""
        decoded = decode(payload)
        found, stands_for = len(decoded.usages) + len(decoded.rejections), elements(payload)
        if found != stands_for if stands_for is not None else not found:
            self.problems.append(f"{found} of {stands_for} events: {payload[:80]!r}")
        self.records += 1
        self.accepted += len(decoded.usages)
        self.refused += len(decoded.rejections)


def records(count: int, seed: int, sent: Sent) -> Iterator[bytes]:
    """The records one by one, each counted in ``sent``; nothing is kept of them."""
    chance = random.Random(seed)
    for number in range(count):
        if number % GOOD_EVERY:
            payload = hostile(chance, number)
        else:
            event = good(number)
            sent.good.add([event], ("agent",))
            payload = json.dumps(event).encode()
        sent.count(payload)
        yield payload
