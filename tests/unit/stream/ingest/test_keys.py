import json
import zlib
from collections import Counter
from typing import NamedTuple

import pytest
from aiokafka.partitioner import murmur2

from stream.ingest.keys import MURMUR2, SAMPLED, KeySampler, event_id_of, off_key_ratio

PARTITIONS = 5


class Record(NamedTuple):
    offset: int
    partition: int
    key: bytes | None
    value: bytes | None


def event(name: str) -> bytes:
    return json.dumps({"event_id": name, "timestamp": 1}).encode()


def ratio(records: list[Record], partitions: int = PARTITIONS) -> float | None:
    counted: Counter[str] = Counter()
    sampler = KeySampler(partitions, counted)
    for each in records:
        sampler.look(each.partition, [each])
    return off_key_ratio(counted)


def by_murmur2(name: str) -> Record:
    key = name.encode()
    return Record(0, (murmur2(key) & 0x7FFFFFFF) % PARTITIONS, key, event(name))


def by_crc32(name: str) -> Record:
    return Record(0, zlib.crc32(name.encode()) % PARTITIONS, name.encode(), event(name))


NAMES = [f"event-{number}" for number in range(200)]


def test_one_partitioner_throughout_is_no_cause_for_concern():
    assert ratio([by_murmur2(name) for name in NAMES]) == 0
    assert ratio([by_crc32(name) for name in NAMES]) == 0


def test_two_partitioners_keep_repeats_apart():
    mixed = [by_murmur2(name) for name in NAMES[:150]] + [by_crc32(name) for name in NAMES[150:]]
    assert ratio(mixed) == pytest.approx(0.25 * (1 - 1 / PARTITIONS), abs=0.05)


@pytest.mark.parametrize("key", [None, b"", b"agent-7"])
def test_other_keys_are_off_key(key: bytes | None):
    assert ratio([by_murmur2(name)._replace(key=key) for name in NAMES]) == 1


@pytest.mark.parametrize("value", [None, b"", b"[]", b"junk", b"\xff", b'{"event_id": 7}'])
def test_what_shows_no_id_is_off_key(value: bytes | None):
    assert ratio([by_murmur2("a")._replace(value=value)]) == 1


def test_in_one_partition_repeats_always_meet():
    assert ratio([Record(0, 0, None, event("a")), Record(0, 0, b"x", event("b"))], 1) == 0


def test_without_a_sample_nothing_is_said():
    assert ratio([]) is None


def test_one_record_in_sixty_four_is_looked_at():
    counted: Counter[str] = Counter()
    sampler = KeySampler(PARTITIONS, counted)
    records = [by_murmur2("a")._replace(offset=offset) for offset in range(1, 641)]
    for first, end in ((0, 5), (5, 63), (63, 64), (64, 300), (300, 640)):
        sampler.look(records[0].partition, records[first:end])
    assert (counted[SAMPLED], counted[MURMUR2]) == (10, 10)


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (b'{"event_id": "a", "id": "b"}', "a"),
        (b'{"request_id": "a", "id": "b"}', "a"),
        (b'{"id": "b"}', "b"),
        (b'{"event_id": "", "id": "b"}', "b"),
        (b'{"id": 3}', None),
        (b"{}", None),
    ],
)
def test_the_id_has_three_names(payload: bytes, found: str | None):
    assert event_id_of(payload) == found
