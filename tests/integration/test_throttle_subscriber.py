"""The client against a real Kafka: what operators and DECIDE write is what gateways do."""

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from spendwatch_client import ThrottleSubscriber, Topics, UsageProducer

pytestmark = pytest.mark.kafka


def instant(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def action(sequence, mode="block", name="key-7", **changes):
    record = {
        "action_id": f"{name}-{sequence}",
        "target": {"kind": "api_key", "name": name, "environment": "default"},
        "mode": mode,
        "admit_ratio": 0.0,
        "reason": "a test",
        "expires_at": instant(time.time() + 900),
        "on_lapse": "admit",
        "sequence": sequence,
    }
    return json.dumps(record | changes).encode()


async def create(broker, names, *others):
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    compacted = {"cleanup.policy": "compact"}
    await admin.create_topics(
        [
            NewTopic(names.actions, 3, 1, topic_configs=compacted),
            NewTopic(names.control, 1, 1, topic_configs=compacted),
            *(NewTopic(name, 1, 1) for name in (names.acks, *others)),
        ]
    )
    await admin.close()


@pytest.fixture
async def topics(kafka, topic_prefix):
    names = Topics(
        actions=f"{topic_prefix}throttle.actions",
        control=f"{topic_prefix}throttle.control",
        acks=f"{topic_prefix}throttle.acks",
    )
    await create(kafka, names)
    return names


@pytest.fixture
async def writer(kafka, topic_prefix):
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap, transactional_id=f"{topic_prefix}writer"
    )
    await producer.start()

    async def write(topic, key, value, *, abort=False):
        await producer.begin_transaction()
        await producer.send_and_wait(topic, key=key, value=value)
        await (producer.abort_transaction() if abort else producer.commit_transaction())

    yield write
    await producer.stop()


def ask(subscriber, api_key="key-7"):
    return subscriber.state.decide(api_key=api_key, agent="bot", now=time.time())


async def until(condition, seconds=5.0):
    """Seconds it took until ``condition`` held."""
    started = time.monotonic()
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.02)
    return time.monotonic() - started


async def acks_of(kafka, topics, count):
    consumer = AIOKafkaConsumer(
        topics.acks, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(10):
            return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


async def test_subscriber_starts_from_the_whole_topic_and_ignores_what_was_aborted(
    kafka, topics, writer
):
    await writer(topics.actions, b"api_key:key-7", action(1))
    await writer(topics.actions, b"api_key:key-8", action(1, name="key-8"))
    await writer(topics.actions, b"api_key:key-8", action(2, "release", name="key-8"))
    await writer(topics.actions, b"api_key:key-9", action(1, name="key-9"), abort=True)
    await writer(topics.actions, b"api_key:key-7", b"not json")
    async with ThrottleSubscriber(kafka.bootstrap, enforcer="gw-1", topics=topics) as subscriber:
        assert subscriber.seconds_behind() == float("inf")
        await asyncio.wait_for(subscriber.ready.wait(), 10)
        assert not ask(subscriber).admit
        assert ask(subscriber, "key-8").admit
        assert ask(subscriber, "key-9").admit
        assert subscriber.state.counts["malformed"] == 1
        assert subscriber.seconds_behind() < 2.0
        acks = [json.loads(record.value) for record in await acks_of(kafka, topics, 2)]
    assert sorted(ack["action_id"] for ack in acks) == ["key-7-1", "key-8-2"]


async def test_each_action_is_acknowledged_once_with_its_result(kafka, topics, writer):
    told = []

    async def enforce(lease):
        told.append(lease.action_id)
        if told.count("key-3-1") == 1:
            raise OSError("the admin API is away")

    async with ThrottleSubscriber(
        kafka.bootstrap, enforcer="gw-1", topics=topics, enforce=enforce
    ) as subscriber:
        await asyncio.wait_for(subscriber.ready.wait(), 10)
        before = time.time()
        await writer(topics.actions, b"api_key:key-7", action(2))
        await until(lambda: told == ["key-7-2"])
        await writer(topics.actions, b"api_key:key-7", action(2))
        await writer(topics.actions, b"api_key:key-7", action(1))
        await writer(topics.actions, b"api_key:key-7", action(3, "melt"))
        await writer(topics.actions, b"api_key:key-3", action(1, name="key-3"))
        records = await acks_of(kafka, topics, 5)
    said = [json.loads(record.value) for record in records]
    assert sorted((ack["action_id"], ack["result"]) for ack in said) == [
        ("key-3-1", "applied"),
        ("key-3-1", "failed"),
        ("key-7-1", "rejected"),
        ("key-7-2", "applied"),
        ("key-7-3", "rejected"),
    ]
    acks = {(ack["action_id"], ack["result"]): ack for ack in said}
    assert acks["key-3-1", "failed"]["detail"] == "OSError: the admin API is away"
    assert "older" in acks["key-7-1", "rejected"]["detail"]
    assert "melt" in acks["key-7-3", "rejected"]["detail"]
    assert {ack["enforcer"] for ack in said} == {"gw-1"}
    applied_at = datetime.fromisoformat(acks["key-7-2", "applied"]["applied_at"]).timestamp()
    assert before - 0.001 <= applied_at <= time.time()
    headers = dict(records[0].headers)
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_id"] == b"key-7-2/gw-1/applied"


async def test_a_gateway_is_told_what_it_missed_and_of_pause_and_lapse(kafka, topics, writer):
    told = []

    async def enforce(lease):
        told.append((lease.target[1], str(lease.mode), lease.action_id))

    long_ago = instant(time.time() - 5_000)
    await writer(topics.actions, b"api_key:key-7", action(1))
    await writer(
        topics.actions, b"api_key:key-8", action(2, "release", name="key-8", expires_at=long_ago)
    )
    async with ThrottleSubscriber(
        kafka.bootstrap, enforcer="gw-1", topics=topics, enforce=enforce
    ) as subscriber:
        await asyncio.wait_for(subscriber.ready.wait(), 10)
        blocked = ("key-7", "block", "key-7-1")
        await until(lambda: sorted(told) == [blocked, ("key-8", "release", "key-8-2")])
        await writer(topics.control, b"throttle", b'{"paused": true}')
        assert await until(lambda: told[2:] == [("key-7", "release", "")]) < 5
        await writer(topics.control, b"throttle", b'{"paused": false}')
        assert await until(lambda: told[3:] == [blocked]) < 5
        soon = instant(time.time() + 2)
        await writer(topics.actions, b"api_key:key-7", action(2, expires_at=soon))
        await until(lambda: told[4:] == [("key-7", "block", "key-7-2"), ("key-7", "release", "")])
        acks = [json.loads(record.value) for record in await acks_of(kafka, topics, 2)]
    assert [ack["action_id"] for ack in acks] == ["key-7-1", "key-7-2"]


async def test_the_readme_example_runs(kafka, topics, writer, topic_prefix):
    """Word for word, but for the broker's address and the names of the topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(f"{topic_prefix}usage", 1, 1)])
    await admin.close()
    readme = Path(__file__).parents[2] / "client" / "README.md"
    example = readme.read_text().split("```python\n")[1].split("```")[0]
    throttling = '"kafka:9092", enforcer="gateway-1"'
    assert example.count(throttling) == example.count('UsageProducer("kafka:9092")') == 1
    example = example.replace(throttling, "broker, enforcer='gateway-1', topics=topics")
    example = example.replace(
        'UsageProducer("kafka:9092")', "UsageProducer(broker, topic=usage_topic)"
    )
    names = {"broker": kafka.bootstrap, "topics": topics, "usage_topic": f"{topic_prefix}usage"}
    exec(example, names)  # noqa: S102  our own README
    await writer(topics.actions, b"api_key:key-7", action(1))
    refused = []

    class Call:
        agent = "bot"

        def __init__(self, call_id, api_key) -> None:
            self.id, self.api_key = call_id, api_key

        def refuse(self, status, reason, retry_after):
            refused.append((self.id, status, reason, retry_after))

    async def calls():
        yield Call("c-1", "key-7")
        yield Call("c-2", "key-8")

    async def call_model(call):
        return {"request_id": call.id, "model": "gpt-4o", "api_key": call.api_key}

    await asyncio.wait_for(names["serve"](calls(), call_model), 30)
    assert refused == [("c-1", 429, "a test", 60.0)]
    consumer = AIOKafkaConsumer(
        names["usage_topic"], bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    record = await asyncio.wait_for(consumer.getone(), 10)
    await consumer.stop()
    assert record.key == b"c-2"
    assert json.loads(record.value)["event_id"] == "c-2"


async def test_pause_makes_a_blocked_key_call_again_within_five_seconds(kafka, topics, writer):
    async with ThrottleSubscriber(kafka.bootstrap, enforcer="gw-1", topics=topics) as subscriber:
        await asyncio.wait_for(subscriber.ready.wait(), 10)
        await writer(topics.actions, b"api_key:key-7", action(1))
        assert await until(lambda: not ask(subscriber).admit) < 5
        await writer(topics.control, b"throttle", b'{"paused": true}')
        assert await until(lambda: ask(subscriber).admit) < 5
        await writer(topics.control, b"throttle", b'{"paused": false}')
        assert await until(lambda: not ask(subscriber).admit) < 5
        await writer(topics.actions, b"api_key:key-7", None)
        assert await until(lambda: ask(subscriber).admit) < 5


async def test_a_topic_made_anew_is_believed_although_its_sequences_start_again(
    kafka, topics, writer, caplog
):
    await writer(topics.actions, b"api_key:key-7", action(9))
    await writer(topics.actions, b"api_key:key-7", action(10))
    async with ThrottleSubscriber(kafka.bootstrap, enforcer="gw-1", topics=topics) as subscriber:
        await asyncio.wait_for(subscriber.ready.wait(), 10)
        assert not ask(subscriber).admit
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        await admin.start()
        await admin.delete_topics([topics.actions])
        await until(lambda: "throttle_feed_lost" in caplog.text, 30)
        assert not ask(subscriber).admit
        await admin.create_topics([NewTopic(topics.actions, 3, 1)])
        await admin.close()
        await writer(topics.actions, b"api_key:key-7", action(1, "release"))
        await until(lambda: ask(subscriber).admit, 30)
        await until(lambda: subscriber.seconds_behind() < 2.0, 30)


async def test_without_kafka_it_admits_waits_and_finds_it_later(start_kafka, caplog):
    broker = start_kafka()
    broker.kill()
    names = Topics()
    async with (
        ThrottleSubscriber(broker.bootstrap, enforcer="gw-1", topics=names) as subscriber,
        UsageProducer(broker.bootstrap, capacity=3) as usage,
    ):
        assert [usage.publish({"event_id": f"e{n}"}) for n in range(4)] == [True, True, True, False]
        assert usage.dropped == 1
        assert ask(subscriber).admit
        await until(lambda: "throttle_feed_lost" in caplog.text, 30)
        await asyncio.to_thread(broker.start)
        await create(broker, names, "usage.events")
        producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
        await producer.start()
        await producer.send_and_wait(names.actions, key=b"api_key:key-7", value=action(1))
        await producer.stop()
        await asyncio.wait_for(subscriber.ready.wait(), 60)
        await until(lambda: not ask(subscriber).admit, 30)
        await until(lambda: usage.published == 3, 30)
    assert "usage_publish_failed" in caplog.text
    consumer = AIOKafkaConsumer(
        "usage.events", bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    records = [await asyncio.wait_for(consumer.getone(), 10) for _ in range(3)]
    await consumer.stop()
    assert {record.key for record in records} == {b"e0", b"e1", b"e2"}
    assert all("timestamp" in json.loads(record.value) for record in records)


async def test_an_event_too_big_for_kafka_does_not_hold_up_its_neighbours(kafka, topic_prefix):
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(f"{topic_prefix}usage", 2, 1)])
    await admin.close()
    async with UsageProducer(kafka.bootstrap, topic=f"{topic_prefix}usage") as usage:
        for number in range(20):
            usage.publish(
                {"event_id": f"e{number}", "note": "x" * (2_000_000 if number == 7 else 1)}
            )
        await until(lambda: usage.waiting == 0, 10)
        assert (usage.published, usage.rejected, usage.dropped) == (19, 1, 0)
