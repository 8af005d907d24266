"""A running worker on a real Kafka: what it exposes, when it is ready, whether canaries return."""

import asyncio
import re
import signal
import time
from collections import Counter
from collections.abc import Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiokafka import AIOKafkaProducer
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from stream.health.catalogue import SPECS
from tests.chaos.logs import values_in
from tests.support.worker import Installation, Json, Worker, until

pytestmark = pytest.mark.kafka


async def get(worker: Worker, path: str) -> tuple[int, str]:
    """What the worker's own address says."""
    url = (await worker.said("worker_listens"))["url"] + path
    timeout = aiohttp.ClientTimeout(total=5.0)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def families(worker: Worker) -> dict[str, Metric]:
    """What Prometheus would read."""
    _, text = await get(worker, "/metrics")
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(found: dict[str, Metric], name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    family = found[SPECS[name].family]
    return sum(
        sample.value
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def ready(worker: Worker, seconds: float = 60.0) -> None:
    async def is_ready() -> bool:
        return (await get(worker, "/readyz"))[0] == 200

    await until(is_ready, seconds, lambda: worker.log[-3000:])


@pytest.fixture
async def service():
    """Whoever alerts on silence; it keeps when it was asked."""
    asked: list[float] = []

    async def answer(_: web.Request) -> web.Response:
        asked.append(time.monotonic())
        return web.Response()

    app = web.Application()
    app.router.add_get("/beat", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/beat")), asked


def event(number: int) -> Json:
    """A call that is a moment old."""
    return {
        "event_id": f"e-{number}",
        "timestamp": time.time(),
        "model": "gpt-4o",
        "agent": "invoice-bot",
        "input_tokens": 100,
        "output_tokens": 10,
    }


def canary(url: str) -> Json:
    return {"enabled": True, "interval_seconds": 2, "timeout_seconds": 120, "heartbeat_url": url}


async def test_a_worker_exposes_its_catalogue_and_its_canaries_come_back(
    install: Callable[..., Installation],
    service: tuple[str, list[float]],
    monkeypatch: pytest.MonkeyPatch,
):
    url, asked = service
    monkeypatch.setenv("SIGNING_SECRET", "whsec_" + "c2VjcmV0" * 6)
    hook = {"url": url, "signing_secrets": ["env:SIGNING_SECRET"]}
    receivers = {"on-call": {"webhook": hook}}
    here = install(settings={"canary": canary(url), "notify": {"receivers": receivers}})
    worker = here.workers[0]
    await here.create_topics()
    await here.start()
    await ready(worker)
    assert (await get(worker, "/healthz"))[0] == 200

    sent = [event(number % 90) for number in range(100)]
    await here.publish([*sent, b"no json"])
    await here.reached(90)

    async def is_back() -> bool:
        now = await families(worker)
        returned = value(now, "spendwatch_canaries_total", outcome="returned")
        return returned >= 3 and value(now, "spendwatch_dead_letters_total") > 0

    await until(is_back, 60, lambda: worker.log[-3000:])
    found = await families(worker)
    exposed = {(name, family.type) for name, family in found.items()}
    assert exposed == {(spec.family, spec.kind) for spec in SPECS.values()}
    for name, spec in SPECS.items():
        labels = {key for sample in found[spec.family].samples for key in sample.labels} - {"le"}
        assert labels <= set(spec.labels), name

    canaries = value(found, "spendwatch_canaries_total", outcome="returned")
    assert value(found, "spendwatch_canaries_total", outcome="lost") == 0
    assert 0 < value(found, "spendwatch_canary_last_round_trip_seconds") < 15
    assert len(asked) >= 3
    assert value(found, "spendwatch_events_total") >= 90 + canaries - 1  # told once a second
    assert value(found, "spendwatch_repeats_total") == 10
    assert value(found, "spendwatch_dead_letters_total", reason="not_json") == 1
    assert value(found, "spendwatch_dead_letters_total") == 1
    assert value(found, "spendwatch_broker_up") == 1
    assert value(found, "spendwatch_role_up") == value(found, "spendwatch_role_ready") == 4
    assert value(found, "spendwatch_dedup_ids") >= 90
    assert value(found, "spendwatch_alerts_total") == 0

    # Canaries are in nobody's totals, and nobody was told of them.
    for kind, requests in (("model", 90), ("agent", 90), ("canary", 0)):
        assert await here.counted(kind) == requests
    refused = value(found, "spendwatch_inputs_refused_total")
    assert (refused, value(found, "spendwatch_notification_verdicts_total")) == (0, 0)
    assert await here.stop() == [0]
    assert url not in worker.log


async def test_a_role_that_stands_still_makes_the_worker_unhealthy_and_unready(
    install: Callable[..., Installation],
):
    here = install()
    worker = here.workers[0]
    await here.create_topics()
    await here.start()
    await ready(worker)
    worker.signal(signal.SIGSTOP, "notify")
    try:

        async def is_noticed() -> bool:
            return (await get(worker, "/healthz"))[0] == 503

        await until(is_noticed, 90, lambda: worker.log[-3000:])
        status, said = await get(worker, "/readyz")
        assert status == 503
        assert re.search(r'"notify": \{"ready": false, "detail": "no report for \d+ s', said)
        found = await families(worker)
        assert value(found, "spendwatch_role_up", role="notify") == 0
        assert value(found, "spendwatch_role_up") == 3
    finally:
        worker.signal(signal.SIGCONT, "notify")


async def test_a_transaction_that_hangs_is_seen_and_its_end_too(
    install: Callable[..., Installation],
):
    here = install()
    worker = here.workers[0]
    await here.create_topics()
    await here.start()
    await ready(worker)

    async def unstable() -> float:
        return value(await families(worker), "spendwatch_unstable_seconds")

    assert await unstable() < 3
    foreign = AIOKafkaProducer(
        bootstrap_servers=here.bootstrap,
        transactional_id=f"{here.prefix}foreign",
        transaction_timeout_ms=60_000,
    )
    await foreign.start()
    try:
        await foreign.begin_transaction()
        await foreign.send_and_wait(here.topics.deltas, b"left open", partition=1)

        async def is_seen() -> bool:
            return await unstable() > 4

        await until(is_seen, 90, lambda: worker.log[-3000:])
        assert value(await families(worker), "spendwatch_unstable_records") > 0
        await foreign.abort_transaction()
    finally:
        await foreign.stop()

    async def is_over() -> bool:
        return await unstable() < 3

    await until(is_over, 90, lambda: worker.log[-3000:])


async def test_two_workers_on_a_host_answer_each_for_themselves(
    install: Callable[..., Installation],
):
    here = install(workers=2)
    await here.create_topics()
    await here.start()
    for worker in here.workers:
        await ready(worker)
    partitions = [
        value(await families(worker), "spendwatch_assigned_partitions", role="watch")
        for worker in here.workers
    ]
    assert sum(partitions) == here.topics.deltas_partitions
    assert all(partitions)


async def test_keys_that_are_left_held_are_said_at_the_stop_and_their_lapse_at_the_next_start(
    install: Callable[..., Installation],
):
    here = install(settings={"throttle": {"lease_minutes": 0.1, "renew_minutes": 0.03}})
    worker = here.workers[0]
    await here.create_topics()
    await here.start()
    await ready(worker)
    words = ("throttle", "set", "api_key:key-7", "--mode", "block", "--reason", "leaked")
    done = await here.call(*words, "-c", str(worker.config))
    assert done.returncode == 0, done.stderr

    async def is_held() -> bool:
        return value(await families(worker), "spendwatch_active_leases", mode="block") == 1

    await until(is_held, 90, lambda: worker.log[-3000:])
    assert await here.stop() == [0]
    (left,) = worker.events("protection_left")
    assert (left["level"], left["keys"]) == ("error", 1)
    assert "api_key:key-7" in left["summary"]
    await asyncio.sleep(7)  # the lease's six seconds, and who holds it is nobody

    await here.start()
    lapsed = await worker.said("protection_lapsed")
    assert (lapsed["level"], lapsed["keys"]) == ("error", 1)

    async def is_counted() -> bool:
        return value(await families(worker), "spendwatch_protection_lapsed_total") == 1

    await until(is_counted, 90, lambda: worker.log[-3000:])
    told = Counter(alert["rule"] for alert in await values_in(here.bootstrap, here.topics.alerts))
    assert told == {"feed/protection_left": 2, "feed/protection_lapsed": 2}


async def test_processes_of_ingest_share_its_partitions_and_are_told_of_together(
    install: Callable[..., Installation],
):
    here = install(settings={"ingest": {"processes": 2}})
    await here.create_topics()
    (worker,) = here.workers
    worker.start()
    names = ("ingest", "ingest-2")

    async def both_hold_some() -> bool:
        found, metric = await families(worker), "spendwatch_assigned_partitions"
        return metric in found and [value(found, metric, role=name) for name in names] == [2, 2]

    await worker.said("worker_listens")
    await until(both_hold_some, 90, here.logs)
    await ready(worker)
    await here.publish([event(number) for number in range(200)])
    await here.reached(200)

    async def all_are_told() -> bool:  # once a second
        return value(await families(worker), "spendwatch_events_total") == 200

    await until(all_are_told, 30, here.logs)
    found = await families(worker)
    assert all(value(found, "spendwatch_role_up", role=name) == 1 for name in names)
    assert await worker.stop() == 0
