"""How long an answer of Kafka is waited for where a client of aiokafka waits for ever.

Whoever begins again has lost a minute; who waits for a client that has lost its way, a partition.
This file must not know what is asked.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ANSWER_SECONDS = 30.0
"""Of one step, of clients whose requests time out after ten seconds: what aiokafka does about that
by itself, closing the connection and asking over another, must not be cut short."""

SLOW_ANSWER_SECONDS = 60.0
"""Likewise of clients whose requests time out after 40 s, as is aiokafka's default."""


@asynccontextmanager
async def answered(step: str, seconds: float | None = None) -> AsyncIterator[None]:
    """Bound what is awaited inside.

    Args:
        step: what is waited for, for the error.
        seconds: how long; ``ANSWER_SECONDS`` if nothing is said.

    Raises:
        TimeoutError: it did not come; names the step.
    """
    seconds = ANSWER_SECONDS if seconds is None else seconds
    try:
        async with asyncio.timeout(seconds) as bound:
            yield
    except TimeoutError as error:
        if not bound.expired():
            raise
        raise TimeoutError(f"{step}: no answer within {seconds:g} s") from error
