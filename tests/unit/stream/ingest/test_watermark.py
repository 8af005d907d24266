import pytest

from stream.ingest.watermark import Watermark, log_minute, log_seconds

FRESH = Watermark(allowed_lateness_seconds=60)


def test_an_event_may_claim_no_time_beyond_its_record():
    assert log_seconds(1000, 900_000) == 900
    assert log_seconds(800, 900_000) == 800


def test_a_record_without_a_timestamp_leaves_the_event_its_own_time():
    assert log_seconds(1000, -1) == 1000
    assert log_minute(125, -1) == 2


def test_the_watermark_is_the_highest_time_less_the_lateness_and_never_goes_back():
    later = FRESH.after(1000, 2_000_000)
    assert later.seconds == 940
    assert later.after(500, 2_000_000) == later
    assert later.after(1001, 2_000_000).seconds == 941


def test_a_producer_a_day_fast_does_not_move_time_beyond_the_record():
    assert FRESH.after(1000 + 86400, 1_000_000).seconds == 940


def test_an_event_is_late_when_it_is_behind_the_value_before_it():
    assert not FRESH.is_late(0)
    after = FRESH.after(1000, -1)
    assert not after.is_late(940)
    assert after.is_late(939)


def test_idle_time_goes_on_at_the_pace_of_the_wall_clock_from_the_last_value():
    old_trace = FRESH.after(1000, -1).awake(5_000_000.0)
    idle = old_trace.idle(5_000_005.5)
    assert (idle.seconds, idle.is_idle) == (945, True)
    assert idle.idle(5_000_006.0).seconds == 946


def test_parts_of_a_second_add_up_while_idle():
    mark = FRESH.after(1000, -1).awake(100.0)
    for tenth in range(1, 31):
        mark = mark.idle(100.0 + tenth / 10)
    assert mark.seconds == 943


def test_idle_time_counts_a_restart_in_between():
    stored = Watermark(60, seconds=940, moved_at=100.0)
    assert stored.idle(3700.0).seconds == 4540


def test_a_wall_clock_set_back_does_not_move_time_back_and_does_not_stop_it():
    mark = FRESH.after(1000, -1).awake(500.0).idle(100.0)
    assert mark.seconds == 940
    assert mark.idle(102.0).seconds == 942


def test_an_idle_partition_without_events_promises_nothing():
    idle = FRESH.idle(100.0)
    assert (idle.seconds, idle.is_idle) == (None, True)


@pytest.mark.parametrize("step", ["awake", "busy"])
def test_records_end_idleness_and_keep_the_promise(step: str):
    idle = FRESH.after(1000, -1).awake(0.0).idle(10.0)
    woken = idle.awake(11.0) if step == "awake" else idle.busy()
    assert (woken.seconds, woken.is_idle) == (950, False)
