from typing import NamedTuple

import pytest
from aiokafka import TopicPartition

from stream.ingest.positions import LogHangsError
from stream.ingest.provisional import Key, Provisional, Standing
from stream.ingest.provisional_log import change_messages, restore

SOURCE, PLACE = TopicPartition("in", 1), TopicPartition("spend.provisional", 0)
ESTIMATE = Key(is_estimate=True, call=b"c" * 16)
OUTCOME = Key(is_estimate=False, call=b"c" * 16)
STANDS = Standing("estimate", 1_700_000_000, 28_333_333, 2, 5, ("agent:a", "team:b@staging"))


class Told(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    topic: str = PLACE.topic
    partition: int = PLACE.partition


def told(
    changes: dict[Key, Standing | None], source: TopicPartition = SOURCE, next_offset: int = 7
) -> list[Told]:
    messages = change_messages(changes, source=source, place=PLACE, next_offset=next_offset)
    assert {(message.topic, message.partition) for message in messages} <= {PLACE}
    return [Told(message.key, message.value, message.headers) for message in messages]


def test_what_stands_survives_the_log():
    provisional = Provisional(10)
    rejected = STANDS._replace(what="rejected")
    restore(provisional, told({ESTIMATE: STANDS, OUTCOME: rejected}), SOURCE)
    assert provisional.estimates == {ESTIMATE.call: STANDS}
    assert provisional.outcomes == {OUTCOME.call: rejected}
    restore(provisional, told({ESTIMATE: None}), SOURCE)
    assert not provisional.estimates
    assert provisional.outcomes == {OUTCOME.call: rejected}


def test_of_a_log_that_input_partitions_share_each_takes_its_own():
    provisional = Provisional(10)
    for other in (TopicPartition("in", 11), TopicPartition("in2", 1)):
        restore(provisional, told({ESTIMATE: STANDS}, other), SOURCE)
    assert not provisional.estimates


def test_a_record_of_another_version_is_refused():
    (record,) = told({ESTIMATE: STANDS})
    for value in (b"", b"\x97\x09" + (record.value or b"")[2:]):
        with pytest.raises(ValueError, match=r"version 9|provisional"):
            restore(Provisional(10), [record._replace(value=value)], SOURCE)


def test_where_kafka_does_not_say_what_is_committed_the_offset_says_it():
    provisional = Provisional(10)
    later = STANDS._replace(nanousd=6)
    log = [
        *told({ESTIMATE: STANDS}, next_offset=20),
        *told({ESTIMATE: later}, next_offset=21),
        *told({ESTIMATE: None}, next_offset=21),
    ]
    restore(provisional, log, SOURCE, until=20)
    assert provisional.estimates == {ESTIMATE.call: STANDS}
    restore(provisional, log, SOURCE, until=21)
    assert not provisional.estimates
    with pytest.raises(LogHangsError, match="no header next_offset"):
        restore(provisional, [log[0]._replace(headers=())], SOURCE, until=21)
