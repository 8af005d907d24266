"""Who is new, and who only looks it."""

import pytest

from detectors.detector import State
from detectors.first_seen import MAX_NAMES, FirstSeen
from detectors.scope import OTHER

BORN = 1_699_833_600
NOON = BORN + 12 * 3600
MADE = FirstSeen()


def seen(start: int, *names: str, state: State | None = None, dimension: str = "agent") -> State:
    state = MADE.fresh(BORN) if state is None else state
    parts = {dimension: dict.fromkeys(names, 1)}
    MADE.learn(state, MADE.newcomers(state, parts, {}), start)
    return state


def test_a_name_keeps_the_window_in_which_it_came() -> None:
    state = seen(NOON - 600, "a")
    seen(NOON, "a", "b", state=state)
    assert MADE.at(state, "agent", "a", now=NOON + 300) == NOON - 600
    assert MADE.at(state, "agent", "b", now=NOON + 300) == NOON
    assert MADE.at(state, "agent", "c", now=NOON + 300) == NOON + 300
    assert MADE.at(state, "user", "a", now=NOON + 300) == NOON + 300


def test_a_dimension_of_too_many_names_is_given_up() -> None:
    state = seen(BORN, *(f"u{each}" for each in range(MAX_NAMES)))
    assert MADE.at(state, "agent", "one more", now=NOON) == NOON
    seen(BORN + 300, "one more", state=state)
    assert MADE.at(state, "agent", "another", now=NOON) is None
    assert seen(NOON, "another", state=state) == [BORN, {"agent": None}]


def test_the_rest_has_no_name() -> None:
    assert MADE.newcomers(MADE.fresh(BORN), {"agent": {OTHER: 1, "a": 1}}, {}) == ["agent", "a"]


def test_who_is_known_otherwise_is_no_newcomer_and_the_others_come_in_order() -> None:
    parts = {"user": {"u": 1, "b": 1, "a": 1}, "agent": {"x": 1}, "model": {"m": 1}}
    known = {"user": {"u": 0.5}, "agent": {"x": 0.5, "y": 0.5}}
    state = seen(BORN, "u", dimension="user")
    assert MADE.newcomers(state, parts, known) == ["model", "m", "user", "a", "user", "b"]


def test_the_state_reads_back() -> None:
    state = seen(NOON, "a", "b")
    seen(NOON + 300, "v1", state=state, dimension="prompt_version")
    seen(NOON, *(f"u{each}" for each in range(MAX_NAMES + 1)), state=state, dimension="user")
    assert MADE.restore(MADE.snapshot(state)) == state


@pytest.mark.parametrize("plain", [[], [BORN], [BORN, 1], [BORN, {"agent": 1}], ["x", {}]])
def test_another_state_is_refused(plain: list[object]) -> None:
    with pytest.raises(ValueError, match="first seen"):
        MADE.restore(plain)
