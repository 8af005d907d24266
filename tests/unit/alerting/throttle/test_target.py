"""Targets, culprits and neighbours, as alerts name them."""

from dataclasses import replace

import pytest

from alerting.alert import Driver, nanousd
from alerting.drivers import driver_scope, leading
from alerting.throttle.target import evidence_of, guilty_agents, no_evidence, targets_of
from detectors.scope import Scope
from tests.support.decisions import (
    KEY,
    TEAM,
    USD,
    agent_signal,
    contributor_signal,
    drivers,
    key_signal,
    signal,
)

A, B = Scope("api_key", "a"), Scope("api_key", "b")


def test_an_agents_keys_are_the_targets_from_a_fifth_of_its_excess_on():
    parts = drivers(api_key=[("a", 15, 15), ("b", 4, 4), ("c", 3.7, 4), ("__other__", -3.7, 0)])
    assert targets_of([signal(excess=19.0, drivers=parts)], 0.2) == (A, B)


def test_a_driver_that_saved_money_is_no_target():
    parts = drivers(api_key=[("a", -1, 1)])
    assert targets_of([signal(excess=-19.0, drivers=parts)], 0.2) == ()


def test_agents_say_it_before_keys_and_keys_before_teams():
    agent = agent_signal(key="a")
    key = key_signal("b")
    team = signal(TEAM, excess=19.0, drivers=drivers(api_key=[("key-7", 19, 20)]))
    assert targets_of([team, key, agent], 0.2) == (A,)
    assert targets_of([team, key, signal()], 0.2) == (B,)
    assert targets_of([team], 0.2) == (KEY,)
    assert targets_of([agent, agent], 0.2) == (A,)


def test_a_driver_is_of_its_alerts_environment():
    alert = replace(agent_signal(), scope=Scope("agent", "x", "staging"))
    assert leading(alert, "api_key", 0.5) == (Scope("api_key", "key-7", "staging"),)
    named = Driver("api_key:k@canary", 1, 1)
    assert driver_scope(named, alert) == Scope("api_key", "k", "canary")


@pytest.mark.parametrize("text", ["nonsense", "agent:", "agent:__other__", "agent:__other__@x"])
def test_the_rest_and_what_does_not_read_are_nobody(text):
    assert driver_scope(Driver(text, 1, 1), signal()) is None


def test_agents_with_an_alert_are_guilty_else_those_that_drive_the_others():
    key = key_signal(agent="driver")
    assert guilty_agents([agent_signal("a"), key], 0.2) == {"agent:a"}
    assert guilty_agents([key], 0.2) == {"agent:driver"}


def test_the_innocent_share_is_what_the_guilty_do_not_explain():
    evidence = evidence_of(key_signal(innocent=5.0), frozenset({"agent:invoice-bot"}))
    assert evidence.innocent_share == 0.2
    assert nanousd(evidence.innocent_usd_per_hour) == 300 * USD  # $5 in the first minute
    assert evidence.admit_ratio == 6 / 25


def test_a_pace_is_over_the_time_that_was_judged():
    closed = replace(key_signal(innocent=5.0), decided_at=key_signal().window.end_seconds + 90)
    evidence = evidence_of(closed, frozenset({"agent:invoice-bot"}))
    assert nanousd(evidence.innocent_usd_per_hour) == 60 * USD
    early = replace(closed, decided_at=closed.window.start_seconds + 1)
    evidence = evidence_of(early, frozenset({"agent:invoice-bot"}))
    assert nanousd(evidence.innocent_usd_per_hour) == 300 * USD


def test_spend_that_no_driver_accounts_for_is_innocent():
    evidence = evidence_of(
        replace(key_signal(), observed=40 * USD), frozenset({"agent:invoice-bot"})
    )
    assert evidence.innocent_share == 0.5


def test_other_agents_are_named_if_they_spend():
    parts = drivers(agent=[("invoice-bot", 19, 20), ("quiet", 0, 0), ("pay", 0, 1)])
    evidence = evidence_of(signal(KEY, drivers=parts), frozenset({"agent:invoice-bot"}))
    assert evidence.innocent_agents == ("agent:pay",)


def test_without_agents_or_spend_there_is_no_evidence():
    assert evidence_of(signal(KEY, drivers=drivers(model=[("m", 1, 1)])), frozenset()) is None
    nothing = key_signal(observed=0.0)
    assert evidence_of(replace(nothing, drivers=drivers(agent=[("a", 0, 0)])), frozenset()) is None


@pytest.mark.parametrize("innocent", [0.0, 1.0])
def test_a_contributors_signal_that_does_not_say_what_the_key_spent_is_no_evidence(innocent):
    unusual = contributor_signal(innocent=innocent, annotations={})
    assert evidence_of(unusual, frozenset({"agent:invoice-bot"})) is None


def test_a_contributors_signal_that_says_it_is_evidence():
    evidence = evidence_of(contributor_signal(innocent=5.0), frozenset({"agent:invoice-bot"}))
    assert evidence.innocent_share == 0.2
    assert evidence.admit_ratio == 6 / 25


def test_a_silent_key_is_all_innocent():
    evidence = no_evidence(signal(observed=20.0, expected=5.0))
    assert (evidence.is_known, evidence.innocent_share, evidence.admit_ratio) == (False, 1.0, 0.25)
    assert no_evidence(signal(observed=0.0, expected=5.0)).admit_ratio == 1.0
