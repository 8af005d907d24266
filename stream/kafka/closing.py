"""Stopping a client of aiokafka for good, whoever loses patience meanwhile.

``stop()`` says first that it has stopped and closes its connections last: cancelled in between, it
leaves them open and cannot be asked again. Nor is it waited for without end: a partition is given
up by whoever waits, and held by nobody else until then. This file must not know what is stopped.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

CLOSE_SECONDS = 5.0
"""Of a client outside all groups, which leaves within milliseconds."""

_log = structlog.get_logger(__name__)


async def to_its_end(
    stopping: Coroutine[Any, Any, None], *, whose: str, seconds: float = CLOSE_SECONDS
) -> None:
    """Await the stopping; a cancellation that comes meanwhile is raised when it is over.

    Args:
        stopping: of a client.
        whose: for the log.
        seconds: after which it is left alone, with a word in the log.
    """
    task = asyncio.ensure_future(stopping)
    try:
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=seconds)
        if _is_over(task, whose):
            task.exception()  # the cancellation is told, not this
        raise
    if _is_over(task, whose):
        task.result()


def _is_over(task: "asyncio.Task[None]", whose: str) -> bool:
    """Whether it is; if not, it is cancelled and not waited for: aiokafka may swallow that."""
    if task.done():
        return True
    task.cancel()
    _log.warning("kafka_client_left_open", whose=whose)
    return False
