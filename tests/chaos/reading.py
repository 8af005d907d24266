"""The auditor's own reading of ``usage.events``: which records are events, and which are none.

Written from the schema and for the records that ``traffic.py`` makes, without a line of spendwatch.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

START_OF_TIME = 946_684_800
END_OF_TIME = 4_102_444_800
"""2000-01-01 and 2100-01-01: events are of the time between."""

CANARY = "__canary__"
"""The reserved agent of events that workers send themselves; they are nobody's spend."""

Place = tuple[int, int, int | None]
"""Partition, offset, and index where the record is an array."""


@dataclass
class Reading:
    """What the log holds.

    Attributes:
        events: all of them, repeats too, in the order of each partition.
        refused: where something is no event.
        records: how many records there are.
        canaries: how many of them a worker sent.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    refused: Counter[Place] = field(default_factory=Counter)
    records: int = 0
    canaries: int = 0


def read(records: list[Any]) -> Reading:
    """The reading of consumer records, ordered within each partition."""
    found = Reading()
    for record in records:
        found.records += 1
        place = (record.partition, record.offset)
        try:
            value = json.loads(record.value, parse_float=Decimal)
        except ValueError:
            found.refused[*place, None] += 1
            continue
        is_array = isinstance(value, list)
        for index, each in enumerate(value if is_array else [value]):
            if isinstance(each, dict) and each.get("agent") == CANARY:
                found.canaries += 1
            elif _is_event(each):
                found.events.append(each)
            else:
                found.refused[*place, index if is_array else None] += 1
    return found


def elements(record: Any) -> list[Any]:
    """What a consumer record says: one value, or those of an array; nothing if it says none."""
    try:
        value = json.loads(record.value, parse_float=Decimal)
    except ValueError:
        return []
    return value if isinstance(value, list) else [value]


def in_step(records: list[Any]) -> list[Any]:
    """Records of several partitions as one log in which the same events are late.

    An event is late by what came before it in its partition. So every record comes where event
    time had come in its own; by the time of writing, what a producer sends late and at once into
    all partitions would be late behind the others' (three of 156,191 events, in a stall of 12 s).
    """
    reached: dict[int, int] = {}
    timed = []
    for record in sorted(records, key=lambda each: (each.partition, each.offset)):
        seconds = [
            min(int(each["timestamp"]), record.timestamp // 1000)
            for each in elements(record)
            if _is_event(each)
        ]
        at = max([reached.get(record.partition, 0), *seconds])
        reached[record.partition] = at
        timed.append((at, record.timestamp, record.partition, record.offset, record))
    return [record for *_, record in sorted(timed, key=lambda each: each[:4])]


def _is_event(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    identity, at = value.get("event_id"), value.get("timestamp")
    if not isinstance(identity, str) or not 1 <= len(identity) <= 200:
        return False
    if not isinstance(at, int | Decimal) or not START_OF_TIME <= at < END_OF_TIME:
        return False
    if value.get("record") != "outcome" and not value.get("model"):
        return False
    tokens = (value.get(name, 0) for name in ("input_tokens", "output_tokens"))
    return all(isinstance(n, int) and n >= 0 for n in tokens) and _is_amount(value.get("cost_usd"))


def _is_amount(value: Any) -> bool:
    if value is None:
        return True
    try:
        return "_" not in str(value) and 0 <= Decimal(str(value)) <= 100_000
    except InvalidOperation:
        return False
