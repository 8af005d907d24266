import json
from collections.abc import Sequence
from typing import Any

from detectors.observation import COST, COUNTER_INDEX, COUNTERS, REQUESTS
from stream.delta import DeltaRow
from stream.ingest.checkpoint import Checkpoint
from stream.ingest.config import IngestConfig
from stream.ingest.events import InputRecord
from stream.ingest.identities import Identities
from stream.ingest.partition import Batch, InputPartition
from stream.usage.fanout import Fanout, FanoutConfig, delta_partition
from stream.usage.pricing import PriceBook

PARTITIONS = 4
START = 1_700_000_000


def partition(
    checkpoint: Checkpoint | None = None, offset: int = 0, **config: Any
) -> InputPartition:
    return InputPartition(
        PriceBook(),
        Identities(Fanout(FanoutConfig(kinds=("agent", "model"))), PARTITIONS),
        config=IngestConfig(**{"allowed_lateness_seconds": 60, **config}),
        next_offset=offset,
        checkpoint=checkpoint,
    )


def event(number: int = 0, at: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "timestamp": START + at,
        "model": "gpt-4o",
        "agent": "bot",
        "cost_usd": "0.5",
    } | fields


def record(offset: int, *events: dict[str, Any], stamped: int | None = None) -> InputRecord:
    payload = json.dumps(events[0] if len(events) == 1 else events).encode()
    return InputRecord(offset, -1 if stamped is None else (START + stamped) * 1000, payload)


def all_rows(batch: Batch) -> list[DeltaRow]:
    return [row for rows in batch.rows.values() for row in rows]


def requests(batch: Batch, scope: str = "agent:bot") -> int:
    return sum(row.counts[REQUESTS] for row in all_rows(batch) if row.scope == scope)


def run(chain: InputPartition, records: Sequence[InputRecord]) -> Batch:
    batch = chain.process(records)
    chain.commit(batch)
    return batch


def test_an_event_becomes_rows_in_the_partitions_of_its_scopes():
    batch = partition().process([record(7, event())])
    assert (batch.first_offset, batch.next_offset, batch.taken) == (7, 8, 1)
    assert {row.scope for row in all_rows(batch)} == {"agent:bot", "model:gpt-4o"}
    assert all(
        delta_partition(row.scope, PARTITIONS) == number
        for number, rows in batch.rows.items()
        for row in rows
    )
    assert {row.counts[COST] for row in all_rows(batch)} == {500_000_000}


def test_a_repeat_in_the_same_batch_or_a_later_one_counts_once():
    chain = partition()
    first = run(chain, [record(0, event(1)), record(1, event(1))])
    second = run(chain, [record(2, event(1)), record(3, event(2))])
    assert (requests(first), requests(second)) == (1, 1)
    assert (first.counted["repeats"], second.counted["repeats"]) == (1, 1)


def test_a_batch_that_was_lost_is_counted_when_it_is_read_again():
    chain = partition()
    lost = chain.process([record(0, event(1, at=600))])
    again = chain.process([record(0, event(1, at=600))])
    assert requests(lost) == requests(again) == 1
    assert chain.watermark.seconds is None
    assert lost.watermark == again.watermark


def test_a_final_count_does_not_repeat_its_estimate_nor_an_outcome_its_call():
    outcome = {"record": "outcome", "outcome": "accepted"}
    batch = partition().process(
        [
            record(0, event(1, estimated=True)),
            record(1, event(1, estimated=True)),
            record(2, event(1)),
            record(3, event(1, **outcome)),
            record(4, event(1, **outcome)),
            record(5, event(1, **(outcome | {"outcome": "rejected"}))),
        ]
    )
    assert requests(batch) == 1
    assert batch.counted == {
        "records": 6,
        "events": 4,
        "repeats": 2,
        "estimated": 1,
        "outcomes": 2,
        "late": 0,
        "ahead": 0,
        "dead_letters": 0,
        "unknown_fields": 0,
    }


def test_an_event_behind_the_running_watermark_is_late_and_counts():
    batch = partition().process(
        [record(0, event(1, at=600)), record(1, event(2, at=539)), record(2, event(3, at=540))]
    )
    late = [row for row in all_rows(batch) if row.scope == "agent:bot" and row.is_late]
    assert [row.counts[REQUESTS] for row in late] == [1]
    assert requests(batch) == 3
    assert batch.counted["late"] == 1


def test_the_verdict_is_against_the_value_before_the_event_not_after_the_batch():
    batch = partition().process([record(0, event(1, at=0)), record(1, event(2, at=600))])
    assert batch.counted["late"] == 0


def test_a_repeat_does_not_move_time():
    chain = partition()
    run(chain, [record(0, event(1, at=600), stamped=0)])
    before = chain.watermark
    run(chain, [record(1, event(1, at=600), stamped=300)])
    assert chain.watermark == before


def test_a_clock_a_day_fast_makes_nobody_late():
    batch = partition().process(
        [record(0, event(1, at=86400), stamped=0), record(1, event(2, at=0), stamped=1)]
    )
    assert batch.counted["late"] == 0
    assert batch.watermark.seconds == START - 60


def test_a_bad_element_is_refused_and_its_neighbours_count():
    batch = partition().process([record(5, event(1), {"event_id": 3}, event(2))])
    assert requests(batch) == 2
    assert [(dead.offset, dead.rejection.index) for dead in batch.dead] == [(5, 1)]


def test_a_tombstone_is_refused_and_nothing_is_lost():
    batch = partition().process([InputRecord(0, -1, None), record(1, event(1))])
    assert len(batch.dead) == 1
    assert requests(batch) == 1


def test_a_batch_ends_before_the_record_that_would_be_too_much():
    chain = partition(max_batch_events=3)
    records = [record(0, event(1), event(2)), record(1, event(3), event(4)), record(2, event(5))]
    first = run(chain, records)
    assert (first.taken, first.next_offset, requests(first)) == (1, 1, 2)
    second = run(chain, records[1:])
    assert (second.taken, second.next_offset, requests(second)) == (2, 3, 3)


def test_one_record_with_more_than_a_batch_holds_is_still_taken_whole():
    batch = partition(max_batch_events=1).process([record(0, event(1), event(2))])
    assert (batch.taken, requests(batch)) == (1, 2)


def test_offsets_with_gaps_are_followed():
    batch = partition().process([record(3, event(1)), record(9, event(2))])
    assert (batch.first_offset, batch.next_offset) == (3, 10)


def test_a_silent_partition_is_idle_and_its_time_goes_on():
    chain = partition()
    batch = chain.process([record(0, event(1))], wall_seconds=50.0)
    chain.commit(batch)
    idle = chain.pass_time(57.0, is_silent=True)
    assert idle.watermark.is_idle
    assert idle.watermark.seconds == START - 60 + 7
    assert (idle.first_offset, idle.next_offset, idle.rows) == (1, 1, {})
    chain.commit(idle)
    assert chain.process([record(1, event(2, at=-54))]).counted["late"] == 1
    assert not chain.process([record(1, event(2))], wall_seconds=60.0).watermark.is_idle


def test_a_partition_that_is_not_read_to_its_end_is_not_idle():
    chain = partition()
    chain.commit(chain.pass_time(5.0, is_silent=True))
    assert chain.watermark.is_idle
    assert not chain.pass_time(6.0, is_silent=False).watermark.is_idle


def test_a_restart_from_the_checkpoint_and_the_ids_finds_what_no_restart_would():
    records = [record(n, event(n, at=40 * n)) for n in range(300)]
    whole = partition(dedup_horizon_seconds=600)
    told = [run(whole, records[at : at + 50]).seen for at in range(0, 200, 50)]
    batch = whole.process(records[200:250])
    stored = Checkpoint.from_metadata(whole.checkpoint(batch).to_metadata())
    whole.commit(batch)
    told.append(batch.seen)
    resumed = partition(stored, offset=250, dedup_horizon_seconds=600)
    kept = [seen for seen in told if seen.minutes[-1] >= whole.dedup_from_minute]
    assert 1 <= len(kept) < 3, "reading back is bounded by the horizon"
    for seen in kept:
        resumed.restore(seen)
    assert resumed.watermark == whole.watermark
    tail = [record(250, event(245)), record(251, event(100)), record(252, event(9999, at=1))]
    one, other = whole.process(tail), resumed.process(tail)
    assert (one.counted, one.rows) == (other.counted, other.rows)
    assert one.seen.minutes.tolist() == other.seen.minutes.tolist()
    assert one.counted["repeats"] == 1


def test_shortened_horizons_are_told():
    chain = partition(dedup_max_ids=1000)
    run(chain, [record(0, *(event(n) for n in range(900)))])
    run(chain, [record(1, *(event(n) for n in range(900, 1800)))])
    assert chain.dedup_shortened > 0
    assert chain.dedup_kept_seconds == 0, "all that is left came within a minute"
    assert 750 <= chain.dedup_ids <= 1000
    assert chain.next_offset == 2


def test_an_event_far_ahead_of_its_record_counts_in_totals_and_opens_no_window():
    chain = partition()
    batch = chain.process([record(0, event(1, at=7200), event(2, at=60), stamped=0)])
    rows = [row for rows in batch.rows.values() for row in rows]
    assert {(row.minute * 60 >= START + 3600, row.is_late) for row in rows} == {
        (True, True),
        (False, False),
    }
    assert batch.watermark.seconds == START - 60


def told_counts(chain: InputPartition, records: Sequence[InputRecord]) -> dict[str, int]:
    """What is counted of ``agent:bot``, batch by batch, after all of them."""
    found: dict[str, int] = {}
    for each in records:
        for row in all_rows(run(chain, [each])):
            if row.scope == "agent:bot":
                for name, amount in zip(COUNTERS, row.counts, strict=True):
                    found[name] = found.get(name, 0) + amount
    return {name: amount for name, amount in found.items() if amount}


def test_a_final_event_replaces_its_estimate_wherever_it_was_counted():
    guess = event(1, estimated=True, cost_usd="0.2", agent="guessed")
    chain = partition()
    run(chain, [record(0, guess)])
    batch = run(chain, [record(1, event(1, at=300))])
    rows = {
        (row.scope, row.minute * 60 - START // 60 * 60, row.is_late): row for row in all_rows(batch)
    }
    taken_back = rows["agent:guessed", 0, True].counts
    assert taken_back[COUNTER_INDEX["estimated_requests"]] == -1
    assert taken_back[COUNTER_INDEX["estimated_nanousd"]] == -200_000_000
    assert rows["agent:bot", 300, False].counts[COST] == 500_000_000
    assert batch.totals[COUNTER_INDEX["estimated_requests"]] == -1


def test_no_order_and_no_repeat_counts_a_call_and_its_estimate_together():
    guess, final = event(1, estimated=True), event(1)
    alone = told_counts(partition(), [record(0, final)])
    for events in ([guess, final], [final, guess], [guess, guess, final, final, guess]):
        records = [record(offset, each) for offset, each in enumerate(events)]
        assert told_counts(partition(), records) == alone
    one_batch = partition().process([record(0, guess, final, guess)])
    assert one_batch.totals[COUNTER_INDEX["estimated_requests"]] == 0
    assert one_batch.totals[REQUESTS] == 1


def test_a_calls_outcome_and_a_record_of_it_are_one_outcome():
    outcome = {"record": "outcome", "event_id": "e1", "agent": "bot"}
    call = event(1, outcome="accepted")
    accepted = outcome | {"timestamp": START + 50, "outcome": "accepted"}
    rejected = outcome | {"timestamp": START + 99, "outcome": "rejected"}
    for events, expected in (
        ([call, accepted], "accepted"),
        ([accepted, call], "accepted"),
        ([call, rejected], "rejected"),
        ([rejected, call], "rejected"),
        ([call, rejected, accepted], "rejected"),
        ([call, rejected, rejected | {"timestamp": START + 100}], "rejected"),
        ([call, rejected, accepted | {"timestamp": START + 100}], "accepted"),
    ):
        counts = told_counts(partition(), [record(n, each) for n, each in enumerate(events)])
        told = {name: counts[name] for name in ("accepted", "rejected") if name in counts}
        assert told == {expected: 1}, events
        assert counts["requests"] == 1
