"""What people say of throttling, over virtual time."""

import pytest

from alerting.alert import Transition
from alerting.throttle.action import Mode
from alerting.throttle.guard import Caps
from tests.support.decisions import KEY, START, Office, agent_signal, key_signal

UPDATED = Transition.UPDATED


def a_runaway(**throttle: object) -> Office:
    return Office(**throttle).tell(agent_signal(), key_signal()).wait(6)


def test_a_set_holds_until_released_and_is_renewed():
    office = Office().order("throttle_set", target=str(KEY), mode="block", reason="leaked")
    assert [(a.mode, a.policy, a.reason) for a in office.actions] == [
        (Mode.BLOCK, "operator", "leaked")
    ]
    assert office.actions[0].approval["decided_by"] == "on-call"
    office.wait(3600, step=20)
    assert set(office.modes) == {"block"}
    assert len(office.modes) == 13
    office.order("throttle_release", target=str(KEY))
    assert office.modes[-1] == "release"
    assert office.actions[-1].reason == "Released by on-call."


def test_a_set_for_minutes_ends_by_itself_and_its_lease_never_outlives_it():
    office = Office().order(
        "throttle_set", target=str(KEY), mode="throttle", admit_ratio=0.5, minutes=20
    )
    begin = office.wall
    office.wait(21 * 60)
    assert max(a.expires_at for a in office.actions if a.mode is Mode.THROTTLE) == begin + 1200
    assert office.modes[-1] == "release"
    assert "over" in office.actions[-1].reason


def test_a_set_overrules_the_block_of_now_and_a_new_incident_may_be_stricter():
    office = a_runaway(mode="enforce")
    office.order("throttle_set", target=str(KEY), mode="throttle", admit_ratio=0.5)
    assert (office.actions[-1].mode, office.actions[-1].admit_ratio) == (Mode.THROTTLE, 0.5)
    assert len(office.actions[-1].alert_ids) == 2
    office.tell(agent_signal(transition=UPDATED, minutes=5)).wait(60)
    assert office.actions[-1].mode is Mode.THROTTLE
    office.wait(2 * 3600, step=20)
    later = office.wall - 60
    office.tell(agent_signal("other-bot", started=int(later)))
    office.tell(key_signal(agent="other-bot", started=int(later))).wait(6)
    assert office.actions[-1].mode is Mode.BLOCK
    assert office.actions[-1].policy == "automatic"


def test_a_release_keeps_automation_off_for_this_incident():
    office = a_runaway(mode="enforce").ack().order("throttle_release", target=str(KEY))
    office.tell(agent_signal(transition=UPDATED, minutes=5)).wait(60)
    assert office.modes == ["block", "release"]
    assert not office.alerts[-1].is_contained
    assert office.alerts[-1].annotations["throttle_state"] == "overruled"


def test_after_the_operators_time_automation_may_act_again():
    office = a_runaway(mode="enforce")
    office.order("throttle_set", target=str(KEY), mode="throttle", admit_ratio=0.5, minutes=1)
    office.wait(61)
    assert office.modes == ["block", "throttle", "release"]
    office.tell(agent_signal(transition=UPDATED, minutes=5)).wait(6)
    assert office.modes[-1] == "block"


def test_release_all_lets_every_target_go():
    office = a_runaway(mode="enforce")
    office.order("throttle_set", target="agent:b", mode="require_approval")
    office.order("throttle_release_all")
    assert office.modes == ["block", "require_approval", "release", "release"]
    assert not any(state.is_held for state in office.decider.ledger.targets.values())


def test_releasing_nothing_is_refused_with_a_reason():
    office = Office().order("throttle_release", target=str(KEY))
    assert office.actions == []
    assert "nothing holds it" in office.rejections[0]


def test_a_block_of_what_never_block_names_needs_force():
    office = Office(never_block=["api_key:*"])
    office.order("throttle_set", target=str(KEY), mode="block")
    assert office.actions == []
    assert "never_block names it" in office.rejections[0]
    office.order("throttle_set", target=str(KEY), mode="throttle", admit_ratio=0.5)
    office.order("throttle_set", target=str(KEY), mode="block", force=True)
    assert office.modes == ["throttle", "block"]


def test_a_set_whose_time_is_over_is_refused():
    office = Office().order(
        "throttle_set",
        target=str(KEY),
        mode="block",
        minutes=5,
        issued_at="2026-11-22T09:00:00Z",
    )
    assert office.actions == []
    assert "already over" in office.rejections[0]


def test_a_proposal_waits_for_approval_and_becomes_real_by_it():
    office = a_runaway(mode="enforce", require_approval=True).wait(400)
    assert office.actions == []
    assert office.shadow[-1].mode is Mode.REQUIRE_APPROVAL
    first = office.shadow[0].action_id  # renewed since; an older button still works
    assert first != office.shadow[-1].action_id
    office.order("throttle_approve", target=str(KEY), action_id=first)
    assert office.modes == ["block"]
    assert office.actions[0].approval["decision"] == "approved"
    assert office.shadow[-1].mode is Mode.RELEASE
    office.order("throttle_approve", target=str(KEY), action_id=first)
    assert office.modes == ["block"]
    assert "no open proposal" in office.rejections[0]


def test_a_rejected_proposal_is_over_for_this_incident():
    office = a_runaway(mode="enforce", require_approval=True)
    office.order("throttle_reject", target=str(KEY), action_id=office.shadow[-1].action_id)
    office.tell(agent_signal(transition=UPDATED, minutes=5)).wait(60)
    assert office.actions == []
    assert office.shadow[-1].mode is Mode.RELEASE
    assert office.shadow[-1].reason == "Rejected by on-call."
    office.order("throttle_reject", target=str(KEY), action_id="unknown")
    assert "no open proposal" in office.rejections[0]


def test_a_proposal_that_has_changed_cannot_be_approved_by_its_old_name():
    office = Office(mode="enforce", require_approval=True)
    office.tell(agent_signal(), key_signal(innocent=5)).wait(6)
    old = office.shadow[-1].action_id
    office.tell(key_signal(transition=UPDATED, minutes=5, innocent=0))
    office.order("throttle_approve", target=str(KEY), action_id=old)
    assert office.actions == []
    assert "has changed" in office.rejections[0]


def test_approving_a_block_of_what_never_block_names_is_refused():
    office = a_runaway(mode="enforce", never_block=["api_key:*"])
    office.order("throttle_approve", target=str(KEY), action_id=office.shadow[-1].action_id)
    assert office.actions == []
    assert "never_block names it" in office.rejections[0]


def test_approved_actions_do_not_use_up_the_cap_and_survive_a_suspect_feed():
    office = a_runaway(mode="enforce", require_approval=True)
    office.order("throttle_approve", target=str(KEY), action_id=office.shadow[-1].action_id)
    for index in range(11):
        name = f"bot-{index}"
        office.tell(agent_signal(name, f"k-{index}"), key_signal(f"k-{index}", name))
    office.wait(6)
    assert office.modes == ["block"]
    assert office.decider.ledger.caps.automatic == ()


@pytest.mark.parametrize("then", ["throttle_pause", "throttle_resume", "a burst"])
def test_what_was_approved_in_shadow_mode_stays_enforced(then: str):
    office = a_runaway(mode="shadow", require_approval=True)
    office.order("throttle_approve", target=str(KEY), action_id=office.shadow[-1].action_id)
    assert office.modes == ["block"]
    if then == "a burst":
        for index in range(11):
            name = f"bot-{index}"
            office.tell(agent_signal(name, f"k-{index}"), key_signal(f"k-{index}", name))
    else:
        office.order(then)
    office.wait(6)
    assert "release" not in office.modes


def test_what_was_approved_outlives_a_pause_longer_than_its_lease():
    office = a_runaway(mode="shadow", require_approval=True)
    office.order("throttle_approve", target=str(KEY), action_id=office.shadow[-1].action_id)
    office.order("throttle_pause").wait(20 * 60, step=10).order("throttle_resume").wait(10)
    assert set(office.modes) == {"block"}
    assert office.actions[-1].expires_at > office.wall


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_release_says_which_word_of_whom_led_to_it(command: str):
    office = a_runaway(mode="enforce", wide_targets=1).ack()
    office.decider.ledger.put_caps(Caps(suspect_since=START, suspect_until=START + 3600))
    office.order(f"throttle_{command}")
    assert office.modes == ["block", "release"]
    assert office.actions[-1].reason == f"Throttling was {command}d by on-call."


def test_an_acknowledgement_is_news_though_what_it_is_about_was_read_late():
    office = Office()
    office.wall = START + 7200.0
    office.tell(agent_signal())
    office.order("acknowledge", incident_id=office.alerts[0].incident_id)
    assert [alert.is_late for alert in office.alerts] == [True, False]


def test_an_acknowledgement_is_told_of_every_firing_alert():
    office = a_runaway()
    incident = office.alerts[0].incident_id
    told = len(office.alerts)
    office.order("acknowledge", incident_id=incident)
    assert [
        (a.transition.value, a.annotations["acknowledged_by"]) for a in office.alerts[told:]
    ] == [("acknowledged", "on-call")] * 2
    office.order("acknowledge", incident_id="unknown")
    assert office.rejections == ["no open incident unknown"]


def test_pausing_twice_says_it_twice_and_changes_nothing_more():
    office = Office().order("throttle_pause").order("throttle_pause")
    assert [record["paused"] for record in office.control] == [True, True]
    assert office.restart().decider.ledger.control.is_paused


def test_what_was_overruled_is_forgotten_with_its_incident():
    office = a_runaway(mode="enforce").order("throttle_release", target=str(KEY))
    assert office.decider.ledger.target(str(KEY)).asks
    office.tell(
        agent_signal(transition=Transition.RESOLVED, minutes=5),
        key_signal(transition=Transition.RESOLVED, minutes=5),
    )
    assert not office.decider.ledger.target(str(KEY)).asks


def test_silences_pass_through_without_effect():
    office = Office()
    office.order("silence_expire", silence_id="s-1")
    assert (office.alerts, office.actions, office.rejections) == ([], [], [])


def test_an_ack_of_nothing_in_force_is_refused_with_a_reason():
    office = a_runaway(mode="enforce")
    office.order("throttle_release", target=str(KEY)).ack(of=0)
    assert "no action in force" in office.rejections[0]


def test_a_renewal_may_be_acked_instead_of_the_first_action():
    office = a_runaway(mode="enforce").wait(301)
    assert office.modes == ["block", "block"]
    office.ack(of=0)
    assert office.alerts[-1].is_contained


def test_a_crash_between_publishing_and_keeping_does_not_reuse_a_sequence():
    office = a_runaway(mode="enforce")
    lost = office.actions[-1]
    office.table = {}
    office.decider = type(office.decider)(office.incidents, office.throttle)
    changed = office.decider.adopt(lost).changed
    assert list(changed) == [f"target:{KEY}"]
    assert office.decider.adopt(lost).changed == {}
    office.tell(agent_signal(), key_signal()).wait(6)
    assert office.actions[-1].sequence == 2
    assert office.actions[-1].action_id != lost.action_id
