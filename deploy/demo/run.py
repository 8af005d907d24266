"""``make demo``: a misconfigured prompt is caught and its key throttled, in two minutes.

Everything that decides is the product as it runs in production: ``spendwatch worker``, the topics,
the client in the gateway. Made up are only the organization, the model behind the gateway and the
Slack that prints to this terminal. This file must not reach into the product: it publishes events,
calls the gateway over HTTP, runs commands and reads topics.
"""

import argparse
import asyncio
import contextlib
import os
import secrets
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import yaml
from aiohttp import web
from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.rule import Rule

from deploy.demo.broker import embedded_broker, wait_until_connected
from deploy.demo.gateway import Gateway, make_app
from deploy.demo.leak import Leak, leak_of
from deploy.demo.slack import Slack, shower
from deploy.demo.slack import make_app as make_slack
from deploy.demo.traffic import Traffic, bundled
from spendwatch_client import ThrottleSubscriber, UsageProducer
from spendwatch_client.subscriber import Topics
from stream.kafka.connection import ConnectionConfig
from stream.kafka.follow import follow
from stream.kafka.topics import TopicsConfig
from stream.simulation.events import Plan
from stream.simulation.incident import Incident

HISTORY_DAYS = 14
AGENTS = 30
SEED = 7
CULPRIT = "invoice-bot"

CATCH_UP_SECONDS = 300.0
DECISION_SECONDS = 90.0
CONTAIN_SECONDS = 45.0
REFUSALS_SHOWN = 3

_console = Console(highlight=False, width=100)


class DemoError(Exception):
    """The demo did not go as it must; the message says where."""


def say(text: str) -> None:
    """One line of the story."""
    _console.print(text)


def write_config(
    folder: Path, bootstrap: str, *, prefix: str, is_embedded: bool, slack: str
) -> Path:
    """The configuration of the demo: addresses, names, and what a stranger would set."""
    topics = TopicsConfig.prefixed(prefix) if prefix else TopicsConfig()
    group = f"spendwatch-{prefix or 'demo.'}"
    config: dict[str, Any] = {
        "kafka": {"bootstrap_servers": [bootstrap]},
        "topics": topics.model_dump(),
        # One punctual gateway: nothing comes later than this, and windows close the sooner.
        "ingest": {"group": f"{group}ingest", "allowed_lateness_seconds": 10},
        "watch": {"group": f"{group}watch", "port": 0},
        "monitoring": {"port": 0},
        "decide_role": {"group": f"{group}decide"},
        "notify_role": {"group": f"{group}notify"},
        "notify": {
            "receivers": {
                "oncall": {
                    "slack": {
                        "token": "env:DEMO_SLACK_TOKEN",
                        "channel": "#ai-spend",
                        "base_url": slack,
                    }
                }
            }
        },
    }
    if is_embedded:
        # The embedded broker has no transactions; a real Kafka runs exactly once.
        config["ingest"]["delivery"] = "at_least_once"
        config["kafka"]["replication_factor"] = 1
    path = folder / "spendwatch.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def command(*words: str) -> list[str]:
    """The command line of ``spendwatch`` in this very environment."""
    return [str(Path(sys.executable).with_name("spendwatch")), *words]


async def run_command(config: Path, *words: str, shown: bool = True) -> None:
    """Run one subcommand to its end, as an operator would.

    Raises:
        DemoError: if it fails.
    """
    if shown:
        say(f"[bold]$ spendwatch {shlex.join(words)}[/]")
    process = await asyncio.create_subprocess_exec(
        *command(*words, "-c", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise DemoError(
            f"spendwatch {words[0]} ended with {process.returncode}:\n{output.decode()}"
        )
    if shown and output.strip():
        say(output.decode().rstrip())


@contextlib.asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """An HTTP server on a free port of the loopback; its URL."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def worker(config: Path, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """``spendwatch worker``, the one that production runs; its log goes to a file."""
    environment = {**os.environ, "DEMO_SLACK_TOKEN": "xoxb-demo"}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command("worker", "-c", str(config)), stdout=output, stderr=output, env=environment
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def publish_history(bootstrap: str, topic: str, plan: Plan, until: float) -> tuple[int, int]:
    """Two weeks of usage as an exporter sends it, keyed by event_id: how many calls and events."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, max_batch_size=262_144)
    await producer.start()
    calls = events = 0
    for event in bundled(plan, until):
        await producer.send(topic, key=event["event_id"].encode(), value=msgspec.json.encode(event))
        events += 1
        calls += event["requests"]
    await producer.stop()
    return calls, events


class Watcher:
    """What the topics say, as any subscriber could read it.

    Attributes:
        shadow: first dry-run action against the culprit's key, wall clock of its decision.
        enforced: the same for an enforced one.
        acks: action to when the gateway says that it applied it; an ack may be read before its
            action.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.shadow: dict[str, Any] | None = None
        self.enforced: dict[str, Any] | None = None
        self.acks: dict[str, float] = {}
        self.watermark_seen = asyncio.Event()

    async def follow_actions(self, connection: ConnectionConfig, topic: str, name: str) -> None:
        """Note the first action that holds the key."""
        async for records in follow(connection, topic):
            for record in records:
                action = msgspec.json.decode(record.value) if record.value else {}
                holds = action.get("mode") not in (None, "release")
                if holds and action["target"]["name"] == self.key and getattr(self, name) is None:
                    setattr(self, name, action)

    async def follow_acks(self, connection: ConnectionConfig, topic: str) -> None:
        """Note what the gateway applied."""
        async for records in follow(connection, topic):
            for record in records:
                ack = msgspec.json.decode(record.value)
                if ack["result"] == "applied":
                    at = datetime.fromisoformat(ack["applied_at"]).timestamp()
                    self.acks.setdefault(ack["action_id"], at)

    @property
    def applied_at(self) -> float | None:
        """When the gateway applied the enforced action, wall clock."""
        return None if self.enforced is None else self.acks.get(self.enforced["action_id"])


async def wait_for(what: str, seconds: float, is_there: Any, process: Any) -> None:
    """Poll until something is there.

    Raises:
        DemoError: if it is not in time, or the worker has ended.
    """
    deadline = time.monotonic() + seconds
    while not is_there():
        if process.returncode is not None:
            raise DemoError(f"the worker ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise DemoError(f"waited {seconds:.0f} s for {what}")
        await asyncio.sleep(0.1)


async def caught_up(log: Path, count: int, process: Any) -> None:
    """Until the tables of the worker hold all of the history."""
    url = ""
    deadline = time.monotonic() + CATCH_UP_SECONDS
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline:
            if process.returncode is not None:
                raise DemoError(f"the worker ended with {process.returncode}")
            url = url or _watch_url(log)
            if url:
                with contextlib.suppress(aiohttp.ClientError, KeyError):
                    async with session.get(f"{url}/v1/spend?by=organization") as response:
                        rows = (await response.json())["rows"]
                    if sum(row["requests"] for row in rows) >= count:
                        return
            await asyncio.sleep(0.5)
    raise DemoError(f"the history was not counted within {CATCH_UP_SECONDS:.0f} s")


def _watch_url(log: Path) -> str:
    for line in log.read_bytes().splitlines():
        if b'"watch_started"' in line:
            return str(msgspec.json.decode(line)["url"])
    return ""


async def demo(bootstrap: str | None) -> None:
    """The story, from an empty broker to the refused call.

    Raises:
        DemoError: if a step does not come about.
    """
    started = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spendwatch-demo-")))
        prefix = f"demo-{secrets.token_hex(3)}." if bootstrap else ""
        is_embedded = bootstrap is None
        if bootstrap is None:
            bootstrap = await stack.enter_async_context(embedded_broker(folder))
            say(f"broker     embedded, in memory, at {bootstrap}")
        else:
            await wait_until_connected(bootstrap, 10.0)
            say(f"broker     Kafka at {bootstrap}, topics {prefix}*")
        slack: Slack = Slack(shower(_console, lambda: slack))
        slack_url = await stack.enter_async_context(serving(make_slack(slack)))
        config = write_config(
            folder, bootstrap, prefix=prefix, is_embedded=is_embedded, slack=f"{slack_url}/api/"
        )
        await run_command(config, "topics", "create", shown=False)
        log = folder / "worker.log"
        process = await stack.enter_async_context(worker(config, log))
        try:
            await _story(stack, bootstrap, prefix, config, log, process, slack)
        except DemoError:
            tail = log.read_text().splitlines()[-15:]
            _console.print("\n".join(["the worker's last words:", *tail]), markup=False)
            raise
    say(f"[dim]{time.monotonic() - started:.0f} s in all; everything is stopped again[/]")


async def _story(  # noqa: PLR0917  the parts of the stage, each used once
    stack: contextlib.AsyncExitStack,
    bootstrap: str,
    prefix: str,
    config: Path,
    log: Path,
    process: Any,
    slack: Slack,
) -> None:
    topics = TopicsConfig.prefixed(prefix) if prefix else TopicsConfig()
    connection = ConnectionConfig(bootstrap_servers=(bootstrap,))
    now = time.time()
    quiet = Plan(start=now - HISTORY_DAYS * 86400, days=HISTORY_DAYS, seed=SEED, agents=AGENTS)
    count, events = await publish_history(bootstrap, topics.usage_events, quiet, now)
    say(
        f"history    {count:,} calls of {AGENTS} agents over {HISTORY_DAYS} days, in {events:,}"
        " events, through Kafka"
    )
    subscriber = ThrottleSubscriber(
        bootstrap,
        enforcer="demo-gateway",
        topics=Topics(actions=topics.actions, control=topics.control, acks=topics.acks),
    )
    usage = UsageProducer(bootstrap, topic=topics.usage_events)
    await stack.enter_async_context(subscriber)
    await stack.enter_async_context(usage)
    gateway = Gateway(subscriber.state, usage.publish)
    gateway_url = await stack.enter_async_context(serving(make_app(gateway)))
    await caught_up(log, count, process)
    say("worker     has counted all of it and knows what is usual")
    _console.print(Rule("live traffic at real speed; the throttle is in shadow", style="dim"))
    begins = time.time() + 5
    plan = Plan(
        start=quiet.start,
        days=HISTORY_DAYS + 1,
        seed=SEED,
        agents=AGENTS,
        incidents=(Incident("runaway", 0, begins, 3600.0),),
    )
    traffic = await stack.enter_async_context(Traffic(gateway_url, plan, now, CULPRIT, begins))
    await wait_for("the first bad call", 30, lambda: traffic.bad_calls, process)
    key = traffic.bad_calls[0].api_key
    say(
        f"[bold red]{CULPRIT} has got a wrong prompt: $100 a day becomes $17,000,"
        f" $0.197 a second, on {key}[/]"
    )
    watcher = Watcher(key)
    followers = [
        asyncio.create_task(watcher.follow_actions(connection, topics.shadow, "shadow")),
        asyncio.create_task(watcher.follow_actions(connection, topics.actions, "enforced")),
        asyncio.create_task(watcher.follow_acks(connection, topics.acks)),
    ]
    stack.callback(lambda: [task.cancel() for task in followers])
    await wait_for("a dry-run action", DECISION_SECONDS, lambda: watcher.shadow, process)
    action = watcher.shadow or {}
    say(f"[bold]throttle.shadow[/]   {action['mode']} {key}: {action['reason']}")
    _console.print(Rule("the operator has seen enough", style="dim"))
    await run_command(config, "throttle", "mode", "enforce")
    await wait_for("an enforced action", CONTAIN_SECONDS, lambda: watcher.enforced, process)
    action = watcher.enforced or {}
    say(f"[bold]throttle.actions[/]  {action['mode']} {key}, until {action['expires_at']}")
    await wait_for("the gateway's ack", CONTAIN_SECONDS, lambda: watcher.applied_at, process)
    await wait_for(
        "refusals", 15, lambda: gateway.tallies[CULPRIT].refused >= REFUSALS_SHOWN, process
    )
    await wait_for("the contained message", 15, lambda: _is_told(slack, "contained"), process)
    await _ending(traffic, gateway, watcher)


def _is_told(slack: Slack, word: str) -> bool:
    return any(word in message.text.lower() for message in slack.messages.values())


async def _ending(traffic: Traffic, gateway: Gateway, watcher: Watcher) -> None:
    await traffic.settle()
    tallies = gateway.tallies
    others = [tally for agent, tally in tallies.items() if agent != CULPRIT]
    refused_others = sum(tally.refused for tally in others)
    culprit = tallies[CULPRIT]
    _console.print(Rule("the gateway", style="dim"))
    say(
        f"{CULPRIT:<12} {culprit.admitted} calls answered, {culprit.refused} refused"
        f" ({culprit.last_refusal})"
    )
    say(
        f"{len(others)} other agents  {sum(t.admitted for t in others)} calls answered,"
        f" {refused_others} refused"
    )
    if refused_others:
        raise DemoError("a healthy agent was refused")
    shadow, applied = watcher.shadow or {}, watcher.applied_at or 0.0
    leak: Leak = leak_of(traffic.bad_calls, shadow, watcher.enforced or {}, applied)
    _console.print(Rule(style="dim"))
    say(f"[bold]{leak}[/]")


def main() -> None:
    """``python -m deploy.demo.run [--kafka host:port]``; exit 0 when the story came true."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kafka", metavar="HOST:PORT", help="a real Kafka instead of the embedded")
    arguments = parser.parse_args()
    try:
        asyncio.run(demo(arguments.kafka or None))
    except DemoError as error:
        _console.print(f"the demo failed: {error}", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
