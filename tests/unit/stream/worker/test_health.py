"""Alive and ready, by the newest report of each role."""

import asyncio
import socket
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from stream.health.frame import Frame, Sample, write_frame
from stream.worker.health import SILENT_AFTER_SECONDS, WorkerHealth
from stream.worker.http import make_app


class Bench:
    def __init__(self, *names: str) -> None:
        self.now = 1000.0
        self.health = WorkerHealth(lambda: self.now)
        self.roles = {name: self.health.started(name, 1, 0.0) for name in names}

    def report(self, name: str, *, is_ready: bool = True, detail: str = "") -> None:
        events = "spendwatch_events_total"
        families = {events: [Sample(events, {}, 7.0)]} if name == "ingest" else {}
        self.roles[name].frame = Frame(is_ready, detail, families)
        self.roles[name].heard_at = self.now

    async def get(self, path: str) -> tuple[int, str]:
        async with TestClient(TestServer(make_app(self.health))) as client:
            answer = await client.get(path)
            return answer.status, await answer.text()


def details(answer: dict[str, Any]) -> dict[str, str]:
    return {name: each["detail"] for name, each in answer["roles"].items()}


def test_a_worker_that_starts_is_alive_and_not_ready():
    bench = Bench("ingest", "watch")
    assert bench.health.health()[0]
    is_ready, answer = bench.health.readiness()
    assert not is_ready
    assert details(answer) == {"ingest": "starting", "watch": "starting"}


def test_a_worker_is_ready_once_all_of_its_roles_are():
    bench = Bench("ingest", "watch")
    bench.report("ingest")
    bench.report("watch", is_ready=False, detail="500 deltas behind")
    is_ready, answer = bench.health.readiness()
    assert (is_ready, details(answer)["watch"]) == (False, "500 deltas behind")
    bench.report("watch")
    assert bench.health.readiness()[0]


def test_a_role_that_falls_silent_stands_still():
    bench = Bench("ingest")
    bench.report("ingest")
    bench.now += SILENT_AFTER_SECONDS
    assert bench.health.health()[0]
    bench.now += 1
    is_alive, answer = bench.health.health()
    assert not is_alive
    assert "stands still" in details(answer)["ingest"]
    assert not bench.health.readiness()[0]


async def test_a_role_that_is_gone_is_not_alive():
    bench = Bench("ingest")
    bench.report("ingest")
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_unix_connection(sock=theirs)
    await write_frame(writer, Frame(is_ready=False, detail="busy", families={}))
    writer.close()
    await bench.health.listen(bench.roles["ingest"], ours)
    assert bench.roles["ingest"].frame == Frame(is_ready=False, detail="busy", families={})
    assert not bench.health.health()[0]


async def test_the_address_answers_with_200_or_503():
    bench = Bench("ingest")
    assert (await bench.get("/healthz"))[0] == 200
    assert (await bench.get("/readyz"))[0] == 503
    bench.report("ingest")
    assert (await bench.get("/readyz"))[0] == 200
    bench.now += 60
    assert (await bench.get("/healthz"))[0] == 503
    assert (await bench.get("/nothing"))[0] == 404


async def test_metrics_are_those_of_all_roles_and_say_which_are_up():
    bench = Bench("ingest", "watch")
    bench.report("ingest")
    bench.now += 60
    bench.report("watch")
    status, text = await bench.get("/metrics")
    assert status == 200
    assert "spendwatch_events_total 7.0" in text
    assert 'spendwatch_role_up{role="ingest"} 0.0' in text
    assert 'spendwatch_role_up{role="watch"} 1.0' in text
    assert 'spendwatch_role_ready{role="watch"} 1.0' in text
    assert text.count("# TYPE spendwatch_events_total counter") == 1
