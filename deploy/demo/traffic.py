"""The organization's calls at real speed, made to the gateway over HTTP.

What an agent calls follows the simulator's plan; whether it is answered is the gateway's word.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import aiohttp

from deploy.demo.gateway import request_of
from stream.simulation.events import Plan, arrivals

BUNDLE_SECONDS = 300
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens")


@dataclass(slots=True)
class BadCall:
    """One call of the agent that has gone wrong.

    Attributes:
        api_key: through which key.
        cost_usd: what it cost, if it was answered.
        started_at: wall clock.
        ended_at: wall clock, once answered or refused.
        is_refused: whether the gateway turned it away.
    """

    api_key: str
    cost_usd: Decimal
    started_at: float
    ended_at: float | None = None
    is_refused: bool = False


def bundled(plan: Plan, until: float) -> Iterator[dict[str, Any]]:
    """The plan's calls up to an instant as an exporter sends them: one event a bundle.

    A bundle is what one agent did with one model and prompt in five minutes; ``requests`` says how
    many calls it stands for.
    """
    bundles: dict[tuple[Any, ...], dict[str, Any]] = {}
    turn = None
    for arrival in arrivals(plan):
        if arrival.at >= until:
            break
        event = arrival.event
        if arrival.at // BUNDLE_SECONDS != turn:
            turn = arrival.at // BUNDLE_SECONDS
            yield from bundles.values()
            bundles = {}
        key = tuple(event.get(name) for name in ("agent", "api_key", "model", "prompt_version"))
        bundle = bundles.get(key)
        if bundle is None:
            dropped = ("run_id", "step", "latency_ms", "user")  # of one call, not of a bundle
            bundles[key] = {name: event[name] for name in event if name not in dropped}
            bundles[key]["requests"] = 1
            continue
        bundle["requests"] += 1
        for name in _TOKENS:
            if name in event:
                bundle[name] = bundle.get(name, 0) + event[name]
        if "cost_usd" in event:
            total = Decimal(bundle.get("cost_usd", "0")) + Decimal(event["cost_usd"])
            bundle["cost_usd"] = str(total)
    yield from bundles.values()


class Traffic:
    """Makes the calls for as long as the context lasts."""

    def __init__(self, url: str, plan: Plan, since: float, culprit: str, begins: float) -> None:
        self.bad_calls: list[BadCall] = []
        self._url = f"{url}/v1/chat/completions"
        self._plan = plan
        self._since = since
        self._culprit = culprit
        self._begins = begins
        self._calls: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Start."""
        self._session = aiohttp.ClientSession()
        # The plan's past is walked through beside the loop: it takes a second of computing.
        self._events = await asyncio.to_thread(self._upcoming)
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self._session.close()

    def _upcoming(self) -> list[Any]:
        horizon = self._begins + 600
        return [each for each in arrivals(self._plan) if self._since <= each.at < horizon]

    async def settle(self) -> None:
        """Until the calls that are in flight have ended."""
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _run(self) -> None:
        for arrival in self._events:
            await asyncio.sleep(max(0.0, arrival.at - time.time()))
            task = asyncio.create_task(self._call(arrival.event))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    async def _call(self, event: dict[str, Any]) -> None:
        bad = None
        if event.get("agent") == self._culprit and time.time() >= self._begins:
            cost = Decimal(event.get("cost_usd", "0"))
            bad = BadCall(event["api_key"], cost, time.time())
            self.bad_calls.append(bad)
        async with self._session.post(self._url, **request_of(event)) as response:
            await response.read()
        if bad is not None:
            bad.ended_at = time.time()
            bad.is_refused = response.status != 200  # noqa: PLR2004  HTTP: answered
