"""DECIDE, from the configuration."""

import asyncio
import time

from aiokafka import AIOKafkaProducer

from stream.config import Settings
from stream.decide import DecideParts, open_decide
from stream.derived_settings import watermark_policy
from stream.health.vitals import Vitals
from stream.keyed.role import run_keyed_role
from stream.log_head import LogHead
from stream.worker.input_partitions import input_partitions
from stream.worker.owner import owner_settings


async def run(settings: Settings, stop: asyncio.Event, vitals: Vitals) -> None:
    """Decide until told to stop."""
    topics = settings.topics
    producer = AIOKafkaProducer(**settings.kafka.kafka_kwargs(), acks="all")
    await producer.start()
    try:
        head = LogHead(watermark_policy(settings, await input_partitions(settings)))
        parts = DecideParts(
            incidents=settings.incidents,
            throttle=settings.throttle,
            topics=topics,
            connection=settings.kafka,
            producer=producer,
            head=head,
            wall=time.time,
        )
        inputs = (topics.signals, topics.commands, topics.acks)
        await run_keyed_role(
            owner_settings(settings, settings.decide_role, inputs),
            stop,
            lambda state: open_decide(parts, state),
            beside=[head.listen(settings.kafka, topics.deltas)],
            vitals=vitals,
        )
    finally:
        await producer.stop()
