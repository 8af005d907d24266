"""What a rebuild takes away, by where it counts from."""

from types import SimpleNamespace
from typing import Any

import pytest

from stream.commands.rebuild import _plan
from stream.config import Settings
from stream.kafka.admin import Kept


class Admin:
    """Every topic is there, with four partitions of ten records."""

    async def describe(self, names: list[str]) -> dict[str, Any]:
        return {name: SimpleNamespace(partitions=4) for name in names}

    async def kept(self, topic: str, partitions: int) -> tuple[Kept, ...]:
        return (Kept(0, 10),) * partitions


@pytest.mark.parametrize("is_rekeyed", [False, True])
async def test_from_events_the_hop_in_front_begins_anew_as_well(*, is_rekeyed: bool):
    settings = Settings.model_validate({"ingest": {"rekey": is_rekeyed}})
    todo = await _plan(Admin(), settings, "events")  # type: ignore[arg-type]
    assert todo.source == "usage.events"
    assert ("usage.keyed" in todo.topics) is is_rekeyed
    assert ("spendwatch-ingest-keyed" in todo.groups) is is_rekeyed
    assert {"spend.deltas", "spend.dedup", "spend.provisional"} < set(todo.topics)
    assert {"spendwatch-watch", "spendwatch-ingest"} <= set(todo.groups)
