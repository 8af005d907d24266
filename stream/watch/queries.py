"""Spend, asked over HTTP of the workers that hold the scopes.

Any worker answers for all: it asks the others for their partitions and adds up. A missing worker
is an error, never a partial sum. This file must not change state.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
from aiohttp import web

from alerting.alert import usd
from detectors.observation import COUNTER_INDEX, Counts, add_counts, zero_counts
from detectors.scope import OTHER
from detectors.window import HOUR_SECONDS, rfc3339
from stream.watch.partition import DeltaPartition
from stream.watch.spend import SpanError

ASK_TIMEOUT_SECONDS = 10.0

_SUMS = ("requests", "input_tokens", "output_tokens", "unpriced_requests")
_DOLLARS = {
    "cost_usd": "cost_nanousd",
    "reported_usd": "reported_nanousd",
    "computed_usd": "computed_nanousd",
}


SpendPart = tuple[str, int, int, Counts]
"""Scope, first second, last second and counts, of one partition or span."""


class MissingWorkerError(Exception):
    """Not every partition was answered for; the message names which."""


@dataclass(frozen=True, slots=True)
class SpendQuery:
    """What is asked.

    Attributes:
        kind: the scope kind, for example ``agent``.
        span: whole hours ``[from, to)`` in epoch seconds, or ``None`` for everything.
    """

    kind: str
    span: tuple[int, int] | None

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> "SpendQuery":
        """The query of URL parameters ``by``, ``from`` and ``to``.

        Raises:
            ValueError: naming the parameter and the fix.
        """
        kind = parameters.get("by", "agent")
        if "from" not in parameters and "to" not in parameters:
            return cls(kind, None)
        if "from" not in parameters or "to" not in parameters:
            given, absent = ("from", "to") if "from" in parameters else ("to", "from")
            raise ValueError(
                f"{given} without {absent}: give both, or neither for everything since the start"
            )
        start, end = (_whole_hour(name, parameters[name]) for name in ("from", "to"))
        if end <= start:
            raise ValueError("to is not after from")
        return cls(kind, (start, end))

    def parameters(self) -> dict[str, str]:
        """As URL parameters."""
        if self.span is None:
            return {"by": self.kind}
        return {"by": self.kind, "from": rfc3339(self.span[0]), "to": rfc3339(self.span[1])}


def _whole_hour(name: str, text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{name}={text!r} is no RFC 3339 time, such as 2026-01-31T09:00Z"
        ) from None
    if instant.tzinfo is None:
        raise ValueError(f"{name}={text!r} has no zone; add Z for UTC")
    seconds = instant.timestamp()
    if seconds % HOUR_SECONDS:
        raise ValueError(f"{name}={text!r} is not a whole hour; spend is kept per hour and per day")
    return int(seconds)


def spend_row(scope: str, first: int, last: int, counts: Counts) -> dict[str, Any]:
    """One row as ``spendwatch spend --json`` prints it; dollars are decimal strings."""
    row: dict[str, Any] = {"scope": scope, "from": rfc3339(first), "to": rfc3339(last)}
    row |= {name: counts[COUNTER_INDEX[name]] for name in _SUMS[:3]}
    row |= {name: usd(counts[COUNTER_INDEX[source]]) for name, source in _DOLLARS.items()}
    row["unpriced_requests"] = counts[COUNTER_INDEX["unpriced_requests"]]
    return row


class SpendQueries:
    """Answers for this worker's partitions, and for all by asking the others."""

    def __init__(
        self,
        *,
        partitions: Callable[[], Mapping[int, DeltaPartition]],
        partition_count: int,
        own_url: str,
        worker_urls: Callable[[], set[str]],
    ) -> None:
        """Queries over the partitions as they are at the moment of asking.

        Args:
            partitions: this worker's, now.
            partition_count: how many there are in all.
            own_url: where others reach this worker.
            worker_urls: all workers of the group, as the group's leader last said.
        """
        self._partitions = partitions
        self._partition_count = partition_count
        self._own_url = own_url.rstrip("/")
        self._worker_urls = worker_urls

    def own(self, query: SpendQuery) -> dict[str, Any]:
        """Partition number to ``[[scope, from, to, counts], …]``, this worker's partitions only.

        Raises:
            SpanError: if the tables no longer hold the span in full.
        """
        return {
            str(number): [
                [scope, first, last, counts]
                for scope, (first, last, counts) in partition.spend(query.kind, query.span).items()
            ]
            for number, partition in self._partitions().items()
        }

    async def all(self, query: SpendQuery) -> list[dict[str, Any]]:
        """The rows of all workers, largest spend first.

        Raises:
            MissingWorkerError: if a worker does not answer, or a partition is nobody's or two
                workers'.
            SpanError: if the tables no longer hold the span in full.
        """
        others = sorted(url for url in self._worker_urls() if url.rstrip("/") != self._own_url)
        timeout = aiohttp.ClientTimeout(total=ASK_TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            answers = await asyncio.gather(*(_ask(session, url, query) for url in others))
        parts: list[SpendPart] = []
        seen: list[int] = []
        for answer in (self.own(query), *answers):
            for number, rows in answer.items():
                seen.append(int(number))
                parts += rows
        if sorted(seen) != list(range(self._partition_count)):
            absent = sorted(set(range(self._partition_count)) - set(seen))
            raise MissingWorkerError(
                f"partitions {absent} are held by no worker that answers"
                if absent
                else "partitions are moving between workers; ask again"
            )
        return spend_rows(parts)


def spend_rows(parts: Iterable[SpendPart]) -> list[dict[str, Any]]:
    """The rows of all parts, largest spend first.

    Raises:
        MissingWorkerError: if two workers hold a scope.
    """
    sums: dict[str, tuple[int, int, Counts]] = {}
    for part in parts:
        _merge(sums, *part)
    cost = COUNTER_INDEX["cost_nanousd"]
    ordered = sorted(sums.items(), key=lambda item: (-item[1][2][cost], item[0]))
    return [spend_row(scope, *each) for scope, each in ordered]


def _merge(
    sums: dict[str, tuple[int, int, Counts]], scope: str, first: int, last: int, counts: Counts
) -> None:
    """Scopes live on one partition each, but for ``__other__``, which every partition has."""
    if scope in sums:
        if f":{OTHER}" not in scope:
            raise MissingWorkerError(f"two workers hold {scope}; ask again")
        before = sums[scope]
        total = zero_counts()
        add_counts(total, before[2])
        add_counts(total, counts)
        sums[scope] = (min(first, before[0]), max(last, before[1]), total)
    else:
        sums[scope] = (first, last, counts)


async def _ask(session: aiohttp.ClientSession, url: str, query: SpendQuery) -> dict[str, Any]:
    try:
        async with session.get(
            f"{url.rstrip('/')}/v1/spend/own", params=query.parameters()
        ) as response:
            answer = await response.json()
            is_refused = response.status == web.HTTPUnprocessableEntity.status_code
            if not is_refused:
                response.raise_for_status()
                return {str(int(number)): list(rows) for number, rows in answer.items()}
            reason = str(answer["error"])
    except (aiohttp.ClientError, OSError, LookupError, AttributeError, ValueError) as error:
        raise MissingWorkerError(f"the worker at {url} does not answer: {error}") from error
    raise SpanError(reason)


def add_routes(server: web.Application, queries: SpendQueries) -> None:
    """``GET /v1/spend`` for people and programs, ``/v1/spend/own`` for the other workers."""

    async def answer(request: web.Request) -> web.Response:
        try:
            query = SpendQuery.parse(request.query)
            if request.path.endswith("/own"):
                return web.json_response(queries.own(query))
            return web.json_response({"rows": await queries.all(query)})
        except SpanError as error:
            return web.json_response({"error": str(error)}, status=422)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        except MissingWorkerError as error:
            return web.json_response({"error": str(error)}, status=503)

    server.router.add_get("/v1/spend", answer)
    server.router.add_get("/v1/spend/own", answer)
