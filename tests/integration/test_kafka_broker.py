"""The broker that every Kafka test stands on: it comes up, keeps its data, and comes back."""

from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tests.support.broker_topics import make_topic
from tests.support.kafka import KafkaBroker


async def _values(bootstrap: str, topic: str) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed")
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        seen = []
        while await consumer.position(partition) < end:
            batches = await consumer.getmany(timeout_ms=200)
            seen += [record.value for batch in batches.values() for record in batch]
        return seen
    finally:
        await consumer.stop()


async def test_a_transaction_is_committed_and_read(kafka: KafkaBroker, topic_prefix: str):
    topic = topic_prefix + "numbers"
    await make_topic(kafka.bootstrap, topic)
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap, transactional_id=topic_prefix + "t"
    )
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send_and_wait(topic, b"one")
    finally:
        await producer.stop()

    assert await _values(kafka.bootstrap, topic) == [b"one"]


async def test_a_killed_broker_comes_back_on_its_ports_with_its_data(
    start_kafka: Callable[..., KafkaBroker],
):
    broker = start_kafka()
    bootstrap, pid = broker.bootstrap, broker.pid
    await make_topic(bootstrap, "kept")
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    await producer.send_and_wait("kept", b"before")
    await producer.stop()

    broker.restart(kill=True)

    assert broker.bootstrap == bootstrap
    assert broker.pid != pid
    assert await _values(bootstrap, "kept") == [b"before"]


async def test_the_second_listener_lets_in_those_with_the_password(kafka: KafkaBroker):
    user, password = next(iter(kafka.users.items()))
    admin = AIOKafkaAdminClient(
        bootstrap_servers=kafka.sasl_bootstrap,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username=user,
        sasl_plain_password=password,
    )
    await admin.start()
    try:
        assert (await admin.describe_cluster())["brokers"]
    finally:
        await admin.close()
