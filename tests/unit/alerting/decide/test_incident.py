"""Which alerts are one incident, what it is called, and how two become one."""

from dataclasses import replace

import pytest

from alerting.alert import ABSENCE, RATIO, Transition
from alerting.decide.incident import causes_of
from detectors.scope import Scope
from tests.support.decisions import (
    START,
    TEAM,
    Office,
    agent_signal,
    contributor_signal,
    drivers,
    key_signal,
    signal,
)

UPDATED = Transition.UPDATED


def incidents(office: Office) -> list[str]:
    return [alert.incident_id for alert in office.alerts]


def test_two_agents_on_two_keys_are_two_incidents():
    office = Office().tell(agent_signal("a", "k-a"), agent_signal("b", "k-b"))
    assert len(set(incidents(office))) == 2


def test_an_organization_does_not_glue_together_what_merely_stands_under_it():
    office = Office().tell(agent_signal("a", "k-a"), agent_signal("b", "k-b"))
    both = drivers(agent=[("a", 10, 10), ("b", 9, 10), ("c", 8, 9)])
    office.tell(signal(Scope("organization", "acme"), excess=27.0, drivers=both))
    assert len(set(incidents(office))) == 3


def test_a_team_joins_the_agent_that_leads_its_excess():
    office = Office().tell(agent_signal("a", "k-a"), agent_signal("b", "k-b"))
    both = drivers(agent=[("a", 12, 12), ("b", 7, 8), ("__other__", 0, 0)])
    office.tell(signal(TEAM, excess=19.0, drivers=both))
    first, second, team = incidents(office)
    assert team == first != second


def test_a_ratio_is_an_incident_of_its_own_and_spoils_no_containment():
    spike = agent_signal("a", "k-a")
    ratio = replace(agent_signal("a", "k-a", rule="ratio/errors"), kind=RATIO)
    other = replace(agent_signal("a", "k-a", rule="ratio/accepted"), kind=RATIO)
    office = Office().tell(spike, ratio, other)
    assert len(set(incidents(office))) == 3


def test_agents_that_fall_silent_together_are_one_incident():
    silent = [
        replace(agent_signal(each, f"k-{each}", rule="absence"), kind=ABSENCE) for each in "abc"
    ]
    office = Office().tell(agent_signal("a", "k-a"), *silent)
    spike, *rest = incidents(office)
    assert len(set(rest)) == 1
    assert spike not in rest


def test_alerts_of_one_cause_far_apart_in_time_are_two_incidents():
    office = Office(incidents={"join_minutes": 60})
    office.tell(agent_signal(), key_signal(started=START + 3600 + 1))
    assert len(set(incidents(office))) == 2
    office = Office(incidents={"join_minutes": 60}).tell(
        agent_signal(), key_signal(started=START + 3600)
    )
    assert len(set(incidents(office))) == 1


def test_an_alert_keeps_its_incident_however_long_it_lasts():
    office = Office().tell(agent_signal())
    office.tell(agent_signal(transition=UPDATED, minutes=600))
    assert len(set(incidents(office))) == 1


def test_an_alert_stays_when_its_incident_has_moved_on_in_time():
    office = Office().tell(agent_signal())
    for minutes in (50, 100):
        rule = f"later-{minutes}"
        office.tell(agent_signal(rule=rule, started=START + minutes * 60))
    office.tell(agent_signal(transition=UPDATED, minutes=100))
    assert len(set(incidents(office))) == 1


def test_a_second_episode_after_the_end_is_a_new_incident():
    office = Office().tell(agent_signal(), agent_signal(transition=Transition.RESOLVED, minutes=15))
    office.tell(agent_signal(started=START + 1800))
    first, _, second = incidents(office)
    assert first != second


def test_two_incidents_merge_when_a_common_cause_shows_and_the_older_ones_id_stays():
    office = Office()
    office.tell(signal(TEAM))  # no drivers known yet
    office.tell(agent_signal(started=START + 300))
    old, young = incidents(office)
    assert old != young
    told = len(office.alerts)
    led = drivers(agent=[("invoice-bot", 19, 20), ("__other__", 0, 0)])
    office.tell(signal(TEAM, UPDATED, minutes=5, drivers=led))
    closing, update = office.alerts[told:]
    assert (closing.incident_id, closing.merged_into) == (young, old)
    assert closing.transition is UPDATED
    assert (update.incident_id, update.merged_into) == (old, None)
    assert update.annotations["incident_scope"] == "agent:invoice-bot"
    office.tell(agent_signal(transition=UPDATED, minutes=5, started=START + 300))
    assert office.alerts[-1].incident_id == old
    assert len({alert.transition_id for alert in office.alerts}) == len(office.alerts)


def test_a_merged_incidents_action_goes_on_under_the_survivor():
    office = Office(mode="enforce").tell(signal(TEAM))
    office.tell(agent_signal(started=START + 300), key_signal(started=START + 300)).wait(6)
    assert office.modes == ["block"]
    led = drivers(agent=[("invoice-bot", 19, 20), ("__other__", 0, 0)])
    office.tell(signal(TEAM, UPDATED, minutes=5, drivers=led)).wait(2)
    assert office.modes == ["block", "block"]
    assert office.actions[-1].incident_id == office.alerts[0].incident_id
    assert len(office.actions[-1].alert_ids) == 3


@pytest.mark.parametrize("early", [START - 60, START + 60])
def test_of_two_asks_for_one_key_a_merge_keeps_the_decided_one(early):
    office = Office(mode="enforce", settle_seconds=20)
    office.tell(
        signal(TEAM, started=early, drivers=drivers(api_key=[("key-7", 5, 5)]), excess=19.0)
    )
    office.tell(signal(Scope("api_key", "key-7"), drivers=drivers(agent=[("invoice-bot", 19, 20)])))
    office.wait(25)
    asks = office.decider.ledger.target("api_key:key-7").asks.values()
    [since] = [ask.held_since for ask in asks if ask.standing.value == "enforced"]
    assert len(asks) == 2
    led = drivers(agent=[("invoice-bot", 19, 20)], api_key=[("key-7", 19, 20)])
    office.tell(signal(TEAM, UPDATED, minutes=5, started=early, drivers=led)).wait(2)
    [ask] = office.decider.ledger.target("api_key:key-7").asks.values()
    assert (ask.standing.value, ask.held_since) == ("enforced", since)
    assert set(office.modes) == {"block"}
    assert ask.incident_id == office.alerts[-1].incident_id


def test_a_budget_of_the_same_scope_joins():
    office = Office().tell(agent_signal())
    office.tell(signal(rule="monthly/reached", kind="budget", scope=Scope("agent", "invoice-bot")))
    assert len(set(incidents(office))) == 1


def test_a_first_word_that_is_a_resolve_opens_and_closes_an_incident():
    office = Office().tell(agent_signal(transition=Transition.RESOLVED, minutes=15))
    assert len(office.alerts) == 1
    [incident] = office.decider.ledger.incidents.values()
    assert incident.status.value == "resolved"


def test_an_older_transition_than_the_last_is_a_repeat():
    office = Office().tell(agent_signal(), agent_signal(transition=UPDATED, minutes=10))
    office.tell(agent_signal(transition=UPDATED, minutes=5))
    assert len(office.alerts) == 2
    office.tell(agent_signal(transition=Transition.RESOLVED, minutes=15))
    office.tell(agent_signal(transition=UPDATED, minutes=20))
    assert len(office.alerts) == 3


def test_ended_incidents_are_forgotten_after_their_retention():
    office = Office(incidents={"retention_hours": 1}).tell(agent_signal(), key_signal()).wait(6)
    office.tell(
        contributor_signal("key-9"),
        agent_signal(transition=Transition.RESOLVED, minutes=15),
        key_signal(transition=Transition.RESOLVED, minutes=15),
    )
    office.wait(3000, step=60)
    assert any(key.startswith("alert:") for key in office.table)
    office.wait(3600, step=60)
    kept = {key.partition(":")[0] for key in office.table}
    assert kept == {"caps", "target"}  # its sequence must go on rising
    office.restart()


def test_causes_are_the_scope_itself_and_who_leads_it():
    parts = drivers(
        agent=[("a", 10, 10), ("b", 9, 9)], api_key=[("__other__", 19, 19)], model=[("m", 19, 19)]
    )
    assert causes_of(signal(TEAM, excess=19.0, drivers=parts), 0.5) == {"team:billing", "agent:a"}
