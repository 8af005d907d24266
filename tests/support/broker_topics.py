"""Topics of a test's own, made without spendwatch."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def make_topic(bootstrap: str, name: str) -> None:
    """A topic of one partition on one broker."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1)])
    finally:
        await admin.close()
