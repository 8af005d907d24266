"""Where INGEST stood when something differed: counted wrongly, or not counted yet?

A partition that hangs and one that skips look the same in totals. This file must not know what is
right.
"""

import json
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tests.support.worker import Installation

LAST_WORDS = 6
"""Of its log lines about an input partition."""


async def standing(here: Installation) -> list[str]:
    """Offsets of every input partition, and what was last said of it by whoever had it."""
    topic, group = here.topics.usage_events, here.settings.ingest.group
    sources = [TopicPartition(topic, n) for n in range(here.topics.usage_events_partitions)]
    admin = AIOKafkaAdminClient(bootstrap_servers=here.bootstrap)
    async with AIOKafkaConsumer(bootstrap_servers=here.bootstrap) as consumer:
        ends = await consumer.end_offsets(sources)
    try:
        await admin.start()
        told = await admin.list_consumer_group_offsets(group, partitions=sources)
    finally:
        await admin.close()
    found = []
    for source in sources:
        committed = told[source].offset if source in told else "unknown"
        found.append(f"{topic}/{source.partition}: committed {committed} of {ends[source]}")
        found += [f"    {line}" for line in last_words(here.folder, source.partition)]
    return found


def last_words(folder: Path, partition: int) -> list[str]:
    """The last log lines of INGEST that name an input partition, of all workers, by their time."""
    found = []
    for path in folder.glob("worker-*.log"):
        for line in path.read_text(errors="replace").splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if not isinstance(said, dict) or not str(said.get("event")).startswith("ingest_"):
                continue
            if partition in (said.get("partition"), *said.get("partitions", ())):
                words = {name: said[name] for name in said.keys() - {"topic", "level", "partition"}}
                found.append((str(words.pop("timestamp", "")), path.stem, words))
    found.sort(key=lambda each: each[:2])
    return [f"{at} {worker} {json.dumps(words)}" for at, worker, words in found[-LAST_WORDS:]]
