"""What one program writes is what the other reads: DECIDE's actions, the client's acks."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from alerting.command import decode_ack
from alerting.throttle.action import Mode, OnLapse, ThrottleAction, action_to_json, target_key
from detectors.scope import Scope, combine_names
from spendwatch_client import Effect, ThrottleState
from spendwatch_client.acks import Acks

NAMES = st.text(min_size=1, max_size=20).filter(lambda name: not name.isspace())
SCOPES = st.builds(
    Scope,
    st.sampled_from(["agent", "team", "run", "tags.cost center"]),
    NAMES,
    st.sampled_from(["default", "staging", "a@b%"]),
)
ACTIONS = st.builds(
    ThrottleAction,
    action_id=st.text(min_size=1, max_size=20),
    target=SCOPES,
    mode=st.sampled_from(Mode),
    admit_ratio=st.floats(0, 1),
    reason=st.text(max_size=50),
    alert_ids=st.just(("al-1",)),
    incident_id=st.just("in-1"),
    policy=st.just("operator"),
    innocent_share=st.floats(0, 1),
    innocent_usd_per_hour=st.just("0.5"),
    decided_at=st.just(1_789_999_990),
    issued_at=st.just(1_790_000_000.0),
    expires_at=st.integers(1_790_000_000, 1_790_100_000).map(float),
    on_lapse=st.sampled_from(OnLapse),
    sequence=st.integers(0, 2**53),
    supersedes=st.none() | st.just("a-0"),
    limits=st.none() | st.just({"requests_per_minute": 6, "usd_per_hour": "2.5"}),
    approval=st.none() | st.just({"decision": "set", "decided_by": "on-call"}),
)


@given(ACTIONS, st.integers(1_789_000_000, 1_791_000_000).map(float), st.floats(0, 0.999))
def test_every_action_is_enforced_as_it_was_meant(action, now, random):
    state = ThrottleState()
    applied = state.apply_action(
        target_key(action.target).encode(), json.dumps(action_to_json(action)).encode()
    )
    assert applied.effect is Effect.APPLIED
    assert applied.lease.unknown_fields == 0
    decision = state.decide(
        environment=action.target.environment,
        now=now,
        random=random,
        others={action.target.kind: action.target.name},
    )
    is_over = now >= action.expires_at and action.on_lapse is OnLapse.ADMIT
    admits = {
        Mode.RELEASE: True,
        Mode.THROTTLE: random < action.admit_ratio,
        Mode.REQUIRE_APPROVAL: False,
        Mode.BLOCK: False,
    }[action.mode]
    assert decision.admit is (is_over or admits)
    assert decision.action_id == (None if is_over else action.action_id)
    if not is_over:
        assert decision.limits == action.limits
        assert decision.approval == action.approval
        assert decision.reason == action.reason


@given(SCOPES)
def test_every_tombstone_finds_its_target(scope):
    state = ThrottleState()
    record = {
        "action_id": "a-1",
        "target": {"kind": scope.kind, "name": scope.name, "environment": scope.environment},
        "mode": "block",
        "expires_at": "2027-01-01T00:00:00Z",
        "sequence": 1,
    }
    state.apply_action(None, json.dumps(record).encode())
    assert len(state.leases()) == 1
    assert state.apply_action(target_key(scope).encode(), None).effect is Effect.REMOVED
    assert state.leases() == []


@given(st.tuples(NAMES, NAMES))
def test_a_combination_is_named_as_the_core_names_it(names):
    state = ThrottleState()
    record = {
        "action_id": "a-1",
        "target": {"kind": "team+agent", "name": combine_names(list(names))},
        "mode": "block",
        "expires_at": "2027-01-01T00:00:00Z",
        "sequence": 1,
    }
    state.apply_action(None, json.dumps(record).encode())
    team, agent = names
    assert not state.decide(agent=agent, now=0.0, others={"team": team}).admit


@given(
    NAMES,
    st.sampled_from(["applied", "rejected", "failed"]),
    st.text(max_size=300),
    st.floats(1_500_000_000, 2_000_000_000),
)
def test_every_ack_is_understood(action_id, result, detail, now):
    acks = Acks("acks", enforcer="gw-1", connection={}, clock=lambda: now)
    acks.add(action_id, result, detail)
    ack = decode_ack(msgspec.json.encode(acks.waiting[0]))
    assert (ack.action_id, ack.enforcer, ack.result) == (action_id, "gw-1", result)
    assert ack.detail == detail
    assert abs(ack.applied_at - now) < 0.002
