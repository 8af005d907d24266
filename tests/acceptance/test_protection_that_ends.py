"""Keys that are let go because nobody renewed their lease: people hear of it, once."""

import msgspec

from alerting.alert import ResolvedReason, Severity
from alerting.decide.decider import Decider
from alerting.decide.protection import LAPSED_RULE, LEFT_RULE
from tests.support.decisions import KEY, Office, agent_signal, key_signal

LEASE_SECONDS = 15 * 60


def a_held_key(**throttle: object) -> Office:
    office = Office(mode="enforce", **throttle).tell(agent_signal(), key_signal()).wait(6)
    assert office.modes == ["block"]
    return office


def said(office: Office, rule: str) -> list[tuple[str, str]]:
    return [
        (alert.transition.value, alert.annotations["summary"])
        for alert in office.alerts
        if alert.rule == rule
    ]


def stop(office: Office) -> Office:
    office._keep(office.decider.on_stop(office.wall))
    return office


def test_a_lease_that_nobody_renewed_is_told_once_by_whoever_finds_it():
    office = a_held_key()
    office.wall += LEASE_SECONDS + 60
    office.restart().wait(30)
    (fired, summary), (resolved, _) = said(office, LAPSED_RULE)
    assert (fired, resolved) == ("fired", "resolved")
    assert summary.startswith(f"Protection lapsed on 1 key ({KEY}): nobody renewed the lease")
    told = [alert for alert in office.alerts if alert.rule == LAPSED_RULE]
    assert {alert.severity for alert in told} == {Severity.CRITICAL}
    assert told[-1].resolved_reason is ResolvedReason.NO_DATA
    assert told[-1].is_loss, "it is told however late it is"


def test_a_lease_that_is_renewed_in_time_is_no_news():
    office = a_held_key()
    office.wait(LEASE_SECONDS + 60, step=20)
    assert said(office, LAPSED_RULE) == []


def test_the_same_lapse_found_again_after_a_crash_has_the_same_ids():
    office = a_held_key()
    office.wall += LEASE_SECONDS + 60
    first = office.restart().decider.on_tick(office.wall, None)
    state = {key: msgspec.msgpack.decode(value) for key, value in office.table.items()}
    again = Decider(office.incidents, office.throttle, state)  # the first was never remembered
    second = again.on_tick(office.wall + 9, None)
    rules = [alert.rule for alert in first.alerts]
    assert LAPSED_RULE in rules
    told, told_again = (
        [
            (alert.transition_id, alert.alert_id, alert.window, alert.started_at)
            for alert in outcome.alerts
        ]
        for outcome in (first, second)
    )
    assert told == told_again


def test_a_time_that_a_person_gave_is_over_and_that_is_no_lapse():
    office = Office().order(
        "throttle_set", target=str(KEY), mode="block", reason="leaked", minutes=10
    )
    office.wall += 11 * 60
    office.restart().wait(5)
    assert office.modes == ["block", "release"]
    assert said(office, LAPSED_RULE) == []


def test_what_ran_out_under_a_pause_was_wanted():
    office = a_held_key().order("throttle_pause")
    office.wait(LEASE_SECONDS + 60, step=20)
    assert said(office, LAPSED_RULE) == []


def test_a_worker_that_stops_says_which_keys_it_leaves_held():
    office = stop(a_held_key())
    (fired, summary), (resolved, _) = said(office, LEFT_RULE)
    assert (fired, resolved) == ("fired", "resolved")
    assert summary.startswith(f"spendwatch stops while it holds 1 key ({KEY}). Unless a worker")
    assert said(stop(office), LEFT_RULE) == said(office, LEFT_RULE), "said once for a lease"


def test_a_worker_that_holds_nothing_stops_without_a_word():
    assert stop(Office()).alerts == []


def test_what_holds_without_anybody_is_not_left_unprotected():
    assert said(stop(a_held_key(on_lapse="hold")), LEFT_RULE) == []


def test_many_keys_are_a_number_and_the_first_few():
    office = Office()
    for number in range(7):
        office.order("throttle_set", target=f"api_key:k-{number}", mode="block", reason="leaked")
    ((_, summary), _) = said(stop(office), LEFT_RULE)
    assert "holds 7 keys (api_key:k-0, " in summary
    assert "api_key:k-4 and 2 more)" in summary
