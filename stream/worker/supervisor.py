"""One ``spendwatch worker``: a process per role, or some of INGEST, watched.

The roles would starve each other on one event loop, and a Faust service that has crashed can hang
for ever; so each is a process, and whatever dies takes the others with it: a dead part must end
the worker with an error, for its service manager to start anew. This file must not know what a
role does.
"""

import asyncio
import contextlib
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from stream.worker.health import WorkerHealth

STOP_SECONDS = 20.0
"""How long the roles have to end cleanly before they are killed."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RoleProcess:
    """One child.

    Attributes:
        name: of the role it runs, with a number if it is not the role's first.
        process: the child.
        reports: where it says how it is, until somebody listens.
    """

    name: str
    process: asyncio.subprocess.Process
    reports: socket.socket | None = None


async def _spawn(name: str, config: Path | None) -> RoleProcess:
    arguments = [sys.executable, "-m", "stream.worker.process", name]
    if config is not None:
        arguments += ["--config", str(config)]
    ours, theirs = socket.socketpair()
    arguments += ["--report-to", str(theirs.fileno())]
    # The pipe is the leash: a child whose parent is gone, however it went, sees its end and exits.
    process = await asyncio.create_subprocess_exec(
        *arguments, stdin=asyncio.subprocess.PIPE, pass_fds=(theirs.fileno(),)
    )
    theirs.close()
    _log.info("role_started", role=name, pid=process.pid)
    return RoleProcess(name, process, ours)


async def supervise(
    names: list[str], config: Path | None, health: WorkerHealth | None = None
) -> int:
    """Run the roles until SIGTERM or SIGINT, or until one of them ends by itself.

    Args:
        names: of processes, one child each.
        config: the configuration file, or ``None`` for the built-in one.
        health: where the roles' reports are kept.

    Returns:
        0 after a clean stop, else the exit code of the first child that died, never 0.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    health = health or WorkerHealth(time.monotonic)
    children = [await _spawn(name, config) for name in names]
    listening = [
        asyncio.create_task(
            health.listen(health.started(child.name, child.process.pid, time.time()), child.reports)
        )
        for child in children
        if child.reports is not None
    ]
    ends = {asyncio.create_task(child.process.wait()): child for child in children}
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, *ends}, return_when=asyncio.FIRST_COMPLETED)
    code = 0
    for end, child in ends.items():
        if end.done() and not stop.is_set():
            code = code or _exit_code(end.result())
            _log.error("role_died", role=child.name, exit_code=end.result())
    stopping.cancel()
    try:
        return await _stop(ends, code)
    finally:
        for task in listening:
            task.cancel()


async def _stop(ends: dict[asyncio.Task[int], RoleProcess], code: int) -> int:
    for end, child in ends.items():
        if not end.done():
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()
    _, late = await asyncio.wait(ends, timeout=STOP_SECONDS)
    for end in late:
        _log.error("role_killed", role=ends[end].name, after_seconds=STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            ends[end].process.kill()
        code = code or 1
    await asyncio.wait(ends)
    return code or max((_exit_code(end.result(), clean=0) for end in ends), default=0)


def _exit_code(returned: int, *, clean: int = 1) -> int:
    """What a child's end means for the worker: ending by itself is never fine."""
    if returned == 0:
        return clean
    return returned if returned > 0 else 1
