"""Hours and days: counted once, kept by the watermark, named when they go."""

from detectors.observation import COST
from detectors.window import DAY_SECONDS, HOUR_SECONDS
from stream.watch.history import History
from stream.watch.pages import Page, page_of
from tests.support.timeline import MONDAY, counts_of

NOON = MONDAY + 12 * HOUR_SECONDS


def hours(keep: int = 3) -> History:
    return History(HOUR_SECONDS, keep, 2)


def fold(history: History, offset: int, at: int, usd: float, watermark: int | None = None) -> None:
    history.fold(offset, "agent:a", at // 60, counts_of(usd), watermark)


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
    history.fold(1, "agent+model:a|m", NOON // 60, counts_of(1.0), None)
    assert cost(history, NOON, NOON + 3600) == 0


def test_a_window_that_is_only_partly_asked_for_is_left_out():
    history = hours()
    fold(history, 1, NOON, 1.0)
    assert cost(history, NOON + 1, NOON + 3601) == 0
    assert cost(history, NOON, NOON + 3599) == 0


def test_a_page_that_has_the_delta_does_not_count_it_again():
    history = hours()
    place = (page_of("agent:a", 2), NOON)
    history.restore({place: Page(7, {"agent:a": counts_of(5.0)})})
    fold(history, 7, NOON, 1.0)
    assert cost(history, NOON, NOON + 3600) == 5.0
    assert history.pages[place].is_dirty  # what was taken over is written anew
    fold(history, 8, NOON, 1.0)
    assert cost(history, NOON, NOON + 3600) == 6.0
    assert history.pages[place].is_dirty


def test_retention_follows_the_watermark():
    history = hours(keep=3)
    fold(history, 1, NOON, 1.0)
    assert history.expire(NOON + 4 * 3600 - 1) == []
    assert history.expire(NOON + 4 * 3600) == [(page_of("agent:a", 2), NOON)]
    assert history.pages == {}


def test_a_row_behind_the_retention_makes_no_new_page():
    history = hours(keep=3)
    fold(history, 1, NOON - 1, 1.0, NOON + 3 * 3600)
    assert history.pages == {}
    fold(history, 1, NOON, 1.0, NOON + 3 * 3600)
    assert cost(history, NOON, NOON + 3600) == 1.0


def test_a_row_days_ahead_of_the_watermark_makes_no_page():
    history = hours()
    fold(history, 1, NOON + 2 * DAY_SECONDS, 1.0, NOON)
    assert history.pages == {}
    fold(history, 1, NOON + 2 * DAY_SECONDS - 60, 1.0, NOON)
    assert len(history.pages) == 1


def test_what_is_kept_is_never_what_was_expired():
    history = hours(keep=2)
    for watermark in range(NOON, NOON + 6 * 3600, 1777):
        for at in range(NOON - 4 * 3600, NOON + 6 * 3600, 900):
            fold(history, 1, at, 1.0, watermark)
        history.expire(watermark)
        kept = {start for _, start in history.pages}
        assert all(history.is_kept(start + 3599, watermark) for start in kept)
