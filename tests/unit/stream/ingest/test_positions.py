from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from stream.ingest.positions import Positions, PositionUnknownError

SOURCE = TopicPartition("in", 0)


class FakeAdmin:
    def __init__(self, found: dict[TopicPartition, OffsetAndMetadata]) -> None:
        self.found = found

    async def list_consumer_group_offsets(self, *_: Any, **__: Any) -> Any:
        return self.found


def positions(found: dict[TopicPartition, OffsetAndMetadata]) -> Positions:
    made = Positions.__new__(Positions)
    made._group = "g"
    made._admin = FakeAdmin(found)
    return made


async def test_a_coordinator_that_leaves_the_partition_out_is_not_taken_for_no_offset():
    """Else a loading coordinator would make everything count again."""
    with pytest.raises(PositionUnknownError):
        await positions({}).committed(SOURCE)


async def test_minus_one_is_no_offset():
    assert await positions({SOURCE: OffsetAndMetadata(-1, "")}).committed(SOURCE) is None


async def test_the_offset_comes_with_its_metadata():
    found = await positions({SOURCE: OffsetAndMetadata(5, "x")}).committed(SOURCE)
    assert found == (5, "x")
