import json
from collections import Counter

import pytest

from stream.health import catalogue
from stream.ingest.events import InputRecord
from stream.ingest.output import Message
from stream.ingest.rekey import Rekeying, keyed
from stream.ingest.statistics import count_batch


def sample() -> float | None:
    return catalogue.REGISTRY.get_sample_value("spendwatch_batch_seconds_count")


def sent(payload: bytes | None) -> list[tuple[bytes | None, bytes | None]]:
    messages = list(keyed(payload, "to"))
    assert {(message.topic, message.partition) for message in messages} == {("to", None)}
    return [(message.key, message.value) for message in messages]


def test_an_event_goes_on_as_it_is_under_its_id():
    payload = b'{"event_id": "a",  "timestamp": 1}'
    assert sent(payload) == [(b"a", payload)]


def test_an_array_is_taken_apart():
    assert sent(b' [{"event_id":"a"}, {"id":"b"}]') == [
        (b"a", b'{"event_id":"a"}'),
        (b"b", b'{"id":"b"}'),
    ]


def test_one_bad_element_of_an_array_does_not_take_its_neighbours():
    assert [key for key, _ in sent(b'[{"event_id":"a"}, {"x": tru}, {"event_id":"b"}]')] == [
        b"a",
        None,
        b"b",
    ]


@pytest.mark.parametrize("payload", [b"", b"junk", b"\xff", b"[", b"[]", b"7", b'{"event_id": 3}'])
def test_what_shows_no_id_goes_on_for_ingest_to_refuse(payload: bytes):
    assert sent(payload) == [(None, payload)]


def test_a_tombstone_goes_on_with_a_key_since_kafka_wants_one_of_the_two():
    assert sent(None) == [(b"", None)]


def test_too_large_an_array_goes_on_whole():
    payload = json.dumps([{"event_id": "a"}] * 20_001).encode()
    assert sent(payload) == [(None, payload)]


async def test_a_batch_is_its_records_and_a_beat_is_nothing():
    counted: Counter[str] = Counter()
    work = Rekeying("to", counted)
    await work.take_over(7, None)
    idle = work.pass_time(0.0, is_silent=True)
    assert (work.messages(idle, is_beat=True), idle.next_offset, idle.taken) == ([], 7, 0)
    records = [InputRecord(8, -1, b'[{"id":"a"},{"id":"b"}]'), InputRecord(11, -1, b'{"id":"a"}')]
    batch = work.process(records, 0.0)
    messages = work.messages(batch, is_beat=False)
    assert messages[2] == Message("to", b'{"id":"a"}', key=b"a")
    assert (batch.taken, batch.next_offset, work.metadata(batch)) == (2, 12, "")
    work.commit(batch, [1, 2, 3])
    before = sample()
    count_batch(counted, batch, messages=3, seconds=0.02)
    assert (counted["rekeyed"], counted["records"], counted["events"]) == (3, 0, 0)
    assert sample() == before, "what is timed are the batches that count"
    assert work.pass_time(0.0, is_silent=False).next_offset == 12
    assert work.chain is None
