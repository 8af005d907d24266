"""``spendwatch worker`` as an operator has it: a file, topics, processes to stop, freeze and kill.

Only what any user could do is done here: the command line, signals to processes whose ids the
worker's own log names, HTTP. Nothing here imports what runs inside the worker but its settings.
"""

import asyncio
import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiokafka import AIOKafkaProducer

from stream.config import Settings
from stream.health.vitals import role_and_number
from stream.kafka.topics import TopicsConfig
from tests.support.kafka import free_ports

POLL_SECONDS = 0.1
SESSION_SECONDS = 6.0
"""Kafka's own floor for session time-outs; the tests' broker allows less."""

_COMMAND = (str(Path(sys.executable).with_name("spendwatch")),)

Json = dict[str, Any]


def merged(base: Json, over: Json) -> Json:
    """``base`` with the values of ``over`` in their places, folder by folder."""
    found = dict(base)
    for key, value in over.items():
        is_nested = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = merged(found[key], value) if is_nested else value
    return found


class Installation:
    """One spendwatch on one Kafka: its configuration, its topics, its workers.

    Args:
        folder: for configuration, logs and the data folders.
        bootstrap: ``host:port`` of the broker.
        prefix: before every topic, group and app id.
        workers: how many there can be, each with a port of its own.
        delta_partitions: of ``spend.deltas``.
        input_partitions: of ``usage.events``.
        session_seconds: after which a silent worker loses its partitions.
        settings: more of the configuration, over what is set here.
    """

    def __init__(
        self,
        folder: Path,
        bootstrap: str,
        prefix: str,
        *,
        workers: int = 1,
        delta_partitions: int = 4,
        input_partitions: int = 4,
        session_seconds: float = SESSION_SECONDS,
        settings: Json | None = None,
    ) -> None:
        self.folder = folder
        self.bootstrap = bootstrap
        self.topics = TopicsConfig.prefixed(
            prefix,
            usage_events_partitions=input_partitions,
            deltas_partitions=delta_partitions,
        )
        self.prefix = prefix
        self._session = session_seconds
        self._more: Json = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.workers = [
            Worker(self, number, port) for number, port in enumerate(free_ports(workers))
        ]
        self.configure(settings or {})

    def configure(self, settings: Json) -> None:
        """Write the configuration files anew, with more settings over what is set here."""
        self._more = settings
        for worker in self.workers:
            worker.config.write_text(yaml.safe_dump(self.document(worker)))

    def document(self, worker: "Worker") -> Json:
        """What the configuration file of a worker says."""
        session = {"session_timeout_seconds": self._session}
        own = f"worker-{worker.number}"
        base = {
            "kafka": {"bootstrap_servers": [self.bootstrap]},
            "topics": self.topics.model_dump(mode="json"),
            "ingest": {"group": f"{self.prefix}ingest", "instance_id": own, **session},
            "watch": {
                "group": f"{self.prefix}watch",
                "instance_id": own,
                "port": worker.port,
                **session,
            },
            "monitoring": {"port": 0},
            "decide_role": {"group": f"{self.prefix}decide", "instance_id": own, **session},
            "notify_role": {"group": f"{self.prefix}notify", "instance_id": own, **session},
        }
        return merged(base, self._more)

    @property
    def settings(self) -> Settings:
        """As the first worker reads them."""
        return Settings.model_validate(self.document(self.workers[0]))

    async def create_topics(self) -> None:
        """``spendwatch topics create``."""
        done = await self.call("topics", "create", "-c", str(self.workers[0].config))
        assert done.returncode == 0, done.stderr

    async def call(self, *words: str, seconds: float = 60.0) -> "subprocess.CompletedProcess[str]":
        """One ``spendwatch`` command, to its end."""
        return await asyncio.to_thread(
            subprocess.run,
            [*_COMMAND, *words],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            cwd=self.folder,
        )

    async def start(self, *roles: str) -> None:
        """All workers, each with these roles or with all of them, until they hold everything."""
        for worker in self.workers:
            worker.start(*roles)
        await self.ready()

    async def ready(self, seconds: float = 120.0) -> None:
        """Return when the running workers hold every delta partition between them, each some.

        A worker whose process has ended by itself is started anew, as its service manager would.
        """
        wanted = list(range(self.topics.deltas_partitions))

        async def everything_is_held() -> bool:
            for worker in self.running:
                worker.revive()
            held = [await worker.partitions() for worker in self.running]
            return all(held) and sorted(number for each in held for number in each) == wanted

        await until(everything_is_held, seconds, lambda: f"no {wanted} in {self.logs()}")

    @property
    def running(self) -> "list[Worker]":
        """Workers that were started and not stopped or killed."""
        return [worker for worker in self.workers if worker.is_wanted]

    def logs(self) -> str:
        """The last lines that the workers wrote."""
        return "\n".join(f"worker {w.number}: …{w.log[-3000:]}" for w in self.workers)

    async def stop(self) -> list[int]:
        """SIGTERM to all; their exit codes."""
        running = self.running
        return list(await asyncio.gather(*(worker.stop() for worker in running)))

    def kill(self) -> None:
        """``kill -9`` of every process of every worker."""
        for worker in self.workers:
            worker.kill()

    async def publish(self, events: Iterable[Json | bytes]) -> int:
        """Events as a good producer sends them: keyed by ``event_id``, in order; how many."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, acks="all", linger_ms=5, max_request_size=2**22
        )
        await producer.start()
        try:
            sent = [
                await producer.send(self.topics.usage_events, **_keyed(event)) for event in events
            ]
            await asyncio.gather(*sent)
            return len(sent)
        finally:
            await producer.stop()

    async def spend(self, kind: str, **span: str) -> list[Json]:
        """Rows of ``GET /v1/spend``, from whichever worker answers for all.

        Raises:
            UnavailableError: none does now.
        """
        reason = "no worker runs"
        for worker in self.running:
            try:
                return await worker.spend(kind, **span)
            except UnavailableError as error:
                reason = str(error)
        raise UnavailableError(reason)

    async def spend_on_command(self, kind: str, *words: str) -> list[Json]:
        """Rows of ``spendwatch spend --json``."""
        config = str(self.running[0].config)
        done = await self.call("spend", "--json", "--by", kind, "-c", config, *words)
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    async def counted(self, kind: str) -> int:
        """Requests counted so far in all scopes of a kind; -1 while nobody answers."""
        try:
            return sum(row["requests"] for row in await self.spend(kind))
        except UnavailableError:
            return -1

    async def reached(self, requests: int, *, kind: str = "model", seconds: float = 120.0) -> None:
        """Return when as many requests are counted, or more: that is for the auditor to say.

        A worker whose process has ended by itself is started anew, as its service manager would.
        """

        seen = -1

        async def is_reached() -> bool:
            nonlocal seen
            for worker in self.running:
                worker.revive()
            seen = await self.counted(kind)
            return seen >= requests

        def report() -> str:
            return f"{seen} of {requests} requests were counted\n{self.logs()}"

        await until(is_reached, seconds, report)

    async def stable(self, *, kind: str = "model", quiet: float = 3.0, seconds: float = 60) -> int:
        """Requests counted, once they have not changed for ``quiet`` seconds."""
        last, since, deadline = -1, time.monotonic(), time.monotonic() + seconds
        while time.monotonic() < deadline:
            for worker in self.running:
                worker.revive()
            now = await self.counted(kind)
            if now != last or now < 0:
                last, since = now, time.monotonic()
            elif time.monotonic() - since >= quiet:
                return last
            await asyncio.sleep(POLL_SECONDS)
        raise AssertionError(f"requests never came to rest, at {last}\n{self.logs()}")


def _keyed(event: Json | bytes) -> Json:
    if isinstance(event, bytes):
        return {"value": event}
    return {"key": event["event_id"].encode(), "value": json.dumps(event).encode()}


async def until(
    is_so: Callable[[], Awaitable[bool]], seconds: float, report: Callable[[], str]
) -> None:
    """Return once it is so; ask often, and give up with the report."""
    deadline = time.monotonic() + seconds
    while not await is_so():
        assert time.monotonic() < deadline, report()
        await asyncio.sleep(POLL_SECONDS)


class UnavailableError(Exception):
    """Nobody answers for all partitions now."""


class Worker:
    """One ``spendwatch worker`` of an installation, started anew as often as one likes.

    Attributes:
        is_wanted: it was started, and neither stopped nor killed since.
        revived: how often it was started anew after it had ended by itself.
    """

    def __init__(self, installation: Installation, number: int, port: int) -> None:
        self.number = number
        self.port = port
        self.is_wanted = False
        self.revived = 0
        self.config = installation.folder / f"worker-{number}.yaml"
        self._folder = installation.folder
        self._log = installation.folder / f"worker-{number}.log"
        self._start_of_log = 0
        self._roles: tuple[str, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def temporary(self) -> Path:
        """Its ``TMPDIR``, where the roles keep their data folders."""
        return self._folder / f"tmp-{self.number}"

    def start(self, *roles: str) -> None:
        """Start it, in a process group of its own."""
        assert self.code is not None, f"worker {self.number} runs already"
        words = [*_COMMAND, "worker", "-c", str(self.config)]
        words += ["--roles", ",".join(roles)] if roles else []
        self.temporary.mkdir(exist_ok=True)
        self._roles, self.is_wanted = roles, True
        self._start_of_log = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 -- the command is ours
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=os.environ
                | {"TMPDIR": str(self.temporary), "STATE_DIRECTORY": str(self._folder / "state")},
                start_new_session=True,
            )
        atexit.register(self.kill)  # a test run that is interrupted leaves nobody behind

    def revive(self) -> None:
        """Start it anew if it has ended by itself; never after a clean end."""
        if self.is_wanted and self.code is not None:
            assert self.code != 0, f"worker {self.number} ended cleanly by itself\n{self.log}"
            self.revived += 1
            self.start(*self._roles)

    @property
    def code(self) -> int | None:
        """Its exit code; ``None`` while it runs."""
        return -1 if self._process is None else self._process.poll()

    @property
    def process_id(self) -> int | None:
        """Of its supervisor; ``None`` if it was never started."""
        return None if self._process is None else self._process.pid

    @property
    def log(self) -> str:
        """What it has written since it was last started."""
        if not self._log.exists():
            return ""
        return self._log.read_bytes()[self._start_of_log :].decode(errors="replace")

    def events(self, name: str) -> list[Json]:
        """Its log lines of one event, since it was last started."""
        found = []
        for line in self.log.splitlines():
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                if isinstance(record, dict) and record.get("event") == name:
                    found.append(record)
        return found

    async def said(self, name: str, seconds: float = 30.0) -> Json:
        """The first log line of an event, once it is there."""

        async def is_said() -> bool:
            return bool(self.events(name))

        await until(is_said, seconds, lambda: f"worker {self.number}: no {name} in {self.log}")
        return self.events(name)[0]

    def pid(self, role: str) -> int:
        """Process id of a role."""
        return next(int(e["pid"]) for e in self.events("role_started") if e["role"] == role)

    def pids(self, role: str) -> list[int]:
        """Process ids of a role's processes."""
        started = self.events("role_started")
        return [int(e["pid"]) for e in started if role_and_number(e["role"])[0] == role]

    def signal(self, how: signal.Signals, role: str | None = None) -> None:
        """A signal to one role's process, or to all processes of the worker."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            if role is None:
                os.killpg(self._process.pid, how)
            else:
                os.kill(self.pid(role), how)

    def kill(self) -> None:
        """``kill -9`` of all its processes at once; harmless if it does not run."""
        self.is_wanted = False
        atexit.unregister(self.kill)
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGKILL)
            self._process.wait()

    async def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM, and its exit code."""
        assert self._process is not None
        self.is_wanted = False
        self._process.terminate()
        return await self.ended(seconds)

    async def ended(self, seconds: float = 30.0) -> int:
        """Its exit code, once it has ended by itself."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, seconds)

    def forget(self) -> list[str]:
        """Delete the data folders of its roles; their names."""
        folder = self.temporary / "spendwatch"
        found = sorted(each.name for each in folder.iterdir())
        shutil.rmtree(folder)
        return found

    async def partitions(self) -> list[int]:
        """The delta partitions it holds; none while it is not ready."""
        try:
            answer = await self._get("/v1/partitions")
        except UnavailableError:
            return []
        return list(answer.get("partitions", ()))

    async def spend(self, kind: str, **span: str) -> list[Json]:
        """Rows of ``GET /v1/spend``.

        Raises:
            UnavailableError: it does not answer, or does not answer for all.
        """
        return list((await self._get("/v1/spend", by=kind, **span))["rows"])

    async def _get(self, path: str, **query: str) -> Json:
        timeout = aiohttp.ClientTimeout(total=15.0)
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(url, params=query) as response,
            ):
                if response.status != 200:
                    raise UnavailableError(await response.text())
                return dict(await response.json())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"{url}: {error!r}") from error
