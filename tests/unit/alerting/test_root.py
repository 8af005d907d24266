"""The root: the alert of the narrowest scope that explains an incident."""

from dataclasses import replace

from alerting.root import root_of
from detectors.scope import Scope
from tests.support.decisions import TEAM, USD, signal


def test_the_narrowest_scope_that_explains_at_least_a_quarter_names_the_incident():
    team = signal(TEAM, excess=20.0)
    agent = signal(excess=5.0)
    assert root_of([team, agent]) is agent
    assert root_of([team, replace(agent, excess_nanousd=5 * USD - 1)]) is team
    pair = signal(Scope("agent+model", "a|m"), excess=15.0)
    assert root_of([team, agent, pair]) is pair
    tag = signal(Scope("tags.squad", "x"), excess=20.0)
    org = signal(Scope("organization", "x"), excess=20.0)
    assert root_of([org, tag]) is tag
    twin = signal(Scope("agent", "twin"), excess=7.0)
    assert root_of([agent, twin]) is root_of([twin, agent]) is twin
    saved = signal(excess=-5.0)
    assert root_of([saved]) is saved


def test_what_is_about_no_overspend_names_an_incident_only_where_nothing_else_does():
    ratio = signal(excess=500.0, rule="ratio/accepted", kind="ratio")
    absence = signal(excess=0.0, rule="absence", kind="absence")
    team = signal(TEAM, excess=5.0)
    assert root_of([ratio, absence, team]) is team
    assert root_of([absence, ratio]) is ratio
    assert root_of([absence]) is absence
    feed = signal(TEAM, excess=0.0, rule="feed/many_targets", kind="feed")
    assert root_of([ratio, feed, signal()]) is feed
