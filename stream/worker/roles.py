"""From the configuration to the running roles: what runs each of ``stream.keyed.config.Role``."""

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiokafka import AIOKafkaProducer

from alerting.watch.scope_watch import ScopeWatch
from stream.config import Settings
from stream.decide import DecideParts, open_decide
from stream.derived_settings import bounds_of, watermark_policy
from stream.health.vitals import Vitals, process_name
from stream.ingest.instance import claimed_instance
from stream.ingest.worker import IngestSettings, run_ingest
from stream.keyed.config import OwnerConfig, Role
from stream.keyed.role import KeyedRoleSettings, run_keyed_role
from stream.log_head import LogHead
from stream.notify import NotifyParts, open_notify
from stream.watch.app import WatchSettings, run_watch
from stream.watch.state_folder import state_folder
from stream.worker.input_partitions import input_partitions


def _datadir(group: str) -> str:
    """Faust wants a folder; nothing that counts is kept there."""
    path = Path(tempfile.gettempdir()) / "spendwatch" / group
    path.mkdir(parents=True, exist_ok=True)
    return str(path)


async def _ingest(settings: Settings, stop: asyncio.Event, vitals: Vitals) -> None:
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


async def _watch(settings: Settings, stop: asyncio.Event, vitals: Vitals) -> None:
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
            datadir=_datadir(settings.watch.group),
            state_folder=state_folder(
                settings.watch.state_folder, settings.watch.group, os.environ
            ),
        ),
        stop,
        vitals=vitals,
    )


def _owner(settings: Settings, owner: OwnerConfig, topics: tuple[str, ...]) -> KeyedRoleSettings:
    return KeyedRoleSettings(
        connection=settings.kafka,
        group=owner,
        topics=topics,
        instance_id=owner.instance_id or f"{socket.gethostname()}-{settings.watch.port}",
        datadir=_datadir(owner.group),
    )


async def _decide(settings: Settings, stop: asyncio.Event, vitals: Vitals) -> None:
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
        await run_keyed_role(
            _owner(settings, settings.decide_role, (topics.signals, topics.commands, topics.acks)),
            stop,
            lambda state: open_decide(parts, state),
            beside=[head.listen(settings.kafka, topics.deltas)],
            vitals=vitals,
        )
    finally:
        await producer.stop()


async def _notify(settings: Settings, stop: asyncio.Event, vitals: Vitals) -> None:
    topics = settings.topics
    parts = NotifyParts(config=settings.notify, topics=topics, wall=time.time)
    inputs = (topics.alerts, topics.actions, topics.shadow, topics.commands)
    await run_keyed_role(
        _owner(settings, settings.notify_role, inputs),
        stop,
        lambda state: open_notify(parts, state),
        vitals=vitals,
    )


ROLES: dict[Role, Callable[[Settings, asyncio.Event, Vitals], Awaitable[None]]] = {
    Role.INGEST: _ingest,
    Role.WATCH: _watch,
    Role.DECIDE: _decide,
    Role.NOTIFY: _notify,
}
"""Role -> what runs it until told to stop; each in a process of its own."""
