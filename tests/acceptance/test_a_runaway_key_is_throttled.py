"""DECIDE over virtual time: what is told, what is enforced, what is left alone.

Every input is given twice by the harness, and the repeat must be empty.
"""

from dataclasses import replace
from itertools import pairwise

import pytest

from alerting.alert import RATIO, ResolvedReason, Transition, nanousd
from alerting.throttle.action import Mode, OnLapse
from detectors.drift import DRIFT_SOURCE
from tests.support.decisions import (
    AGENT,
    KEY,
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
RESOLVED = Transition.RESOLVED


def an_incident(office: Office) -> Office:
    """The agent runs away on its own key; its team notices too."""
    team = signal(TEAM, drivers=drivers(agent=[(AGENT.name, 19, 20), ("__other__", 0, 40)]))
    return office.tell(agent_signal(), key_signal(), team)


def a_contained_incident(**throttle: object) -> Office:
    return an_incident(Office(mode="enforce", **throttle)).wait(6).ack(after=1)


def test_agent_key_and_team_are_one_incident_named_after_the_agent():
    office = an_incident(Office())
    assert office.transitions == [("agent", "fired"), ("api_key", "fired"), ("team", "fired")]
    assert len({alert.incident_id for alert in office.alerts}) == 1
    assert {alert.annotations["incident_scope"] for alert in office.alerts} == {str(AGENT)}
    assert office.alerts[0].incident_id != ""


def test_shadow_writes_the_block_down_and_enforces_nothing():
    office = an_incident(Office()).wait(6)
    assert office.actions == []
    [action] = office.shadow
    assert (action.mode, action.admit_ratio, action.target) == (Mode.BLOCK, 0.0, KEY)
    assert action.innocent_share == 0.0
    assert action.incident_id == office.alerts[0].incident_id
    assert set(action.alert_ids) == {alert.alert_id for alert in office.alerts}
    assert "throttle.mode is shadow" in action.reason


def test_the_operators_switch_makes_it_real_at_once_and_an_ack_contains_it():
    office = an_incident(Office()).wait(6).order("throttle_mode", mode="enforce")
    [action] = office.actions
    assert action.mode is Mode.BLOCK
    assert action.expires_at == office.wall + 900
    assert action.on_lapse is OnLapse.ADMIT
    assert office.control[-1]["mode"] == "enforce"
    assert office.control[-1]["paused"] is False
    assert office.shadow[-1].mode is Mode.RELEASE
    told = len(office.alerts)
    office.ack(after=2)
    contained = office.alerts[told:]
    assert [alert.transition for alert in contained] == [Transition.CONTAINED] * 3
    assert all(alert.is_contained for alert in contained)


def on_two_keys(share: float, **throttle: object) -> Office:
    """An agent that runs away on key-7 and on key-8, and has a dollar more that alarms nobody."""
    parts = [("key-7", 20 * share, 20 * share), ("key-8", 20 - 20 * share, 21 - 20 * share)]
    agent = signal(excess=21.0, drivers=drivers(api_key=[*parts, ("__other__", 1, 1)]))
    office = Office(mode="enforce", **throttle)
    return office.tell(agent, key_signal("key-7"), key_signal("key-8")).wait(6)


def contained(office: Office) -> list[str]:
    return [str(a.scope) for a in office.alerts if a.transition is Transition.CONTAINED]


def test_what_leaks_through_a_second_key_is_not_contained():
    office = on_two_keys(0.5, max_automatic_targets_per_hour=1).ack()
    assert [str(action.target) for action in office.actions] == ["api_key:key-7"]
    assert contained(office) == ["api_key:key-7"]
    held = office.actions[0].alert_ids
    assert held == tuple(a.alert_id for a in office.alerts if str(a.scope) == "api_key:key-7")[:1]
    office.tell(agent_signal(transition=UPDATED, minutes=5, observed=10.0))
    office.tell(
        signal(
            transition=UPDATED,
            minutes=10,
            excess=31.0,
            drivers=drivers(api_key=[("key-7", 10, 10), ("key-8", 21, 22)]),
        )
    )
    told = office.alerts[-1]
    assert not told.is_contained
    assert told.annotations["throttle_held_share"] == "0.33"
    office.tell(agent_signal(transition=RESOLVED, minutes=15))
    assert office.alerts[-1].transition is RESOLVED  # nothing holds it back


def test_an_agent_is_contained_once_all_its_keys_are():
    office = on_two_keys(0.5)
    assert [str(action.target) for action in office.actions][:2] == [str(KEY), "api_key:key-8"]
    agent = next(a.alert_id for a in office.alerts if a.scope == AGENT)
    of_both = {str(action.target): action.alert_ids for action in office.actions}
    assert all(agent in ids for ids in of_both.values())
    office.ack(of=0)
    assert contained(office) == ["api_key:key-7"]
    office.ack(of=1)
    assert contained(office)[1:] == ["agent:invoice-bot", "api_key:key-8"]


def test_an_agent_is_not_held_any_more_once_one_of_its_keys_is_let_go():
    office = on_two_keys(0.5).ack(of=0).ack(of=1)
    agent = next(a.alert_id for a in office.alerts if a.scope == AGENT)
    office.order("throttle_release", target=str(KEY))
    newest = {str(action.target): action for action in office.actions}
    assert newest[str(KEY)].mode is Mode.RELEASE
    assert newest["api_key:key-8"].mode is Mode.BLOCK
    assert agent not in newest["api_key:key-8"].alert_ids
    office.tell(agent_signal(transition=RESOLVED, minutes=5))
    assert office.alerts[-1].transition is RESOLVED


@pytest.mark.parametrize(("share", "is_contained"), [(0.79, False), (0.81, True)])
def test_a_key_that_carries_nearly_all_of_the_excess_contains_it(share, is_contained):
    office = on_two_keys(share, max_automatic_targets_per_hour=1).ack()
    assert ("agent:invoice-bot" in contained(office)) is is_contained


def test_dollars_leaked_are_told_apart_and_what_was_in_flight_follows():
    office = Office(mode="enforce", settle_seconds=0)
    office.wall = START + 70.0  # ten seconds behind the newest event
    office.tell(key_signal(), agent_signal())  # $19 above in a minute
    pace = nanousd("19") * 60 // 3600  # nano-dollars a second
    office.ack(after=4)
    told = next(a for a in office.alerts if a.transition is Transition.CONTAINED)
    notes = told.annotations
    assert nanousd(notes["leaked_decision_usd"]) == nanousd("19")
    assert abs(nanousd(notes["leaked_feed_lag_usd"]) - 10 * pace) < 100
    assert abs(nanousd(notes["leaked_apply_usd"]) - 4 * pace) < 100
    parts = ("leaked_decision_usd", "leaked_feed_lag_usd", "leaked_apply_usd")
    assert nanousd(notes["leaked_usd"]) == sum(nanousd(notes[part]) for part in parts)
    leaked = nanousd(notes["leaked_usd"])
    office.tell(replace(key_signal(transition=UPDATED, minutes=5), excess_nanousd=leaked + 7))
    assert office.alerts[-1].annotations["leaked_in_flight_usd"] == "0.000000007"
    assert nanousd(office.alerts[-1].annotations["leaked_usd"]) == leaked + 7


def test_a_lease_is_renewed_every_five_minutes_with_a_rising_sequence():
    office = a_contained_incident().wait(15 * 60)
    assert office.modes == ["block"] * 4
    issued = [action.issued_at for action in office.actions]
    gaps = {round(b - a) for a, b in pairwise(issued)}
    assert gaps == {300}
    assert [action.sequence for action in office.actions] == [1, 2, 3, 4]
    assert [action.supersedes for action in office.actions] == [
        None,
        *(action.action_id for action in office.actions[:-1]),
    ]
    assert len({action.action_id for action in office.actions}) == 4


def test_a_lease_lapses_by_itself_when_nobody_ticks_and_only_new_news_acts_again():
    office = a_contained_incident()
    office.wall += 16 * 60
    office.wait(1)
    assert office.modes == ["block", "release"]
    assert "lapsed" in office.actions[-1].reason
    office.wait(60)
    assert office.modes == ["block", "release"]
    office.tell(agent_signal(transition=UPDATED, minutes=15)).wait(6)
    assert office.modes == ["block", "release", "block"]


def test_release_is_a_probe_in_three_steps():
    office = a_contained_incident().wait(30 * 60)
    assert [(a.mode.value, a.admit_ratio) for a in office.actions[-1:]] == [("throttle", 0.05)]
    office.wait(10 * 60)
    assert (office.actions[-1].mode.value, office.actions[-1].admit_ratio) == ("throttle", 0.25)
    office.wait(10 * 60)
    assert office.actions[-1].mode is Mode.RELEASE
    assert office.actions[-1].on_lapse is OnLapse.ADMIT
    modes = [mode for i, mode in enumerate(office.modes) if i == 0 or mode != office.modes[i - 1]]
    assert modes == ["block", "throttle", "release"]
    office.wait(3600)
    assert office.actions[-1].mode is Mode.RELEASE


def test_a_probe_is_taken_back_when_its_excess_returns():
    office = a_contained_incident().wait(30 * 60)
    calm = agent_signal(transition=UPDATED, minutes=30, observed=0.05)  # 1.0 at full rate
    office.tell(calm)
    assert office.actions[-1].admit_ratio == 0.05
    office.tell(agent_signal(transition=UPDATED, minutes=35, observed=0.2))  # 4.0 at full rate
    assert (office.actions[-1].mode, office.actions[-1].admit_ratio) == (Mode.BLOCK, 0.0)
    office.wait(29 * 60)
    assert office.actions[-1].mode is Mode.BLOCK
    office.wait(2 * 60)
    assert office.actions[-1].mode is Mode.THROTTLE


@pytest.mark.parametrize(
    "news",
    [
        agent_signal(transition=UPDATED, minutes=35, observed=9.0, is_late=True),
        agent_signal(transition=UPDATED, minutes=20, observed=9.0),  # before the probe
        signal(TEAM, UPDATED, minutes=35, observed=9.0),  # others' spend is in it
        replace(  # of the hours before the probe, too
            agent_signal(transition=UPDATED, minutes=35, observed=9.0),
            annotations={"baseline": DRIFT_SOURCE},
        ),
        replace(  # no dollars at all
            agent_signal(minutes=35, observed=0.31, upper=0.25, rule="ratio/accepted"),
            kind=RATIO,
            metric="accepted_ratio",
        ),
    ],
)
def test_a_probe_goes_on_where_the_news_does_not_count(news):
    office = a_contained_incident().wait(30 * 60).tell(news)
    assert office.actions[-1].admit_ratio == 0.05


def test_a_contained_alerts_resolve_waits_for_the_release():
    office = a_contained_incident()
    office.wait(20 * 60).tell(
        agent_signal(transition=RESOLVED, minutes=20),
        key_signal(transition=RESOLVED, minutes=20),
        signal(TEAM, RESOLVED, minutes=20),
    )
    assert RESOLVED not in {alert.transition for alert in office.alerts}
    assert office.actions[-1].mode is Mode.BLOCK
    office.wait(31 * 60)
    told = [alert for alert in office.alerts if alert.transition is RESOLVED]
    assert len(told) == 3
    assert {alert.resolved_reason for alert in told} == {ResolvedReason.RELEASED}
    assert not any(alert.is_contained for alert in told)
    assert office.actions[-1].mode is Mode.RELEASE
    assert {i.status.value for i in office.decider.ledger.incidents.values()} == {"resolved"}


def test_a_shared_key_is_throttled_so_that_normal_spend_passes_and_never_blocked():
    office = Office(mode="enforce")
    shared = 20 * 0.3 / 0.7
    office.tell(agent_signal(), key_signal(innocent=shared)).wait(3600)
    assert set(office.modes) == {"throttle", "release"}
    action = office.actions[0]
    assert action.innocent_share == pytest.approx(0.3)
    assert action.admit_ratio == pytest.approx((1 + shared) / (20 + shared))
    assert float(action.innocent_usd_per_hour) == pytest.approx(shared * 60)
    # a probe never lets less through than the throttle it releases
    assert min(action.admit_ratio for action in office.actions) == office.actions[0].admit_ratio


@pytest.mark.parametrize(
    ("observed", "modes"), [(41.0, ["block"]), (20.0, ["throttle"]), (3.9, [])]
)
def test_a_feed_without_agents_has_its_keys_stopped_by_their_own_band(observed, modes):
    alone = signal(KEY, observed=observed, upper=2.0, excess=observed - 1)
    office = Office(mode="enforce").tell(alone).wait(6)
    assert office.modes == modes


def test_the_share_of_the_innocent_decides_where_the_block_ends():
    for innocent, mode in ((1.0, "block"), (1.1, "throttle")):  # 4.8 %, 5.2 %
        office = Office(mode="enforce").tell(agent_signal(), key_signal(innocent=innocent)).wait(6)
        assert office.modes == [mode]


def test_a_mostly_innocent_key_is_left_alone():
    office = Office(mode="enforce").tell(agent_signal(), key_signal(innocent=21.0)).wait(6)
    assert office.actions == []
    assert office.shadow[-1].mode is Mode.THROTTLE
    assert "may be innocent" in office.shadow[-1].reason


def test_a_key_that_does_not_speak_is_waited_for_and_then_only_written_down():
    office = Office(mode="enforce").tell(agent_signal()).wait(29)
    assert office.shadow == []
    office.wait(2)
    assert office.actions == []
    assert office.shadow[-1].innocent_share == 1.0
    assert office.shadow[-1].mode is Mode.THROTTLE
    office.tell(key_signal())
    assert office.modes == ["block"]


def test_a_contributor_signal_shows_who_else_is_there_and_is_told_to_nobody():
    office = Office(mode="enforce")
    evidence = contributor_signal(innocent=5.0)
    office.tell(agent_signal()).wait(10)
    office.tell(evidence)
    assert office.transitions == [("agent", "fired")]
    assert office.modes == ["throttle"]
    assert office.actions[0].innocent_share == pytest.approx(0.2)
    assert evidence.alert_id in office.actions[0].alert_ids


def test_never_block_is_never_touched_and_neither_is_a_key_that_a_protected_agent_uses():
    for pattern in ("api_key:key-*", "agent:invoice-bot"):
        office = an_incident(Office(mode="enforce", never_block=[pattern])).wait(6)
        assert office.actions == []
        assert "never_block names" in office.shadow[-1].reason
    office = Office(mode="enforce", never_block=["agent:checkout"])
    both = drivers(agent=[(AGENT.name, 19, 20), ("checkout", 0, 0.5), ("__other__", 0, 0)])
    office.tell(agent_signal(), signal(KEY, drivers=both)).wait(6)
    assert office.actions == []
    assert "agent:checkout" in office.shadow[-1].reason
    office = Office(mode="enforce", never_block=["agent:checkout"])
    quiet = key_signal(annotations={"remembered": '["agent:checkout"]'})
    office.tell(agent_signal(), quiet).wait(6)
    assert office.actions == []
    assert "agent:checkout" in office.shadow[-1].reason


def test_a_key_on_which_a_protected_agent_may_hide_is_throttled_and_not_blocked():
    for protected, mode in ((["agent:checkout"], "throttle"), ([], "block")):
        office = Office(mode="enforce", never_block=protected)
        office.tell(agent_signal(), key_signal(innocent=0.5)).wait(6)  # 2.4 % by others
        assert office.modes == [mode]


def test_the_fourth_target_within_an_hour_is_capped_and_free_again_after_it():
    office = Office(mode="enforce")
    for index in range(4):
        name = f"bot-{index}"
        office.tell(agent_signal(name, f"key-{index}"), key_signal(f"key-{index}", name)).wait(6)
    assert [str(action.target) for action in office.actions] == [
        "api_key:key-0",
        "api_key:key-1",
        "api_key:key-2",
    ]
    assert str(office.shadow[-1].target) == "api_key:key-3"
    assert "3 automatic targets this hour" in office.shadow[-1].reason
    office.wait(3600, step=20)
    office.tell(agent_signal("bot-3", "key-3", transition=UPDATED, minutes=60)).wait(6)
    assert str(office.actions[-1].target) == "api_key:key-3"


def test_forty_keys_at_once_are_a_suspicion_against_the_feed_and_no_action():
    office = Office(mode="enforce")
    for index in range(40):
        name = f"bot-{index}"
        office.tell(agent_signal(name, f"key-{index}"), key_signal(f"key-{index}", name))
    office.wait(120)
    assert office.actions == []
    feed = [alert for alert in office.alerts if alert.kind == "feed"]
    assert [alert.transition for alert in feed] == [Transition.FIRED]
    assert "the feed or the prices" in feed[0].annotations["summary"]
    assert all("feed is suspected" in action.reason for action in office.shadow)
    office.wait(600, step=10)
    feed = [alert for alert in office.alerts if alert.kind == "feed"]
    assert [alert.transition for alert in feed] == [Transition.FIRED, RESOLVED]
    office.tell(agent_signal("bot-7", "key-7", transition=UPDATED, minutes=10)).wait(6)
    assert office.modes == ["block"]


def test_suspicion_begins_above_the_configured_number_of_keys():
    for count, told in ((10, 0), (11, 1)):
        office = Office()
        for index in range(count):
            office.tell(agent_signal(f"bot-{index}", f"key-{index}"))
        assert len([alert for alert in office.alerts if alert.kind == "feed"]) == told


def test_keys_that_rise_one_after_the_other_are_no_burst():
    office = Office()
    for index in range(30):
        started = START + index * 120
        office.wall = started + 60.0
        office.tell(agent_signal(f"bot-{index}", f"key-{index}", started=started))
    assert not any(alert.kind == "feed" for alert in office.alerts)


def test_a_switch_to_enforce_does_not_act_on_what_was_last_seen_long_ago():
    office = an_incident(Office()).wait(16 * 60).order("throttle_mode", mode="enforce")
    assert office.actions == []
    office.tell(agent_signal(transition=UPDATED, minutes=15))
    assert office.modes == ["block"]


def test_the_newest_signal_about_a_key_counts_and_its_own_spike_before_a_contributor():
    office = Office(mode="enforce").tell(agent_signal())
    older = key_signal(innocent=5.0, rule="other-spike")
    newer = key_signal(innocent=0.0, minutes=5)
    office.tell(older, newer).wait(6)
    assert office.modes == ["block"]
    office = Office(mode="enforce").tell(agent_signal())
    beside = contributor_signal(innocent=5.0)
    office.tell(key_signal(innocent=0.0), beside).wait(6)
    assert office.modes == ["block"]


def test_actions_of_a_burst_that_was_recognised_late_are_taken_back():
    office = Office(mode="enforce")
    for index in range(11):
        name = f"bot-{index}"
        office.tell(agent_signal(name, f"key-{index}"), key_signal(f"key-{index}", name)).wait(6)
    assert office.modes == ["block"] * 3 + ["release"] * 3
    assert "suspected" in office.actions[-1].reason


def test_old_news_never_acts_until_the_head_still_shows_the_excess():
    office = Office(mode="enforce")
    office.tell(agent_signal(is_late=True), key_signal(is_late=True)).wait(60)
    assert office.actions == office.shadow == []
    assert [alert.is_late for alert in office.alerts] == [True, True]
    office.tell(
        agent_signal(transition=UPDATED, minutes=5), key_signal(transition=UPDATED, minutes=5)
    ).wait(6)
    assert office.modes == ["block"]


def test_what_is_read_long_after_it_was_told_is_old_news_and_acts_as_such():
    office = Office(mode="enforce", settle_seconds=0)
    office.wall = START + 7200.0  # DECIDE was down for two hours; WATCH told all of it in time
    office.tell(agent_signal(), key_signal()).wait(60)
    assert office.actions == office.shadow == []
    assert [alert.is_late for alert in office.alerts] == [True, True]
    now = {"transition": UPDATED, "minutes": 120}
    office.tell(key_signal(**now), agent_signal(**now))
    assert office.modes == ["block"]
    assert [alert.is_late for alert in office.alerts[2:]] == [False, False]


def test_an_old_resolve_is_not_held_back_by_a_block_that_it_makes_needless():
    office = Office(mode="enforce")
    office.wall = START + 7200.0
    over = [
        agent_signal(transition=RESOLVED, minutes=20),
        key_signal(transition=RESOLVED, minutes=20),
    ]
    office.tell(agent_signal(), key_signal()).wait(60).tell(*over)
    assert office.transitions[2:] == [("agent", "resolved"), ("api_key", "resolved")]
    assert office.actions == []


def test_a_wish_from_before_an_outage_waits_for_the_head_to_show_the_excess():
    office = Office(mode="enforce").tell(agent_signal(), key_signal())
    office.wall += 10 * 60
    office.restart().wait(60)
    office.tell(key_signal(transition=UPDATED, minutes=1))  # what was told meanwhile
    assert office.actions == office.shadow == []
    office.tell(agent_signal(transition=UPDATED, minutes=10)).wait(2)
    office.tell(key_signal(transition=UPDATED, minutes=10)).wait(4)
    assert office.modes == ["block"]
    assert office.shadow == []  # it waited for the key's word anew


def test_an_ack_that_is_read_when_the_lease_has_lapsed_contains_nothing():
    office = an_incident(Office(mode="enforce")).wait(6)
    told = len(office.alerts)
    office.wall += 16 * 60
    office.ack()
    assert len(office.alerts) == told
    assert "no action in force" in office.rejections[-1]


def test_a_resolve_that_waited_for_its_release_is_news_of_the_release():
    office = a_contained_incident()
    resolved = {"transition": RESOLVED, "minutes": 1}
    team = signal(TEAM, drivers=drivers(agent=[(AGENT.name, 19, 20)]), **resolved)
    office.tell(agent_signal(**resolved), key_signal(**resolved), team)
    office.wait(61 * 60)
    told = [alert for alert in office.alerts if alert.transition is RESOLVED]
    assert len(told) == 3
    assert all(office.wall - alert.decided_at < 15 * 60 for alert in told)
    assert {alert.resolved_at for alert in told} == {START + 120}


def test_a_decision_that_waits_while_the_feed_falls_behind_waits_on():
    office = Office(mode="enforce").tell(agent_signal(), key_signal()).wait(60, lag=300)
    assert office.actions == []
    office.wait(1)
    assert office.modes == ["block"]


def test_a_pause_stops_new_actions_and_resuming_goes_on():
    office = Office(mode="enforce").order("throttle_pause")
    assert office.control[-1]["paused"] is True
    an_incident(office).wait(6)
    assert office.actions == []
    assert "paused" in office.shadow[-1].reason
    office.order("throttle_resume")
    assert office.control[-1]["paused"] is False
    assert office.modes == ["block"]


def test_while_paused_nothing_is_contained_and_leases_run_out():
    office = a_contained_incident().order("throttle_pause")
    office.tell(agent_signal(transition=UPDATED, minutes=5))
    assert not office.alerts[-1].is_contained
    office.wait(16 * 60)
    assert office.modes == ["block", "release"]
    office.order("throttle_resume").tell(agent_signal(transition=UPDATED, minutes=20)).wait(6)
    assert office.modes == ["block", "release", "block"]


def test_while_paused_a_resolve_is_not_held_back():
    office = a_contained_incident().order("throttle_pause")
    office.tell(agent_signal(transition=RESOLVED, minutes=5))
    assert office.alerts[-1].transition is RESOLVED
    assert office.alerts[-1].resolved_reason is ResolvedReason.RECOVERED


def test_back_to_shadow_releases_everything_automatic():
    office = a_contained_incident().order("throttle_mode", mode="shadow")
    assert office.modes == ["block", "release"]
    assert office.shadow[-1].mode is Mode.BLOCK


def test_when_the_excess_is_over_the_dry_run_is_released():
    office = an_incident(Office()).wait(6)
    office.tell(agent_signal(transition=RESOLVED, minutes=5))
    assert office.shadow[-1].mode is Mode.BLOCK  # the key still fires
    office.tell(key_signal(transition=RESOLVED, minutes=5))
    office.tell(signal(TEAM, RESOLVED, minutes=5))
    assert office.shadow[-1].mode is Mode.RELEASE
    assert [alert.transition for alert in office.alerts[-3:]] == [RESOLVED] * 3


def test_an_enforcer_that_fails_is_told_once():
    office = an_incident(Office(mode="enforce")).wait(6)
    told = len(office.alerts)
    office.ack("failed")
    [alert] = office.alerts[told:]
    assert alert.annotations["throttle_failure"] == "gateway-1 says failed: its word"
    assert alert.transition is UPDATED
    assert not alert.is_contained
    office.ack("applied")
    assert office.alerts[-1].is_contained


def test_a_failure_is_not_told_of_an_alert_that_is_over_but_for_the_hold():
    office = a_contained_incident().wait(301)
    office.tell(agent_signal(transition=RESOLVED, minutes=5))
    told = len(office.alerts)
    office.ack("failed")
    assert len(office.alerts) == told


def test_an_ack_contains_the_alerts_of_its_own_incident_only():
    office = an_incident(Office(mode="enforce")).wait(6)
    office.tell(agent_signal("other", "key-8")).ack()
    contained = [a for a in office.alerts if a.transition is Transition.CONTAINED]
    assert "other" not in {alert.scope.name for alert in contained}
    assert len(contained) == 3


def test_before_the_head_is_known_leases_go_on_and_nothing_new_acts():
    office = an_incident(Office(mode="enforce"))
    assert office.decider.on_tick(office.wall + 10, None).actions == ()
    office.wait(6)
    outcome = office.decider.on_tick(office.wall + 400, None)
    assert [action.mode for action in outcome.actions] == [Mode.BLOCK]


def test_what_is_done_is_told_with_every_transition():
    office = an_incident(Office()).wait(6).tell(agent_signal(transition=UPDATED, minutes=5))
    notes = office.alerts[-1].annotations
    assert notes["throttle_state"] == "shadow"
    assert notes["throttle_target"] == str(KEY)
    assert notes["throttle_mode"] == "block"
    assert notes["throttle_action_id"] == office.shadow[-1].action_id
    assert notes["throttle"].startswith("Dry run: block api_key:key-7.")


def test_kill_and_restart_in_an_incident_tells_nothing_twice():
    office = a_contained_incident().restart()
    before = (len(office.alerts), len(office.actions))
    office.tell(agent_signal(), key_signal()).wait(10)
    assert (len(office.alerts), len(office.actions)) == before
    office.restart().wait(60 * 60)
    assert office.actions[-1].mode is Mode.RELEASE
