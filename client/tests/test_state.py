"""The state behind "may this key call now?", fed with records as they are on the topics."""

import json
import random
import threading
import timeit
from datetime import UTC, datetime

import pytest

from spendwatch_client import Decision, Effect, Mode, ThrottleState, key_id

NOW = 1_790_000_000.0


def instant(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def action(**changes):
    record = {
        "action_id": "a-1",
        "target": {"kind": "api_key", "name": "key-7", "environment": "default"},
        "mode": "block",
        "admit_ratio": 0.0,
        "limits": None,
        "reason": "invoice-bot spends 170 times its usual",
        "alert_ids": ["al-1"],
        "incident_id": "in-1",
        "policy": "default",
        "innocent_share": 0.0,
        "innocent_usd_per_hour": "0",
        "decided_at": instant(NOW - 5),
        "issued_at": instant(NOW),
        "expires_at": instant(NOW + 900),
        "on_lapse": "admit",
        "sequence": 1,
        "supersedes": None,
        "approval": None,
    }
    return json.dumps(record | changes).encode()


def target(kind, name, environment="default"):
    return {"kind": kind, "name": name, "environment": environment}


def state_with(*values):
    state = ThrottleState()
    for value in values:
        state.apply_action(b"api_key:key-7", value)
    return state


def ask(state, **changes):
    return state.decide(**({"api_key": "key-7", "agent": "invoice-bot", "now": NOW} | changes))


def test_a_call_that_no_action_is_about_is_admitted():
    assert ask(state_with(action()), api_key="key-8") == Decision(
        admit=True, reason="no action on this call"
    )


def test_a_blocked_key_is_refused_with_the_reason_and_when_to_ask_again():
    decision = ask(state_with(action()), now=NOW + 870)
    assert not decision.admit
    assert decision.action_id == "a-1"
    assert decision.mode is Mode.BLOCK
    assert decision.reason == "invoice-bot spends 170 times its usual"
    assert decision.retry_after_seconds == pytest.approx(30)
    assert decision.target == ("api_key", "key-7", "default")


def test_asking_again_makes_sense_after_a_minute_at_most():
    assert ask(state_with(action())).retry_after_seconds == 60


def test_a_lease_admits_by_itself_from_its_last_second_on():
    state = state_with(action())
    assert not ask(state, now=NOW + 899.9).admit
    assert ask(state, now=NOW + 900).admit


def test_a_lease_that_holds_goes_on_past_its_end():
    decision = ask(state_with(action(on_lapse="hold")), now=NOW + 10_000)
    assert not decision.admit
    assert decision.retry_after_seconds == 60


def test_an_unknown_on_lapse_admits():
    assert ask(state_with(action(on_lapse="explode")), now=NOW + 901).admit


def test_admit_ratio_lets_its_share_of_call_ids_through():
    state = state_with(action(mode="throttle", admit_ratio=0.05))
    admitted = sum(ask(state, call_id=f"call-{n}").admit for n in range(20_000))
    assert admitted == pytest.approx(1000, abs=120)


def test_one_call_id_always_gets_the_same_answer():
    state = state_with(action(mode="throttle", admit_ratio=0.5))
    first = [ask(state, call_id=f"call-{n}").admit for n in range(200)]
    assert [ask(state, call_id=f"call-{n}").admit for n in range(200)] == first
    assert len(set(first)) == 2


def test_a_higher_ratio_keeps_every_call_that_a_lower_one_admitted():
    low = state_with(action(mode="throttle", admit_ratio=0.05))
    high = state_with(action(mode="throttle", admit_ratio=0.25))
    for n in range(500):
        if ask(low, call_id=f"c{n}").admit:
            assert ask(high, call_id=f"c{n}").admit


def test_a_given_random_number_is_compared_with_the_ratio():
    state = state_with(action(mode="throttle", admit_ratio=0.25))
    assert ask(state, random=0.2499).admit
    assert not ask(state, random=0.25).admit


@pytest.mark.parametrize(("ratio", "admits"), [(0, False), (1, True)])
def test_the_ends_of_the_ratio_are_exact(ratio, admits):
    state = state_with(action(mode="throttle", admit_ratio=ratio))
    assert all(ask(state, call_id=f"c{n}").admit is admits for n in range(1000))


def test_without_call_id_the_state_draws_by_itself():
    numbers = iter([0.1, 0.9])
    state = ThrottleState(draw=lambda: next(numbers))
    state.apply_action(None, action(mode="throttle", admit_ratio=0.5))
    assert [ask(state).admit, ask(state).admit] == [True, False]


def test_an_admitted_call_still_learns_of_the_limits():
    state = state_with(action(mode="throttle", admit_ratio=1.0, limits={"requests_per_minute": 6}))
    decision = ask(state, random=0.0)
    assert decision.admit
    assert decision.limits == {"requests_per_minute": 6}
    assert decision.action_id == "a-1"


@pytest.mark.parametrize(
    "approval", [None, {"decision": "approved", "decided_by": "on-call"}, {"decision": "set"}]
)
def test_calls_that_need_approval_wait_for_a_release_whoever_approved_the_action(approval):
    decision = ask(state_with(action(mode="require_approval", approval=approval)))
    assert not decision.admit
    assert decision.mode is Mode.REQUIRE_APPROVAL
    assert decision.approval == approval


def test_release_admits_and_names_its_action():
    decision = ask(state_with(action(), action(mode="release", action_id="a-2", sequence=2)))
    assert decision.admit
    assert decision.action_id == "a-2"


def test_a_release_without_an_end_is_understood():
    applied = ThrottleState().apply_action(None, action(mode="release", expires_at=None))
    assert applied.effect is Effect.APPLIED


def test_an_older_sequence_never_overwrites_a_newer_one():
    state = state_with(action(mode="release", action_id="a-2", sequence=2))
    applied = state.apply_action(b"api_key:key-7", action())
    assert applied.effect is Effect.OLDER
    assert applied.action_id == "a-1"
    assert "1 is older than 2" in applied.detail
    assert ask(state).admit


def test_a_tombstone_releases_and_an_older_record_after_it_stays_out():
    state = state_with(action(sequence=5))
    assert state.apply_action(b"api_key:key-7", None).effect is Effect.REMOVED
    assert ask(state).admit
    assert state.apply_action(b"api_key:key-7", action(sequence=4)).effect is Effect.OLDER
    assert ask(state).admit
    assert state.apply_action(b"api_key:key-7", action(sequence=6)).effect is Effect.APPLIED
    assert not ask(state).admit


def test_a_repeat_is_told_apart_from_a_renewal():
    state = state_with(action())
    assert state.apply_action(None, action()).effect is Effect.REPEATED
    renewed = action(action_id="a-2", sequence=2, expires_at=instant(NOW + 1800))
    assert state.apply_action(None, renewed).effect is Effect.APPLIED
    assert not ask(state, now=NOW + 1000).admit


def test_pause_admits_everything_and_resume_enforces_again():
    state = state_with(action())
    assert state.apply_control(b'{"paused": true}')
    assert state.is_paused
    assert ask(state) == Decision(admit=True, reason="throttling is paused")
    assert state.apply_control(b'{"paused": false}')
    assert not ask(state).admit


def test_a_tombstone_of_the_control_record_resumes():
    state = state_with(action())
    state.apply_control(b'{"paused": true}')
    assert state.apply_control(None)
    assert not ask(state).admit


@pytest.mark.parametrize(
    "value", [b"", b"\xff", b"[]", b"{}", b'{"paused": "no"}', b'{"paused": 0}', b"[" * 100_000]
)
def test_an_unreadable_control_record_changes_nothing(value):
    state = state_with(action())
    state.apply_control(b'{"paused": true}')
    assert not state.apply_control(value)
    assert state.is_paused
    assert state.counts["malformed_control"] == 1


def test_the_strictest_of_several_actions_decides():
    state = state_with(action(mode="throttle", admit_ratio=0.5))
    state.apply_action(
        None, action(action_id="a-2", target=target("agent", "invoice-bot"), mode="block")
    )
    assert ask(state, random=0.0).action_id == "a-2"
    assert ask(state, agent="other-bot", random=0.0).admit


def test_of_two_throttles_the_lower_ratio_decides():
    state = state_with(action(mode="throttle", admit_ratio=0.05))
    state.apply_action(
        None,
        action(
            action_id="a-2",
            target=target("agent", "invoice-bot"),
            mode="throttle",
            admit_ratio=0.25,
        ),
    )
    assert not ask(state, random=0.1).admit
    assert ask(state, api_key="key-8", random=0.1).admit


def test_environments_are_apart():
    state = ThrottleState()
    state.apply_action(None, action(target=target("api_key", "key-7", "staging")))
    assert ask(state).admit
    assert not ask(state, environment="staging").admit


def test_a_raw_key_meets_the_action_on_its_hash():
    state = ThrottleState()
    state.apply_action(None, action(target=target("api_key", key_id("sk-1234"))))
    assert not ask(state, api_key="sk-1234").admit
    assert not ask(state, api_key="Bearer sk-1234").admit


def test_further_scopes_and_combinations_can_be_targets():
    state = ThrottleState()
    state.apply_action(None, action(target=target("run", "r-1")))
    state.apply_action(None, action(action_id="a-2", target=target("api_key+agent", "key-7|a%7Cb")))
    assert not ask(state, others={"run": "r-1"}).admit
    assert ask(state, others={"run": "r-2"}).admit
    assert not ask(state, agent="a|b").admit
    assert ask(state, agent="a").admit
    assert ask(state, agent=None).admit


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "melt"},
        {"mode": None},
        {"mode": ["block"]},
        {"mode": "unknown"},
        {"mode": "throttle", "admit_ratio": None},
        {"mode": "throttle", "admit_ratio": 1.5},
        {"mode": "throttle", "admit_ratio": True},
        {"expires_at": None},
        {"expires_at": "tomorrow"},
        {"expires_at": 12},
    ],
)
def test_what_cannot_be_understood_in_full_enforces_nothing(changes):
    state = state_with(action())
    applied = state.apply_action(None, action(action_id="a-2", sequence=2, **changes))
    assert applied.effect is Effect.REJECTED
    assert applied.action_id == "a-2"
    assert applied.detail
    assert ask(state).admit
    assert state.counts["rejected"] == 1


def test_unknown_fields_are_ignored_and_counted():
    state = state_with(action(colour="red", shape="round"))
    assert not ask(state).admit
    assert state.counts["unknown_fields"] == 2


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"action_id": 7}',
        action(action_id=""),
        action(sequence="1"),
        action(sequence=True),
        action(sequence=1.5),
        action(target=None),
        action(target={"kind": "api_key"}),
        action(target={"kind": "", "name": "x"}),
        action(target={"kind": "api_key", "name": "k", "environment": 7}),
    ],
)
def test_a_malformed_record_is_counted_and_changes_nothing(value):
    state = state_with(action())
    assert state.apply_action(b"api_key:key-7", value).effect is Effect.MALFORMED
    assert state.counts["malformed"] == 1
    assert not ask(state).admit


@pytest.mark.parametrize("field", ["limits", "approval", "mode", "reason", "colour"])
def test_a_repeated_record_never_raises_however_deep_it_nests(field):
    deep = action(**{field: {"x": "@"}}).replace(b'"@"', b"@")
    effects = set()
    for depth in range(880, 1000):
        value = deep.replace(b"@", b"[" * depth + b"]" * depth)
        state = ThrottleState()
        effects |= {state.apply_action(None, value).effect for _ in range(2)}
    assert effects <= {Effect.APPLIED, Effect.REPEATED, Effect.REJECTED, Effect.MALFORMED}


def test_a_repeat_is_known_by_its_sequence_and_id_alone():
    state = state_with(action())
    assert state.apply_action(None, action(colour="red")).effect is Effect.REPEATED
    assert state.counts["unknown_fields"] == 0
    assert state.apply_action(None, action(action_id="a-2")).effect is Effect.APPLIED


def test_only_plain_limits_are_kept_and_the_others_are_counted():
    limits = {
        "requests_per_minute": 6,
        "usd_per_hour": "2.5",
        "note": None,
        "nested": {"x": [1]},
        "long": "x" * 300,
        "y" * 300: 1,
    }
    state = state_with(action(mode="throttle", admit_ratio=1.0, limits=limits))
    assert ask(state).limits == {"requests_per_minute": 6, "usd_per_hour": "2.5", "note": None}
    assert state.counts["unknown_fields"] == 3


def test_limits_have_a_most():
    state = state_with(action(limits={f"limit-{n}": n for n in range(50)}))
    assert len(ask(state).limits) == 32
    assert state.counts["unknown_fields"] == 18


@pytest.mark.parametrize("key", [None, b"", b"nonsense", b"api_key:", b"\xff"])
def test_a_tombstone_without_a_target_is_counted_and_changes_nothing(key):
    state = state_with(action())
    assert state.apply_action(key, None).effect is Effect.MALFORMED
    assert not ask(state).admit


def test_a_malformed_action_with_an_id_can_still_be_answered():
    assert ThrottleState().apply_action(None, action(sequence=None)).action_id == "a-1"


def test_a_missing_environment_in_the_target_is_the_default_one():
    state = ThrottleState()
    state.apply_action(None, action(target={"kind": "api_key", "name": "key-7"}))
    assert not ask(state).admit


def test_a_tombstone_reads_the_environment_and_escapes_of_its_key():
    state = ThrottleState()
    state.apply_action(None, action(target=target("user", "a@b%", "staging")))
    state.apply_action(b"user:a%40b%25@staging", None)
    assert state.leases() == []


def test_adopting_a_state_read_anew_forgets_what_the_topic_no_longer_holds():
    state = state_with(action(sequence=9))
    state.apply_control(b'{"paused": true}')
    fresh = ThrottleState()
    fresh.apply_action(None, action(target=target("api_key", "key-8")))
    state.adopt_actions(fresh)
    assert state.is_paused
    state.adopt_control(fresh)
    assert ask(state).admit
    assert not ask(state, api_key="key-8").admit
    assert state.apply_action(None, action(sequence=1)).effect is Effect.APPLIED


def test_a_decision_takes_microseconds():
    state = ThrottleState()
    kinds = ["api_key", "agent", "team", "api_key+agent"]
    for n in range(1_000):
        state.apply_action(
            None,
            action(target=target(kinds[n % 4], f"name-{n}"), mode="throttle", admit_ratio=0.5),
        )
    calls = 1_000

    def decide():
        ask(state, api_key="name-0", agent="name-1", call_id="c-1", others={"team": "name-2"})

    seconds = min(timeit.repeat(decide, number=calls, repeat=20)) / calls
    # About 4 us on one core of 2026; the best of 20 rounds, so that a busy machine does not fail.
    assert seconds < 50e-6


def test_deciding_while_another_thread_writes_never_fails():
    state = ThrottleState()
    stop = threading.Event()
    errors = []

    def write():
        sequence = 0
        draw = random.Random(5)
        while not stop.is_set():
            sequence += 1
            name = f"key-{draw.randrange(50)}"
            state.apply_action(None, action(target=target("api_key", name), sequence=sequence))
            if draw.random() < 0.3:
                state.apply_action(f"api_key:{name}".encode(), None)

    def read():
        try:
            for n in range(5_000):
                ask(state, api_key=f"key-{n % 50}", call_id=str(n))
        except Exception as error:  # noqa: BLE001  whatever it is, the test must say it
            errors.append(error)

    writer = threading.Thread(target=write)
    readers = [threading.Thread(target=read) for _ in range(3)]
    writer.start()
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    stop.set()
    writer.join()
    assert errors == []
