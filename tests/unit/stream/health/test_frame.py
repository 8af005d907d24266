"""Reports of several processes become one exposition."""

import asyncio

import pytest

from stream.health import catalogue
from stream.health.catalogue import SPECS, SUPERVISOR
from stream.health.frame import Frame, Sample, families_of, merged, read_frame, write_frame


class Writer:
    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()

    def write(self, data: bytes) -> None:
        self.reader.feed_data(data)

    async def drain(self) -> None:
        pass


async def test_a_report_arrives_as_it_was_sent():
    catalogue.EVENTS.inc(0)
    frame = Frame(is_ready=False, detail="why", families=families_of("ingest"))
    writer = Writer()
    await write_frame(writer, frame)  # type: ignore[arg-type]
    await write_frame(writer, frame)  # type: ignore[arg-type]
    assert [await read_frame(writer.reader) for _ in range(2)] == [frame, frame]


async def test_what_is_no_report_is_refused():
    reader = asyncio.StreamReader()
    reader.feed_data(b"\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="a report of"):
        await read_frame(reader)


@pytest.mark.parametrize("owner", [SUPERVISOR, "ingest", "watch", "decide", "notify"])
def test_a_process_exposes_what_is_its_own(owner: str):
    for name in families_of(owner):
        assert owner in SPECS[name].owners


def test_families_come_once_with_the_samples_of_all_processes():
    name = "spendwatch_consumer_lag_records"
    parts = [{name: [Sample(name, {"role": role}, 1.0)]} for role in ("ingest", "watch")]
    (family,) = merged(parts)
    assert (family.name, family.type) == (name, "gauge")
    assert [sample.labels["role"] for sample in family.samples] == ["ingest", "watch"]


def test_processes_of_one_role_are_told_of_together():
    events, kept = "spendwatch_events_total", "spendwatch_dedup_kept_seconds"
    parts = [
        {events: [Sample(events, {}, value)], kept: [Sample(kept, {}, value)]}
        for value in (5.0, 3.0)
    ]
    values = {metric.name: [sample.value for sample in metric.samples] for metric in merged(parts)}
    assert values == {"spendwatch_events": [8.0], kept: [3.0]}


def test_what_nobody_tells_of_is_left_out():
    assert list(merged([{}])) == []
