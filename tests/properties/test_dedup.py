"""Judged in bulk, an event is a repeat if and only if it is when asked for one at a time."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stream.ingest.dedup import DedupLog, Sightings
from stream.ingest.dedup_record import decode_seen, encode_seen
from stream.ingest.id_table import ids_of
from tests.support.seen import SeenIds

HORIZON_MINUTES = 8

events = st.tuples(st.integers(0, 30), st.integers(0, 60))  # id, minute
logs = st.lists(st.lists(events, min_size=1, max_size=4), min_size=1, max_size=60)


def asked(rule: SeenIds, record: list[tuple[int, int]]) -> list[bool]:
    found = [rule.is_repeat(name, minute) for name, minute in record]
    rule.end_record()
    return found


def _spread(number: int) -> bytes:
    return (number * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "little")


def judged(dedup: DedupLog, batch: list[list[tuple[int, int]]]) -> tuple[list[bool], Sightings]:
    names = [name for record in batch for name, _ in record]
    minutes = [minute for record in batch for _, minute in record]
    numbers = [number for number, record in enumerate(batch) for _ in record]
    # First words that many share: what never happens to digests.
    words = b"".join(_spread(n % 3) + _spread(n) for n in names)
    found, seen, *_ = dedup.judge(ids_of(words), numbers, minutes)
    return found.tolist(), seen


def fresh() -> DedupLog:
    return DedupLog(horizon_seconds=HORIZON_MINUTES * 60, max_ids=10_000)


def cut(log: list[Any], data: st.DataObject) -> list[list[Any]]:
    batches, done = [], 0
    while done < len(log):
        size = data.draw(st.integers(1, len(log) - done))
        batches.append(log[done : done + size])
        done += size
    return batches


@given(logs, st.data())
def test_however_batches_are_cut_the_verdicts_are_those_of_one_at_a_time(
    log: list[list[tuple[int, int]]], data: st.DataObject
):
    rule, dedup = SeenIds(HORIZON_MINUTES), fresh()
    for batch in cut(log, data):
        found, seen = judged(dedup, batch)
        dedup.join(seen)
        assert found == [verdict for record in batch for verdict in asked(rule, record)]


@given(logs, st.data())
def test_restored_from_its_messages_it_judges_as_if_nothing_had_happened(
    log: list[list[tuple[int, int]]], data: st.DataObject
):
    whole = fresh()
    restored, told, kept = fresh(), [], []
    for batch in cut(log, data):
        _, seen = judged(whole, batch)
        whole.join(seen)
        size = data.draw(st.sampled_from([1100, 100_000]))
        values = encode_seen(seen, source=("in", 0), first_offset=0, next_offset=0, max_bytes=size)
        told += [decode_seen(value) for value in values]
    first = whole.kept_from_minute or 0
    kept = [record.seen for record in told if record.newest_minute >= first]
    while kept:
        size = data.draw(st.integers(1, len(kept)))
        restored.join(Sightings.together(kept[:size]))
        del kept[:size]
    tail = data.draw(logs)
    assert judged(restored, tail)[0] == judged(whole, tail)[0]
