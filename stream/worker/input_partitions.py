"""How many partitions the input topic really has: those are whom the watermark waits for.

The topic may be somebody else's and have any number. Taken from the configuration, a smaller number
would close windows before the last inputs have spoken, a larger one would wait for inputs that do
not exist. This file must not judge what the broker has otherwise; ``stream/kafka/topic_check.py``
does.
"""

import asyncio

import structlog

from stream.config import Settings
from stream.kafka.admin import TopicMissingError, connect_admin

_SETTLE_TRIES = 10
_SETTLE_SECONDS = 0.3

_log = structlog.get_logger()


async def input_partitions(settings: Settings) -> int:
    """The number of partitions of the topic that is counted from, as the broker has it now.

    A number unlike the configured one is said and is no error: a worker is right with any, only a
    backtest, which has no broker to ask, would place events otherwise. A partition that is added
    later is waited for from its first word on.

    Raises:
        stream.kafka.admin.BrokerUnreachableError: Kafka cannot be reached.
        stream.kafka.admin.TopicMissingError: there is no such topic.
    """
    topic = settings.topics.counted_from(is_rekeyed=settings.ingest.rekey)
    configured = settings.topics.usage_events_partitions
    async with connect_admin(settings.kafka) as admin:
        found = await admin.describe([topic])
        for _ in range(_SETTLE_TRIES):
            if found:
                break
            # A topic made a moment ago is not known to every broker yet.
            await asyncio.sleep(_SETTLE_SECONDS)
            found = await admin.describe([topic])
    if topic not in found:
        raise TopicMissingError(f"topics are missing: {topic}; run: spendwatch topics create")
    partitions = found[topic].partitions
    if partitions != configured:
        _log.warning(
            "input_partitions_differ",
            topic=topic,
            found=partitions,
            configured=configured,
            fix=f"for a backtest with the same result set topics.usage_events_partitions:"
            f" {partitions}",
        )
    return partitions
