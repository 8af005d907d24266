"""A lease that ran out without a release is told once, and only if it is news."""

import json
from datetime import UTC, datetime

import pytest

from spendwatch_client import ThrottleState
from spendwatch_client.lapse import Lapses

NOW = 1_790_000_000.0


def action(name="key-7", sequence=1, mode="block", seconds=900, **more):
    record = {
        "action_id": f"{name}-{sequence}",
        "target": {"kind": "api_key", "name": name},
        "mode": mode,
        "expires_at": datetime.fromtimestamp(NOW + seconds, UTC).isoformat(),
        "sequence": sequence,
    }
    return json.dumps(record | more).encode()


def state_of(*values):
    state = ThrottleState()
    for value in values:
        state.apply_action(None, value)
    return state


def told(lapses, state, now):
    return [lease.action_id for lease in lapses.look(state, now)]


def test_a_lapse_is_told_once_and_the_next_lease_s_again():
    state, lapses = state_of(action()), Lapses()
    assert [told(lapses, state, NOW + at) for at in (0, 899, 900, 901)] == [[], [], ["key-7-1"], []]
    state.apply_action(None, action(sequence=2, seconds=1800))
    assert told(lapses, state, NOW + 1000) == []
    assert told(lapses, state, NOW + 1800) == ["key-7-2"]


def test_what_had_lapsed_before_the_first_look_is_old_news():
    state, lapses = state_of(action()), Lapses()
    assert [told(lapses, state, NOW + at) for at in (1000, 1001)] == [[], []]


@pytest.mark.parametrize(
    "value",
    [
        action(mode="release"),
        action(on_lapse="hold"),
        action(mode="throttle", admit_ratio="half"),
        action(seconds=5000),
    ],
)
def test_a_release_a_hold_and_what_was_never_enforced_do_not_lapse(value):
    state, lapses = state_of(value), Lapses()
    assert [told(lapses, state, NOW + at) for at in (0, 1000)] == [[], []]


def test_under_a_pause_nothing_was_held_and_nothing_lapses():
    state, lapses = state_of(action()), Lapses()
    told(lapses, state, NOW)
    state.apply_control(b'{"paused": true}')
    assert told(lapses, state, NOW + 1000) == []
    state.apply_control(b'{"paused": false}')
    assert told(lapses, state, NOW + 1001) == []
