"""Where batches are cut, and where a worker restarts, changes nothing that INGEST finds."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from detectors.observation import REQUESTS
from stream.delta import DeltaRow
from stream.ingest.checkpoint import Checkpoint
from stream.ingest.config import IngestConfig
from stream.ingest.events import InputRecord
from stream.ingest.identities import Identities
from stream.ingest.partition import Batch, InputPartition
from stream.usage.fanout import Fanout, FanoutConfig
from stream.usage.pricing import PriceBook

START = 1_700_000_000
PRICES = PriceBook()
IDENTITIES = Identities(Fanout(FanoutConfig(kinds=("agent",))), 1)
CONFIG = IngestConfig(dedup_horizon_seconds=120, allowed_lateness_seconds=60)

events = st.tuples(
    st.integers(0, 12),  # id
    st.integers(0, 900),  # event time
    st.sampled_from([-1, 0, 300, 600, 900]),  # record timestamp, or none
)
logs = st.lists(st.lists(events, min_size=1, max_size=3), min_size=1, max_size=25)


def records(log: list[list[tuple[int, int, int]]]) -> list[InputRecord]:
    found = []
    for offset, group in enumerate(log):
        stamp = group[0][2]
        payload = [
            {"event_id": f"e{name}", "timestamp": START + at, "model": "m", "agent": f"a{name}"}
            for name, at, _ in group
        ]
        stamped = -1 if stamp < 0 else (START + stamp) * 1000
        found.append(InputRecord(offset, stamped, json.dumps(payload).encode()))
    return found


def chain(checkpoint: Checkpoint | None = None, offset: int = 0) -> InputPartition:
    return InputPartition(
        PRICES, IDENTITIES, config=CONFIG, next_offset=offset, checkpoint=checkpoint
    )


def total(batches: list[Batch]) -> dict[tuple[str, int, bool], int]:
    sums: dict[tuple[str, int, bool], int] = {}
    rows: list[DeltaRow] = [row for batch in batches for row in batch.rows.get(0, [])]
    for row in rows:
        place = row.scope, row.minute, row.is_late
        sums[place] = sums.get(place, 0) + row.counts[REQUESTS]
    return sums


LAST = [InputRecord(10**6, -1, b"{}")]


@given(logs, st.data())
def test_where_batches_are_cut_changes_nothing(log: list[Any], data: st.DataObject):
    given_records = records(log)
    whole = chain()
    one = whole.process(given_records)
    whole.commit(one)
    parts, found, done = chain(), [], 0
    while done < len(given_records):
        size = data.draw(st.integers(1, len(given_records) - done))
        found.append(parts.process(given_records[done : done + size]))
        parts.commit(found[-1])
        done += size
    assert total(found) == total([one])
    assert parts.watermark == whole.watermark


@given(logs, st.data())
def test_a_restart_changes_nothing(log: list[Any], data: st.DataObject):
    given_records = records(log)
    cut = data.draw(st.integers(1, len(given_records)))
    whole = chain()
    first = whole.process(given_records[:cut])
    stored = Checkpoint.from_metadata(whole.checkpoint(first).to_metadata())
    whole.commit(first)
    resumed = chain(stored, cut)
    resumed.restore(first.seen)
    assert resumed.watermark == whole.watermark
    tail = given_records[cut:] or LAST
    one, other = whole.process(tail), resumed.process(tail)
    assert (one.rows, one.counted, one.watermark) == (other.rows, other.counted, other.watermark)


@given(logs)
def test_a_log_read_twice_within_the_horizon_counts_once(log: list[Any]):
    given_records = records(log)
    spread = {at for group in log for _, at, _ in group}
    once, twice = chain(), chain()
    first = once.process(given_records)
    again = [record._replace(offset=record.offset + 1000) for record in given_records]
    doubled = twice.process(
        [each for pair in zip(given_records, again, strict=True) for each in pair]
    )
    if max(spread) - min(spread) <= 60:
        assert total([doubled]) == total([first])
    assert sum(total([doubled]).values()) == sum(total([first]).values())


@given(logs)
def test_every_event_is_counted_or_a_repeat(log: list[Any]):
    batch = chain().process(records(log))
    sent = sum(len(group) for group in log)
    assert sum(total([batch]).values()) == batch.counted["events"]
    assert batch.counted["events"] + batch.counted["repeats"] == sent
