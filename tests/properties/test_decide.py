"""What holds of DECIDE whatever happens, in whatever order."""

from collections.abc import Callable
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.alert import Alert, Transition
from alerting.command import Ack, decode_command
from alerting.throttle.action import Mode
from detectors.scope import Scope
from detectors.window import rfc3339
from tests.support.decisions import (
    Office,
    agent_signal,
    contributor_signal,
    drivers,
    key_signal,
    signal,
    wire,
)

NAMES = ("a", "b", "c", "d", "e")
TRANSITIONS = (Transition.FIRED, Transition.UPDATED, Transition.UPDATED, Transition.RESOLVED)
ORDERS = (
    {"command": "throttle_pause"},
    {"command": "throttle_resume"},
    {"command": "throttle_mode", "mode": "shadow"},
    {"command": "throttle_mode", "mode": "enforce"},
    {"command": "throttle_release_all"},
    {"command": "throttle_release", "target": "api_key:key-a"},
    {"command": "throttle_set", "target": "api_key:key-b", "mode": "block", "minutes": 30},
    {"command": "throttle_set", "target": "api_key:key-c", "mode": "throttle", "admit_ratio": 0.5},
)

Step = tuple[str, object]


@st.composite
def signals(draw: Callable[..., object]) -> Alert:
    name = draw(st.sampled_from(NAMES))
    more = {
        "minutes": draw(st.integers(0, 20)) * 5,
        "transition": draw(st.sampled_from(TRANSITIONS)),
        "is_late": draw(st.integers(0, 9)) == 0,
        "observed": draw(st.sampled_from((20.0, 20.0, 1.5))),
    }
    match draw(st.integers(0, 3)):
        case 0:
            return agent_signal(name, f"key-{name}", **more)
        case 1:
            innocent = draw(st.sampled_from((0.0, 0.5, 6.0, 50.0)))
            return key_signal(f"key-{name}", name, innocent, **{**more, "observed": 20 + innocent})
        case 2:
            return contributor_signal(f"key-{name}", name, 6.0, **more)
        case _:
            led = drivers(agent=[(name, 19, 20)], api_key=[(f"key-{name}", 19, 20)])
            return signal(Scope("team", draw(st.sampled_from("xy"))), drivers=led, **more)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("signal"), signals()),
        st.tuples(st.just("signal"), signals()),
        st.tuples(st.just("signal"), signals()),
        st.tuples(st.just("wait"), st.sampled_from((1, 6, 31, 301, 700, 1900))),
        st.tuples(st.just("ack"), st.sampled_from(("applied", "failed"))),
        st.tuples(st.just("order"), st.sampled_from(ORDERS)),
    ),
    max_size=40,
)


def take(office: Office, step: Step, number: int) -> list[dict[str, object]]:
    """One step on one decider; what came of it, as it goes out."""
    kind, what = step
    decider = office.decider
    outcomes = []
    match kind:
        case "signal":
            outcomes.append(decider.on_signal(what, office.wall))
        case "wait":
            for _ in range(3):
                office.wall += what / 3
                outcomes.append(decider.on_tick(office.wall, int(office.wall) - 20))
        case "ack" if office.actions:
            ack = Ack(office.actions[-1].action_id, "gateway", office.wall, what)
            outcomes.append(decider.on_ack(ack, office.wall))
        case "order":
            command = {
                **what,
                "id": f"c-{number}",
                "issued_by": "me",
                "issued_at": rfc3339(office.wall),
            }
            read = decode_command(msgspec.json.encode(command))
            outcomes.append(decider.on_command(read, office.wall))
    for outcome in outcomes:
        office._keep(outcome)
    return [wire(outcome) for outcome in outcomes]


@settings(max_examples=100)
@given(STEPS, st.sets(st.integers(0, 40)))
def test_a_restart_anywhere_is_no_restart(steps, restarts):
    steady, restarted = Office(mode="enforce"), Office(mode="enforce")
    for number, step in enumerate(steps):
        if number in restarts:
            restarted.restart()
        assert take(steady, step, number) == take(restarted, step, number)


@settings(max_examples=100)
@given(STEPS)
def test_every_input_given_twice_is_given_once(steps):
    once, twice = Office(mode="enforce"), Office(mode="enforce")
    for number, step in enumerate(steps):
        told = take(once, step, number)
        wall = twice.wall
        assert take(twice, step, number) == told
        if step[0] in ("signal", "order"):
            twice.wall = wall
            again = take(twice, step, number)
            assert not any(any(outcome.values()) for outcome in again)


@settings(max_examples=100)
@given(STEPS)
def test_what_is_enforced_is_always_a_short_lease_on_an_allowed_target(steps):
    office = Office(mode="enforce", never_block=["api_key:key-e"])
    for number, step in enumerate(steps):
        take(office, step, number)
    by_target: dict[str, list] = {}
    for action in (*office.actions, *office.shadow):
        by_target.setdefault(str(action.target), []).append(action)
    for actions in by_target.values():
        numbers = sorted(action.sequence for action in actions)
        assert numbers == list(range(1, len(numbers) + 1))
    assert len({action.action_id for action in (*office.actions, *office.shadow)}) == len(
        (*office.actions, *office.shadow)
    )
    for action in office.actions:
        assert action.expires_at - action.issued_at <= 900
        automatic = action.policy == "automatic" and action.mode is not Mode.RELEASE
        if automatic:
            assert str(action.target) != "api_key:key-e"
            assert action.alert_ids
        if automatic and action.mode is Mode.BLOCK:
            assert action.innocent_share <= 0.05
        if automatic:
            assert action.innocent_share <= 0.5
    begun = [
        (after.issued_at, str(after.target))
        for actions in by_target.values()
        for before, after in pairwise([None, *(a for a in actions if a in office.actions)])
        if after.policy == "automatic"
        and after.mode is not Mode.RELEASE
        and (before is None or before.mode is Mode.RELEASE)
    ]
    for at, _ in begun:
        assert len({target for when, target in begun if at - 3600 < when <= at}) <= 3


@settings(max_examples=100)
@given(STEPS)
def test_a_transition_is_told_once_and_always_of_an_incident(steps):
    office = Office(mode="enforce")
    for number, step in enumerate(steps):
        take(office, step, number)
    assert all(alert.incident_id for alert in office.alerts)
    assert not any(alert.kind == "contributor" for alert in office.alerts)
    told = [a.transition_id for a in office.alerts if a.transition is not Transition.CONTAINED]
    assert len(told) == len(set(told))
