"""Ordinary rows of many scopes, counted in numpy columns until somebody looks at a scope.

A row is *ordinary* if folding it into its ``ScopeState`` now could tell nobody anything: its scope
is known, it is not late, and what the open window has cost stays below what could be news. WATCH
sees hundreds of such rows for one that matters, and folding one by one costs 100 us. So they are
added up in columns, and ``settle`` folds them into the state when the state is looked at: for a
page, for a query, or for a row that is not ordinary. Likewise a window of a calm scope closes on
paper first, since nothing follows from it but what is learned.

Whatever was settled when: the states, and what is told, are those of ``ScopeWatch.fold`` and
``advance`` row by row (``tests/properties/test_columns.py``). This file must not judge anything.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from alerting.watch.dear_calls import may_be_dear
from alerting.watch.exemplar_tally import ExemplarTally
from alerting.watch.part_names import NameBook
from alerting.watch.part_tally import MAX_WINDOWS, GroupParts, PartTally
from alerting.watch.row_groups import Bools, Ints, RowGroups
from alerting.watch.scope_state import ScopeState
from alerting.watch.scope_watch import ScopeWatch
from alerting.watch.tally_columns import (
    AMOUNTS,
    CALLS,
    CELL_COST,
    FAR,
    LAST,
    NO_WINDOW,
    START,
    TURNS,
    ScopeColumns,
)
from detectors.observation import COST, COUNTERS, REQUESTS, Counts, add_counts

FEW = 8
"""So few of them are looked at one by one: rows of a delta, scopes whose window is over.

Numpy takes about 1 ms a delta whatever is in it. An event every half minute cost 3,050 us in WATCH,
all of it in columns; 1,230 with 4, 1,050 with 8, no less with more. At 100 events a second it is
the same with 4 and 8, and a tenth more with 16.
"""

SHARES = 3
"""Windows at most that cost something no look has counted: one that was open at the last look and
closed on paper since, one that closed after it, and the open one."""


class Tally:
    """What is counted of many scopes and is not in their states yet.

    Scopes have numbers, given by the caller, small and dense. Whoever changes a state through
    ``ScopeWatch`` calls ``settle`` before and ``changed`` after.
    """

    def __init__(
        self, watch: ScopeWatch, dimensions: tuple[str, ...], book: NameBook, *, few: int = FEW
    ) -> None:
        """Nothing counted.

        Args:
            watch: the chain that judges one scope.
            dimensions: in which contributors are named.
            book: numbers their names.
            few: of how many scopes no window closes on paper.
        """
        self._few = few
        self.states: dict[int, ScopeState] = {}
        self._watch = watch
        self._window_seconds = watch.window_seconds
        self._columns = ScopeColumns(watch.empty_cell(0).amounts, 64)
        self._totals = np.zeros((64, len(COUNTERS)), np.int64)
        self._is_odd = np.zeros(64, np.bool_)
        self._parts = PartTally(dimensions, book)
        self._exemplars = ExemplarTally()
        self._largest = 0
        self._stale: set[int] = set()

    # -- scopes ------------------------------------------------------------------------------

    def enter(self, number: int, state: ScopeState) -> None:
        """Take a scope's state."""
        self.reserve(number + 1)
        self.states[number] = state
        self.changed(number)

    def reserve(self, size: int) -> None:
        """Make room for so many numbers; those without a state have no ordinary rows."""
        before = len(self._columns)
        if size > before:
            more = max(size, 2 * before) - before
            self._columns.add(more)
            self._totals = np.concatenate((self._totals, np.zeros((more, len(COUNTERS)), np.int64)))
            self._is_odd = np.zeros(before + more, np.bool_)

    def changed(self, number: int) -> None:
        """Say that a settled scope's state is another one; it is read when it is asked for.

        Of rows that are folded one by one a scope has many between two looks at the columns: read
        again after each, a backtest of 20 sparse agents took 705 us an event, not 585.
        """
        self._stale.add(number)

    def _read_again(self) -> None:
        for number in self._stale:
            self._read(number)
        self._stale.clear()

    def _read(self, number: int) -> None:
        state = self.states[number]
        watch, cells, start = self._watch, state.cells, state.open_start
        later = [each for each in cells if each != start]
        open_cell, next_start = cells.get(start), later[0] if later else NO_WINDOW
        trigger = state.trigger
        cost, calls = (open_cell.cost_nanousd, open_cell.requests) if open_cell else (0, 0)
        room = trigger.cost_nanousd - cost
        least = watch.least_news(state.scope)
        quiet, known_until = watch.quiet_room(state)
        share = quiet // SHARES  # of windows closed on paper, open and waiting, each
        dear_from, dear_call = watch.dear_from(state)
        due_at, timer_at = watch.due_at(state), watch.timer_at(state)
        record = (
            len(later) <= 1,
            least is not None,
            bool(state.accounts),
            watch.is_calm(state),
            False,
            open_cell is not None,
            (False, False),
            max(min(least or 0, share, FAR), 0),
            min(known_until, FAR),
            start,
            max(-FAR, min(room, share if watch.is_calm(state) else FAR, FAR)),
            max(-FAR, min(trigger.floor_nanousd - cost, FAR)),
            max(-FAR, min(trigger.calls - calls, FAR)),
            min(dear_from, FAR),
            dear_call,
            min(cost, FAR),
            min(calls, FAR),
            next_start,
            min(cells[next_start].cost_nanousd, FAR) if later else 0,
            FAR if due_at is None else due_at,
            FAR if timer_at is None else timer_at,
            -FAR,
            self._parts.next_batch,
            FAR,
            -FAR,
        )
        self._columns.enter(number, record)

    # -- rows --------------------------------------------------------------------------------

    def is_counted(self, number: Ints) -> Bools:
        """Which scopes can have ordinary rows at all."""
        self._read_again()
        found: Bools = self._columns["is_counted"][number]
        return found

    def has_budget(self, number: Ints) -> Bools:
        """Whose rows count against budgets: ``ScopeWatch.fold_budgets`` wants them one by one."""
        self._read_again()
        found: Bools = self._columns["has_budget"][number]
        return found

    def ordinary(self, groups: RowGroups, watermark: int) -> Bools:
        """Which groups of rows of counted scopes are ordinary: all of a scope's, or none.

        Args:
            groups: of one delta, late rows left out.
            watermark: WATCH's before this delta, or anything before the first row.
        """
        self._read_again()
        each, start, cost = self._columns.taken(groups.number), groups.start, groups.counts[:, COST]
        is_open, is_jump, is_later = self._kinds(each, start, watermark)
        in_all = each["open"][:, CELL_COST] + cost
        is_idle = each["open"][:, CALLS] + groups.counts[:, REQUESTS] < each["calls_room"]
        is_cheap = (in_all < each["room"]) & (is_idle | (in_all < each["floor_room"]))
        is_known = start < each["known_until"]
        is_calm = each["is_calm"] & (cost < each["least"]) & is_known
        is_news = (is_open & ~is_cheap) | (is_jump & ~is_calm)
        is_timely = (start + self._window_seconds > watermark) & (start >= each["open_start"])
        is_plain = ~each["is_judged"] | ((is_open | is_jump | is_later) & ~is_news)
        is_ordinary = each["is_counted"] & is_timely & is_plain & (groups.turn < TURNS)
        if start.max(initial=0) - start.min(initial=FAR) > MAX_WINDOWS * self._window_seconds:
            is_ordinary[:] = False
        # Of two windows of one scope the first must be open and the second wait.
        again = np.flatnonzero(groups.turn == 1)
        pair = each["is_judged"][again] & ~(is_open[again - 1] & is_later[again])
        is_ordinary[again[pair]] = False
        odd = groups.number[~is_ordinary]
        self._is_odd[odd] = True
        is_ordinary &= ~self._is_odd[groups.number]
        self._is_odd[odd] = False
        return is_ordinary

    def _kinds(self, each: NDArray[np.void], start: Ints, watermark: int) -> tuple[Bools, ...]:
        """Rows of the open window; of one that opens with them; of a later one."""
        is_open = start == each["open_start"]
        is_beyond = start > each["open_start"]
        is_empty, next_start = each["next_start"] == NO_WINDOW, each["next_start"]
        is_jump = is_beyond & (start <= watermark) & (is_empty | (next_start > start))
        is_jump &= ~each["has_open"]
        is_later = is_beyond & (start > watermark) & (is_empty | (next_start == start))
        return is_open, is_jump, is_later

    def count(self, groups: RowGroups, parts: GroupParts, watermark: int) -> None:
        """Count ordinary groups.

        Args:
            groups: of one delta, as ``ordinary`` chose them.
            parts: the contributors and exemplars of their rows.
            watermark: as ``ordinary`` was told.
        """
        largest = int(groups.counts.max(initial=0)) * TURNS
        if self._largest + largest >= FAR or not self._parts.has_room(groups, parts):
            self.settle_all()
        self._largest += largest
        for mine in groups.turns():
            self._add(mine, watermark)
        judged = self._columns["is_judged"][groups.number]
        self._parts.add(groups, parts, judged)
        self._exemplars.add(groups, parts.exemplars, judged)

    def _add(self, groups: RowGroups, watermark: int) -> None:
        """Add groups of as many scopes."""
        self._read_again()
        number, each = groups.number, self._columns.taken(groups.number)
        self._totals[number] += groups.counts
        each["is_unsettled"] = True
        each["first_minute"] = np.minimum(each["first_minute"], groups.first_minute)
        each["last_minute"] = np.maximum(each["last_minute"], groups.last_minute)
        is_open, is_jump, is_later = (
            kind & each["is_judged"] for kind in self._kinds(each, groups.start, watermark)
        )
        each["open_start"] = np.where(is_jump, groups.start, each["open_start"])
        each["room"] = np.where(is_jump, each["least"], each["room"])
        each["floor_room"] = np.where(is_jump, FAR, each["floor_room"])
        each["calls_room"] = np.where(is_jump, FAR, each["calls_room"])
        each["known_cost"] = np.where(is_jump, 0, each["known_cost"])
        each["known_calls"] = np.where(is_jump, 0, each["known_calls"])
        each["moved_to"] = np.where(is_jump, watermark, each["moved_to"])
        is_open |= is_jump
        each["has_open"] |= is_open
        end = groups.start + self._window_seconds
        due = np.where(is_open, end, np.where(is_later, groups.start, FAR))
        each["due"] = np.minimum(each["due"], due)
        each["next_start"] = np.where(is_later, groups.start, each["next_start"])
        for name, mine in (("open", is_open), ("next", is_later)):
            cell = each[name]
            cell[:, START] = np.where(mine, groups.start, cell[:, START])
            cell[:, CELL_COST] += np.where(mine, groups.counts[:, COST], 0)
            cell[:, CALLS] += np.where(mine, groups.counts[:, REQUESTS], 0)
            last = np.where(mine, groups.last_minute, NO_WINDOW)
            cell[:, LAST] = np.maximum(cell[:, LAST], last)
            cell[:, AMOUNTS:] += np.where(mine[:, None], groups.amounts, 0)
        self._columns.put(number, each)

    # -- time passes -------------------------------------------------------------------------

    def advance(self, watermark: int) -> tuple[list[tuple[int, int]], Ints]:
        """Close on paper what can be, and say of which scopes a window closes or opens.

        Returns:
            When each of those was due that ``ScopeWatch`` has to advance, and its number; and the
            numbers of the others.
        """
        self._read_again()
        number = np.flatnonzero(self._columns["due"] <= watermark)
        if len(number) <= self._few:
            due_of_few = self._columns["due"][number].tolist()
            return list(zip(due_of_few, number.tolist(), strict=True)), number[:0]
        each = self._columns.taken(number)
        takes_next = (each["next_start"] != NO_WINDOW) & (each["next_start"] <= watermark)
        opens = np.where(takes_next, each["next_start"], each["open_start"] + self._window_seconds)
        is_over = takes_next & (opens + self._window_seconds <= watermark)
        is_news = takes_next & (each["next_cost"] + each["next"][:, CELL_COST] >= each["least"])
        is_full = (each["open"][:, LAST] >= 0) & (each["closed"][:, LAST] >= 0)
        is_full |= opens >= each["known_until"]
        is_full |= each["has_open"] & (each["open"][:, CELL_COST] >= each["room"])
        is_full |= each["has_open"] & may_be_dear(each)
        on_paper = each["is_counted"] & each["is_calm"] & ~(is_over | is_news | is_full)
        on_paper &= each["timer_at"] > watermark
        looked_at = each["due"][~on_paper].tolist(), number[~on_paper].tolist()
        number, each = number[on_paper], each[on_paper]
        opens, takes_next = opens[on_paper], takes_next[on_paper]
        is_closed = (each["open"][:, LAST] >= 0)[:, None]
        each["closed"] = np.where(is_closed, each["open"], each["closed"])
        each["open"] = np.where(takes_next[:, None], each["next"], self._columns.nothing)
        each["next"] = np.where(takes_next[:, None], self._columns.nothing, each["next"])
        each["room"] = each["least"] - np.where(takes_next, each["next_cost"], 0)
        each["floor_room"] = each["calls_room"] = FAR
        each["known_cost"], each["known_calls"] = np.where(takes_next, each["next_cost"], 0), 0
        each["next_cost"] = np.where(takes_next, 0, each["next_cost"])
        each["next_start"] = np.where(takes_next, NO_WINDOW, each["next_start"])
        later = np.where(each["next_start"] != NO_WINDOW, each["next_start"], FAR)
        due = np.where(takes_next, opens + self._window_seconds, later)
        each["due"] = np.minimum(due, each["timer_at"])
        each["open_start"], each["has_open"], each["moved_to"] = opens, takes_next, watermark
        each["is_unsettled"] = True
        self._columns.put(number, each)
        return list(zip(*looked_at, strict=True)), number

    # -- asking ------------------------------------------------------------------------------

    def spent(self, numbers: Sequence[int]) -> Iterator[tuple[int, int, Counts]]:
        """First and last minute and totals of some scopes; what waits is counted, and waits on."""
        number = np.array(numbers, np.int64)
        rows, waiting = self._columns.taken(number), self._totals[number].tolist()
        minutes = zip(rows["first_minute"].tolist(), rows["last_minute"].tolist(), strict=True)
        states = map(self.states.__getitem__, numbers)
        for state, (first, last), counts in zip(states, minutes, waiting, strict=True):
            add_counts(counts, state.totals)
            yield min(first, state.first_minute), max(last, state.last_minute), counts

    @property
    def first_minute(self) -> int | None:
        """The earliest minute of any scope."""
        known = min((state.first_minute for state in self.states.values()), default=None)
        return None if known is None else min(known, int(self._columns["first_minute"].min()))

    # -- into the states ---------------------------------------------------------------------

    def settle_all(self) -> None:
        """Fold everything into the states."""
        self.settle(np.flatnonzero(self._columns["is_unsettled"]))
        self._parts.clear()
        self._largest = 0

    def settle_one(self, number: int) -> None:
        """As ``settle``, of one scope."""
        if self._columns["is_unsettled"][number]:
            self.settle(np.array([number]))

    def settle(self, number: Ints) -> None:
        """Fold what is counted of some scopes into their states.

        Raises:
            RuntimeError: if a window that closed on paper would have been news; then a row was
                taken for ordinary that was not.
        """
        number = number[self._columns["is_unsettled"][number]]
        if not len(number):
            return
        rows = self._columns.taken(number)
        moved_to = rows["moved_to"].tolist()
        first_minute, last_minute = rows["first_minute"].tolist(), rows["last_minute"].tolist()
        cells = np.stack([rows["closed"], rows["open"], rows["next"]], axis=1).tolist()
        sums, self._totals[number] = self._totals[number], 0
        used = np.flatnonzero(sums.any(axis=0))
        counters, totals = used.tolist(), sums[:, used].tolist()
        numbers = number.tolist()
        states = list(map(self.states.__getitem__, numbers))
        for index, state in enumerate(states):
            into = state.totals
            for counter, amount in zip(counters, totals[index], strict=True):
                into[counter] += amount
            state.first_minute = min(state.first_minute, first_minute[index])
            state.last_minute = max(state.last_minute, last_minute[index])
            for start, cost, calls, last, *amounts in cells[index]:
                if last >= 0:
                    cell = state.cells.get(start)
                    if cell is None:
                        cell = state.cells[start] = self._watch.empty_cell(last)
                    cell.take(last, cost, calls, amounts)
        self._settle_parts(number)
        self._exemplars.settle(numbers, self.states)
        # What stays the same is most of it: a refresh of each was a fifth of a flush.
        rows["room"] -= rows["open"][:, CELL_COST]
        rows["floor_room"] -= rows["open"][:, CELL_COST]
        rows["calls_room"] -= rows["open"][:, CALLS]
        rows["known_cost"] += rows["open"][:, CELL_COST]
        rows["known_calls"] += rows["open"][:, CALLS]
        rows["next_cost"] += rows["next"][:, CELL_COST]
        rows["closed"] = rows["open"] = rows["next"] = self._columns.nothing
        rows["first_minute"], rows["last_minute"] = FAR, -FAR
        rows["parts_from"], rows["is_unsettled"] = self._parts.next_batch, False
        self._columns.put(number, rows)
        for each, state, watermark in zip(numbers, states, moved_to, strict=True):
            if watermark > -FAR:
                if self._watch.advance(state, watermark):
                    raise RuntimeError(f"{state.scope}: a window that closed on paper was news")
                self.changed(each)

    def _settle_parts(self, number: Ints) -> None:
        """Fold the contributors of some scopes into the windows they spent in."""
        before, parts = None, dict[str, dict[str, int]]()
        for place, start, dimension, name, cost in self._parts.take(
            number, self._columns["parts_from"]
        ):
            if (place, start) != before:
                before, cell = (place, start), self.states[place].cells[start]
                parts = cell.parts = cell.parts or {}
            names = parts.get(dimension)
            if names is None:
                parts[dimension] = {name: cost}
            else:
                names[name] = names.get(name, 0) + cost
