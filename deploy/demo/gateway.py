"""A stand-in for an LLM gateway: a real HTTP server that asks the throttle state before each call.

What a real gateway would do with ``spendwatch_client``, and nothing else: no model behind it, the
answer and its usage are made up. It learns of throttling from the topic alone. This file must not
import spendwatch itself.
"""

import argparse
import asyncio
import math
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web

from spendwatch_client import (
    Decision,
    Mode,
    ThrottleState,
    ThrottleSubscriber,
    UsageProducer,
    key_id,
)

_CHARACTERS_A_TOKEN = 4
_USUAL_OUTPUT_TOKENS = 200
_TRACES = "https://traces.example/calls"
"""Where a gateway's tracing would show the call; nobody is there."""

_SCOPE_HEADERS = {
    "x-agent": "agent",
    "x-workflow": "workflow",
    "x-team": "team",
    "x-department": "department",
    "x-project": "project",
    "x-organization": "organization",
    "x-user": "user",
    "x-run-id": "run_id",
    "x-step": "step",
    "x-prompt-version": "prompt_version",
    "x-environment": "environment",
}
"""Header -> field of the usage event."""


@dataclass(slots=True)
class Tally:
    """What became of one agent's calls.

    Attributes:
        admitted: calls answered.
        refused: calls turned away.
        first_refused_at: wall clock, epoch seconds.
        last_refusal: why the last one was turned away.
    """

    admitted: int = 0
    refused: int = 0
    first_refused_at: float | None = None
    last_refusal: str = ""


class Gateway:
    """The handlers, over a throttle state and somewhere to publish usage.

    Args:
        state: asked before every call.
        publish: takes a usage event and must not wait, such as ``UsageProducer.publish``.
        latency_seconds: how long the made-up model thinks.
        clock: wall clock, epoch seconds.

    Attributes:
        tallies: by agent; calls without an agent under the empty name.
    """

    def __init__(
        self,
        state: ThrottleState,
        publish: Callable[[Mapping[str, Any]], object],
        *,
        latency_seconds: float = 0.2,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.tallies: dict[str, Tally] = {}
        self._state = state
        self._publish = publish
        self._latency_seconds = latency_seconds
        self._clock = clock

    async def complete(self, request: web.Request) -> web.Response:
        """``POST /v1/chat/completions``, as OpenAI's, with a made-up answer."""
        raw_key = request.headers.get("authorization", "")
        if not raw_key:
            return _error(401, "no api key", "invalid_request_error", "no_key")
        try:
            body = await request.json()
            model, usage = str(body["model"]), _usage(body)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return _error(400, f"not a request: {error}", "invalid_request_error", "bad_request")
        call_id = request.headers.get("x-request-id") or uuid.uuid4().hex
        who = {
            field: request.headers[header]
            for header, field in _SCOPE_HEADERS.items()
            if request.headers.get(header)
        }
        # The scheme is dropped before anything else, so that plain names are found behind it too.
        api_key = key_id(raw_key.removeprefix("Bearer ").strip())
        others = {
            **{kind: name for kind, name in who.items() if kind not in ("agent", "environment")},
            "model": model,
            "run": who.get("run_id", ""),
        }
        decision = self._state.decide(
            api_key=api_key,
            agent=who.get("agent"),
            environment=who.get("environment", "default"),
            now=self._clock(),
            call_id=call_id,
            others=others,
        )
        tally = self.tallies.setdefault(who.get("agent", ""), Tally())
        if not decision.admit:
            tally.refused += 1
            tally.first_refused_at = tally.first_refused_at or self._clock()
            tally.last_refusal = decision.reason
            return _refusal(decision)
        started_at = self._clock()
        await asyncio.sleep(self._latency_seconds)
        tally.admitted += 1
        ended_at = self._clock()
        self._publish(
            {
                "event_id": call_id,
                "timestamp": ended_at,
                "model": model,
                "api_key": api_key,
                **who,
                "input_tokens": usage["prompt_tokens"],
                "output_tokens": usage["completion_tokens"],
                "cache_read_tokens": usage["prompt_tokens_details"]["cached_tokens"],
                "latency_ms": 1000 * (ended_at - started_at),
                "trace_url": f"{_TRACES}/{quote(call_id, safe='')}",
            }
        )
        return web.json_response(
            {
                "id": call_id,
                "object": "chat.completion",
                "created": int(ended_at),
                "model": model,
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": "A made-up answer."},
                        "finish_reason": "stop",
                    }
                ],
                "usage": usage,
            }
        )

    async def report(self, _: web.Request) -> web.Response:
        """``GET /tallies``: what became of the calls, by agent."""
        return web.json_response(
            {
                "paused": self._state.is_paused,
                "agents": {agent: asdict(tally) for agent, tally in sorted(self.tallies.items())},
            }
        )


def make_app(gateway: Gateway) -> web.Application:
    """The HTTP application; bodies up to 16 MB, as prompts that went wrong are long."""
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_post("/v1/chat/completions", gateway.complete)
    app.router.add_get("/tallies", gateway.report)
    return app


def request_of(event: Mapping[str, Any], *, api_key: str | None = None) -> dict[str, Any]:
    """A simulated event as a call to this gateway: ``headers`` and ``json`` for aiohttp.

    Args:
        event: of ``spendwatch simulate``.
        api_key: the key to call with; the event's own if None.
    """
    headers = {"authorization": f"Bearer {api_key or event['api_key']}"}
    headers["x-request-id"] = str(event["event_id"])
    headers |= {
        header: str(event[field]) for header, field in _SCOPE_HEADERS.items() if field in event
    }
    usage = {
        "prompt_tokens": event.get("input_tokens", 0),
        "completion_tokens": event.get("output_tokens", 0),
        "cached_tokens": event.get("cache_read_tokens", 0),
    }
    body = {"model": event["model"], "messages": [], "mock_usage": usage}
    return {"headers": headers, "json": body}


def _usage(body: Mapping[str, Any]) -> dict[str, Any]:
    """Usage as OpenAI reports it: as the request wishes, else guessed from its length."""
    wish = body.get("mock_usage")
    if wish is None:
        characters = sum(len(str(message.get("content", ""))) for message in body["messages"])
        read = max(1, characters // _CHARACTERS_A_TOKEN)
        wish = {"prompt_tokens": read, "completion_tokens": body.get("max_tokens")}
    read = int(wish.get("prompt_tokens") or 0)
    written = int(wish.get("completion_tokens") or _USUAL_OUTPUT_TOKENS)
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": int(wish.get("cached_tokens") or 0)},
    }


def _refusal(decision: Decision) -> web.Response:
    status = 429 if decision.mode is Mode.THROTTLE else 403
    headers = {"x-throttle-action": decision.action_id or ""}
    if decision.retry_after_seconds is not None:
        headers["retry-after"] = str(math.ceil(decision.retry_after_seconds))
    return _error(status, decision.reason, "throttled", str(decision.mode), headers)


def _error(
    status: int, message: str, kind: str, code: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    error = {"message": message, "type": kind, "code": code}
    return web.json_response({"error": error}, status=status, headers=headers)


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    subscriber = ThrottleSubscriber(arguments.bootstrap_servers, enforcer=arguments.enforcer)
    usage = UsageProducer(arguments.bootstrap_servers, topic=arguments.topic)
    gateway = Gateway(subscriber.state, usage.publish, latency_seconds=arguments.latency_ms / 1000)

    async def connected(_: web.Application) -> AsyncIterator[None]:
        async with subscriber, usage:
            yield

    async def ready(_: web.Request) -> web.Response:
        is_ready = subscriber.ready.is_set()
        seconds = subscriber.seconds_behind() if is_ready else None
        return web.json_response({"seconds_behind": seconds}, status=200 if is_ready else 503)

    app = make_app(gateway)
    app.cleanup_ctx.append(connected)
    app.router.add_get("/ready", ready)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", arguments.port)
    await site.start()
    port = runner.addresses[0][1]
    sys.stdout.write(f"gateway at http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await runner.cleanup()


def main() -> None:
    """``python -m deploy.demo.gateway``."""
    parser = argparse.ArgumentParser(description="A stand-in for an LLM gateway.")
    parser.add_argument("--bootstrap-servers", default="127.0.0.1:9092")
    parser.add_argument("--topic", default="usage.events", help="where usage is published")
    parser.add_argument("--port", type=int, default=8080, help="0 for any free one, printed")
    parser.add_argument("--enforcer", default="demo-gateway", help="name in acks")
    parser.add_argument("--latency-ms", type=float, default=200.0, help="of the made-up model")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
