"""A real Apache Kafka broker, started from its jars, for tests and for scripts that kill it.

Trials showed that what loses money is what a fake broker does not do: fencing, transaction
markers, compaction, last-stable offsets. So nothing here imitates Kafka; it starts the real one,
single node, loopback only. This file must not know spendwatch's topics.
"""

import atexit
import base64
import contextlib
import os
import random
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

PROJECT_ROOT = Path(__file__).resolve().parents[2]

_PORTS = range(20_000, 30_000)
# Below Linux's ephemeral range (32768-60999): a client that keeps trying a dead broker's port in
# that range sooner or later connects to itself, and then the broker cannot have its port back.

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.05


def kafka_libs() -> Path:
    """The folder of Kafka's jars: ``KAFKA_LIBS``, else ``.kafka/libs`` below the project root."""
    return Path(os.environ.get("KAFKA_LIBS") or PROJECT_ROOT / ".kafka" / "libs")


def missing() -> str | None:
    """Why no broker can be started here, as one sentence with the fix; None if one can."""
    if shutil.which("java") is None:
        return (
            "no real Kafka: java is not installed (Debian: apt-get install openjdk-17-jre-headless)"
        )
    if not any(kafka_libs().glob("kafka_2.13-*.jar")):
        return f"no real Kafka: no jars in {kafka_libs()} (run: make kafka-jars)"
    return None


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on, outside the range that outgoing connections use."""
    chosen: list[int] = []
    for port in random.sample(_PORTS, k=len(_PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        chosen.append(port)
        if len(chosen) == count:
            return chosen
    raise RuntimeError(f"no {count} free ports in {_PORTS}")


def _cluster_id() -> str:
    """22 characters that the storage tool takes for an id; a leading dash it takes for an option.

    With one in 64 ids that was so, and the broker did not start.
    """
    text = "-"
    while text.startswith("-"):
        text = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
    return text


class KafkaBroker:
    """One Kafka node with a data folder and ports of its own, which survive ``kill`` and ``stop``.

    Two listeners: ``bootstrap`` without authentication and ``sasl_bootstrap`` with SASL/PLAIN.

    Args:
        data: folder for configuration, logs and ``broker.log``; made if missing; a temporary one,
            removed by ``close``, if None.
        properties: broker settings over the built-in ones.
        users: name -> password on the SASL listener.

    >>> with KafkaBroker() as broker:  # doctest: +SKIP
    ...     print(broker.bootstrap)
    """

    def __init__(
        self,
        data: Path | None = None,
        *,
        properties: dict[str, str] | None = None,
        users: dict[str, str] | None = None,
    ) -> None:
        self._temporary = data is None
        self.data = data if data is not None else Path(tempfile.mkdtemp(prefix="spendwatch-kafka-"))
        self.data.mkdir(parents=True, exist_ok=True)
        self.users = {"spendwatch": "spendwatch-secret"} if users is None else users
        self._properties = properties or {}
        self._port, self._sasl_port, self._controller_port = free_ports(3)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """``host:port`` of the listener that asks for nothing."""
        return f"127.0.0.1:{self._port}"

    @property
    def sasl_bootstrap(self) -> str:
        """``host:port`` of the SASL_PLAINTEXT listener (mechanism PLAIN, see ``users``)."""
        return f"127.0.0.1:{self._sasl_port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def log(self) -> str:
        """The last 4,000 characters that the broker printed."""
        path = self.data / "broker.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, *, wait: bool = True) -> Self:
        """Start the broker, on the same data and ports as before if it ran before.

        Args:
            wait: return only when it answers; else call ``wait_ready`` later.

        Raises:
            RuntimeError: it runs already, it cannot run here, or it ended at once.
            TimeoutError: it does not answer within 60 s.
        """
        if self.pid is not None:
            raise RuntimeError("the broker is running already")
        if reason := missing():
            raise RuntimeError(reason)
        settings = self.data / "server.properties"
        if not settings.exists():
            settings.write_text("".join(f"{k}={v}\n" for k, v in self._settings().items()))
            self._java(
                "kafka.tools.StorageTool",
                *("format", "-t", _cluster_id(), "-c", str(settings)),
                heap="128m",
            ).wait(_START_SECONDS)
        self._process = self._java("kafka.Kafka", str(settings), heap="768m")
        atexit.register(self.kill)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds: float = _START_SECONDS) -> None:
        """Return when the broker answers a Metadata request and names itself as the only broker.

        Raises:
            RuntimeError: the process has ended.
            TimeoutError: no answer within ``seconds``.
        """
        process = self._process
        if process is None:
            raise RuntimeError("the broker was never started")
        deadline = time.monotonic() + seconds
        while not _knows_a_broker(self._port):
            if time.monotonic() > deadline:
                raise TimeoutError(f"Kafka did not answer in {seconds} s:\n{self.log}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(_POLL_SECONDS)
                raise RuntimeError(f"Kafka ended with {code}:\n{self.log}")

    def stop(self) -> None:
        """End the broker the polite way; data and ports stay. Harmless if it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """``kill -9``; data and ports stay. Harmless if the broker does not run."""
        self._end(signal.SIGKILL)

    def restart(self, *, kill: bool = False) -> Self:
        """Stop (or kill -9) and start again on the same data and ports."""
        if kill:
            self.kill()
        else:
            self.stop()
        return self.start()

    def close(self) -> None:
        """Stop, and remove the data folder if it was a temporary one."""
        self.stop()
        if self._temporary:
            shutil.rmtree(self.data, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        atexit.unregister(self.kill)
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _java(self, main: str, *arguments: str, heap: str) -> subprocess.Popen[bytes]:
        command = ["java", f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command += ["-cp", f"{kafka_libs()}/*", main, *arguments]
        with (self.data / "broker.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 -- the command is ours from end to end
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.data
            )

    def _settings(self) -> dict[str, str]:
        names = "".join(f' user_{user}="{word}"' for user, word in self.users.items())
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": (
                f"PLAINTEXT://127.0.0.1:{self._port},SASL://127.0.0.1:{self._sasl_port},"
                f"CONTROLLER://127.0.0.1:{self._controller_port}"
            ),
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"
            ),
            "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl.plain.sasl.jaas.config": (
                f"org.apache.kafka.common.security.plain.PlainLoginModule required{names};"
            ),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            # A killed broker may return once the controller gave up on its former self.
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
            "log.dirs": str(self.data / "log"),
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
            "message.max.bytes": str(4 * 1024 * 1024),
            # Small, and yet above message.max.bytes: a batch must fit into one segment.
            "log.segment.bytes": str(16 * 1024 * 1024),
            "log.index.size.max.bytes": str(1024 * 1024),
            "log.cleaner.backoff.ms": "1000",
            "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
            "num.network.threads": "2",
            "num.io.threads": "4",
            **self._properties,
        }


def _knows_a_broker(port: int) -> bool:
    """Ask for metadata (version 1, no topics) over a plain socket; True if a broker is listed."""
    request = struct.pack(">hhihi", 3, 1, 7, -1, 0)
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0) as asked:
        asked.settimeout(5.0)
        asked.sendall(struct.pack(">i", len(request)) + request)
        with asked.makefile("rb") as stream:
            header = stream.read(12)
        return len(header) == 12 and struct.unpack(">iii", header)[1:] > (7, 0)
    return False
