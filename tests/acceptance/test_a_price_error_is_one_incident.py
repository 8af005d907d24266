"""Prices ten times too high: one incident of the feed, one message, and no key is throttled for it.

What somebody does of its own accord meanwhile is told and throttled as ever.
"""

from collections.abc import Iterable

import pytest

from alerting.alert import Alert, ResolvedReason, Status, Transition
from alerting.throttle.action import Mode
from detectors.scope import Scope
from tests.support.decisions import START, Office, agent_signal, drivers, key_signal, signal, wire
from tests.support.price_error import agent_risen, key_risen, risen

FIRED, UPDATED, RESOLVED = Transition.FIRED, Transition.UPDATED, Transition.RESOLVED
RULE = "feed/same_factor"
ENDED = ResolvedReason.SUPERSEDED


def both(numbers: Iterable[int | str], **more: object) -> list[Alert]:
    """Agents and their keys."""
    return [
        alert
        for number in numbers
        for alert in (agent_risen(number, **more), key_risen(number, **more))  # type: ignore[arg-type] # tests' own
    ]


def told(office: Office, rule: str = RULE) -> list[Alert]:
    return [alert for alert in office.alerts if alert.rule == rule]


def home(office: Office, scope: str) -> str:
    """Which incident a scope's alert belongs to now, by what that is named after."""
    entry = next(
        entry
        for entry in office.decider.ledger.alerts.values()
        if str(entry.alert.scope) == scope and entry.alert.kind != "contributor"
    )
    return office.decider.ledger.incidents[entry.incident_id].scope


def opened(office: Office) -> list[str]:
    return [each.scope for each in office.decider.ledger.incidents.values() if each.is_open]


def suspected(**throttle: object) -> Office:
    return Office(mode="enforce", **throttle).tell(*both(range(6)))


def test_forty_agents_times_ten_are_one_incident_and_no_throttle():
    office = Office(mode="enforce")
    alerts = both(range(40))
    office.tell(*alerts, signal(Scope("team", "all"), drivers=drivers())).wait(120)
    assert office.actions == office.shadow[1:] == []
    assert opened(office) == ["feed:prices", "team:all"]
    fired = [alert for alert in office.alerts if alert.transition is FIRED]
    assert len(fired) == len(alerts) + 2  # nothing is lost
    first, *updates = told(office)
    assert first.annotations["summary"] == (
        "5 agents' dollars a request rose together by about 10 times at 10:01 UTC, requests"
        " unchanged: looks like a price or unit error (model gpt-4o). What it explains is told here"
        " and throttles nobody."
    )
    counts = [int(alert.annotations["scopes"]) for alert in updates]
    assert counts == [7, 9, 12, 15, 19, 24, 30, 38]
    assert {alert.transition for alert in updates} == {UPDATED}
    assert not told(office, "feed/many_targets")
    closing = [alert for alert in office.alerts if alert.merged_into]
    assert {alert.merged_into for alert in closing} == {first.incident_id}
    assert len(closing) == 5  # agents with their keys, from before there were five


def test_keys_of_a_feed_without_agents_are_counted_as_such():
    office = Office().tell(*(risen(Scope("api_key", f"key-{each}")) for each in range(5)))
    assert told(office)[0].annotations["summary"].startswith("5 keys' dollars a request rose")
    assert opened(office) == ["feed:prices"]


def test_what_was_blocked_before_is_released_and_counts_for_no_cap():
    office = Office(mode="enforce")
    for number in range(3):
        office.tell(*both([number])).wait(6)
    assert office.modes == ["block"] * 3
    office.tell(*both([3, 4]))
    assert office.modes == ["block"] * 3 + ["release"] * 3
    assert "prices or the units are suspected" in office.actions[-1].reason
    office.tell(agent_signal("runaway", "key-r"), key_signal("key-r", "runaway")).wait(6)
    assert (office.actions[-1].mode, str(office.actions[-1].target)) == (
        Mode.BLOCK,
        "api_key:key-r",
    )


def test_what_a_person_approved_goes_on():
    office = Office(mode="enforce", require_approval=True).tell(*both([0])).wait(6)
    proposal = office.shadow[-1].action_id
    office.order("throttle_approve", target="api_key:key-0", action_id=proposal)
    office.tell(*both(range(1, 5))).wait(60)
    assert opened(office) == ["feed:prices"]
    assert set(office.modes) == {"block"}
    office.tell(*both(range(5), transition=RESOLVED, minutes=5))
    assert told(office)[-1].transition is RESOLVED
    assert opened(office) == ["feed:prices"]  # two resolves wait for the release
    office.wait(3600)
    assert opened(office) == []


@pytest.mark.parametrize("price", [1.0, 10.0])
def test_a_runaway_in_the_middle_of_it_is_throttled_as_ever(price: float):
    alone, amidst = Office(mode="enforce"), suspected()
    amidst.actions.clear()
    runaway = both(["r"], price=price * 1.0001, volume=50.0)
    for office in (alone, amidst):
        office.tell(*runaway).wait(6)
    assert home(amidst, "agent:bot-r") == home(amidst, "api_key:key-r") == "agent:bot-r"
    seen = [[(a.mode, a.target, a.issued_at) for a in office.actions] for office in (alone, amidst)]
    assert seen[0] == seen[1] != []


def test_a_scope_of_it_whose_requests_rise_leaves_it_and_is_throttled():
    office = suspected().wait(60)
    news = {"transition": UPDATED, "minutes": 5, "volume": 60.0}
    office.tell(agent_risen(3, **news), key_risen(3, **news)).wait(6)
    assert opened(office) == ["feed:prices", "agent:bot-3"]
    assert home(office, "api_key:key-3") == "agent:bot-3"
    assert [(a.mode, str(a.target)) for a in office.actions] == [(Mode.BLOCK, "api_key:key-3")]
    mine = [alert.incident_id for alert in office.alerts if str(alert.scope) == "agent:bot-3"]
    assert len(set(mine)) == 2  # its first one stays merged
    assert told(office)[-1].transition is not RESOLVED


def test_a_runaway_that_is_held_down_is_not_calm():
    office = suspected().wait(60)
    news = {"transition": UPDATED, "minutes": 5, "volume": 60.0}
    office.tell(agent_risen(3, **news), key_risen(3, **news)).wait(6)
    office.tell(*both([3], transition=UPDATED, minutes=10)).wait(60)
    assert home(office, "agent:bot-3") == "agent:bot-3"
    assert office.modes == ["block"]


def test_one_that_is_over_before_anything_holds_it_is_part_of_it_again():
    office = suspected().wait(60)
    office.tell(agent_risen(3, transition=UPDATED, minutes=5, volume=60.0))
    office.tell(*both([3], transition=UPDATED, minutes=10)).wait(60)
    assert opened(office) == ["feed:prices"]
    assert office.actions == []


def test_two_scopes_are_no_suspicion():
    office = Office(mode="enforce").tell(*both([0, 1])).wait(6)
    assert told(office) == []
    assert opened(office) == ["agent:bot-0", "agent:bot-1"]
    assert office.modes == ["block"] * 2


def test_scopes_that_rise_by_factors_of_their_own_are_none():
    office = Office()
    for number, price in enumerate((4, 10, 30, 90, 300, 1000)):
        office.tell(*both([number], price=float(price)))
    assert told(office) == []


def test_agents_that_call_more_are_none():
    office = Office().tell(*both(range(8), price=1.5, volume=20.0))
    assert told(office) == []


def test_one_agent_on_many_keys_is_one_scope():
    by = drivers(agent=[("bot", 9, 10)])
    office = Office().tell(*(risen(Scope("api_key", f"key-{n}"), beside=by) for n in range(8)))
    assert told(office) == []


def test_a_restart_in_the_middle_changes_nothing():
    story = [
        *both(range(7)),
        *both(range(3), transition=UPDATED, minutes=5),
        agent_risen(1, transition=UPDATED, minutes=10, volume=60.0),
        *both(range(7), transition=RESOLVED, minutes=15),
    ]
    steady, killed = Office(mode="enforce"), Office(mode="enforce")
    for alert in story:
        steady.tell(alert).wait(2)
        killed.tell(alert).restart().wait(2)
    assert len(told(steady)) > 2
    assert [a.transition_id for a in steady.alerts] == [a.transition_id for a in killed.alerts]
    assert steady.alerts == killed.alerts
    assert steady.actions == killed.actions
    assert wire(steady.decider.on_tick(steady.wall, None)) == wire(
        killed.decider.on_tick(killed.wall, None)
    )


def test_it_is_over_with_its_last_alert_and_may_come_again():
    office = suspected()
    office.tell(*both(range(6), transition=RESOLVED, minutes=10)[:-1])
    assert told(office)[-1].status is Status.FIRING
    office.tell(*both([5], transition=RESOLVED, minutes=10))
    last = told(office)[-1]
    assert (last.transition, last.resolved_reason) == (RESOLVED, ResolvedReason.RECOVERED)
    assert last.annotations["summary"].endswith("is over after 10 min.")
    assert opened(office) == []
    office.wait(3600, step=60)
    office.tell(*both(range(6), started=START + 4000))
    assert [a.transition for a in told(office) if a.transition is FIRED] == [FIRED, FIRED]
    assert len({alert.alert_id for alert in told(office)}) == 2


def test_factors_that_turn_out_to_differ_give_it_up_and_all_go_their_own_way():
    office = suspected().wait(60)
    pended = agent_risen(9, transition=Transition.PENDED)
    office.tell(pended)
    assert home(office, "agent:bot-9") == "feed:prices"
    for minutes in (10, 15):
        for number, price in enumerate((3.0, 5.0, 20.0, 28.0, 35.0)):
            office.tell(*both([number], price=price, transition=UPDATED, minutes=minutes))
    last = told(office)[-1]
    assert (last.transition, last.resolved_reason) == (RESOLVED, ENDED)
    assert "told by itself" in last.annotations["summary"]
    assert set(opened(office)) == {f"agent:bot-{number}" for number in (*range(6), 9)}
    assert home(office, "api_key:key-5") == "agent:bot-5"
    moved = [a for a in office.alerts if str(a.scope) == "agent:bot-5"][-1]
    assert (moved.transition, moved.annotations["incident_scope"]) == (UPDATED, "agent:bot-5")
    office.wait(6)
    assert Mode.BLOCK in {action.mode for action in office.actions}
    office.tell(*both(range(10, 16), started=START + 600))
    assert told(office)[-1] == last  # not at once again


def test_when_too_few_are_left_because_the_others_called_more_it_is_given_up():
    office = Office(mode="enforce").tell(*both(range(5)))
    office.tell(agent_risen(0, transition=UPDATED, minutes=5, volume=60.0))
    assert told(office)[-1].resolved_reason is ENDED


def test_a_burst_that_it_explains_is_over():
    office = Office(mode="enforce")
    for number in range(8):  # a burst of volume, and three of the price
        office.tell(agent_signal(f"a{number}", f"k{number}"))
    office.tell(*both(range(3)))
    assert [a.transition for a in told(office, "feed/many_targets")] == [FIRED]
    office.tell(*both(range(3, 6)))
    office.wait(31)
    assert [a.transition for a in told(office, "feed/many_targets")] == [FIRED, RESOLVED]
    assert told(office)[-1].status is Status.FIRING


def test_a_burst_that_it_explains_at_once_is_none():
    office = Office(mode="enforce", wide_targets=4)
    office.tell(*both(range(6)))
    assert told(office, "feed/many_targets") == []


def test_a_coarser_scope_that_its_agents_explain_is_part_of_it():
    office = suspected()
    parts = drivers(agent=[(f"bot-{number}", 17.0, 18.0) for number in range(3)])
    team = signal(Scope("team", "all"), observed=60.0, expected=9.0, upper=12.0, drivers=parts)
    office.tell(team)
    assert home(office, "team:all") == "feed:prices"
    office.tell(agent_signal("bot-r", "key-r"), key_signal("key-r", "bot-r"))
    assert home(office, "api_key:key-r") == "agent:bot-r"


def test_a_coarser_scope_that_is_its_own_news_stays_so():
    parts = drivers(agent=[("bot-r", 30, 31), ("bot-0", 8.5, 9.5), ("bot-1", 8.5, 9.5)])
    team = {"observed": 60.0, "expected": 9.0, "upper": 12.0, "drivers": parts}
    office = Office().tell(agent_signal("bot-r", "key-r"), signal(Scope("team", "all"), **team))
    office.tell(*both(range(6)))
    office.tell(signal(Scope("team", "all"), UPDATED, minutes=5, **team))
    assert home(office, "team:all") == "agent:bot-r"
    assert opened(office) == ["agent:bot-r", "feed:prices"]


def test_a_coarser_scope_of_an_incident_stays_there_whoever_speaks_for_it():
    team = {"observed": 60.0, "expected": 9.0, "upper": 12.0}
    parts = drivers(agent=[(f"bot-{number}", 17.0, 18.0) for number in range(3)])
    office = Office().tell(signal(Scope("team", "all"), **team), *both(range(6)))
    office.tell(signal(Scope("team", "all"), UPDATED, minutes=5, drivers=parts, **team))
    assert opened(office) == ["team:all", "feed:prices"]


def test_what_rose_long_before_is_none_of_it():
    office = Office().tell(agent_risen(9, started=START - 3000), *both(range(6)))
    assert opened(office) == ["agent:bot-9", "feed:prices"]


def test_an_incident_in_which_somebody_called_more_is_not_taken_over():
    office = Office()
    shared = drivers(agent=[("bot-0", 8.5, 9.5)], api_key=[("key-0", 10, 11)])
    office.tell(signal(Scope("agent", "loud"), drivers=shared), *both(range(6)))
    assert home(office, "agent:bot-0") == home(office, "agent:loud")
    assert home(office, "agent:bot-1") == "feed:prices"
    office.tell(signal(Scope("agent", "loud"), RESOLVED, minutes=5))
    office.tell(agent_risen(0, transition=UPDATED, minutes=5))
    assert home(office, "agent:bot-0") == "feed:prices"


def test_what_is_read_long_after_is_old_news_of_the_feed_too():
    office = Office()
    office.wall = START + 7200.0
    office.tell(*both(range(5)))
    assert told(office)[0].is_late
    assert office.decider.ledger.caps.onsets == ()
