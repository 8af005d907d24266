"""Contributors in columns, joined and pruned or not, add up to what plain dictionaries do."""

import random
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from alerting.watch import part_tally
from alerting.watch.part_names import NameBook
from alerting.watch.part_tally import GroupParts, PartTally
from alerting.watch.row_groups import group_rows
from detectors.observation import COUNTERS

DIMENSIONS = ("model", "user")
WINDOW_SECONDS = 300
SCOPES = 4


class Part(NamedTuple):
    """A contributor of a row."""

    scope: int
    window: int
    dimension: int
    name: str
    cost: int


class Add(NamedTuple):
    """A delta's contributors, and the scopes of which they are wanted."""

    parts: list[Part]
    judged: frozenset[int]


class Take(NamedTuple):
    """A look at some scopes, or the word that nothing of them is wanted any more."""

    scopes: frozenset[int]
    is_look: bool = True


def some_parts(size: int, seed: int) -> list[Part]:
    chance = random.Random(seed)
    return [
        Part(
            chance.randrange(SCOPES),
            chance.randrange(3),
            chance.randrange(2),
            chance.choice("abcde"),
            chance.randint(1, 10**12),
        )
        for _ in range(size)
    ]


some_scopes = st.frozensets(st.integers(0, SCOPES - 1))
sizes = st.sampled_from([1, 1, 2, 3, 5, 8, 9, 20, 60, 100, 101])
adds = st.builds(
    Add,
    st.builds(some_parts, sizes, st.integers(0, 2**32)),
    st.one_of(st.just(frozenset(range(SCOPES))), some_scopes),
)
steps = st.lists(
    st.one_of(adds, adds, st.builds(Take, some_scopes, st.booleans())), min_size=2, max_size=25
)


class Dictionaries:
    """What is to be found: by scope, then by window, in the order of their first rows."""

    def __init__(self) -> None:
        self._kept: dict[int, dict[int, dict[tuple[str, str], int]]] = {}

    def add(self, added: Add) -> None:
        for part in added.parts:
            if part.scope in added.judged:
                windows = self._kept.setdefault(part.scope, {})
                names = windows.setdefault(part.window * WINDOW_SECONDS, {})
                key = DIMENSIONS[part.dimension], part.name
                names[key] = names.get(key, 0) + part.cost

    def take(
        self, scopes: frozenset[int]
    ) -> dict[tuple[int, int], list[tuple[tuple[str, str], int]]]:
        return {
            (scope, start): list(names.items())
            for scope in scopes
            for start, names in self._kept.pop(scope, {}).items()
        }


def add(tally: PartTally, added: Add) -> None:
    columns = zip(*added.parts, strict=True)
    scope, window, dimension = (np.array(next(columns)) for _ in range(3))
    names, cost = next(columns), np.array(next(columns), np.int64)
    counts = np.zeros((len(cost), len(COUNTERS)), np.int64)
    groups, group = group_rows(scope, window * WINDOW_SECONDS // 60, counts, WINDOW_SECONDS)
    texts = sorted(set(names))
    name = np.array([texts.index(each) for each in names])
    is_judged = np.isin(groups.number, list(added.judged))
    assert tally.has_room(groups, GroupParts(group, dimension, name, cost, texts))
    tally.add(groups, GroupParts(group, dimension, name, cost, texts), is_judged)


@pytest.mark.parametrize("most", [1, 3, 8, 20, 100])
@settings(max_examples=100)
@given(steps)
def test_what_is_taken_is_what_was_added_since_the_last_look(
    most: int, log: list[Add | Take]
) -> None:
    expected, tally = Dictionaries(), PartTally(DIMENSIONS, NameBook())
    first_batch = np.zeros(SCOPES, np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part_tally, "MAX_JOINED_PARTS", most)
        for step in [*log, Take(frozenset(range(SCOPES)))]:
            if isinstance(step, Add):
                expected.add(step)
                add(tally, step)
            elif not step.is_look:
                expected.take(step.scopes)
                first_batch[list(step.scopes)] = tally.next_batch
            else:
                numbers = np.array(sorted(step.scopes), np.int64)
                rows = list(tally.take(numbers, first_batch))
                together = list(dict.fromkeys(row[:2] for row in rows))
                found = {
                    place: [
                        ((kind, name), cost) for *at, kind, name, cost in rows if (*at,) == place
                    ]
                    for place in together
                }
                assert sum(map(len, found.values())) == len(rows)
                assert [row[:2] for row in rows] == [at for at in together for _ in found[at]]
                assert found == expected.take(step.scopes)
                first_batch[numbers] = tally.next_batch
            sizes = [len(piece.codes) for piece in tally._pieces]
            assert tally._count == sum(sizes)
            if most in sizes:
                event("a piece just small enough")
            if any(size > most for size in sizes):
                event("a piece too large to prune")
    tally.clear()
    assert tally._count == 0
