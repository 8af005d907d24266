"""State that is refused is built anew by the steps of the error, and counts the same."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest

from stream.kafka.topics import REBUILD_FROM_DELTAS, REBUILD_FROM_EVENTS
from stream.watch.flush import TABLES
from tests.support.worker import Installation, Json, until

pytestmark = pytest.mark.kafka

START = 1_767_607_200
"""2026-01-05 10:00 UTC."""


GROUP_ID_NOT_FOUND = 69
"""Kafka's error code: it is deleted already."""


def events(count: int) -> list[Json]:
    return [
        {
            "event_id": f"e{number}",
            "timestamp": START + number,
            "model": "gpt-4o",
            "agent": f"agent-{number % 7}",
            "input_tokens": 100 + number,
            "output_tokens": number % 50,
            "cost_usd": f"0.{number:03d}",
        }
        for number in range(count)
    ]


@asynccontextmanager
async def administrator(here: Installation) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=here.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def delete(here: Installation, topics: list[str], groups: list[str]) -> None:
    async with administrator(here) as admin:
        await admin.delete_topics(topics)

        async def are_gone() -> bool:
            # A static member stays in its group until its session is over.
            answer = await admin._send_request(DeleteGroupsRequest(groups))
            codes = {each["error_code"] for each in answer.to_object()["results"]}
            return codes <= {0, GROUP_ID_NOT_FOUND} and not set(topics) & set(
                await admin.list_topics()
            )

        await until(are_gone, 30, lambda: f"{groups} and {topics} stay")


async def spent(here: Installation) -> dict[str, tuple[int, str]]:
    rows = await here.spend_on_command("agent")
    return {row["scope"]: (row["requests"], row["cost_usd"]) for row in rows}


async def test_the_steps_of_an_error_bring_back_every_dollar(install: Callable[..., Installation]):
    here = install()
    changelogs = [f"{here.settings.watch.group}-{table}-changelog" for table in TABLES]
    groups = [here.settings.watch.group, here.settings.ingest.group]
    await here.create_topics()
    await here.start("ingest", "watch")
    await here.publish(events(500))
    await here.reached(500)
    before = await spent(here)
    await here.stop()

    here.configure({"watch": {"pages": 32}})
    (worker,) = here.workers
    worker.start("watch")
    assert REBUILD_FROM_DELTAS in (await worker.said("watch_failed"))["reason"]
    worker.kill()
    await delete(here, changelogs, groups[:1])
    await here.create_topics()
    await here.start("ingest", "watch")
    await here.reached(500)
    assert await spent(here) == before
    await here.stop()

    here.topics = here.topics.model_copy(update={"deltas_partitions": 3})
    here.configure({})
    check = await here.call("topics", "check", "-c", str(worker.config))
    assert REBUILD_FROM_EVENTS in check.stderr
    await delete(here, [here.topics.deltas, *changelogs], groups)
    await here.create_topics()
    await here.start("ingest", "watch")
    await here.reached(500)
    assert await spent(here) == before


async def test_the_watermark_waits_for_the_inputs_that_there_are(
    install: Callable[..., Installation],
):
    here = install()
    await here.create_topics()
    here.configure({"topics": {"usage_events_partitions": 1}})
    await here.start("ingest", "watch")
    said = await here.workers[0].said("input_partitions_differ")
    assert (said["found"], said["configured"]) == (4, 1)
