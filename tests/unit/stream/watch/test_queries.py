"""Spend over HTTP: all of it, or an error; real servers, a worker each."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from detectors.window import HOUR_SECONDS
from stream.delta import DeltaRow, DeltaRows, Promise
from stream.watch.partition import DeltaPartition
from stream.watch.queries import MissingWorkerError, SpendQueries, SpendQuery, add_routes
from tests.support.deltas import new_partition
from tests.support.timeline import MONDAY, counts_of


def a_partition(number: int, *rows: tuple[str, int, float]) -> DeltaPartition:
    partition = new_partition()
    partition.partition = number
    partition.fold(
        0,
        Promise("usage.events/0", None, is_idle=False),
        DeltaRows.of(
            DeltaRow(scope, at // 60, is_late=False, counts=counts_of(usd))
            for scope, at, usd in rows
        ),
    )
    return partition


class Workers:
    """Some workers that know of each other."""

    def __init__(self) -> None:
        self.servers: list[TestServer] = []
        self.urls: set[str] = set()

    async def add(
        self, *partitions: DeltaPartition, count: int = 2
    ) -> tuple[SpendQueries, TestServer]:
        server = web.Application()
        running = TestServer(server)
        queries = SpendQueries(
            partitions=lambda: {each.partition: each for each in partitions},
            partition_count=count,
            own_url="",
            worker_urls=lambda: self.urls,
        )
        add_routes(server, queries)
        await self.serve(running)
        queries._own_url = str(running.make_url("")).rstrip("/")
        return queries, running

    async def serve(self, running: TestServer) -> None:
        await running.start_server()
        self.servers.append(running)
        self.urls.add(str(running.make_url("")))

    async def answer(self, body: Any, status: int = 200, content_type: str = "text/plain") -> None:
        """A worker that always says the same."""
        server = web.Application()

        async def say(_: web.Request) -> web.Response:
            return web.Response(text=body, status=status, content_type=content_type)

        server.router.add_get("/v1/spend/own", say)
        await self.serve(TestServer(server))


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    made = Workers()
    yield made
    for server in made.servers:
        await server.close()


A = ("agent:a", MONDAY, 1.0)
B = ("agent:b", MONDAY + HOUR_SECONDS, 5.0)
OTHER0 = ("agent:__other__", MONDAY, 2.0)
OTHER1 = ("agent:__other__", MONDAY + 7200, 3.0)
ALL = SpendQuery("agent", None)


async def test_any_worker_answers_for_all_largest_first_and_other_added_up(workers: Workers):
    first, _ = await workers.add(a_partition(0, A, OTHER0))
    second, _ = await workers.add(a_partition(1, B, OTHER1, ("team:x", MONDAY, 9.0)))
    rows = await first.all(ALL)
    assert rows == await second.all(ALL)
    assert [(row["scope"], row["cost_usd"]) for row in rows] == [
        ("agent:__other__", "5"),
        ("agent:b", "5"),
        ("agent:a", "1"),
    ]
    assert rows[0]["requests"] == 2
    assert (rows[0]["from"], rows[0]["to"]) == ("2023-11-13T00:00:00Z", "2023-11-13T02:01:00Z")


async def test_a_span_is_asked_of_all(workers: Workers):
    first, _ = await workers.add(a_partition(0, A))
    await workers.add(a_partition(1, B))
    rows = await first.all(SpendQuery("agent", (MONDAY, MONDAY + HOUR_SECONDS)))
    assert [(row["scope"], row["from"], row["to"]) for row in rows] == [
        ("agent:a", "2023-11-13T00:00:00Z", "2023-11-13T01:00:00Z")
    ]


async def test_a_worker_that_is_gone_is_an_error_and_never_a_partial_sum(workers: Workers):
    first, _ = await workers.add(a_partition(0, A))
    _, gone = await workers.add(a_partition(1, B))
    await gone.close()
    with pytest.raises(MissingWorkerError, match="does not answer"):
        await first.all(ALL)


async def test_partitions_that_nobody_holds_are_named(workers: Workers):
    first, _ = await workers.add(a_partition(1, A), count=4)
    await workers.add(a_partition(3, B), count=4)
    with pytest.raises(MissingWorkerError, match=r"partitions \[0, 2\] are held by no worker"):
        await first.all(ALL)


async def test_a_partition_that_two_workers_hold_is_an_error(workers: Workers):
    first, _ = await workers.add(a_partition(0), a_partition(1))
    await workers.add(a_partition(1))
    with pytest.raises(MissingWorkerError, match="ask again"):
        await first.all(ALL)


async def test_a_scope_that_two_workers_hold_is_an_error(workers: Workers):
    first, _ = await workers.add(a_partition(0, A))
    await workers.add(a_partition(1, A))
    with pytest.raises(MissingWorkerError, match="two workers hold agent:a"):
        await first.all(ALL)


@pytest.mark.parametrize(
    ("body", "status", "content_type"),
    [
        ("oops", 500, "text/plain"),
        ('{"error": "x"}', 503, "application/json"),
        ('{"1": [', 200, "application/json"),
        ("[]", 200, "application/json"),
        ('{"error": 1}', 200, "application/json"),
    ],
)
async def test_a_worker_that_says_something_else_is_a_missing_one(
    workers: Workers, body: str, status: int, content_type: str
):
    first, _ = await workers.add(a_partition(0, A))
    await workers.answer(body, status, content_type)
    with pytest.raises(MissingWorkerError):
        await first.all(ALL)


async def ask(server: TestServer, path: str, **parameters: str) -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.make_url(path), params=parameters) as response,
    ):
        return response.status, await response.json()


async def test_what_went_wrong_is_told_by_status(workers: Workers):
    old = a_partition(0, A)
    old.vector.observe("usage.events/0", MONDAY + 30 * 86400, is_idle=False)
    old.vector.observe("usage.events/1", MONDAY + 30 * 86400, is_idle=False)
    _, server = await workers.add(old)
    span = {"from": "2023-11-13T00:00Z", "to": "2023-11-13T01:00Z"}
    assert (await ask(server, "/v1/spend"))[0] == 503
    assert (await ask(server, "/v1/spend", **span))[0] == 422
    assert (await ask(server, "/v1/spend/own"))[0] == 200
    status, body = await ask(server, "/v1/spend", **{"from": "2023-11-13T00:00Z"})
    assert (status, body["error"]) == (
        400,
        "from without to: give both, or neither for everything since the start",
    )


async def test_a_span_that_another_worker_no_longer_holds_is_refused_in_its_words(
    workers: Workers,
):
    _, server = await workers.add(a_partition(0, A))
    old = a_partition(1, B)
    for source in range(2):
        old.vector.observe(f"usage.events/{source}", MONDAY + 30 * 86400, is_idle=False)
    await workers.add(old)
    status, body = await ask(
        server, "/v1/spend", **{"from": "2023-11-13T00:00Z", "to": "2023-11-13T02:00Z"}
    )
    assert status == 422
    assert "are kept for 3 hours" in body["error"]


@pytest.mark.parametrize(
    ("start", "end", "complaint"),
    [
        ("yesterday", "2023-11-13T01:00Z", "is no RFC 3339 time"),
        ("2023-11-13T00:00", "2023-11-13T01:00Z", "has no zone"),
        ("2023-11-13T00:30Z", "2023-11-13T01:00Z", "not a whole hour"),
        ("2023-11-13T01:00Z", "2023-11-13T01:00Z", "to is not after from"),
    ],
)
def test_a_bad_span_is_refused_with_the_reason(start: str, end: str, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        SpendQuery.parse({"from": start, "to": end})


@pytest.mark.parametrize("span", [None, (MONDAY, MONDAY + HOUR_SECONDS)])
def test_a_query_is_passed_on_as_it_came(span: tuple[int, int] | None):
    query = SpendQuery("team", span)
    assert SpendQuery.parse(query.parameters()) == query


def test_who_names_no_kind_asks_for_agents():
    assert SpendQuery.parse({}) == SpendQuery("agent", None)
