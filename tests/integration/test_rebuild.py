"""State that is refused is built anew by the command of the error, and counts the same."""

from collections.abc import Callable

import pytest

from stream.kafka.topics import REBUILD_FROM_DELTAS, REBUILD_FROM_EVENTS
from tests.support.worker import Installation, Json

pytestmark = pytest.mark.kafka

START = 1_767_607_200
"""2026-01-05 10:00 UTC."""


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


async def spent(here: Installation) -> dict[str, tuple[int, str]]:
    rows = await here.spend_on_command("agent")
    return {row["scope"]: (row["requests"], row["cost_usd"]) for row in rows}


async def test_what_an_error_says_brings_back_every_dollar(install: Callable[..., Installation]):
    here = install()
    await here.create_topics()
    await here.start("ingest", "watch")
    await here.publish(events(500))
    await here.reached(500, kind="agent")
    before = await spent(here)
    await here.stop()

    here.configure({"watch": {"pages": 32}})
    (worker,) = here.workers
    worker.start("watch")
    assert REBUILD_FROM_DELTAS in (await worker.said("watch_failed"))["reason"]
    worker.kill()
    asked = await here.call("rebuild", "-c", str(worker.config))
    assert (asked.returncode, "add --yes" in asked.stdout) == (0, True)
    done = await here.call("rebuild", "--yes", "-c", str(worker.config))
    assert done.returncode == 0, done.stderr
    await here.start("ingest", "watch")
    await here.reached(500, kind="agent")
    assert await spent(here) == before
    await here.stop()

    here.topics = here.topics.model_copy(update={"deltas_partitions": 3})
    here.configure({})
    check = await here.call("topics", "check", "-c", str(worker.config))
    assert REBUILD_FROM_EVENTS in check.stderr
    refused = await here.call("rebuild", "--yes", "-c", str(worker.config))
    assert (refused.returncode, "add --from events" in refused.stderr) == (1, True)
    done = await here.call("rebuild", "--from", "events", "--yes", "-c", str(worker.config))
    assert done.returncode == 0, done.stderr
    for name in (here.topics.dedup, here.topics.provisional, here.topics.deltas):
        assert name in done.stdout  # what is known of events would hide them when they come again
    await here.start("ingest", "watch")
    await here.reached(500, kind="agent")
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
