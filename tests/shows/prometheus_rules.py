"""Debian's Prometheus scrapes a worker on a real Kafka, and its rules fire for what they are for.

    apt-get install --no-install-recommends prometheus
    python -m tests.shows.prometheus_rules

Takes about twelve minutes: the rules are those of deploy/prometheus/rules.yml, with their own
patience. Each step breaks one thing, waits for its rules, prints what Prometheus answers at
/api/v1/alerts, mends it, and waits for silence. Ends with 1 if a rule that should fire does not, or
one goes on firing.
"""

import asyncio
import contextlib
import json
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.support.kafka import KafkaBroker, free_ports
from tests.support.worker import Installation, Json, Worker

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yml"
SCRAPE_SECONDS = 2
BURST = 140_000
SLOW = {"ingest": {"max_batch_events": 1, "cut_min_seconds": 0.01, "cut_max_seconds": 0.01}}
"""An INGEST that takes an event a transaction: a burst stays before it for minutes."""


class Prometheus:
    """A running Prometheus, asked over its API."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def _get(self, path: str, **query: str) -> Any:
        async with self._session.get(f"{self._url}/api/v1/{path}", params=query) as answer:
            return (await answer.json())["data"]

    async def firing(self) -> dict[str, Json]:
        """Alerts that fire now, by name."""
        alerts = (await self._get("alerts"))["alerts"]
        return {each["labels"]["alertname"]: each for each in alerts if each["state"] == "firing"}

    async def value(self, query: str) -> list[Json]:
        """What an expression is now."""
        return list((await self._get("query", query=query))["result"])


@contextlib.asynccontextmanager
async def prometheus(folder: Path, target: str) -> AsyncIterator[Prometheus]:
    """Prometheus over one worker, with the rules as they are shipped."""
    (port,) = free_ports(1)
    settings = {
        "global": {
            "scrape_interval": f"{SCRAPE_SECONDS}s",
            "evaluation_interval": f"{SCRAPE_SECONDS}s",
        },
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": "spendwatch", "static_configs": [{"targets": [target]}]},
        ],
    }
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(settings))
    program = shutil.which("prometheus")
    if program is None:
        raise SystemExit("no prometheus: apt-get install --no-install-recommends prometheus")
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            yield Prometheus(f"http://127.0.0.1:{port}", session)
    finally:
        process.terminate()
        await process.wait()


def say(text: str) -> None:
    """A line, with the time since the start."""
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", flush=True)  # noqa: T201  a show


STARTED = time.monotonic()


class Show:
    """The steps, and what came of them."""

    def __init__(self, here: Installation, broker: KafkaBroker, asked: Prometheus) -> None:
        self.here = here
        self.worker: Worker = here.workers[0]
        self.broker = broker
        self.asked = asked
        self.failures: list[str] = []

    async def fires(self, *names: str, seconds: float) -> None:
        """Wait until all of these fire, and print what Prometheus says of them."""
        deadline = time.monotonic() + seconds
        seen: dict[str, Json] = {}
        while not set(names) <= seen.keys() and time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError, KeyError):
                for name, alert in (await self.asked.firing()).items():
                    if name not in seen:
                        seen[name] = alert
                        mark = "  " if name in names else "  (beside) "
                        say(f"{mark}{json.dumps(alert, sort_keys=True)}")
            await asyncio.sleep(1.0)
        for name in sorted(set(names) - seen.keys()):
            self.failures.append(f"{name} did not fire")
            say(f"  FAILED: {name} did not fire within {seconds:.0f} s")

    async def silence(self, seconds: float = 240.0, *, but: Iterable[str] = ()) -> None:
        """Wait until nothing fires any more."""
        deadline = time.monotonic() + seconds
        left: set[str] = {"?"}
        while left and time.monotonic() < deadline:
            await asyncio.sleep(2.0)
            with contextlib.suppress(aiohttp.ClientError, KeyError):
                left = set(await self.asked.firing()) - set(but)
        if left:
            self.failures.append(f"still firing: {', '.join(sorted(left))}")
        say(f"  silent again{f', but for {left}' if left else ''}")

    async def show(self, query: str) -> None:
        """Print what an expression is now."""
        found = {
            ",".join(f"{k}={v}" for k, v in each["metric"].items() if k not in LEFT_OUT): each[
                "value"
            ][1]
            for each in await self.asked.value(query)
        }
        say(f"  {query} -> {found}")

    async def up(self, settings: Json) -> None:
        """Start the worker anew with these settings."""
        self.here.configure(settings)
        self.worker.start()
        await self.here.ready(120)
        await asyncio.sleep(5)

    async def steps(self, settings: Json) -> None:
        """All of them, one after the other."""
        say("a worker runs, and canaries come back")
        await self.up(settings)
        await asyncio.sleep(30)
        for query in (
            'up{job="spendwatch"}',
            "spendwatch_role_ready",
            "spendwatch_canaries_total",
            "spendwatch_canary_last_round_trip_seconds",
        ):
            await self.show(query)
        await self.silence(60)

        say("dead letters: 300 records that are no JSON")
        await self.here.publish([b"no json"] * 300)
        await self.fires("SpendwatchDeadLettersRising", seconds=150)

        say(f"lag: {BURST} events, and INGEST takes one a transaction")
        await self.worker.stop()
        await self.up(settings | SLOW)
        await self.here.publish(events(BURST))
        await self.fires("SpendwatchLag", seconds=240)
        await self.show("spendwatch_consumer_lag_worst_records")

        say("a key is held, and the worker is killed")
        config = str(self.worker.config)
        words = ("throttle", "set", "api_key:key-7", "--mode", "block", "--reason", "a show")
        done = await self.here.call(*words, "-c", config)
        say(f"  spendwatch {' '.join(words)}: exit code {done.returncode}")
        await asyncio.sleep(10)
        await self.show("spendwatch_active_leases")
        self.worker.kill()
        await self.fires(
            "SpendwatchWorkerDown",
            "SpendwatchRoleMissing",
            "SpendwatchProtectionEnding",
            seconds=180,
        )
        await self.up(settings)
        await self.silence(300, but=["SpendwatchDeadLettersRising"])

        say("canary: WATCH stands still")
        self.worker.signal(signal.SIGSTOP, "watch")
        await self.fires("SpendwatchCanaryLost", "SpendwatchRoleStuck", seconds=240)
        self.worker.signal(signal.SIGCONT, "watch")
        await self.mended(settings)
        await self.silence(300, but=["SpendwatchDeadLettersRising"])

        say("the broker is killed")
        self.broker.kill()
        await self.fires("SpendwatchBrokerGone", seconds=120)
        say(f"  the worker's process: {'runs' if self.worker.code is None else 'has ended'}")
        self.broker.start()
        await self.mended(settings)
        await self.silence(300, but=["SpendwatchDeadLettersRising"])
        await self.show("spendwatch_canary_last_round_trip_seconds")

    async def mended(self, settings: Json) -> None:
        """Wait until the worker holds everything again, started anew if it had ended."""
        with contextlib.suppress(AssertionError):
            await self.here.ready(120)
            return
        self.failures.append("the worker did not come back")


LEFT_OUT = ("__name__", "job", "instance")


def events(count: int) -> list[Json]:
    """Calls that are a moment old."""
    now = time.time()
    return [
        {
            "event_id": f"{secrets.token_hex(4)}-{number}",
            "timestamp": now,
            "model": "gpt-4o",
            "agent": f"agent-{number % 50}",
            "input_tokens": 100,
            "output_tokens": 10,
        }
        for number in range(count)
    ]


async def main() -> int:
    """The show."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spendwatch-rules-")))
        broker = stack.enter_context(KafkaBroker(folder / "kafka"))
        (port,) = free_ports(1)
        settings = {
            "monitoring": {"port": port},
            "canary": {"enabled": True, "interval_seconds": 5, "timeout_seconds": 30},
            "throttle": {"mode": "enforce"},
        }
        here = Installation(
            folder / "here", broker.bootstrap, "show-", session_seconds=6.0, settings=settings
        )
        await here.create_topics()
        async with prometheus(folder, f"127.0.0.1:{port}") as asked:
            show = Show(here, broker, asked)
            try:
                await show.steps(settings)
            finally:
                here.kill()
        for failure in show.failures:
            say(f"FAILED: {failure}")
        say("every rule fired and fell silent" if not show.failures else "not all is well")
        return 1 if show.failures else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
