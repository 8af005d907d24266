"""WATCH, from the configuration."""

import asyncio
import os

from alerting.watch.scope_watch import ScopeWatch
from stream.config import Settings
from stream.derived_settings import bounds_of, watermark_policy
from stream.health.vitals import Vitals
from stream.watch.app import WatchSettings, run_watch
from stream.watch.state_folder import state_folder
from stream.worker.datadir import datadir
from stream.worker.input_partitions import input_partitions


async def run(settings: Settings, stop: asyncio.Event, vitals: Vitals) -> None:
    """Judge until told to stop."""
    await run_watch(
        WatchSettings(
            connection=settings.kafka,
            config=settings.watch,
            watch=ScopeWatch(settings.rules),
            bounds=bounds_of(settings),
            deltas_topic=settings.topics.deltas,
            delta_partitions=settings.topics.deltas_partitions,
            policy=watermark_policy(settings, await input_partitions(settings)),
            signals_topic=settings.topics.signals,
            actions_topic=settings.topics.actions,
            dead_letter_topic=settings.topics.dead_letter,
            datadir=datadir(settings.watch.group),
            state_folder=state_folder(
                settings.watch.state_folder, settings.watch.group, os.environ
            ),
        ),
        stop,
        vitals=vitals,
    )
