"""Publishing never waits and never raises, whatever it is given."""

import json
import threading
from decimal import Decimal

import pytest

from spendwatch_client import UsageProducer, key_id


@pytest.fixture
def producer():
    return UsageProducer("127.0.0.1:9", capacity=3, clock=lambda: 1_790_000_000.0)


def queued(producer):
    return [(key, json.loads(value)) for key, value in producer._queue]


def test_an_event_is_keyed_by_its_id_and_left_as_it_is(producer):
    event = {"event_id": "e-1", "timestamp": 5, "cost_usd": Decimal("0.000000001")}
    assert producer.publish(event)
    assert queued(producer) == [
        (b"e-1", {"event_id": "e-1", "timestamp": 5, "cost_usd": "0.000000001"})
    ]


def test_what_is_missing_is_filled_in_without_touching_the_callers_event(producer):
    event = {"model": "gpt-4o"}
    assert producer.publish(event)
    ((key, sent),) = queued(producer)
    assert sent["timestamp"] == 1_790_000_000.0
    assert sent["event_id"] == key.decode() != ""
    assert event == {"model": "gpt-4o"}


@pytest.mark.parametrize(
    ("event", "event_id"),
    [
        ({"request_id": "r1"}, "r1"),
        ({"id": "i1"}, "i1"),
        ({"event_id": None, "request_id": " ", "id": "i1"}, "i1"),
        ({"event_id": "e1", "request_id": "r1"}, "e1"),
    ],
)
def test_an_id_of_another_name_is_the_id(producer, event, event_id):
    assert producer.publish(event | {"timestamp": None})
    ((key, sent),) = queued(producer)
    assert (key.decode(), sent["event_id"]) == (event_id, event_id)
    assert sent["timestamp"] == 1_790_000_000.0


def test_a_live_key_never_leaves(producer):
    producer.publish({"api_key": "sk-1234"})
    assert queued(producer)[0][1]["api_key"] == key_id("sk-1234")
    assert b"sk-1234" not in producer._queue[0][1]


def test_a_full_queue_drops_and_counts(producer):
    assert [producer.publish({}) for _ in range(5)] == [True, True, True, False, False]
    assert (producer.dropped, producer.waiting) == (2, 3)


@pytest.mark.parametrize("value", [object(), {1j: 2}, chr(0xD800)])
def test_what_is_no_json_is_counted_and_not_queued(producer, value):
    assert not producer.publish({"event_id": "e", "value": value})
    assert (producer.rejected, producer.waiting) == (1, 0)


async def test_stopping_without_kafka_ends_and_says_what_is_lost(producer, caplog):
    producer.publish({})
    await producer.start()
    await producer.stop(drain_seconds=0.0)
    assert "usage_lost_at_stop events=1" in caplog.text


def test_many_threads_may_publish():
    producer = UsageProducer("127.0.0.1:9", capacity=10_000)
    threads = [
        threading.Thread(target=lambda: [producer.publish({}) for _ in range(500)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({key for key, _ in producer._queue}) == 4_000


@pytest.mark.parametrize(
    "event_id",
    [
        pytest.param(10**5_000, id="5,001 digits"),
        pytest.param(json.loads("[" * 900 + "]" * 900), id="nested"),
        pytest.param(object(), id="object"),
        chr(0xD800),
        True,
        1.5,
    ],
)
def test_an_id_that_cannot_be_one_is_counted_and_not_queued(producer, event_id):
    assert not producer.publish({"event_id": event_id})
    assert (producer.rejected, producer.waiting) == (1, 0)


def test_a_whole_number_is_an_id_and_goes_out_as_text(producer):
    assert producer.publish({"event_id": 7})
    assert queued(producer)[0][0] == b"7"
    assert queued(producer)[0][1]["event_id"] == "7"


def test_a_decimal_without_measure_does_not_fill_the_memory(producer):
    assert producer.publish({"event_id": "e", "cost_usd": Decimal("1e100000000")})
    assert queued(producer)[0][1]["cost_usd"] == "1E+100000000"
