"""The page of an hour or a day: columns that say what lists of every scope's counts said."""

import numpy as np
import pytest

from detectors.observation import COST, COUNTERS, REQUESTS, zero_counts
from detectors.window import HOUR_SECONDS
from stream.watch.bounds import Bounds
from stream.watch.history import History
from stream.watch.history_page import HistoryCounts
from stream.watch.pages import Page, decode_page, encode_page
from stream.watch.roster import Roster
from tests.support.deltas import counts_by_name
from tests.support.timeline import MONDAY


def counts(cost: int, requests: int) -> list[int]:
    found = zero_counts()
    found[COST], found[REQUESTS] = cost, requests
    return found


def content_of(by_name: dict[str, list[int]]) -> HistoryCounts:
    return HistoryCounts(list(by_name), np.array(list(by_name.values())), {})


def through_a_page(rows: dict[str, object]) -> dict[str, object]:
    return decode_page(encode_page(7, rows)).rows


def test_counts_come_back_and_counters_that_nobody_used_are_not_written():
    by_name = {"agent:a": counts(5, 1), "agent:b": counts(2**62, 0)}
    rows = content_of(by_name).to_rows()
    assert set(rows["columns"]) == {COUNTERS[COST], COUNTERS[REQUESTS]}
    again = HistoryCounts.from_rows(through_a_page(rows))
    assert counts_by_name(again) == by_name


def test_nobody_and_nothing_come_back():
    for by_name in ({}, {"agent:a": zero_counts()}):
        content = HistoryCounts(list(by_name), np.zeros((len(by_name), len(COUNTERS)), int), {})
        again = HistoryCounts.from_rows(through_a_page(content.to_rows()))
        assert counts_by_name(again) == by_name


@pytest.mark.parametrize("length", [0, 1, 3])
def test_a_column_that_is_not_as_long_as_the_names_is_refused(length: int):
    rows = content_of({"agent:a": counts(5, 1), "agent:b": counts(6, 1)}).to_rows()
    rows["columns"][COUNTERS[COST]] = bytes(8 * length)
    with pytest.raises(ValueError, match=rf"cost_nanousd of {length} scopes, not 2"):
        HistoryCounts.from_rows(rows)


def test_a_scope_beyond_64_bits_comes_back_exactly_and_goes_on():
    def history() -> History:
        return History(HOUR_SECONDS, 3, 1, Roster(Bounds(9), 1, 1))

    def spend(into: History, name: str, cost: int) -> None:
        number, minute = into.roster.number(name), MONDAY // 60
        into.fold(9, number, minute, counts(cost, 1), watermark_seconds=None, front_seconds=MONDAY)

    first, second = history(), history()
    for name, cost in (("agent:a", 3), ("agent:b", 2**70), ("agent:b", 5), ("agent:c", 2**59)):
        spend(first, name, cost)
    pages = {
        place: Page(7, through_a_page(page.content.to_rows())) for place, page in first.pages()
    }
    second.restore(pages, None)
    for name in ("agent:a", "agent:b", "agent:c"):
        for each in (first, second):
            spend(each, name, 2**59)
    hour = (MONDAY, MONDAY + HOUR_SECONDS)
    found = {name: each[COST] for name, each in second.sums("agent", *hour)}
    assert found == {
        "agent:a": 3 + 2**59,
        "agent:b": 2**70 + 5 + 2**59,
        "agent:c": 2**60,
    }
    assert found == {name: each[COST] for name, each in first.sums("agent", *hour)}
