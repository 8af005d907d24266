"""What is being stopped is stopped, whoever is cancelled meanwhile."""

import asyncio
import contextlib

import pytest
from structlog.testing import capture_logs

from stream.kafka.closing import to_its_end


async def test_a_cancelled_stop_goes_on_to_its_end_and_the_cancellation_is_told():
    going_on, ended = asyncio.Event(), asyncio.Event()

    async def stop() -> None:
        await going_on.wait()
        ended.set()

    stopping = asyncio.create_task(to_its_end(stop(), whose="it"))
    await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.sleep(0)
    assert not stopping.done()
    going_on.set()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert ended.is_set()


async def test_what_goes_wrong_is_told_to_who_waits_and_not_instead_of_a_cancellation():
    async def stop() -> None:
        await asyncio.sleep(0)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await to_its_end(stop(), whose="it")
    stopping = asyncio.create_task(to_its_end(stop(), whose="it"))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping


async def test_who_never_stops_is_left_alone_and_a_cancellation_is_told_all_the_same():
    ended = asyncio.Event()

    async def stop() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with capture_logs() as logs:
        await to_its_end(stop(), whose="reader of in/0", seconds=0.01)
    assert [(each["event"], each["whose"]) for each in logs] == [
        ("kafka_client_left_open", "reader of in/0")
    ]
    await asyncio.wait_for(ended.wait(), 5)
    stopping = asyncio.create_task(to_its_end(stop(), whose="it", seconds=0.05))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await stopping


async def test_who_swallows_its_cancellation_is_not_waited_for():
    going_on = asyncio.Event()

    async def stop() -> None:
        while not going_on.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await going_on.wait()

    async with asyncio.timeout(5):
        await to_its_end(stop(), whose="it", seconds=0.01)
    going_on.set()
