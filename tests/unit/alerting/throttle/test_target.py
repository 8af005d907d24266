"""Targets, culprits and neighbours, as alerts name them."""

from dataclasses import replace

import pytest

from alerting.alert import Alert, Driver, nanousd
from alerting.drivers import driver_scope, leading
from alerting.throttle import target
from alerting.throttle.target import Evidence, guilty_agents, no_evidence, targets_of
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


def evidence_of(alert: Alert, guilty: frozenset[str]) -> Evidence | None:
    return target.evidence_of(alert, guilty, 0.2)


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
    assert evidence.others == ("agent:pay",)


def test_users_are_named_too_and_whom_the_key_remembers_though_they_are_silent_now():
    parts = drivers(
        agent=[("invoice-bot", 19, 20), ("__other__", 0, 0)],
        user=[("u", 19, 20), ("__other__", 0, 0)],
    )
    alert = signal(KEY, drivers=parts, annotations={"remembered": '["agent:pay", "user:v"]'})
    evidence = evidence_of(alert, frozenset({"agent:invoice-bot"}))
    assert evidence.others == ("user:u", "agent:pay", "user:v")
    assert evidence.unnamed == frozenset()


@pytest.mark.parametrize("text", ["", "{", "3", "null", '{"a": 1}', "[3]", '["nonsense"]'])
def test_a_remembrance_that_does_not_read_is_none(text):
    alert = replace(key_signal(), annotations={"remembered": text})
    assert evidence_of(alert, frozenset({"agent:invoice-bot"})).others == ()


def test_who_spends_without_a_name_is_known_by_dimension():
    parts = drivers(
        agent=[("invoice-bot", 19, 20), ("__other__", 0, 0)],
        user=[("u", 19, 19), ("__other__", 0, 1)],
    )
    evidence = evidence_of(signal(KEY, drivers=parts), frozenset({"agent:invoice-bot"}))
    assert evidence.unnamed == {"user"}
    alone = drivers(agent=[("invoice-bot", 19, 20)])
    evidence = evidence_of(signal(KEY, drivers=alone), frozenset({"agent:invoice-bot"}))
    assert evidence.unnamed == {"user"}  # nobody said which users there are


def test_without_agents_or_spend_there_is_no_evidence():
    no_agents = signal(KEY, drivers=drivers(model=[("m", 1, 1)]))
    assert evidence_of(no_agents, frozenset({"agent:invoice-bot"})) is None
    assert evidence_of(contributor_signal(agent="__other__"), frozenset()) is None
    assert evidence_of(replace(no_agents, observed=0), frozenset()) is None
    nothing = key_signal(observed=0.0)
    assert evidence_of(replace(nothing, drivers=drivers(agent=[("a", 0, 0)])), frozenset()) is None


def of_a_feed_without_agents(**dimensions) -> Evidence:
    """$20 observed where at most $2 were expected."""
    evidence = evidence_of(signal(KEY, drivers=drivers(**dimensions)), frozenset())
    assert evidence is not None
    return evidence


def test_without_agents_what_the_band_allows_is_innocent():
    evidence = of_a_feed_without_agents(agent=[("__other__", 19, 20)], model=[("m", 19, 20)])
    assert (evidence.innocent_share, evidence.admit_ratio) == (0.1, 0.1)
    assert evidence.unnamed == {"agent", "user"}
    mild = evidence_of(signal(KEY, upper=30.0), frozenset())
    assert mild is not None
    assert (mild.innocent_share, mild.admit_ratio) == (1.0, 1.0)


def test_without_agents_users_that_do_not_lead_the_excess_are_innocent():
    evidence = of_a_feed_without_agents(user=[("u", 18, 18), ("v", 1, 2), ("__other__", 0, 0)])
    assert evidence.innocent_share == 0.1
    assert evidence.admit_ratio == 0.05
    assert set(evidence.others) == {"user:u", "user:v"}
    crowd = of_a_feed_without_agents(user=[(f"u-{n}", 1.9, 2) for n in range(10)])
    assert crowd.innocent_share == 1.0


def test_without_agents_what_excuses_more_counts():
    lead = [("v42", 19, 19.5), ("__other__", 0, 0.5)]
    assert of_a_feed_without_agents(prompt_version=lead).innocent_share == 0.025
    shared = [("u", 10, 10), ("__other__", 9, 10)]
    both = of_a_feed_without_agents(prompt_version=lead, user=shared)
    assert both.innocent_share == 0.5


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
