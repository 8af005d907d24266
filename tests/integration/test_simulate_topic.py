"""``spendwatch simulate --topic``: the very events of stdout, keyed by their ids."""

import asyncio
import json

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.cli import main
from stream.simulation.events import Plan, simulate

pytestmark = pytest.mark.kafka
MONDAY = 1_767_571_200.0


async def test_all_events_arrive_keyed_by_event_id(kafka, topic_prefix, capsys):
    topic = f"{topic_prefix}usage"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 4, 1)])
    await admin.close()
    words = ["simulate", "--days", "1", "--agents", "3", "--repeat-share", "0.02"]
    where = ["--topic", topic, "--bootstrap-servers", kafka.bootstrap]
    assert await asyncio.to_thread(main, [*words, *where]) == 0
    expected = list(simulate(Plan(MONDAY, 1.0, agents=3, repeat_share=0.02)))
    assert f"{len(expected)} events written to {topic}" in capsys.readouterr().err
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    records = []
    async with asyncio.timeout(20):
        while len(records) < len(expected):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                records.extend(batch)
    await consumer.stop()
    found = [json.loads(record.value) for record in records]
    assert sorted(map(str, found)) == sorted(map(str, expected))
    assert all(
        record.key.decode() == event["event_id"]
        for record, event in zip(records, found, strict=True)
    )
    of_id = {}
    for record in records:
        assert of_id.setdefault(record.key, record.partition) == record.partition
