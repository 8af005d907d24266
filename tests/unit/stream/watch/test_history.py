"""Hours and days: counted once, kept by the watermark, named when they go."""

import numpy as np
import pytest

from detectors.observation import COST, COUNTERS, REQUESTS, add_counts, zero_counts
from detectors.window import DAY_SECONDS, HOUR_SECONDS
from stream.watch.bounds import Bounds
from stream.watch.history import History, HistoryPage
from stream.watch.history_page import HistoryCounts
from stream.watch.pages import Page, page_of
from stream.watch.roster import Roster
from tests.support.timeline import MONDAY, counts_of

NOON = MONDAY + 12 * HOUR_SECONDS


def hours(keep: int = 3) -> History:
    return History(HOUR_SECONDS, keep, 2, Roster(Bounds(9), 1, 2))


def pages(history: History) -> dict[tuple[int, int], HistoryPage]:
    return dict(history.pages())


def fold(
    history: History,
    offset: int,
    at: int,
    usd: float,
    watermark: int | None = None,
    *,
    front: int | None = NOON + 4 * HOUR_SECONDS,
) -> None:
    history.fold(
        offset,
        history.roster.number("agent:a"),
        at // 60,
        counts_of(usd),
        watermark_seconds=watermark,
        front_seconds=front,
    )


def cost(history: History, start: int, end: int, kind: str = "agent") -> float:
    return sum(counts[COST] for _, counts in history.sums(kind, start, end)) / 1e9


def test_rows_add_up_per_window():
    history = hours()
    fold(history, 1, NOON, 1.0)
    fold(history, 1, NOON + 3599, 2.0)
    fold(history, 2, NOON + 3600, 4.0)
    assert cost(history, NOON, NOON + 3600) == 3.0
    assert cost(history, NOON, NOON + 7200) == 7.0
    assert cost(history, NOON, NOON + 7200, "team") == 0


def test_kinds_are_told_apart_by_their_whole_name():
    history = hours()
    history.fold(
        1,
        history.roster.number("agent+model:a|m"),
        NOON // 60,
        counts_of(1.0),
        watermark_seconds=None,
        front_seconds=NOON,
    )
    assert cost(history, NOON, NOON + 3600) == 0


def test_a_window_that_is_only_partly_asked_for_is_left_out():
    history = hours()
    fold(history, 1, NOON, 1.0)
    assert cost(history, NOON + 1, NOON + 3601) == 0
    assert cost(history, NOON, NOON + 3599) == 0


def test_a_page_that_has_the_delta_does_not_count_it_again():
    history = hours()
    place = (page_of("agent:a", 2), NOON)
    of_five = HistoryCounts(["agent:a"], np.array([counts_of(5.0)]), {})
    history.restore({place: Page(7, of_five.to_rows())}, None)
    fold(history, 7, NOON, 1.0)
    assert cost(history, NOON, NOON + 3600) == 5.0
    assert pages(history)[place].is_dirty  # what was taken over is written anew
    fold(history, 8, NOON, 1.0)
    assert cost(history, NOON, NOON + 3600) == 6.0
    assert pages(history)[place].is_dirty


def test_retention_follows_the_watermark():
    history = hours(keep=3)
    fold(history, 1, NOON, 1.0)
    assert history.expire(NOON + 4 * 3600 - 1) == []
    assert history.expire(NOON + 4 * 3600) == [(page_of("agent:a", 2), NOON)]
    assert pages(history) == {}


def test_a_row_behind_the_retention_makes_no_new_page():
    history = hours(keep=3)
    fold(history, 1, NOON - 1, 1.0, NOON + 3 * 3600)
    assert pages(history) == {}
    fold(history, 1, NOON, 1.0, NOON + 3 * 3600)
    assert cost(history, NOON, NOON + 3600) == 1.0


def test_a_row_of_any_time_up_to_the_front_is_held_however_far_ahead_of_the_watermark():
    history, front = hours(), NOON + 30 * DAY_SECONDS
    for offset, at in enumerate(range(NOON, front + 3599, HOUR_SECONDS)):
        fold(history, offset, at, 1.0, NOON, front=front)
    assert cost(history, NOON, front + HOUR_SECONDS) == 30 * 24 + 1
    assert history.first_left_out(0, front + DAY_SECONDS) is None


def test_a_clock_that_is_wrong_makes_a_bounded_number_of_windows_and_what_is_left_out_is_known():
    history, years = hours(keep=3), range(1, 60)
    for offset, year in enumerate(years):
        for at in (NOON, NOON + HOUR_SECONDS):
            fold(history, offset, at + year * 365 * DAY_SECONDS, 1.0, NOON, front=NOON)
    assert len(pages(history)) == 3
    year = 365 * DAY_SECONDS
    first, second = NOON + year, NOON + 2 * year
    assert cost(history, first, first + 2 * HOUR_SECONDS) == 2.0
    assert history.first_left_out(0, MONDAY + 2 * year) is None
    assert history.first_left_out(first, second + 3 * year) == MONDAY + 2 * year
    assert history.first_left_out(second + 3600, second + 7200) == MONDAY + 2 * year
    assert history.first_left_out(MONDAY + 2 * year + DAY_SECONDS, NOON + 3 * year - 86400) is None


def test_time_that_came_makes_room_ahead():
    history = hours(keep=3)
    for offset, hour in enumerate((1, 2, 3)):
        fold(history, offset, NOON + hour * HOUR_SECONDS, 1.0, NOON, front=NOON)
    fold(history, 3, NOON + 9 * HOUR_SECONDS, 1.0, NOON, front=NOON + HOUR_SECONDS)
    assert len(pages(history)) == 4
    fold(history, 4, NOON + 10 * HOUR_SECONDS, 1.0, NOON, front=NOON + HOUR_SECONDS)
    assert history.first_left_out(NOON, NOON + DAY_SECONDS) == MONDAY


def test_before_anybody_has_spoken_of_time_windows_are_bounded_too():
    history = hours(keep=3)
    for offset in range(9):
        fold(history, offset, NOON + offset * HOUR_SECONDS, 1.0, None, front=None)
    assert len(pages(history)) == 3
    assert history.first_left_out(NOON, NOON + DAY_SECONDS) == MONDAY


def test_what_was_left_out_is_known_after_a_restart_and_forgotten_with_its_day():
    history = hours(keep=1)
    for offset, hour in enumerate((30, 60)):
        fold(history, offset, NOON + hour * HOUR_SECONDS, 1.0, NOON, front=NOON)
    again = hours(keep=1)
    again.restore({}, history.snapshot())
    day = MONDAY + 3 * DAY_SECONDS
    assert again.first_left_out(0, day + 1) == day
    again.expire(day + DAY_SECONDS + HOUR_SECONDS - 1)
    assert again.first_left_out(0, day + 1) == day
    again.expire(day + DAY_SECONDS + HOUR_SECONDS)
    assert again.first_left_out(0, day + 1) is None
    fold(again, 2, NOON + 30 * HOUR_SECONDS, 1.0, None, front=NOON)
    assert len(pages(again)) == 1, "the window it had taken ahead is still taken"


def test_what_is_kept_is_never_what_was_expired():
    history = hours(keep=2)
    for watermark in range(NOON, NOON + 6 * 3600, 1777):
        for at in range(NOON - 4 * 3600, NOON + 6 * 3600, 900):
            fold(history, 1, at, 1.0, watermark)
        history.expire(watermark)
        kept = {start for _, start in pages(history)}
        assert all(history.is_kept(start + 3599, watermark) for start in kept)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_counters_come_when_all_add_up_as_if_each_had_a_column(seed: int):
    draw, history = np.random.default_rng(seed), hours(keep=40)
    names = [f"agent:a{number}" for number in range(7)]
    numbers = np.array([history.roster.number(name) for name in names])
    wanted = {name: zero_counts() for name in names}
    for offset in range(60):
        some = np.flatnonzero(draw.random(len(names)) < 0.5)
        used = draw.random(len(COUNTERS)) < draw.choice([0.0, 0.1, 0.5])
        counts = draw.integers(0, 2**61, (len(some), len(COUNTERS))) * used
        at = NOON + int(draw.integers(0, 2)) * HOUR_SECONDS
        if draw.random() < 0.5:
            history.add(numbers[some], np.full(len(some), at), counts)
        else:
            for each, amounts in zip(some.tolist(), counts.tolist(), strict=True):
                history.fold(
                    offset, numbers[each], at // 60, amounts, watermark_seconds=None,
                    front_seconds=NOON + 2 * HOUR_SECONDS,
                )  # fmt: skip
        for each, amounts in zip(some.tolist(), counts.tolist(), strict=True):
            add_counts(wanted[names[each]], amounts)
        if not offset % 9:
            history.expire(NOON + HOUR_SECONDS)
    found = {name: zero_counts() for name in names}
    for name, counts in history.sums("agent", NOON, NOON + 2 * HOUR_SECONDS):
        add_counts(found[name], counts)
    assert found == wanted


def test_a_window_has_columns_for_what_came_and_no_rows_to_spare_once_it_is_over():
    history = hours(keep=40)
    for number in range(100):
        history.roster.number(f"agent:a{number}")
    counts = np.zeros((1, len(COUNTERS)), np.int64)
    counts[0, [COST, REQUESTS]] = 1
    for number in range(100):
        history.add(np.array([number]), np.array([NOON]), counts)
    window = history._windows[NOON]
    assert window._counts.shape == (128, 2)
    history.expire(NOON + HOUR_SECONDS)
    assert window._counts.shape == (100, 2)
    history.add(np.array([7]), np.array([NOON]), counts)
    assert cost(history, NOON, NOON + HOUR_SECONDS) == 101 / 1e9
