"""What the client publishes is what INGEST reads, under the same id."""

import pytest

from spendwatch_client import UsageProducer
from stream.usage.decode import decode

CALL = {"model": "gpt-4o", "input_tokens": 7, "output_tokens": 1}


@pytest.mark.parametrize(
    ("ids", "event_id"),
    [
        ({"event_id": "e"}, "e"),
        ({"request_id": "r"}, "r"),
        ({"id": "i"}, "i"),
        ({"event_id": None, "request_id": " ", "id": "i"}, "i"),
        ({"event_id": 7}, "7"),
        ({"event_id": "e", "request_id": "r", "id": "i"}, "e"),
    ],
)
def test_an_event_keeps_its_id_under_whatever_name(ids, event_id):
    producer = UsageProducer("127.0.0.1:9", clock=lambda: 1_790_000_000.0)
    assert producer.publish(CALL | ids | {"timestamp": None})
    ((key, value),) = producer._queue
    (usage,) = decode(value).usages
    assert (key.decode(), usage.event_id) == (event_id, event_id)
    assert usage.input_tokens == 7
