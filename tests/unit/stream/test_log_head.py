"""Event time at the head of the log, heard without counting anything."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from stream.delta import DeltaRows, encode_delta
from stream.kafka.connection import ConnectionConfig
from stream.log_head import LogHead
from stream.watch.watermark import WatermarkPolicy
from tests.support.timeline import MONDAY


class Record(NamedTuple):
    value: bytes


def record(partition: int, watermark: int | None, *, is_idle: bool = False) -> Record:
    return Record(
        encode_delta(
            DeltaRows.of(()),
            topic="usage.events",
            partition=partition,
            first_offset=0,
            next_offset=0,
            watermark_seconds=watermark,
            is_idle=is_idle,
        )
    )


async def heard(monkeypatch: pytest.MonkeyPatch, *batches: list[Record]) -> LogHead:
    asked: list[dict[str, Any]] = []

    async def follow(_: ConnectionConfig, topic: str, **how: Any) -> AsyncIterator[list[Record]]:
        asked.append({"topic": topic, **how})
        for batch in batches:
            yield batch

    monkeypatch.setattr("stream.log_head.follow", follow)
    head = LogHead(WatermarkPolicy(2))
    await head.listen(ConnectionConfig(), "spend.deltas")
    assert asked == [{"topic": "spend.deltas", "partitions": [0], "from_start": False}]
    return head


async def test_time_is_unknown_until_every_input_was_heard(monkeypatch: pytest.MonkeyPatch):
    assert (await heard(monkeypatch)).watermark_seconds is None
    assert (await heard(monkeypatch, [record(0, MONDAY)], [])).watermark_seconds is None


async def test_time_is_that_of_the_input_furthest_behind(monkeypatch: pytest.MonkeyPatch):
    head = await heard(monkeypatch, [record(0, MONDAY)], [], [record(1, MONDAY - 60)])
    assert head.watermark_seconds == MONDAY - 60


async def test_an_idle_input_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    head = await heard(monkeypatch, [record(0, MONDAY), record(1, None, is_idle=True)])
    assert head.watermark_seconds == MONDAY
