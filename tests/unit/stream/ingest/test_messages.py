import json

from detectors.observation import COUNTERS, REQUESTS, zero_counts
from detectors.scope import KINDS, Scope, combine_names
from stream.delta import (
    CONTRIBUTOR_DIMENSIONS,
    MAX_CONTRIBUTORS,
    Contributor,
    DeltaRow,
    DeltaRows,
    decode_delta,
)
from stream.ingest.config import MESSAGE_MIN_BYTES
from stream.ingest.dead_letter import PayloadPolicy
from stream.ingest.events import DeadRecord
from stream.ingest.messages import Targets, batch_messages
from stream.ingest.partition import Batch
from stream.ingest.watermark import Watermark
from stream.usage.rejection import Rejection, RejectReason


def targets(max_bytes: int = 100_000) -> Targets:
    return Targets("deltas", 4, "dead", PayloadPolicy.MASKED, max_bytes)


def row(name: str) -> DeltaRow:
    counts = zero_counts()
    counts[REQUESTS] = 1
    return DeltaRow(f"agent:{name}", 100, is_late=False, counts=counts)


def batch(rows: dict[int, list[DeltaRow]], dead: list[DeadRecord] | None = None) -> Batch:
    return Batch(
        first_offset=5,
        next_offset=9,
        taken=4,
        rows={number: DeltaRows.of(each) for number, each in rows.items()},
        dead=dead or [],
        watermark_before=Watermark(60, 1000, is_idle=True),
        watermark=Watermark(60, 2000),
    )


def test_between_beats_only_partitions_with_rows_hear_of_a_batch():
    found = batch_messages(
        batch({2: [row("a")]}), source=("in", 1), targets=targets(), is_beat=False
    )
    assert [(message.topic, message.partition) for message in found] == [("deltas", 2)]


def test_a_beat_reaches_every_partition_and_names_source_offsets_and_time():
    found = batch_messages(
        batch({2: [row("a")]}), source=("in", 1), targets=targets(), is_beat=True
    )
    assert [message.partition for message in found] == [0, 1, 2, 3]
    for message in found:
        delta = decode_delta(message.value)
        assert (delta.topic, delta.partition) == ("in", 1)
        assert (delta.first_offset, delta.next_offset) == (5, 9)
        assert (delta.watermark_seconds, delta.is_idle) == (2000, False)


def test_a_large_delta_is_split_and_only_its_last_part_promises_the_new_time():
    rows = [row(f"agent-{number}") for number in range(2000)]
    found = batch_messages(
        batch({0: rows}), source=("in", 1), targets=targets(20_000), is_beat=False
    )
    deltas = [decode_delta(message.value) for message in found]
    assert len(found) > 2
    assert all(len(message.value) <= 20_000 for message in found)
    assert [each for delta in deltas for each in delta.rows()] == rows
    assert [delta.watermark_seconds for delta in deltas[:-1]] == [1000] * (len(deltas) - 1)
    assert deltas[-1].watermark_seconds == 2000
    assert not any(delta.is_idle for delta in deltas), "an idle part would let windows close early"


def test_a_row_that_cannot_be_split_is_sent_as_it_is():
    found = batch_messages(
        batch({0: [row("a")]}), source=("in", 1), targets=targets(1), is_beat=False
    )
    assert len(found) == 1


def test_dead_letters_are_keyed_by_where_the_record_is():
    dead = DeadRecord(6, Rejection(RejectReason.NOT_JSON, "write JSON", None, b"junk"))
    (found,) = batch_messages(batch({}, [dead]), source=("in", 1), targets=targets(), is_beat=False)
    assert (found.topic, found.key, found.partition) == ("dead", b"in/1/6", None)
    assert json.loads(found.value)["offset"] == 6


def test_a_dead_letter_is_no_larger_than_a_message_may_be():
    payload = b"[" + b'"",' * 21_000 + b"1]"
    dead = DeadRecord(6, Rejection(RejectReason.NOT_JSON, "write JSON", None, payload))
    (found,) = batch_messages(
        batch({}, [dead]), source=("in", 1), targets=targets(70_000), is_beat=False
    )
    assert len(found.value) <= 70_000
    assert json.loads(found.value)["payload"] is None


def test_the_largest_row_of_the_kinds_built_in_fits_the_smallest_message_configured():
    name = "\U0001f4b8" * 254
    parts = tuple(
        Contributor(dimension, f"{name}{place}{number:x}", 2**62)
        for place, dimension in enumerate(CONTRIBUTOR_DIMENSIONS)
        for number in range(MAX_CONTRIBUTORS)
    )
    scope = Scope("+".join(KINDS), combine_names([name] * len(KINDS)), name)
    widest = DeltaRow(
        str(scope), 100, is_late=False, counts=[2**62] * len(COUNTERS), contributors=parts
    )
    (found,) = batch_messages(
        batch({0: [widest]}), source=("in", 1), targets=targets(1), is_beat=False
    )
    assert 90_000 < len(found.value) <= MESSAGE_MIN_BYTES
