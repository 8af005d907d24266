"""What takes too long says what it was; what fails by itself says that."""

import asyncio

import pytest

from stream.kafka.patience import answered


async def test_what_is_answered_in_time_is_not_touched():
    async with answered("the fence", 5):
        await asyncio.sleep(0)


async def test_what_is_not_answered_is_named():
    with pytest.raises(TimeoutError, match=r"^the fence: no answer within 0\.01 s$"):
        async with answered("the fence", 0.01):
            await asyncio.Event().wait()


async def test_a_time_out_of_what_is_waited_for_keeps_its_words():
    with pytest.raises(TimeoutError, match=r"^its own$"):
        async with answered("the fence", 5):
            raise TimeoutError("its own")
