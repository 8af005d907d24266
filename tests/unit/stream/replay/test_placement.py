"""Events go where Kafka's own partitioner puts their keys."""

import random

from aiokafka.partitioner import murmur2

from stream.replay.placement import input_partitions


def test_an_event_goes_where_kafka_puts_its_key():
    # Kafka's own test vectors (UtilsTest.testMurmur2): murmur2("21") is -973932308.
    assert input_partitions(["21"], 1 << 20).tolist() == [(-973932308 & 0x7FFFFFFF) % (1 << 20)]


def test_keys_of_every_length_go_where_aiokafka_puts_them():
    chance = random.Random(1)
    ids = [
        "".join(chance.choices("abc09-\u00e9\u6f22", k=length))
        for length in range(1, 40)
        for _ in range(5)
    ]

    expected = [(murmur2(each.encode()) & 0x7FFFFFFF) % 97 for each in ids]

    assert input_partitions(ids, 97).tolist() == expected
    assert input_partitions([], 4).tolist() == []
