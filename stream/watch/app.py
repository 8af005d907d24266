"""WATCH as a process: the Faust app, its tables, the signals producer, the HTTP queries.

Wiring only. What happens to a delta is ``role.py``'s, what is known of a partition
``partition.py``'s.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
import structlog
from aiohttp import web

from alerting.alert import Alert, alert_to_json
from alerting.watch.scope_watch import ScopeWatch
from detectors.window import DAY_SECONDS, HOUR_SECONDS
from stream.address import bind
from stream.health.vitals import Vitals
from stream.kafka.connection import ConnectionConfig
from stream.kafka.faust_app import changelog_writer, create_app, declare_table, run_app
from stream.kafka.follow import follow
from stream.watch.bounds import Bounds
from stream.watch.config import WatchRoleConfig
from stream.watch.flush import DAYS, HOURS, LIVE, PROFILE
from stream.watch.held import HeldAlerts
from stream.watch.queries import SpendQueries, add_routes
from stream.watch.role import WatchRole
from stream.watch.unfoldable import DeadDelta, UnfoldableDeltas
from stream.watch.vitals import WatchVitals
from stream.watch.watermark import WatermarkPolicy

_log = structlog.get_logger()

_QUEUED_DELTAS = 256
"""Messages that wait to be taken; then Faust stops fetching. A batch of 20,000 events makes up to
200 KB for each of 16 partitions: Faust's default of 4,096 would be 800 MB after an outage."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """Everything the role WATCH has to be told.

    Attributes:
        connection: how to reach Kafka.
        config: the role's own configuration.
        watch: the chain that judges one scope.
        bounds: names per kind.
        deltas_topic: input.
        delta_partitions: of the input, of the changelogs too.
        policy: whom the watermark waits for.
        signals_topic: output.
        actions_topic: the compacted topic of enforced throttle actions.
        dead_letter_topic: where a delta goes that cannot be folded.
        datadir: a folder of Faust's own.
        state_folder: a folder that outlives the process; need not exist.
        wall: the wall clock, epoch seconds.
    """

    connection: ConnectionConfig
    config: WatchRoleConfig
    watch: ScopeWatch
    bounds: Bounds
    deltas_topic: str
    delta_partitions: int
    policy: WatermarkPolicy
    signals_topic: str
    actions_topic: str
    dead_letter_topic: str
    datadir: str
    state_folder: Path
    wall: Callable[[], float] = time.time


def _publisher(producer: Any, topic: str) -> Callable[[list[Alert]], Awaitable[None]]:
    async def publish(alerts: list[Alert]) -> None:
        sent = [
            await producer.send(
                topic,
                key=alert.fingerprint.encode(),
                value=msgspec.json.encode(alert_to_json(alert)),
            )
            for alert in alerts
        ]
        await asyncio.gather(*sent)

    return publish


@contextlib.asynccontextmanager
async def _started(client: Any) -> AsyncIterator[Any]:
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def _follow_actions(settings: WatchSettings, role: WatchRole) -> None:
    """Keep the role told which alerts are held."""
    held = HeldAlerts(settings.wall)
    async for records in follow(settings.connection, settings.actions_topic):
        for record in records:
            held.apply(record.key, record.value)
        role.hold(held.alert_ids)


async def _serve(listener: socket.socket, queries: SpendQueries, role: WatchRole) -> web.AppRunner:
    server = web.Application()
    add_routes(server, queries)

    async def held(_: web.Request) -> web.Response:
        if role.is_ready:
            return web.json_response({"partitions": sorted(role.partitions)})
        return web.json_response({"error": "its tables are being recovered"}, status=503)

    server.router.add_get("/v1/partitions", held)
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner


def _distribution(app: Any) -> set[str]:
    """All workers of the group that hold a partition, by the leader's last word."""
    hosts = app.router.table_metadata(LIVE)
    return {host for host, topics in hosts.items() if any(topics.values())}


async def run_watch(
    settings: WatchSettings, stop: asyncio.Event, *, vitals: Vitals | None = None
) -> None:
    """Run the role until ``stop`` is set or a part of it dies.

    Raises:
        Exception: whatever ended it; the process must exit non-zero.
    """
    config = settings.config
    listener = bind(config.host, config.port, key="watch.port")
    port = listener.getsockname()[1]
    url = config.advertised_url or f"http://{config.host}:{port}"
    app = create_app(
        settings.connection,
        config,
        advertised_url=url,
        instance_id=config.instance_id or f"{socket.gethostname()}-{port}",
        datadir=settings.datadir,
        table_partitions=settings.delta_partitions,
    )
    count = settings.delta_partitions
    tables = {
        LIVE: declare_table(app, LIVE, count),
        PROFILE: declare_table(app, PROFILE, count),
        HOURS: declare_table(app, HOURS, count, HOUR_SECONDS),
        DAYS: declare_table(app, DAYS, count, DAY_SECONDS),
    }
    async with _started(changelog_writer(settings.connection)) as producer:
        for table in tables.values():
            table.writer = producer
        publish = _publisher(producer, settings.signals_topic)

        async def bury(dead: DeadDelta, at_seconds: int) -> None:
            key = f"{dead.topic}/{dead.partition}/{dead.offset}".encode()
            await producer.send_and_wait(settings.dead_letter_topic, dead.record(), key=key)
            await publish(dead.alerts(at_seconds))

        role = WatchRole(
            app=app,
            tables=tables,
            deltas_topic=settings.deltas_topic,
            config=config,
            policy=settings.policy,
            watch=settings.watch,
            bounds=settings.bounds,
            publish=publish,
            unfoldable=UnfoldableDeltas(settings.state_folder / "unfoldable", bury),
            wall=settings.wall,
        )
        if vitals is not None:
            vitals.watch(WatchVitals(app, role, settings.deltas_topic, settings.wall).look)
        topic = app.topic(
            settings.deltas_topic,
            key_serializer="raw",
            value_serializer="raw",
            value_type=bytes,
            partitions=count,
            maxsize=_QUEUED_DELTAS,
        )

        async def watch_deltas(stream: Any) -> None:
            role.reads_from(stream.channel.queue)
            async for event in cast("Any", stream).noack().events():
                await role.take(event)

        app.agent(topic, name="watch_deltas", concurrency=1)(watch_deltas)
        app.on_rebalance_complete.connect(role.on_recovered)
        app.on_partitions_revoked.connect(role.on_revoked)
        queries = SpendQueries(
            partitions=lambda: role.partitions,
            partition_count=count,
            own_url=url,
            worker_urls=lambda: _distribution(app),
        )
        runner = await _serve(listener, queries, role)
        _log.info("watch_started", url=url)
        try:
            await run_app(
                app,
                stop,
                failure=role.failure,
                beside=[_follow_actions(settings, role)],
                before_stop=role.flush,
            )
        finally:
            await runner.cleanup()
