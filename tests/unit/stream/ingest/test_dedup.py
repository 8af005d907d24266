import numpy as np
import pytest

from stream.ingest.dedup import DedupLog, Sightings, dedup_id
from stream.ingest.id_table import ID_BYTES, Ids, ids_of


def log(**settings: int) -> DedupLog:
    return DedupLog(**({"horizon_seconds": 3600, "max_ids": 1000} | settings))


def ids(*names: str) -> Ids:
    return ids_of(b"".join(dedup_id("call", name) for name in names))


def see(dedup: DedupLog, minute: int, *names: str) -> list[bool]:
    """One record of events, committed at once; whether each is a repeat."""
    found, seen, *_ = dedup.judge(ids(*names), [0] * len(names), [minute] * len(names))
    dedup.join(seen)
    return found.tolist()


def test_an_id_is_sixteen_bytes_and_its_namespace_is_part_of_it():
    assert len(dedup_id("call", "a")) == ID_BYTES == 16
    assert dedup_id("call", "a") != dedup_id("estimate", "a")
    assert dedup_id("x", "y\0z") != dedup_id("x\0y", "")


def test_an_id_of_a_lone_surrogate_is_an_id():
    assert dedup_id("call", "\ud800") != dedup_id("call", "\ud801")


def test_a_repeat_is_recognised_until_the_log_has_moved_on_by_the_horizon():
    dedup = log()
    assert see(dedup, 100, "a") == [False]
    see(dedup, 160, "b")
    assert see(dedup, 160, "a") == [True]
    see(dedup, 221, "c")
    assert see(dedup, 221, "a") == [False]


def test_a_repeat_of_an_old_event_is_recognised_whatever_its_event_time():
    dedup = log()
    see(dedup, 10_000, "now")
    assert see(dedup, 10, "two days late") == [False]
    assert see(dedup, 10, "two days late") == [True]


def test_an_id_seen_in_the_record_that_jumps_ahead_is_kept_for_a_horizon_from_there():
    dedup = log()
    see(dedup, 0, "before")
    see(dedup, 5000, "jump")
    assert see(dedup, 5060, "jump") == [True]
    assert see(dedup, 5060, "before") == [False]


def test_an_id_twice_in_one_record_is_a_repeat():
    assert see(log(), 100, "a", "a") == [False, True]


def test_an_id_twice_in_a_batch_is_a_repeat_unless_a_horizon_lies_between():
    names, minutes = ["a", "a", "b", "a"], [0, 60, 61, 121]
    found, seen, *_ = log().judge(ids(*names), range(4), minutes)
    assert found.tolist() == [False, True, False, True]
    assert seen.ids.tolist() == ids("b", "a").tolist()
    assert seen.minutes.tolist() == [61, 121]
    found, *_ = log().judge(ids("a", "b", "a"), range(3), [0, 61, 61])
    assert found.tolist() == [False, False, False]


def test_ids_join_only_when_the_batch_is_committed():
    dedup = log()
    dedup.judge(ids("a"), [0], [100])
    found, seen, *_ = dedup.judge(ids("a"), [0], [100])
    assert not found.any()
    dedup.join(seen)
    assert dedup.judge(ids("a"), [0], [100])[0].all()


def test_a_repeat_keeps_an_id_alive():
    dedup = log()
    see(dedup, 0, "a")
    see(dedup, 50, "a")
    assert see(dedup, 100, "a") == [True]


def test_memory_is_bounded_and_the_newest_ids_are_kept():
    dedup = log(max_ids=600)
    for number in range(5000):
        see(dedup, 100, str(number))
        assert len(dedup) <= 600
    assert dedup.shortened > 0
    assert len(dedup) >= 590
    assert see(dedup, 100, "4999", "4410") == [True, True]
    assert see(dedup, 100, "4390", "0") == [False, False]


def test_an_id_takes_at_most_thirty_two_bytes_however_long_it_goes_on():
    dedup = log(max_ids=20_000)
    names = iter(range(10**9))
    for _ in range(60):
        see(dedup, 100, *(str(next(names)) for _ in range(1000)))
    assert dedup.memory_bytes <= 32 * (20_000 + 1000)


def test_an_id_seen_again_takes_no_more_room():
    dedup = log(max_ids=64)
    for minute in range(300):
        see(dedup, minute, *map(str, range(60)))
    assert len(dedup) == 60
    assert dedup.shortened == 0


def test_one_batch_may_be_larger_than_the_bound():
    dedup = log(max_ids=100)
    see(dedup, 100, *map(str, range(1000)))
    assert len(dedup) <= 100
    assert see(dedup, 100, "999") == [True]


def test_a_shortened_log_says_how_far_back_it_knows():
    dedup = log(max_ids=30)
    assert (dedup.kept_seconds, dedup.kept_from_minute) == (0, None)
    for minute in range(100):
        see(dedup, minute, str(minute))
    assert (dedup.kept_seconds, dedup.kept_from_minute) == (29 * 60, 70)
    assert see(dedup, 99, *map(str, range(69, 100))) == [False] + [True] * 30


def test_forgetting_by_the_horizon_is_not_called_shortening():
    dedup = log()
    for minute in range(500):
        see(dedup, minute, str(minute))
    assert dedup.shortened == 0
    assert len(dedup) == 61  # minutes 439 to 499
    assert dedup.kept_seconds == 3600


def test_a_batch_without_events_leaves_no_trace():
    dedup = log()
    found, seen, *_ = dedup.judge(ids(), [], [])
    dedup.join(seen)
    assert (len(found), len(seen), dedup.progress_minute) == (0, 0, None)


@pytest.mark.parametrize("parts", [1, 3])
def test_batches_read_back_together_are_what_they_were_one_by_one(parts: int):
    one, other = log(), log()
    batches = [
        Sightings(ids(*names), np.full(3, 7 * n, np.int32))
        for n, names in enumerate(("abc", "dea", "fgb"))
    ]
    for batch in batches:
        one.join(batch)
    for start in range(0, 3, parts):
        other.join(Sightings.together(batches[start : start + parts]))
    assert len(one) == len(other) == 7
    asked = ids(*"abcdefgh")
    for minute in range(14, 90):
        again = [each.judge(asked, [0] * 8, [minute] * 8)[0].tolist() for each in (one, other)]
        assert again[0] == again[1]
