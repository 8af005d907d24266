import json
from dataclasses import replace

from alerting.alert import Alert, Severity, Transition
from alerting.notify.incident_view import (
    MAX_CHANGES,
    MAX_MEMBERS,
    Applied,
    Change,
    IncidentView,
    view_from_json,
)
from alerting.root import root_of
from alerting.throttle.action import Mode
from detectors.scope import Scope
from tests.support.alerts import AGENT, INCIDENT, KEY, an_action, an_alert

NOW = 1000.0
TEAM = Scope("team", "payments")


def told(*alerts: Alert) -> tuple[IncidentView, list[Change | None]]:
    view, changes = IncidentView(INCIDENT), []
    for alert in alerts:
        view, change = view.with_alert(alert, NOW)
        changes.append(change)
    return view, changes


def test_each_transition_is_the_change_a_person_would_name():
    warning = Severity.WARNING
    view, changes = told(
        an_alert(scope=TEAM, severity=warning),
        an_alert(scope=KEY, severity=warning),
        an_alert(Transition.UPDATED, minutes=5, scope=KEY, severity=warning),
        an_alert(minutes=5),
        an_alert(Transition.ACKNOWLEDGED, minutes=10),
        an_alert(Transition.CONTAINED, minutes=10, is_contained=True),
        an_alert(Transition.CONTAINED, minutes=10, scope=KEY, is_contained=True),
        an_alert(Transition.CONTAINED, minutes=10, scope=TEAM, is_contained=True),
        an_alert(Transition.RESOLVED, minutes=15),
        an_alert(Transition.RESOLVED, minutes=15, scope=TEAM),
        an_alert(Transition.RESOLVED, minutes=15, scope=KEY),
    )
    assert changes == [
        Change.FIRED,
        Change.MEMBER,
        Change.UPDATED,
        Change.ESCALATED,
        Change.ACKNOWLEDGED,
        Change.UPDATED,
        Change.UPDATED,
        Change.CONTAINED,
        Change.UPDATED,
        Change.UPDATED,
        Change.RESOLVED,
    ]
    assert not view.is_firing
    assert view.settled_at == NOW


def test_a_new_episode_in_an_incident_that_was_over_opens_it_again():
    view, changes = told(
        an_alert(), an_alert(Transition.RESOLVED, minutes=5), an_alert(started=2_000_000_100)
    )
    assert changes[-1] is Change.REOPENED
    assert view.settled_at is None


def test_an_incident_that_another_took_over_ends_with_a_closing_update():
    view, changes = told(an_alert(), an_alert(Transition.UPDATED, minutes=5, merged_into="other"))
    assert changes[-1] is Change.MERGED
    assert not view.is_firing
    assert view.merged_into == "other"


def test_a_repeat_changes_nothing_and_says_what_it_changed_at_first():
    story = (an_alert(), an_alert(scope=KEY), an_alert(Transition.UPDATED, minutes=5))
    view, changes = told(*story)
    for alert, change in zip(story, changes, strict=True):
        again, repeated = view.with_alert(alert, NOW + 9)
        assert again is view
        assert repeated is change


def test_what_comes_after_the_end_or_out_of_order_is_no_news():
    over, _ = told(an_alert(), an_alert(Transition.RESOLVED, minutes=10))
    assert over.with_alert(an_alert(Transition.UPDATED, minutes=15), NOW) == (over, None)
    view, _ = told(an_alert(), an_alert(Transition.UPDATED, minutes=10))
    assert view.with_alert(an_alert(Transition.UPDATED, minutes=5), NOW) == (view, None)
    later_fired = an_alert(minutes=15)
    assert view.with_alert(later_fired, NOW) == (view, None)


def test_changes_remembered_are_bounded():
    minutes = range(5, 5 * (MAX_CHANGES + 10), 5)
    view, _ = told(an_alert(), *(an_alert(Transition.UPDATED, minutes=m) for m in minutes))
    assert len(view.changes) == MAX_CHANGES
    assert view.with_alert(an_alert(), NOW) == (view, None)


def test_members_beyond_the_bound_are_counted_and_forgotten_when_over():
    scopes = [Scope("user", f"u-{number}") for number in range(MAX_MEMBERS + 2)]
    view, changes = told(*(an_alert(scope=scope) for scope in scopes))
    assert len(view.members) == MAX_MEMBERS
    assert len(view.also) == 2
    assert changes[-1] is Change.MEMBER
    assert view.with_alert(an_alert(scope=scopes[-1]), NOW) == (view, Change.MEMBER)
    view, change = view.with_alert(an_alert(Transition.UPDATED, minutes=5, scope=scopes[-1]), NOW)
    assert change is Change.UPDATED
    assert len(view.also) == 2
    for scope in scopes:
        view, change = view.with_alert(an_alert(Transition.RESOLVED, minutes=10, scope=scope), NOW)
    assert change is Change.RESOLVED
    assert view.also == frozenset()


def test_the_end_of_a_dry_run_is_no_news_while_it_fires():
    view, _ = told(an_alert())
    view, change = view.with_action(Applied(an_action(), is_enforced=False))
    assert change is Change.ACTED
    over = Applied(an_action(Mode.RELEASE, sequence=2), is_enforced=False)
    assert view.with_action(over)[1] is None
    view, _ = view.with_alert(an_alert(Transition.RESOLVED, minutes=10), NOW)
    assert view.with_action(over)[1] is Change.ACTED


def test_it_is_contained_when_all_that_fires_is_held_and_partly_before():
    held = an_alert(Transition.CONTAINED, minutes=5, is_contained=True)
    view, _ = told(an_alert(), an_alert(scope=KEY))
    assert (view.is_contained, view.is_partly_contained) == (False, False)
    view, _ = told(an_alert(), an_alert(scope=KEY), held)
    assert (view.is_contained, view.is_partly_contained) == (False, True)
    view, _ = told(an_alert(), an_alert(scope=KEY), held, replace(held, alert_id="k", scope=KEY))
    assert not replace(view, members={held.alert_id: held}, also=frozenset({"a"})).is_contained
    view, _ = told(an_alert(annotations={"throttle_held_share": "0.33"}))
    assert (view.is_contained, view.is_partly_contained) == (False, True)
    view, _ = told(an_alert(), held)
    assert (view.is_contained, view.is_partly_contained) == (True, False)


def test_it_is_named_as_decide_names_it():
    agent = an_alert(severity=Severity.WARNING, excess_nanousd=45 * 10**9)
    team = an_alert(scope=TEAM, excess_nanousd=60 * 10**9)
    assert told(agent, team)[0].lead is root_of([agent, team]) is agent
    over = an_alert(Transition.RESOLVED, minutes=5)
    assert told(agent, team, over)[0].lead is team
    ends = [over, an_alert(Transition.RESOLVED, minutes=5, scope=TEAM)]
    assert told(agent, team, *ends)[0].lead is over


def test_the_lead_is_first_and_the_rest_is_firing_then_worst_then_dearest():
    dear = an_alert(scope=Scope("user", "dear"), excess_nanousd=3 * 10**9)
    mild = an_alert(scope=Scope("user", "mild"), severity=Severity.WARNING)
    over = an_alert(Transition.RESOLVED, minutes=5, scope=KEY)
    view, _ = told(mild, an_alert(scope=TEAM), an_alert(scope=KEY), an_alert(), dear, over)
    assert [alert.scope.name for alert in view.ranked] == [
        "invoice-bot",
        "dear",
        "payments",
        "mild",
        "key-7",
    ]


def test_who_is_on_it_and_what_leaked_is_known_to_the_end():
    notes = {"acknowledged_by": "ana", "leaked_usd": "3.5", "throttle_failure": "no"}
    view, _ = told(
        an_alert(),
        an_alert(Transition.ACKNOWLEDGED, minutes=5, annotations=notes),
        an_alert(Transition.UPDATED, minutes=10, annotations={"leaked_usd": "4"}),
        an_alert(Transition.RESOLVED, minutes=15),
    )
    assert view.lead.annotations == {"acknowledged_by": "ana", "leaked_usd": "4"}


def test_a_failure_of_an_enforcer_is_news_once():
    failed = {"throttle_failure": "gateway-1 says failed"}
    _, changes = told(
        an_alert(),
        an_alert(Transition.UPDATED, minutes=5, annotations=failed),
        an_alert(Transition.UPDATED, minutes=10, annotations=failed),
    )
    assert changes[1:] == [Change.NOT_ACTED, Change.UPDATED]


def test_an_action_is_news_when_the_measure_differs_and_not_when_the_lease_does():
    view = IncidentView(INCIDENT)
    view, first = view.with_action(Applied(an_action(), is_enforced=False))
    view, renewed = view.with_action(Applied(an_action(sequence=2), is_enforced=False))
    view, enforced = view.with_action(Applied(an_action(sequence=1), is_enforced=True))
    milder = Applied(an_action(Mode.THROTTLE, sequence=2, admit_ratio=0.05), is_enforced=True)
    view, throttled = view.with_action(milder)
    assert (first, renewed, enforced, throttled) == (
        Change.ACTED,
        None,
        Change.ACTED,
        Change.ACTED,
    )
    assert view.with_action(milder) == (view, Change.ACTED)
    old = Applied(an_action(Mode.BLOCK, sequence=1), is_enforced=True)
    assert view.with_action(replace(old, action=replace(old.action, action_id="x"))) == (view, None)
    assert not milder.is_release
    assert Applied(an_action(Mode.RELEASE), is_enforced=True).is_release


def test_a_view_survives_a_round_trip_through_json():
    view, _ = told(an_alert(), an_alert(scope=KEY), an_alert(Transition.RESOLVED, minutes=5))
    view, _ = view.with_action(Applied(an_action(), is_enforced=True))
    view = replace(view, also=frozenset({"a", "b"}), merged_into="m", settled_at=5.5)
    assert view_from_json(json.loads(json.dumps(view.to_json()))) == view
    assert view.lead.scope in {AGENT, KEY}


def test_what_joins_a_suspicion_against_the_feed_is_no_news_by_itself():
    fed = an_alert(scope=Scope("feed", "prices"), kind="feed")
    view, change = IncidentView(INCIDENT).with_alert(fed, NOW)
    assert change is Change.FIRED
    view, change = view.with_alert(an_alert(), NOW)
    assert change is Change.UPDATED
    assert view.lead == fed


def test_an_alert_that_belongs_to_another_incident_now_leaves_its_old_one():
    view = IncidentView(INCIDENT)
    for number in range(MAX_MEMBERS + 1):
        view, _ = view.with_alert(an_alert(scope=Scope("agent", f"a{number}")), NOW)
    moved = replace(an_alert(scope=Scope("agent", "a0")), incident_id="other")
    counted = replace(an_alert(scope=Scope("agent", f"a{MAX_MEMBERS}")), incident_id="other")
    left = view.without(moved, NOW)
    assert (len(left.members), len(left.also)) == (MAX_MEMBERS - 1, 1)
    assert left.without(counted, NOW).also == frozenset()
    assert view.without(replace(moved, incident_id=INCIDENT), NOW) is view
    assert left.without(moved, NOW) is left
    taken = replace(view, merged_into="other")
    assert taken.without(moved, NOW) is taken
    alone, _ = IncidentView(INCIDENT).with_alert(an_alert(), NOW)
    assert alone.without(replace(an_alert(), incident_id="other"), NOW).settled_at == NOW
