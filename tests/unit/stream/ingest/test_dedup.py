from stream.ingest.dedup import ID_BYTES, DedupBatch, DedupLog, dedup_id


def log(**settings: int) -> DedupLog:
    return DedupLog(**({"horizon_seconds": 3600, "max_ids": 1000} | settings))


def see(dedup: DedupLog, offset: int, minute: int, *names: str) -> list[bool]:
    """One record of events, committed at once; whether each is a repeat."""
    batch = DedupBatch(dedup)
    found = [batch.is_repeat(dedup_id("call", name), minute) for name in names]
    batch.end_record(offset)
    dedup.join(batch.seen)
    return found


def test_an_id_is_sixteen_bytes_and_its_namespace_is_part_of_it():
    assert len(dedup_id("call", "a")) == ID_BYTES == 16
    assert dedup_id("call", "a") != dedup_id("estimate", "a")
    assert dedup_id("x", "y\0z") != dedup_id("x\0y", "")


def test_an_id_of_a_lone_surrogate_is_an_id():
    assert dedup_id("call", "\ud800") != dedup_id("call", "\ud801")


def test_a_repeat_is_recognised_until_the_log_has_moved_on_by_the_horizon():
    dedup = log()
    assert see(dedup, 0, 100, "a") == [False]
    see(dedup, 1, 160, "b")
    assert see(dedup, 2, 160, "a") == [True]
    see(dedup, 3, 221, "c")
    assert see(dedup, 4, 221, "a") == [False]


def test_a_repeat_of_an_old_event_is_recognised_whatever_its_event_time():
    dedup = log()
    see(dedup, 0, 10_000, "now")
    assert see(dedup, 1, 10, "two days late") == [False]
    assert see(dedup, 2, 10, "two days late") == [True]


def test_an_id_seen_in_the_record_that_jumps_ahead_is_kept_for_a_horizon_from_there():
    dedup = log()
    see(dedup, 0, 0, "before")
    see(dedup, 1, 5000, "jump")
    assert see(dedup, 2, 5060, "jump") == [True]
    assert see(dedup, 3, 5060, "before") == [False]


def test_an_id_twice_in_one_record_is_a_repeat():
    assert see(log(), 0, 100, "a", "a") == [False, True]


def test_ids_join_only_when_the_batch_is_committed():
    dedup = log()
    lost = DedupBatch(dedup)
    assert not lost.is_repeat(dedup_id("call", "a"), 100)
    lost.end_record(0)
    again = DedupBatch(dedup)
    assert not again.is_repeat(dedup_id("call", "a"), 100)
    again.end_record(0)
    dedup.join(again.seen)
    assert DedupBatch(dedup).is_repeat(dedup_id("call", "a"), 100)


def test_a_repeat_keeps_an_id_alive():
    dedup = log()
    see(dedup, 0, 0, "a")
    see(dedup, 1, 50, "a")
    assert see(dedup, 2, 100, "a") == [True]


def test_memory_is_bounded_and_the_newest_ids_are_kept():
    dedup = log(max_ids=600)
    for offset in range(5000):
        see(dedup, offset, 100, str(offset))
    assert len(dedup) <= 600
    assert dedup.shortened > 0
    assert see(dedup, 5000, 100, "4999") == [True]
    assert see(dedup, 5001, 100, "0") == [False]


def test_a_shortened_log_says_how_far_back_it_knows():
    dedup = log(max_ids=30)
    assert dedup.kept_seconds == 0
    for minute in range(100):
        see(dedup, minute, minute, str(minute))
    assert dedup.kept_seconds == 29 * 60
    known = [minute for minute in range(100) if dedup.seen_minute(dedup_id("call", str(minute)))]
    assert known == list(range(70, 100))


def test_forgetting_by_the_horizon_is_not_called_shortening():
    dedup = log()
    for minute in range(500):
        see(dedup, minute, minute, str(minute))
    assert dedup.shortened == 0
    assert len(dedup) == 61  # minutes 439 to 499


def test_records_without_events_leave_no_trace():
    dedup = log()
    batch = DedupBatch(dedup)
    batch.end_record(7)
    assert batch.seen == []
    assert dedup.checkpoint is None


def test_the_checkpoint_is_where_the_oldest_segment_begins():
    dedup = log(horizon_seconds=120)
    for minute in range(10):
        see(dedup, 100 + minute, minute, str(minute))
    assert dedup.checkpoint == (107, 6)
