"""``spendwatch worker`` as a process: how it starts, ends and complains; kcat at both ends."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.support.kafka import free_ports
from tests.support.survival import ROLES
from tests.support.worker import Installation, Worker, until

pytestmark = pytest.mark.kafka

UNREACHABLE = 3


async def refusal(here: Installation) -> str:
    """What a worker that must not start says; checked to be for people."""
    done = await here.call("worker", "-c", str(here.workers[0].config))
    assert done.returncode == UNREACHABLE, done.stderr
    assert "Traceback" not in done.stderr
    assert "Unclosed" not in done.stderr
    assert done.stdout == ""
    return done.stderr


async def test_without_a_broker_a_worker_says_so_in_one_sentence(
    install: Callable[..., Installation],
):
    here = install()
    (port,) = free_ports(1)
    here.configure({"kafka": {"bootstrap_servers": [f"127.0.0.1:{port}"]}})
    said = await refusal(here)
    assert len(said.strip().splitlines()) == 1
    assert f"127.0.0.1:{port}" in said


async def test_without_its_topics_a_worker_names_each_of_them_and_the_fix(
    install: Callable[..., Installation],
):
    here = install()
    said = await refusal(here)
    for topic in (here.topics.usage_events, here.topics.deltas, here.topics.actions):
        assert topic in said
    assert "spendwatch topics create" in said


async def test_sigterm_ends_a_worker_cleanly_and_in_time(install: Callable[..., Installation]):
    here = install()
    await here.create_topics()
    await here.start()
    begun = time.monotonic()
    assert await here.workers[0].stop() == 0
    assert time.monotonic() - begun < 20
    assert "Traceback" not in here.workers[0].log


@pytest.mark.parametrize("role", ["ingest", "watch", "decide", "notify"])
async def test_a_worker_whose_part_dies_ends_with_an_error(
    install: Callable[..., Installation], role: str
):
    here = install()
    await here.create_topics()
    (worker,) = here.workers
    worker.start()
    await worker.said("role_started")
    await until(lambda: _has_started(worker, 4), 90, here.logs)
    worker.is_wanted = False
    worker.signal(signal.SIGKILL, role)
    assert await worker.ended() not in (0, None)
    assert worker.events("role_died")[0]["role"] == role


async def _has_started(worker: Worker, roles: int) -> bool:
    return len(worker.events("role_started")) == roles


async def test_while_a_worker_is_missing_spend_says_so_and_gives_no_partial_sum(
    install: Callable[..., Installation],
):
    here = install(workers=2, session_seconds=10.0)  # nobody takes over meanwhile
    await here.create_topics()
    await here.start(*ROLES)
    there, gone = here.workers
    gone.kill()
    done = await here.call("spend", "--json", "-c", str(there.config))
    assert done.returncode == UNREACHABLE
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    there.kill()
    done = await here.call("spend", "--json", "-c", str(there.config))
    assert done.returncode == UNREACHABLE
    assert "is 'spendwatch worker' running" in done.stderr


def kcat(here: Installation, *words: str, stdin: str = "") -> str:
    """What kcat prints."""
    done = subprocess.run(  # noqa: S603 -- the command is ours
        [str(shutil.which("kcat")), "-b", here.bootstrap, *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout


def runaway_calls(first: int, count: int) -> str:
    """Lines of key and native event, as anybody's script writes them: dollars by the second."""
    events = [
        {
            "event_id": f"call-{number}",
            "timestamp": time.time(),
            "model": "gpt-4o",
            "agent": "invoice-bot",
            "api_key": "key-7",
            "cost_usd": "1.25",
        }
        for number in range(first, first + count)
    ]
    return "".join(f"{event['event_id']}|{json.dumps(event)}\n" for event in events)


@pytest.mark.skipif(  # with REQUIRE_KAFKA=1, as in CI, it runs and fails without kcat
    shutil.which("kcat") is None and os.environ.get("REQUIRE_KAFKA") != "1",
    reason="kcat is not installed (Debian: apt-get install kcat)",
)
async def test_kcat_publishes_native_events_and_reads_the_throttle_action_with_its_headers(
    install: Callable[..., Installation],
):
    here = install(
        settings={
            "throttle": {"mode": "enforce", "settle_seconds": 1, "evidence_wait_seconds": 1},
            "ingest": {"allowed_lateness_seconds": 5},
        }
    )
    await here.create_topics()
    await here.start()
    sent = 0

    async def is_acted_upon() -> bool:
        nonlocal sent
        lines = runaway_calls(sent, 20)
        topic = here.topics.usage_events
        await asyncio.to_thread(kcat, here, "-P", "-t", topic, "-K", "|", stdin=lines)
        sent += 20
        await asyncio.sleep(1.0)
        return bool(await asyncio.to_thread(actions))

    def actions() -> str:
        words = ("-C", "-t", here.topics.actions, "-o", "beginning", "-e", "-q")
        return kcat(here, *words, "-f", "%k\t%h\t%s\n")

    await until(is_acted_upon, 60.0, here.logs)
    key, headers, payload = actions().splitlines()[0].split("\t")
    action = json.loads(payload)
    assert key == "api_key:key-7"
    assert action["target"] == {"kind": "api_key", "name": "key-7", "environment": "default"}
    assert action["mode"] in ("throttle", "block")
    attributes = dict(pair.split("=", 1) for pair in headers.split(","))
    assert attributes["ce_specversion"] == "1.0"
    assert attributes["ce_id"] == action["action_id"]
    assert attributes["ce_type"] == f"spendwatch.throttle.{action['mode']}"
    assert attributes["ce_subject"] == "api_key:key-7"
    assert attributes["ce_expirytime"] == action["expires_at"]
    assert attributes["content-type"] == "application/json"
