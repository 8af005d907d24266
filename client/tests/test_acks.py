"""One word per action: what is queued for ``throttle.acks``."""

import pytest

from spendwatch_client.acks import Acks


@pytest.fixture
def acks():
    return Acks("acks", enforcer="gw-1", connection={}, clock=lambda: 1_790_000_000.25)


def words(acks):
    return [(ack["action_id"], ack["result"], ack["detail"]) for ack in acks.waiting]


def test_an_ack_names_who_did_what_and_when(acks):
    acks.add("a-1", "applied", "")
    assert list(acks.waiting) == [
        {
            "action_id": "a-1",
            "enforcer": "gw-1",
            "applied_at": "2026-09-21T14:13:20.250Z",
            "result": "applied",
            "detail": "",
        }
    ]


def test_an_action_is_acknowledged_once(acks):
    acks.add("a-1", "applied", "")
    acks.add("a-1", "applied", "")
    acks.add("a-1", "rejected", "older")
    assert words(acks) == [("a-1", "applied", "")]


def test_a_failure_that_came_right_is_said_and_a_second_failure_is_not(acks):
    for result in ("failed", "failed", "rejected", "applied", "failed", "applied"):
        acks.add("a-1", result, result)
    assert words(acks) == [("a-1", "failed", "failed"), ("a-1", "applied", "applied")]


def test_what_is_left_out_is_never_acknowledged_unless_it_had_failed(acks):
    acks.add("a-1", "failed", "away")
    for action_id in ("a-1", "a-2"):
        acks.leave_out(action_id)
        acks.add(action_id, "applied", "")
    assert words(acks) == [("a-1", "failed", "away"), ("a-1", "applied", "")]


def test_acks_that_cannot_leave_are_dropped_oldest_first(acks):
    for number in range(10_003):
        acks.add(f"a-{number}", "applied", "")
    assert (len(acks.waiting), acks.dropped) == (10_000, 3)
    assert acks.waiting[0]["action_id"] == "a-3"
