"""Ordinary rows wait in columns; what is not ordinary is found; nothing is lost on the way."""

from dataclasses import replace
from math import log
from typing import Any

import numpy as np
import pytest

from alerting.exemplar import Exemplar
from alerting.watch import part_names, part_tally
from alerting.watch.judgement import NEVER, Trigger
from alerting.watch.part_names import NameBook
from alerting.watch.part_tally import MAX_WINDOWS, GroupParts
from alerting.watch.row_groups import RowGroups, group_rows
from alerting.watch.rules import BudgetRule, RulesConfig, SeverityFloors, SpikeRule
from alerting.watch.scope_watch import ScopeState, ScopeWatch
from alerting.watch.tally import Tally
from alerting.watch.tally_columns import FAR
from detectors.observation import BESIDE, COST, REQUESTS
from detectors.scope import Scope
from tests.support.timeline import MONDAY, counts_of

WINDOW = 300
AGENT = Scope.parse("agent:a")
NO_PARTS = GroupParts(*(np.zeros(0, np.int64) for _ in range(4)), names=["m", "u"])


def groups_of(*rows: tuple[int, int, float]) -> RowGroups:
    """Of rows: scope's number, instant, dollars."""
    number, at, usd = zip(*rows, strict=True)
    counts = np.array([counts_of(each) for each in usd], np.int64)
    return group_rows(np.array(number), np.array(at) // 60, counts, WINDOW)[0]


class Desk:
    """A tally of one agent that has spent some cents for an hour; time is the watermark."""

    def __init__(
        self,
        config: RulesConfig | None = None,
        scope: Scope = AGENT,
        book: NameBook | None = None,
    ) -> None:
        self.watch = ScopeWatch(config or RulesConfig())
        self.tally = Tally(self.watch, ("model", "user"), book or NameBook(), few=0)
        self.state = self.watch.fresh(scope, MONDAY // 60)
        self.now = MONDAY - 60
        self.tally.enter(0, self.state)
        for at in range(MONDAY, MONDAY + 3600, WINDOW):
            self.spend(at, 0.05)
            self.pass_time(at + 60)

    def spend(self, at: int, usd: float, parts: GroupParts = NO_PARTS) -> bool:
        """Whether it was ordinary; if not, it is not counted."""
        groups = groups_of((0, at, usd))
        is_ordinary = bool(self.tally.ordinary(groups, self.now).all())
        if is_ordinary:
            self.tally.count(groups, parts, self.now)
        return is_ordinary

    def pass_time(self, watermark: int) -> list[int]:
        """The numbers of the scopes that have to be advanced one by one; they are."""
        self.now = watermark
        due, _ = self.tally.advance(watermark)
        for _, number in due:
            self.tally.settle(np.array([number]))
            self.watch.advance(self.state, watermark)
            self.tally.changed(number)
        return [number for _, number in due]

    def settled(self) -> ScopeState:
        self.tally.settle_all()
        return self.state


END = MONDAY + 3600


def test_ordinary_rows_are_in_the_state_once_somebody_looks():
    desk = Desk()
    before = desk.settled().totals[COST]
    assert desk.spend(END, 0.01)
    assert desk.spend(END + 60, 0.02)
    assert desk.state.totals[COST] == before
    state = desk.settled()
    assert state.totals[COST] == before + 30_000_000
    assert state.last_minute == END // 60 + 1
    assert state.cells[END].cost_nanousd == 30_000_000
    assert state.cells[END].requests == state.totals[REQUESTS] - 12 == 2


def test_a_row_that_may_be_news_is_not_ordinary_and_is_not_counted():
    desk = Desk()
    desk.pass_time(END)
    assert desk.spend(END, 0.2)
    assert not desk.spend(END, 0.3), "together they reach the floor of a minute"
    assert desk.spend(END, 0.1)
    assert not desk.spend(END + WINDOW - 60, 5.0)


def test_calls_are_news_once_they_are_many_and_their_window_costs_enough():
    desk = Desk()
    desk.pass_time(END)
    desk.settled().trigger = Trigger(NEVER, floor_nanousd=100_000_000, calls=4)
    desk.tally.changed(0)
    assert desk.spend(END, 0.05)
    assert desk.spend(END + 60, 0.06), "dear enough, two calls"
    assert desk.spend(END + 120, 0.01)
    assert not desk.spend(END + 120, 0.01), "the fourth"
    assert desk.settled().cells[END].requests == 3
    assert not desk.spend(END + 120, 0.01), "also after somebody has looked"
    desk.state.trigger = Trigger(NEVER, floor_nanousd=200_000_000, calls=4)
    desk.tally.changed(0)
    assert desk.spend(END + 120, 0.07), "many calls, and cheap"
    assert not desk.spend(END + 180, 0.01)
    desk.pass_time(END + WINDOW + 60)
    assert desk.spend(END + WINDOW, 0.3), "of the next window, nothing is known of them"


def test_the_next_window_waits_and_the_one_after_it_is_not_ordinary():
    desk = Desk()
    desk.pass_time(END)
    assert desk.spend(END + WINDOW, 0.1)
    assert desk.spend(END + WINDOW + 60, 0.1)
    assert not desk.spend(END + 2 * WINDOW, 0.1)
    assert desk.settled().cells[END + WINDOW].cost_nanousd == 200_000_000
    assert not desk.spend(END + 2 * WINDOW, 0.1)


def test_a_row_of_a_closed_window_is_not_ordinary():
    desk = Desk()
    desk.pass_time(END + WINDOW)
    assert not desk.spend(END, 0.1)


def test_windows_close_on_paper_and_are_learned_when_somebody_looks():
    desk = Desk()
    learned = desk.settled().learned
    assert learned is not None
    desk.pass_time(END)
    for window in range(4):
        at = END + window * WINDOW
        assert desk.spend(at, 0.1)
        due = desk.pass_time(at + WINDOW)
        assert due == ([0] if window % 2 else []), "one closes on paper, with the next all do"
    assert desk.settled().learned is learned
    assert learned.through == END + 4 * WINDOW


@pytest.mark.parametrize(
    ("usd", "calls", "looked_at"), [(0.9, 1, [0]), (0.9, 80, []), (0.5, 1, [])]
)
def test_a_window_of_dear_calls_does_not_close_on_paper(
    usd: float, calls: int, looked_at: list[int]
):
    """From $0.83 on, at usually a cent a call: what is in the state counts with what waits."""
    desk = Desk()
    desk.pass_time(END)
    state = desk.settled()
    assert state.learned is not None
    state.learned.call_cost = [0, 0, log(10_000_000), 100, 0.0, 0, 0, -1]
    state.trigger = Trigger(NEVER)
    desk.tally.changed(0)
    for _ in range(calls):
        assert desk.spend(END + 60, usd / calls / 2)
    desk.settled()
    for _ in range(calls):
        assert desk.spend(END + 60, usd / calls / 2)
    assert desk.pass_time(END + WINDOW) == looked_at


def test_a_window_opens_on_paper_when_its_row_comes_after_its_start():
    desk = Desk()
    desk.settled()
    desk.pass_time(END + 10 * WINDOW + 60)
    assert not desk.spend(END + 10 * WINDOW, 1.5), "that may be news"
    assert desk.spend(END + 10 * WINDOW, 0.3)
    assert desk.spend(END + 11 * WINDOW, 0.3)
    state = desk.settled()
    assert state.open_start == END + 10 * WINDOW
    assert sorted(state.cells) == [END + 10 * WINDOW, END + 11 * WINDOW]


@pytest.mark.parametrize(("before", "looked_at"), [(3 * WINDOW, []), (WINDOW, [0])])
def test_a_scope_is_looked_at_before_an_hour_whose_room_nobody_knows(before, looked_at):
    desk = Desk()
    desk.settled()
    known_until = int(desk.tally._columns["known_until"][0])
    assert known_until == MONDAY + 2 * 3600
    desk.pass_time(known_until - before + 60)
    assert desk.spend(known_until - before, 0.05)
    assert desk.pass_time(known_until - before + WINDOW + 60) == looked_at, "or closed on paper"


def test_all_rows_of_a_scope_are_ordinary_or_none_is():
    desk = Desk()
    desk.tally.enter(1, desk.watch.fresh(Scope.parse("agent:b"), MONDAY // 60))
    desk.pass_time(END)
    open_and_next = groups_of((0, END, 0.1), (0, END + WINDOW, 0.1), (1, END + WINDOW, 0.1))
    assert desk.tally.ordinary(open_and_next, desk.now).tolist() == [True, True, True]
    two_later = groups_of(
        (0, END + WINDOW, 0.1), (0, END + 2 * WINDOW, 0.1), (1, END + WINDOW, 0.1)
    )
    assert desk.tally.ordinary(two_later, desk.now).tolist() == [False, False, True]
    one_is_news = groups_of((0, END, 9.0), (0, END + WINDOW, 0.1), (1, END + WINDOW, 0.1))
    assert desk.tally.ordinary(one_is_news, desk.now).tolist() == [False, False, True]


def test_a_scope_that_no_rule_fits_is_counted_and_has_no_windows():
    rule = SpikeRule(kinds=("team",))
    desk = Desk(RulesConfig(spikes=(rule,), contributor=None))
    one = np.array([0])
    parts = GroupParts(one, one, one, one + 9, ["m"])
    assert desk.spend(END, 100.0, parts)
    assert desk.settled().totals[COST] == 100_600_000_000
    assert desk.state.cells == {}


def test_a_budget_that_has_something_to_tell_closes_no_window_on_paper():
    budget = BudgetRule(name="day", kind="agent", period="day", amount_usd="8")
    desk = Desk(RulesConfig(spikes=(SpikeRule(drift=None),), budgets=(budget,)))
    assert desk.tally.has_budget(np.array([0])).all()
    desk.settled()
    desk.pass_time(MONDAY + 86400 - 2 * WINDOW)
    assert desk.spend(MONDAY + 86400 - 2 * WINDOW, 0.01)
    assert desk.pass_time(MONDAY + 86400 - WINDOW) == []
    desk.settled()
    desk.watch.fold_budgets(desk.state, (MONDAY + 7200) // 60, 9 * 10**9, desk.now, desk.now)
    desk.tally.changed(0)
    assert desk.spend(MONDAY + 86400 - WINDOW, 0.01)
    assert desk.pass_time(MONDAY + 86400) == [0], "the day is over"


def test_contributors_of_a_scope_that_no_rule_fits_are_nobodys():
    rule = SpikeRule(kinds=("team",))
    desk = Desk(RulesConfig(spikes=(rule,), contributor=None))
    team = desk.watch.fresh(Scope.parse("team:t"), END // 60)
    desk.tally.enter(1, team)
    one = np.array([0, 0])
    parts = GroupParts(np.array([0, 1]), one, one, one + 9, ["m"])
    desk.tally.count(groups_of((0, END, 1.0), (1, END, 1.0)), parts, desk.now)
    desk.tally.settle_all()
    assert desk.state.cells == {}
    assert team.cells[END].parts == {"model": {"m": 9}}


def test_the_dearest_call_of_each_window_comes_to_it_with_its_rows():
    desk = Desk()
    dear, cheap, next_one = (Exemplar(cost, f"https://t.example/{cost}") for cost in (9, 8, 7))

    def named(exemplar: Exemplar) -> GroupParts:
        return replace(NO_PARTS, exemplars=[(0, exemplar)])

    assert desk.spend(END, 0.01, named(cheap))
    assert desk.spend(END + 60, 0.01, named(dear))
    assert desk.spend(END + 120, 0.01, named(cheap))
    desk.pass_time(END + 60)
    assert desk.spend(END + WINDOW, 0.01, named(next_one))
    cells = desk.settled().cells
    assert {start: cell.exemplar for start, cell in cells.items()} == {
        END: dear,
        END + WINDOW: next_one,
    }
    assert desk.spend(END + 180, 0.01)
    assert desk.settled().cells[END].exemplar == dear


def test_calls_of_a_scope_that_no_rule_fits_lead_nobody_anywhere():
    desk = Desk(RulesConfig(spikes=(SpikeRule(kinds=("team",)),), contributor=None))
    exemplars = [(0, Exemplar(9, "https://t.example/9"))]
    assert desk.spend(END, 1.0, replace(NO_PARTS, exemplars=exemplars))
    assert desk.settled().cells == {}


def test_there_is_room_for_any_number_of_scopes():
    desk = Desk()
    for number in (63, 64, 500):
        desk.tally.enter(number, desk.watch.fresh(Scope.parse(f"agent:{number}"), END // 60))
    desk.tally.count(groups_of((0, END, 0.5), (500, END, 1.0)), NO_PARTS, desk.now)
    desk.tally.settle_all()
    assert desk.tally.states[500].totals[COST] == 1_000_000_000
    assert desk.tally.states[64].totals[COST] == 0
    desk.tally.count(groups_of((500, END, 1.0)), NO_PARTS, desk.now)
    desk.tally.settle_all()
    assert desk.tally.states[500].cells[END].cost_nanousd == 2_000_000_000


def test_contributors_come_to_the_window_of_their_row_in_the_order_written():
    desk = Desk()
    desk.pass_time(END)
    for batch in range(2):
        parts = GroupParts(
            group=np.array([0, 0, 0]),
            dimension=np.array([1, 0, 1], np.uint8),
            name=np.array([1, 0, 0], np.int32),
            cost=np.array([5, 6, 7]) + batch,
            names=["m", "u"],
        )
        assert desk.spend(END + batch * 60, 0.01, parts)
    desk.settled()
    desk.settled()
    found = desk.state.cells[END].parts
    in_order = [(dimension, list(names.items())) for dimension, names in (found or {}).items()]
    assert in_order == [("user", [("u", 11), ("m", 15)]), ("model", [("m", 13)])]


def test_contributors_are_settled_before_they_are_too_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(part_tally, "MAX_PARTS", 3)
    desk = Desk()
    desk.pass_time(END)
    none = np.array([0, 0])
    parts = GroupParts(none, none, none, none + 7, ["m", "u"])
    assert desk.spend(END, 0.01, parts)
    assert END not in desk.state.cells
    assert desk.spend(END, 0.01, parts)
    assert desk.state.cells[END].parts == {"model": {"m": 14}}
    assert (desk.settled().cells[END].parts or {}) == {"model": {"m": 28}}


def one_part(name: str) -> GroupParts:
    none = np.array([0])
    return GroupParts(none, none, none + 1, none + 7, ["x", name])


def test_a_full_generation_of_names_is_followed_by_an_empty_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(part_names, "MAX_NAMES", 1)
    book = NameBook()
    desk = Desk(book=book)
    desk.pass_time(END)
    for name, kept in (("u", ["u"]), ("m", ["u", "m"]), ("v", ["v"])):
        assert desk.spend(END, 0.01, one_part(name))
        assert desk.tally._parts._names.texts == kept
        desk.settled()
    assert desk.state.cells[END].parts == {"model": {"u": 7, "m": 7, "v": 7}}


def test_who_still_holds_an_older_generation_reads_it_right(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(part_names, "MAX_NAMES", 2)
    book = NameBook()
    slow, quick = Desk(book=book), Desk(book=book)
    for desk in (slow, quick):
        desk.pass_time(END)
    assert slow.spend(END, 0.01, one_part("u"))
    for name in "abcdef":
        assert quick.spend(END, 0.01, one_part(name))
        quick.settled()
    assert slow.spend(END, 0.01, one_part("v"))
    assert (slow.settled().cells[END].parts or {}) == {"model": {"u": 7, "v": 7}}
    assert (quick.state.cells[END].parts or {}) == {"model": dict.fromkeys("abcdef", 7)}


def test_contributors_are_settled_when_a_generation_has_twice_as_many_names(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(part_names, "MAX_NAMES", 1)
    desk = Desk()
    desk.pass_time(END)
    for name in "abc":
        assert desk.spend(END, 0.01, one_part(name))
        assert END not in desk.state.cells
    assert desk.spend(END, 0.01, one_part("d"))
    assert desk.state.cells[END].parts == {"model": dict.fromkeys("abc", 7)}
    assert (desk.settled().cells[END].parts or {}) == {"model": dict.fromkeys("abcd", 7)}


def test_a_delta_of_too_many_windows_is_looked_at_row_by_row():
    desk = Desk()
    desk.tally.enter(1, desk.watch.fresh(Scope.parse("agent:b"), MONDAY // 60))
    desk.pass_time(END)
    far = groups_of((0, END, 0.1), (1, END + (MAX_WINDOWS + 1) * WINDOW, 0.1))
    assert not desk.tally.ordinary(far, desk.now).any()


def test_sums_that_near_64_bits_are_settled_before_they_wrap():
    desk = Desk(RulesConfig(spikes=(SpikeRule(kinds=("team",)),), contributor=None))
    counts: Any = np.zeros((1, len(desk.state.totals)), np.int64)
    counts[0, COST] = 2**60
    one = np.array([0])
    amounts: Any = np.zeros((1, 10 + len(BESIDE)), np.int64)
    amounts[0, 0] = 2**60
    group = RowGroups(one, one + END, one, one + END // 60, one + END // 60, counts, amounts)
    before = desk.settled().totals[COST]
    for _ in range(12):
        assert desk.tally.ordinary(group, desk.now).all()
        desk.tally.count(group, NO_PARTS, desk.now)
    assert desk.settled().totals[COST] == before + 12 * 2**60


def test_news_that_was_taken_for_ordinary_is_an_error_and_never_lost():
    class Careless(ScopeWatch):
        def least_news(self, scope: Scope) -> int | None:
            return FAR

        def quiet_room(self, state: ScopeState) -> tuple[int, int]:
            return FAR, FAR

    desk = Desk()
    desk.settled()
    desk.tally._watch = Careless(RulesConfig())
    desk.tally.changed(0)
    desk.pass_time(END + 10 * WINDOW)
    assert desk.spend(END + 10 * WINDOW, 500.0)
    with pytest.raises(RuntimeError, match="agent:a: a window that closed on paper was news"):
        desk.settled()


def test_what_is_least_is_below_every_floor():
    spike = SpikeRule()
    assert ScopeWatch(RulesConfig(spikes=(spike,))).least_news(AGENT) == 416_666_667
    key = Scope.parse("api_key:k")
    assert ScopeWatch(RulesConfig()).least_news(key) == 416_666_667
    assert ScopeWatch(RulesConfig()).least_news(Scope.parse("agent:__other__")) is None
    low = spike.model_copy(
        update={
            "ewma": spike.ewma.model_copy(update={"cold_start_usd_per_hour": None}),
            "seasonal": None,
            "severity": SeverityFloors(
                critical_usd_per_hour=100, warning_usd_per_hour=20, info_usd_per_hour=1
            ),
        }
    )
    assert ScopeWatch(RulesConfig(spikes=(low,))).least_news(AGENT) == 1_000_000_001
