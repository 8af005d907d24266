"""What the throttle topics amount to, and which record answers which command."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from alerting.command import (
    ThrottleApprove,
    ThrottleModeSwitch,
    ThrottleReject,
    ThrottleRelease,
    ThrottleReleaseAll,
    ThrottleSet,
)
from alerting.fingerprint import action_id
from alerting.throttle.action import Mode, OnLapse, action_to_json, target_key
from alerting.throttle.policy import ThrottleMode
from detectors.scope import Scope
from detectors.window import rfc3339
from stream.canary import TARGET
from stream.kafka.topics import TopicsConfig
from stream.operator.board import Hold, board_of
from stream.operator.effect import effect_of
from tests.support.alerts import KEY, START, an_action

OTHER = Scope("agent", "bot")
TOPICS = TopicsConfig()
HEAD = {"id": "c-1", "issued_by": "ann", "issued_at": datetime.fromtimestamp(START, UTC)}


@dataclass
class Record:
    key: bytes
    value: bytes | None


def record(action, key: bytes | None = None) -> Record:
    return Record(
        key or target_key(action.target).encode(), json.dumps(action_to_json(action)).encode()
    )


def control(**said) -> Record:
    return Record(b"throttle", json.dumps(said).encode())


def board(actions=(), shadow=(), controls=(), now: float = START + 100):
    return board_of(actions, shadow, controls, default_mode="shadow", now=now)


def test_the_newest_action_of_each_target_counts_and_a_tombstone_removes_it():
    other = an_action(target=OTHER)
    shown = board(
        [
            record(an_action(sequence=2, mode=Mode.THROTTLE)),
            record(an_action(sequence=1)),
            record(other),
            Record(target_key(OTHER).encode(), None),
            Record(b"x", b"no action"),
        ]
    )

    assert [(each.action.target, each.action.sequence, each.hold) for each in shown.entries] == [
        (KEY, 2, Hold.ENFORCED)
    ]
    assert shown.unreadable == 1
    assert shown.held == {str(KEY)}


@pytest.mark.parametrize(
    ("changes", "now", "controls", "hold"),
    [
        ({}, START + 100, [], Hold.ENFORCED),
        ({}, START + 991, [], Hold.ENFORCED),
        ({}, START + 992, [], Hold.LAPSED),
        ({"on_lapse": OnLapse.HOLD}, START + 9999, [], Hold.ENFORCED),
        ({"mode": Mode.RELEASE}, START + 100, [], Hold.RELEASED),
        ({}, START + 100, [control(paused=True)], Hold.PAUSED),
        ({}, START + 100, [control(paused=True), control(paused=False)], Hold.ENFORCED),
        ({}, START + 100, [control(paused=True), control(paused="no")], Hold.PAUSED),
        ({}, START + 100, [control(paused=True), Record(b"throttle", b"{")], Hold.PAUSED),
        ({}, START + 100, [control(paused=True), Record(b"throttle", None)], Hold.ENFORCED),
    ],
)
def test_how_real_an_action_is_follows_lease_and_pause(changes, now, controls, hold):
    (entry,) = board([record(an_action(**changes))], controls=controls, now=now).entries

    assert entry.hold is hold


def test_the_mode_is_what_was_last_said_or_the_configured_one():
    assert board().mode == "shadow"
    assert board(controls=[control(paused=False, mode="enforce")]).mode == "enforce"


def test_a_dry_run_is_shadow_holds_nothing_and_comes_after_what_is_real():
    shown = board([record(an_action(target=OTHER))], [record(an_action())])

    assert [(each.hold, each.is_dry_run) for each in shown.entries] == [
        (Hold.ENFORCED, False),
        (Hold.SHADOW, True),
    ]
    assert shown.held == {str(OTHER)}
    assert [row["hold"] for row in shown.to_json()["targets"]] == ["enforced", "shadow"]


def test_a_proposal_is_found_by_the_beginning_of_its_id_even_before_it_was_renewed():
    shown = board([record(an_action(target=OTHER))], [record(an_action(sequence=70))])
    first, newest = action_id(str(KEY), 7), action_id(str(KEY), 70)

    assert shown.proposals(newest[:8]) == [(str(KEY), newest)]
    assert shown.proposals(first) == [(str(KEY), first)]
    assert shown.proposals(action_id(str(KEY), 6)) == []
    assert shown.proposals(action_id(str(OTHER), 1)) == []


def decided(decision: str, **changes):
    approval = {"decision": decision, "decided_by": "ann", "decided_at": rfc3339(START)}
    return an_action(approval=approval | changes)


@pytest.mark.parametrize(
    ("order", "decision"),
    [
        (ThrottleSet(**HEAD, target=str(KEY), mode=Mode.BLOCK), "set"),
        (ThrottleApprove(**HEAD, target=str(KEY), action_id="a"), "approved"),
    ],
)
def test_the_answer_to_set_and_approve_names_who_and_when(order, decision: str):
    effect = effect_of(order, board(), TOPICS)

    assert effect.topic == "throttle.actions"
    assert effect.is_record(record(decided(decision)))
    assert not effect.is_record(record(decided(decision, decided_by="bob")))
    assert not effect.is_record(record(decided(decision, decided_at=rfc3339(START - 1))))
    assert not effect.is_record(record(an_action()))
    assert not effect.is_record(Record(b"x", None))
    assert "api_key:key-7: block, enforced" in effect.in_words(record(decided(decision)))


def test_the_answer_to_a_release_is_the_release_of_what_was_held():
    order = ThrottleRelease(**HEAD, target=str(KEY))
    held = board([record(an_action())])
    effect = effect_of(order, held, TOPICS)

    assert not effect.is_record(record(an_action(sequence=2)))
    assert not effect.is_record(record(an_action(Mode.RELEASE, target=OTHER)))
    assert effect.is_record(record(an_action(Mode.RELEASE, sequence=2)))
    assert effect_of(order, board(), TOPICS) is None
    assert effect_of(order, board(shadow=[record(an_action())]), TOPICS) is None


def test_the_answer_to_releasing_all_is_the_last_release():
    both = board([record(an_action()), record(an_action(target=OTHER))])
    effect = effect_of(ThrottleReleaseAll(**HEAD), both, TOPICS)

    assert not effect.is_record(record(an_action(Mode.RELEASE)))
    assert effect.is_record(record(an_action(Mode.RELEASE, target=OTHER)))
    assert effect_of(ThrottleReleaseAll(**HEAD), board(), TOPICS) is None


def test_the_answer_to_a_rejection_is_in_the_dry_run_and_to_a_mode_in_control():
    rejected = effect_of(ThrottleReject(**HEAD, target=str(KEY), action_id="a"), board(), TOPICS)
    mode = effect_of(ThrottleModeSwitch(**HEAD, mode=ThrottleMode.ENFORCE), board(), TOPICS)

    assert rejected.topic == "throttle.shadow"
    assert rejected.is_record(record(replace(an_action(), mode=Mode.RELEASE)))
    assert mode.topic == "throttle.control"
    assert mode.is_record(control(paused=False, command_id="c-1"))
    assert not mode.is_record(control(paused=False, command_id="c-2"))
    assert not mode.is_record(Record(b"throttle", b"{"))
    assert not mode.is_record(Record(b"throttle", None))


def test_a_canary_is_nobody_that_is_held_or_released():
    passed = an_action(target=TARGET, mode=Mode.RELEASE)
    board = board_of([], [record(passed)], [], default_mode="shadow", now=START)
    assert (board.entries, board.unreadable) == ((), 0)
