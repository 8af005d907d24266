"""One delta partition: what is folded, bounded, held, flushed and answered."""

from typing import Any

import pytest

from alerting.alert import Transition
from alerting.watch.lesson import Lesson
from detectors.observation import COST
from detectors.window import DAY_SECONDS, HOUR_SECONDS
from stream.delta import DeltaRow, DeltaRows, Promise
from stream.watch.bounds import Bounds
from stream.watch.flush import DAYS, HOURS, LIVE, PROFILE, TABLES, Flush, Write
from stream.watch.pages import PageError, decode_page, encode_page
from stream.watch.partition import DeltaPartition
from stream.watch.spend import SpanError
from tests.support.deltas import WINDOW, known, new_partition
from tests.support.timeline import MONDAY, counts_of


def row(at: int, usd: float, scope: str = "agent:a", *, is_late: bool = False) -> DeltaRow:
    return DeltaRow(scope, at // 60, is_late, counts_of(usd))


def fold(
    partition: DeltaPartition, offset: int, watermark: int | None, *rows: DeltaRow
) -> list[Any]:
    """A delta of an input that both inputs' promises stand for."""
    partition.vector.observe("usage.events/1", watermark, is_idle=True)
    promise = Promise("usage.events/0", watermark, is_idle=False)
    return partition.fold(offset, promise, DeltaRows.of(rows))


def spent(partition: DeltaPartition, kind: str, span: tuple[int, int] | None) -> dict[str, float]:
    return {scope: each[2][COST] / 1e9 for scope, each in partition.spend(kind, span).items()}


def calm_hour(partition: DeltaPartition, start: int = MONDAY, usd: float = 0.05) -> int:
    """A row per window for an hour; the last offset."""
    for number in range(12):
        at = start + number * WINDOW
        fold(partition, number, at, row(at, usd))
    return 11


def writes_of(flush: Flush) -> list[Write]:
    return [write for step in flush.steps for write in step]


def records_of(*flushes: Flush) -> dict[str, dict[Any, bytes]]:
    records: dict[str, dict[Any, bytes]] = {table: {} for table in TABLES}
    for flush in flushes:
        for table, key, value in writes_of(flush):
            records[table].pop(key, None)
            if value is not None:
                records[table][key] = value
    return records


def restored(records: dict[str, dict[Any, bytes]], incarnation: str = "two") -> DeltaPartition:
    partition = new_partition(incarnation)
    partition.restore(records)
    return partition


def test_a_delta_that_was_applied_changes_nothing():
    partition = new_partition()
    fold(partition, 4, MONDAY, row(MONDAY, 1.0))
    before = known(partition)
    again = Promise("usage.events/0", MONDAY + 9999, is_idle=False)
    assert partition.fold(4, again, DeltaRows.of([row(MONDAY, 1.0)])) == []
    assert partition.fold(3, again, DeltaRows.of([row(MONDAY, 1.0)])) == []
    assert known(partition) == before


def test_late_rows_count_in_totals_and_history_and_in_no_window():
    partition = new_partition()
    fold(partition, 0, MONDAY, row(MONDAY, 1.0, is_late=True))
    assert spent(partition, "agent", None) == {"agent:a": 1.0}
    assert spent(partition, "agent", (MONDAY, MONDAY + HOUR_SECONDS)) == {"agent:a": 1.0}
    assert partition.scopes["agent:a"].cells == {}


def test_names_beyond_the_bound_are_counted_together_and_each_environment_apart():
    partition = new_partition(bounds=Bounds(2))
    names = ("agent:a", "agent:b@staging", "agent:c", "agent:d", "agent:e@staging", "team:x")
    fold(partition, 0, None, *(row(MONDAY, 2.0**number, name) for number, name in enumerate(names)))
    fold(partition, 1, None, row(MONDAY, 100.0, "agent:a"), row(MONDAY, 1000.0, "agent:c"))
    assert spent(partition, "agent", None) == {
        "agent:a": 101.0,
        "agent:b@staging": 2.0,
        "agent:__other__": 1012.0,
        "agent:__other__@staging": 16.0,
    }
    assert spent(partition, "team", None) == {"team:x": 32.0}


def test_environments_have_no_end_and_what_is_kept_of_them_has_one():
    partition = new_partition(bounds=Bounds(2))
    for number in range(500):
        fold(partition, number, None, row(MONDAY, 1.0, f"agent:a@e{number}"))
    assert spent(partition, "agent", None) == {
        "agent:a@e0": 1.0,
        "agent:a@e1": 1.0,
        "agent:__other__@e2": 1.0,
        "agent:__other__@e3": 1.0,
        "agent:__other__": 496.0,
    }


@pytest.mark.parametrize("is_lost", ["agent:__other__@e2", "agent:__other__@e3", "agent:__other__"])
def test_who_is_counted_together_does_not_hang_on_which_pages_a_cut_flush_wrote(is_lost: str):
    entries = [row(MONDAY, 1.0, f"agent:a@e{number}") for number in range(6)]

    def fold_all(partition: DeltaPartition) -> None:
        for number, each in enumerate(entries):
            fold(partition, number, None, each)

    whole = new_partition(bounds=Bounds(2))
    fold_all(whole)
    flush = whole.begin_flush(with_profiles=False)
    records = records_of(flush)
    for key, value in list(records[LIVE].items()):
        if "/-1/" in key or is_lost in decode_page(value).rows:
            del records[LIVE][key]
    again = new_partition("two", bounds=Bounds(2))
    again.restore(records)
    fold_all(again)
    assert spent(again, "agent", None) == spent(whole, "agent", None)


def test_a_kind_may_have_a_bound_of_its_own():
    bounds = Bounds(10, {"user": 1})
    assert (bounds.of("user"), bounds.of("agent")) == (1, 10)


def test_what_is_counted_together_is_never_judged():
    partition = new_partition(bounds=Bounds(0))
    last = calm_hour(partition)
    at = MONDAY + HOUR_SECONDS
    assert fold(partition, last + 1, at, row(at, 5000.0)) == []
    assert fold(partition, last + 2, at + HOUR_SECONDS) == []


def test_a_flush_writes_only_what_changed_and_the_own_page_always():
    partition = new_partition()
    fold(partition, 0, MONDAY, row(MONDAY, 1.0))
    fold(partition, 1, MONDAY + HOUR_SECONDS)
    first = partition.begin_flush(with_profiles=True)
    assert sorted(table for table, _, _ in writes_of(first)) == sorted([LIVE, LIVE, *TABLES[1:]])
    partition.finish_flush(first)
    fold(partition, 2, MONDAY + HOUR_SECONDS)
    second = partition.begin_flush(with_profiles=True)
    ((table, key, value),) = writes_of(second)
    assert (table, key) == (LIVE, "0/3/-1/one")
    assert value is not None
    assert decode_page(value).stamp == 2


def test_what_a_flush_acknowledges_is_handed_out_once_and_in_order():
    partition = new_partition()
    for offset in (2, 5, 7):
        fold(partition, offset, MONDAY)
        partition.unacknowledged.append(offset)
    flush = partition.begin_flush(with_profiles=False)
    assert flush.stamp == 7
    assert partition.unacknowledged == [2, 5, 7]
    assert partition.finish_flush(flush) == [2, 5, 7]
    assert partition.finish_flush(partition.begin_flush(with_profiles=False)) == []


def test_closed_windows_stay_in_live_until_the_profile_that_absorbed_them_is_durable():
    partition = new_partition()
    last = calm_hour(partition)
    state = partition.scopes["agent:a"]
    closed = len(state.log)
    assert closed == 11
    partition.finish_flush(partition.begin_flush(with_profiles=False))
    assert len(state.log) == closed, "no profile was written"
    flush = partition.begin_flush(with_profiles=True)
    assert len(state.log) == closed, "it is written, but not acknowledged"
    at = MONDAY + HOUR_SECONDS
    partition.finish_flush(flush)
    assert state.log == []
    fold(partition, last + 1, at, row(at, 0.05))
    assert len(partition.scopes["agent:a"].log) == 1, "the profile does not know this one"


def test_closed_windows_are_learned_again_from_live_when_the_profile_is_lost():
    partition = new_partition()
    calm_hour(partition)
    flush = partition.begin_flush(with_profiles=True)
    records = records_of(flush)
    records[PROFILE].clear()
    assert known(restored(records)) == known(partition)


def test_a_flush_that_is_not_finished_is_written_again():
    partition = new_partition()
    fold(partition, 0, MONDAY, row(MONDAY, 1.0))
    fold(partition, 1, MONDAY + HOUR_SECONDS)
    partition.begin_flush(with_profiles=True)
    again = partition.begin_flush(with_profiles=True)
    assert known(restored(records_of(again))) == known(partition)


def test_a_restored_partition_removes_a_key_only_behind_its_own():
    first = new_partition("one")
    fold(first, 0, MONDAY, row(MONDAY, 1.0))
    records = records_of(first.begin_flush(with_profiles=True))
    second = restored(records)
    fold(second, 1, MONDAY, row(MONDAY, 1.0))
    flush = second.begin_flush(with_profiles=True)
    assert all(value is not None for _, _, value in writes_of(flush))
    second.finish_flush(flush)
    removal = second.begin_flush(with_profiles=False)
    removed = {(table, key) for table, key, value in writes_of(removal) if value is None}
    assert removed == {(table, key) for table in TABLES for key in records[table]}
    assert removal.steps[0] == [(LIVE, "0/3/-1/one", None)], "the own page goes first"
    second.finish_flush(removal)
    assert writes_of(second.begin_flush(with_profiles=True)) == removal.steps[-1]


def test_windows_that_leave_the_retention_are_removed_from_their_tables():
    partition = new_partition()
    fold(partition, 0, MONDAY, row(MONDAY, 1.0))
    partition.finish_flush(partition.begin_flush(with_profiles=True))
    fold(partition, 1, MONDAY + 4 * HOUR_SECONDS)
    hours = [w for w in writes_of(partition.begin_flush(with_profiles=False)) if w[0] == HOURS]
    ((_, (text, window), value),) = hours
    assert (text.endswith("/one"), window, value) == (True, (MONDAY, MONDAY + 3600), None)
    fold(partition, 2, MONDAY + 3 * DAY_SECONDS)
    assert DAYS in {w[0] for w in writes_of(partition.begin_flush(with_profiles=False)) if not w[2]}


def test_the_highest_stamp_is_that_of_any_page():
    partition = new_partition()
    assert partition.highest_stamp == -1
    fold(partition, 9, MONDAY, row(MONDAY, 1.0))
    flush = partition.begin_flush(with_profiles=False)
    records = records_of(flush)
    del records[LIVE][flush.steps[-1][0][1]]
    assert restored(records).highest_stamp == 9
    assert restored(records).applied == -1


def test_another_number_of_pages_is_refused_with_the_fix():
    partition = new_partition()
    fold(partition, 0, MONDAY, row(MONDAY, 1.0))
    records = records_of(partition.begin_flush(with_profiles=False))
    records[LIVE] = {key.replace("0/3/", "0/4/"): value for key, value in records[LIVE].items()}
    with pytest.raises(PageError, match=r"4 pages.*says 3.*set it back, or stop the workers"):
        restored(records)


def test_state_of_another_version_is_refused_with_the_fix():
    partition = new_partition()
    calm_hour(partition)
    records = records_of(partition.begin_flush(with_profiles=True))
    for table, change in ((LIVE, lambda row: [2, *row[1:]]), (PROFILE, lambda row: row[:3])):
        changed = dict(records[table])
        for key, payload in records[table].items():
            page = decode_page(payload)
            if "agent:a" in page.rows:
                rows = {text: change(row) for text, row in page.rows.items()}
                changed[key] = encode_page(page.stamp, rows)
        with pytest.raises(PageError, match=r"agent:a .*another version.*stop the workers and"):
            restored(records | {table: changed})


# -- held --------------------------------------------------------------------------------------


def a_spent_budget() -> tuple[DeltaPartition, str]:
    partition = new_partition()
    calm_hour(partition)
    at = MONDAY + HOUR_SECONDS
    fired = fold(partition, 20, at, row(at, 9.0, is_late=True))
    assert {alert.kind for alert in fired} == {"budget"}
    ids = [a.alert_id for a in fired if a.rule.startswith("day/") and a.transition == "fired"]
    return partition, ids[-1]


def test_a_held_scope_that_went_quiet_learns_nothing_of_its_quiet():
    partition, alert_id = a_spent_budget()
    partition.hold(frozenset({alert_id}))
    state = partition.scopes["agent:a"]
    done = len(state.log)
    end = MONDAY + 2 * HOUR_SECONDS
    fold(partition, 21, end)
    assert state.open_start == end, "every window was closed while it was held"
    assert {each[0] for each in state.log[done:]} == {Lesson.HELD}


def test_a_scope_that_is_new_to_this_worker_is_held_too():
    partition, alert_id = a_spent_budget()
    partition.hold(frozenset({alert_id}))
    fold(partition, 21, None, row(MONDAY + HOUR_SECONDS, 1.0, "agent:new"))
    assert partition.scopes["agent:new"].held == {alert_id}


def test_a_held_alert_does_not_resolve_and_a_released_one_does():
    partition = new_partition()
    calm_hour(partition)
    at = MONDAY + HOUR_SECONDS
    fired = fold(partition, 20, at, row(at, 5.0))
    (spike,) = (alert for alert in fired if alert.rule == "spike")
    partition.hold(frozenset({spike.alert_id}))
    told = [fold(partition, 21 + n, at + n * WINDOW) for n in range(1, 8)]
    assert Transition.RESOLVED not in {a.transition for each in told for a in each}
    partition.hold(frozenset())
    told = [fold(partition, 40 + n, at + (8 + n) * WINDOW) for n in range(8)]
    assert Transition.RESOLVED in {a.transition for each in told for a in each}


# -- asking ------------------------------------------------------------------------------------


def a_long_past() -> DeltaPartition:
    """A dollar an hour for four days; hours are kept for three hours, days for two days."""
    partition = new_partition()
    for hour in range(96):
        at = MONDAY + hour * HOUR_SECONDS
        fold(partition, hour, at, row(at, 1.0))
    return partition


THURSDAY = MONDAY + 3 * DAY_SECONDS


def test_everything_since_the_beginning_is_asked_without_a_span():
    (row_,) = a_long_past().spend("agent", None).values()
    assert row_[:2] == (MONDAY, MONDAY + 95 * HOUR_SECONDS + 60)
    assert row_[2][COST] == 96_000_000_000


def test_whole_days_come_from_the_days_and_the_rest_from_the_hours():
    partition = a_long_past()
    end = THURSDAY + 24 * HOUR_SECONDS
    assert spent(partition, "agent", (THURSDAY, end)) == {"agent:a": 24.0}
    assert spent(partition, "agent", (end - 2 * HOUR_SECONDS, end)) == {"agent:a": 2.0}
    assert spent(partition, "agent", (THURSDAY, end + HOUR_SECONDS)) == {"agent:a": 24.0}


@pytest.mark.parametrize(
    ("span", "unit"),
    [
        ((THURSDAY + HOUR_SECONDS, THURSDAY + 2 * HOUR_SECONDS), "hour"),
        ((THURSDAY - HOUR_SECONDS, THURSDAY + DAY_SECONDS), "hour"),
        ((MONDAY, MONDAY + DAY_SECONDS), "day"),
        ((MONDAY, MONDAY + 4 * DAY_SECONDS), "day"),
    ],
)
def test_a_span_that_is_not_kept_in_full_is_refused_and_never_summed_in_part(
    span: tuple[int, int], unit: str
):
    with pytest.raises(SpanError, match=f"counts per {unit} are kept for .* back to"):
        a_long_past().spend("agent", span)


def test_a_span_before_all_there_ever_was_is_answered():
    partition = new_partition()
    fold(partition, 0, THURSDAY, row(THURSDAY, 1.0))
    fold(partition, 1, THURSDAY + HOUR_SECONDS)
    assert spent(partition, "agent", (MONDAY, THURSDAY + HOUR_SECONDS)) == {"agent:a": 1.0}


def test_a_span_ahead_of_time_holds_what_was_counted_there():
    partition = a_long_past()
    start = MONDAY + 20 * DAY_SECONDS
    assert spent(partition, "agent", (start, start + HOUR_SECONDS)) == {}
    fold(partition, 96, THURSDAY + DAY_SECONDS, row(start, 1.0, is_late=True))
    assert spent(partition, "agent", (start, start + HOUR_SECONDS)) == {"agent:a": 1.0}


def test_a_delta_that_jumps_over_days_is_in_hours_and_days_in_full():
    partition = new_partition()
    fold(partition, 0, MONDAY, row(MONDAY, 1.0))
    late = [row(THURSDAY + 60 * n, 1.0, is_late=True) for n in range(3)]
    fold(partition, 1, MONDAY, *late)
    fold(partition, 2, THURSDAY, *(row(THURSDAY + 60 * n, 1.0) for n in range(3, 40)))
    assert spent(partition, "agent", None) == {"agent:a": 41.0}
    assert spent(partition, "agent", (THURSDAY, THURSDAY + HOUR_SECONDS)) == {"agent:a": 40.0}
    assert spent(partition, "agent", (THURSDAY, THURSDAY + DAY_SECONDS)) == {"agent:a": 40.0}


def test_one_delta_over_three_days_is_in_their_hours_in_full():
    partition = new_partition()
    fold(partition, 0, MONDAY, row(MONDAY, 1.0))
    fold(partition, 1, MONDAY, *(row(MONDAY + n * HOUR_SECONDS, 1.0) for n in range(1, 73)))
    span = (MONDAY + HOUR_SECONDS, THURSDAY + HOUR_SECONDS)
    assert spent(partition, "agent", span) == {"agent:a": 72.0}


def test_a_span_with_a_day_that_leaves_events_out_is_refused_and_its_neighbours_are_not():
    partition = new_partition()
    fold(partition, 0, MONDAY, row(MONDAY, 1.0))
    ahead = [MONDAY + day * DAY_SECONDS + 60 for day in range(10, 20)]
    fold(partition, 1, MONDAY, *(row(at, 1.0, is_late=True) for at in ahead))
    partition.finish_flush(flush := partition.begin_flush(with_profiles=True))
    for each in (partition, restored(records_of(flush))):
        assert spent(each, "agent", None) == {"agent:a": 11.0}
        with pytest.raises(SpanError, match=r"per day of 2023-.* leave out .* clock was wrong"):
            each.spend("agent", (MONDAY, MONDAY + 20 * DAY_SECONDS))
        with pytest.raises(SpanError, match=r"per hour of 2023-.* leave out"):
            each.spend("agent", (ahead[5] - 60, ahead[5] + HOUR_SECONDS - 60))
        assert spent(each, "agent", (MONDAY, MONDAY + 12 * DAY_SECONDS)) == {"agent:a": 3.0}


def test_a_late_row_before_all_others_does_not_say_how_far_time_has_come():
    partition = new_partition()
    fold(partition, 0, None, row(MONDAY + 9999 * DAY_SECONDS, 1.0, is_late=True))
    fired = fold(partition, 1, MONDAY, row(MONDAY, 9.0))
    assert {alert.decided_at for alert in fired} == {MONDAY}


def test_profile_pages_take_turns_and_each_is_written_once_a_round():
    partition = new_partition()
    for number in range(40):
        fold(partition, number, MONDAY, row(MONDAY, 1.0, f"agent:a{number}"))
    assert not partition.begin_flush(with_profiles=True).profiles, "nobody has learned"
    fold(partition, 40, MONDAY + HOUR_SECONDS)
    written: list[str] = []
    for turn in range(2):
        flush = partition.begin_flush(with_profiles=True, turn=turn, turns=2)
        pages = [str(write[1]) for write in writes_of(flush) if write[0] == PROFILE]
        assert all(int(key.split("/")[2]) % 2 == turn for key in pages)
        written += pages
        partition.finish_flush(flush)
    assert len(written) == len(set(written)) > 1
    assert not partition.begin_flush(with_profiles=True).profiles
    fold(partition, 41, MONDAY + HOUR_SECONDS, row(MONDAY + HOUR_SECONDS, 1.0, "agent:a1"))
    assert not partition.begin_flush(with_profiles=True).profiles, "its window is open"
    fold(partition, 42, MONDAY + 2 * HOUR_SECONDS)
    assert "agent:a1" in partition.begin_flush(with_profiles=True).profiles


def test_profiles_that_others_wrote_are_written_anew_even_if_nobody_learns():
    partition = new_partition()
    calm_hour(partition)
    again = restored(records_of(partition.begin_flush(with_profiles=True)))
    assert not again.scopes["agent:a"].has_learned
    flush = again.begin_flush(with_profiles=True)
    ((key, _),) = [(key, value) for table, key, value in writes_of(flush) if table == PROFILE]
    assert key.endswith("/two")
    again.finish_flush(flush)
    assert not again.begin_flush(with_profiles=True).profiles, "once is enough"
