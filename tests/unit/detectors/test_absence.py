"""Silence where there is always spend: from when on it is news, and until when."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from detectors.absence import (
    ABSENT_SINCE,
    ACCEPTED,
    ACCEPTED_HOURS,
    FIRST_LOOK_HOURS,
    LAST_LOOK_HOURS,
    SILENT_FROM,
    AbsenceConfig,
    AbsenceDetector,
    AbsenceFinding,
    Presence,
)
from detectors.span_edges import Edge
from detectors.window import Window

USD = 1_000_000_000
HOUR = 3600
MONDAY = 1_699_833_600  # 2023-11-13T00:00:00Z


def edge(hours: int = 6, expected: float = 24.0, lower: float = 9.0) -> Edge:
    dollars = expected, 2 * expected, 3 * expected, lower
    return Edge(hours, *(round(each * USD) for each in dollars))


class Scope:
    """One scope; its windows are hours unless said otherwise, its edges always the same."""

    def __init__(self, *edges: Edge, least_usd: str = "5") -> None:
        self.absence = AbsenceDetector(AbsenceConfig(least_usd=Decimal(least_usd)))
        self.state = self.absence.fresh()
        self.edges = edges or (edge(),)
        self.at = MONDAY
        self.asked_at: list[int] = []

    def passes(
        self, count: int, usd: float = 0.0, *, seconds: int = HOUR, is_held: bool = False
    ) -> list[AbsenceFinding]:
        """So many windows with that much spend each; what was found."""
        found = []
        for _ in range(count):
            window = Window(self.at, self.at + seconds)
            self.at += seconds
            news = self.absence.learn(
                self.state, window, round(usd * USD), self.ask, is_held=is_held
            )
            found += [] if news is None else [news]
        return found

    def ask(self, _hours: int, least_nanousd: int) -> tuple[Edge, ...]:
        assert least_nanousd == 5 * USD
        self.asked_at.append((self.at - MONDAY) // HOUR)
        return self.edges

    def due_at(self, hours: float) -> float | None:
        """In hours since Monday, as is asked."""
        due = self.absence.due_at(self.state, MONDAY + round(hours * HOUR))
        return None if due is None else (due - MONDAY) / HOUR


def gone(*edges: Edge) -> Scope:
    """A scope that spent for an hour and was told to be silent six hours later."""
    scope = Scope(*edges)
    assert scope.passes(1, 4.0) == []
    [found] = scope.passes(FIRST_LOOK_HOURS)
    assert found.change is Presence.GONE
    return scope


# -- when to look ----------------------------------------------------------------------------


def test_who_never_spent_is_not_missed():
    scope = Scope()
    assert scope.due_at(0) is None
    assert scope.passes(100) == []
    assert scope.asked_at == []


@pytest.mark.parametrize(
    ("through", "due"),
    [
        (0.5, 7),
        (6, 7),
        (6.9, 7),
        (7, 8),
        (7.25, 8),
        (LAST_LOOK_HOURS, LAST_LOOK_HOURS + 1),
        (LAST_LOOK_HOURS + 1, None),
        (500, None),
    ],
)
@pytest.mark.parametrize("windows", [1, 12])
def test_silence_is_due_as_hours_end_from_the_sixth_to_the_eightieth(
    through: float, due: int | None, windows: int
):
    scope = Scope()
    scope.passes(windows, 4.0, seconds=300)  # one or all of the first hour
    assert scope.due_at(through) == due


@pytest.mark.parametrize(
    ("missed_from", "due"), [(3, 8), (8, 8), (20, 20), (81, 81), (82, None), (None, None)]
)
def test_silence_is_due_no_earlier_than_it_may_be_missed(missed_from: int | None, due: int | None):
    scope = Scope()
    scope.passes(1, 4.0)

    def answer(first: int, stop: int, least_nanousd: int) -> int | None:
        asked = first - MONDAY // HOUR, stop - MONDAY // HOUR, least_nanousd
        assert asked == (1, 1 + LAST_LOOK_HOURS, 5 * USD)
        return None if missed_from is None else MONDAY + missed_from * HOUR

    found = scope.absence.due_at(scope.state, MONDAY + 7 * HOUR, answer)
    assert found == (None if due is None else MONDAY + due * HOUR)


def test_edges_are_asked_for_once_an_hour_while_silence_may_be_news():
    scope = Scope(edge(lower=0.0))
    scope.passes(1, 4.0)
    scope.passes(100 * 12, seconds=300)
    assert scope.asked_at == list(range(1 + FIRST_LOOK_HOURS, 1 + LAST_LOOK_HOURS + 1))


def test_what_is_not_found_by_the_last_look_never_is():
    for hours, count in ((LAST_LOOK_HOURS, 1), (LAST_LOOK_HOURS + 1, 0)):
        scope = Scope(edge(hours))
        scope.passes(1, 4.0)
        assert len(scope.passes(LAST_LOOK_HOURS + 50)) == count


# -- what is news ----------------------------------------------------------------------------


def test_hours_that_are_never_silent_are_missed_when_they_end():
    scope = Scope(edge(6, 24.0, 9.0))
    scope.passes(30, 4.0)
    assert scope.passes(6 * 12 - 1, seconds=300) == []
    [found] = scope.passes(1, seconds=300)
    since = MONDAY + 30 * HOUR
    assert found == AbsenceFinding(
        change=Presence.GONE,
        since=since,
        silent=Window(since, since + 6 * HOUR),
        fired_at=since + 6 * HOUR,
        expected_nanousd=24 * USD,
        lower_nanousd=9 * USD,
    )
    assert scope.passes(60) == [], "it is told once"


def test_only_whole_hours_without_spend_are_missed():
    scope = Scope()
    scope.passes(1, 4.0, seconds=300)
    assert scope.passes(6 * 12, seconds=300) == []
    [found] = scope.passes(12, seconds=300)
    assert found.since == MONDAY + 300
    assert found.silent == Window(MONDAY + HOUR, MONDAY + 7 * HOUR)


@pytest.mark.parametrize("hours", [24, 72])
def test_a_longer_span_is_missed_only_once_all_of_it_was_silent(hours: int):
    scope = Scope(edge(6, lower=0.0), edge(hours, 90.0, 40.0))
    scope.passes(1, 4.0)
    assert scope.passes(hours - 1) == []
    [found] = scope.passes(1)
    assert found.silent.size_seconds == hours * HOUR
    assert found.since == MONDAY + HOUR


@pytest.mark.parametrize(
    ("missed", "told"),
    [
        (edge(6, 24.0, 0.0), []),
        (edge(6, 24.0, 1e-9), [Presence.GONE]),
        (edge(6, 4.99, 4.0), []),
        (edge(6, 5.0, 4.0), [Presence.GONE]),
    ],
)
def test_news_is_what_chance_does_not_leave_silent_and_what_is_worth_it(
    missed: Edge, told: list[Presence]
):
    scope = Scope(missed)
    scope.passes(1, 4.0)
    assert [each.change for each in scope.passes(ACCEPTED_HOURS)] == told


def test_of_several_spans_the_dearest_is_told():
    scope = Scope(edge(24, 90.0, 40.0), edge(6, 24.0, 9.0), edge(72, 200.0, 0.0))
    scope.passes(1, 4.0)
    scope.edges, later = (edge(6, lower=0.0),), scope.edges
    scope.passes(23)
    scope.edges = later
    [found] = scope.passes(1)
    assert (found.silent.size_seconds, found.expected_nanousd) == (24 * HOUR, 90 * USD)


# -- until when ------------------------------------------------------------------------------


def test_who_spends_again_is_back_with_the_window_of_it():
    scope = gone()
    assert scope.passes(5) == []
    at = scope.at
    [found] = scope.passes(1, 0.000001, seconds=300)
    assert found == AbsenceFinding(
        change=Presence.BACK,
        since=MONDAY + HOUR,
        silent=Window(MONDAY + HOUR, at),
        fired_at=MONDAY + 7 * HOUR,
        expected_nanousd=24 * USD,
    )
    assert scope.passes(11, 4.0, seconds=300) == []
    assert [each.change for each in scope.passes(6)] == [Presence.GONE], "and may be gone again"


def test_who_stays_away_for_three_days_is_accepted_and_not_missed_until_it_spends_again():
    scope = gone()
    assert scope.due_at(7) == 7 + ACCEPTED_HOURS
    assert scope.passes(ACCEPTED_HOURS - 1) == []
    end = scope.at + HOUR
    assert scope.passes(1) == [
        AbsenceFinding(
            change=Presence.ACCEPTED,
            since=MONDAY + HOUR,
            silent=Window(MONDAY + HOUR, end),
            fired_at=MONDAY + 7 * HOUR,
            expected_nanousd=24 * USD,
        )
    ]
    assert scope.due_at(1000) is None
    assert scope.state[ABSENT_SINCE] == ACCEPTED
    assert scope.passes(300) == []
    assert scope.passes(1, 4.0) == [], "that was told to be normal"
    assert [each.change for each in scope.passes(6)] == [Presence.GONE]


def test_an_acceptance_that_is_overdue_is_due_as_the_hour_ends():
    scope = gone()
    assert scope.due_at(500.5) == 501


def test_who_is_held_down_is_not_missed():
    scope = Scope()
    scope.passes(1, 4.0)
    scope.passes(5)
    assert scope.passes(1, is_held=True) == []
    assert scope.state[SILENT_FROM] == scope.at
    assert scope.passes(5) == []
    [found] = scope.passes(1)
    assert found.since == scope.at - 6 * HOUR


def test_who_is_held_down_and_spends_has_spent():
    scope = gone()
    assert scope.passes(1, is_held=True) == []
    assert [each.change for each in scope.passes(1, 1.0, is_held=True)] == [Presence.BACK]


# -- what is kept ----------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 1, 5, 7, 20, 79, 90, 101, 130])
def test_a_restored_scope_goes_on_like_the_old_one(cut: int):
    def run(scope: Scope, first: int, stop: int) -> list[AbsenceFinding]:
        spends = {0, 95, 100}
        return [
            each
            for hour in range(first, stop)
            for each in scope.passes(1, 4.0 if hour in spends else 0.0)
        ]

    whole, first, second = Scope(), Scope(), Scope()
    found = run(first, 0, cut)
    second.state = second.absence.restore(first.absence.snapshot(first.state))
    second.at = first.at
    told = run(whole, 0, 200)
    assert found + run(second, cut, 200) == told
    assert [each.change for each in told] == [
        Presence.GONE,
        Presence.ACCEPTED,
        Presence.GONE,
        Presence.ACCEPTED,
    ]
    assert second.state == whole.state


def test_a_snapshot_is_no_window_into_the_state():
    scope = gone()
    plain = scope.absence.snapshot(scope.state)
    kept = list(plain)
    scope.passes(1, 4.0)
    assert plain == kept


@pytest.mark.parametrize(
    "plain", [[], [1, 2, 3], [1, 2, 3, 4, 5], 7, [None, -1, 0, 0], ["x", -1, 0, 0]]
)
def test_what_is_no_snapshot_is_refused(plain: Any):
    with pytest.raises(ValueError, match="not a snapshot of an absence"):
        Scope().absence.restore(plain)


@pytest.mark.parametrize("wrong", [{"least_usd": 0}, {"hours": 6}])
def test_a_wrong_setting_is_refused(wrong: dict[str, int]):
    with pytest.raises(ValidationError):
        AbsenceConfig.model_validate(wrong)
