"""Who has minutes of work in its buffer asks for no records; it may lose its place all the same.

A busy main loop lets the consumer's thread wait, heartbeats come late, and the broker gives the
partitions away. Then they must come back: WATCH, five minutes behind, never had any again.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP

from stream.kafka.connection import ConnectionConfig
from stream.kafka.faust_app import MAX_POLL_RECORDS, SWITCH_SECONDS, create_app, run_app
from stream.watch.config import WatchRoleConfig
from tests.support.broker_topics import make_topic
from tests.support.kafka import KafkaBroker

SILENCE_SECONDS = 2.0
SESSION_SECONDS = 3.0
RECORDS = 200


async def test_who_asked_for_nothing_for_long_and_lost_its_place_gets_it_back(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("stream.kafka.faust_app.MAX_SILENCE_SECONDS", SILENCE_SECONDS)
    monkeypatch.setattr("stream.kafka.faust_consumer._LIFE_SECONDS", SILENCE_SECONDS / 4)
    name = topic_prefix + "work"
    await _fill(kafka.bootstrap, name)
    app = create_app(
        ConnectionConfig(bootstrap_servers=(kafka.bootstrap,)),
        WatchRoleConfig(group=topic_prefix + "group", session_timeout_seconds=SESSION_SECONDS),
        advertised_url="http://127.0.0.1:1",
        instance_id="one",
        datadir=str(tmp_path),
        table_partitions=1,
    )
    topic = app.topic(name, key_serializer="raw", value_serializer="raw")
    begun, go_on, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()
    taken: list[int] = []
    revoked: list[Any] = []

    async def work(stream: Any) -> None:
        async for event in stream.noack().events():
            begun.set()
            await go_on.wait()
            taken.append(event.message.offset)

    async def on_revoked(_: Any, revoked_now: Any = (), **__: Any) -> None:
        revoked.append(revoked_now)

    app.agent(topic, name="work", concurrency=1)(work)
    app.on_partitions_revoked.connect(on_revoked)

    async def nothing() -> None:
        return None

    failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(run_app(app, stop, failure=failure, before_stop=nothing))
    try:
        async with asyncio.timeout(60):
            await begun.wait()
        assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS), "or its thread starves"
        assert app.consumer._thread._consumer._max_poll_records == MAX_POLL_RECORDS
        at_first = len(revoked)
        app.consumer.on_buffer_full(TP(name, 0))  # what Faust says of a queue under pressure
        await asyncio.sleep(2 * SILENCE_SECONDS)
        app.consumer._thread.thread_loop.call_soon_threadsafe(time.sleep, 2 * SESSION_SECONDS)
        async with asyncio.timeout(30):
            while len(revoked) == at_first:  # noqa: ASYNC110 -- of another thread
                await asyncio.sleep(0.05)
        go_on.set()
        async with asyncio.timeout(30):
            while not app.consumer.assignment() or app.rebalancing:  # noqa: ASYNC110 -- likewise
                await asyncio.sleep(0.05)
            while len(set(taken)) < RECORDS:  # noqa: ASYNC110 -- likewise
                await asyncio.sleep(0.05)
    finally:
        stop.set()
        await asyncio.wait([running], timeout=20)


async def _fill(bootstrap: str, topic: str) -> None:
    await make_topic(bootstrap, topic)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for number in range(RECORDS):
            await producer.send(topic, str(number).encode())
        await producer.flush()
    finally:
        await producer.stop()
