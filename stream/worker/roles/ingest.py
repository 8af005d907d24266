"""INGEST, from the configuration."""

import asyncio

from stream.config import Settings
from stream.health.vitals import Vitals, process_name
from stream.ingest.instance import claimed_instance
from stream.ingest.worker import IngestSettings, run_ingest


async def run(settings: Settings, stop: asyncio.Event, vitals: Vitals) -> None:
    """Count until told to stop."""
    with claimed_instance(settings.ingest.group) as free:
        given = settings.ingest.instance_id
        own = process_name(given, vitals.number) if given else free
        await run_ingest(
            IngestSettings(
                ingest=settings.ingest.model_copy(update={"instance_id": own}),
                connection=settings.kafka,
                topics=settings.topics,
                pricing=settings.pricing,
                fanout=settings.fanout,
            ),
            stop,
            vitals=vitals,
        )
