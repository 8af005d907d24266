"""NOTIFY, from the configuration."""

import asyncio
import time

from stream.config import Settings
from stream.health.vitals import Vitals
from stream.keyed.role import run_keyed_role
from stream.notify import NotifyParts, open_notify
from stream.worker.owner import owner_settings


async def run(settings: Settings, stop: asyncio.Event, vitals: Vitals) -> None:
    """Tell until told to stop."""
    topics = settings.topics
    parts = NotifyParts(config=settings.notify, topics=topics, wall=time.time)
    inputs = (topics.alerts, topics.actions, topics.shadow, topics.commands)
    await run_keyed_role(
        owner_settings(settings, settings.notify_role, inputs),
        stop,
        lambda state: open_notify(parts, state),
        vitals=vitals,
    )
