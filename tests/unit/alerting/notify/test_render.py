from dataclasses import replace
from typing import Any

import pytest

from alerting.alert import (
    Alert,
    Driver,
    ResolvedReason,
    Severity,
    Transition,
    alert_from_json,
    alert_to_json,
)
from alerting.notify.figures import how_much
from alerting.notify.incident_view import Applied, Change, IncidentView
from alerting.notify.notifier import Notice
from alerting.notify.render import (
    MAX_DRIVERS,
    MAX_OTHERS,
    caught_up_text,
    render,
    sentence,
    storm_text,
    what_was_done,
)
from alerting.throttle.action import Mode, ThrottleAction
from alerting.throttle.guard import Caps, feed_alert, with_onset
from alerting.throttle.policy import ThrottleConfig
from detectors.decomposition import Decomposition
from detectors.scope import Scope
from detectors.window import Window
from stream.watch.unfoldable import DeadDelta
from tests.support.alerts import INCIDENT, KEY, START, USD, an_action, an_alert

DAY = 86_400


def view_of(*alerts: Alert, actions: tuple[tuple[ThrottleAction, bool], ...] = ()) -> IncidentView:
    view = IncidentView(INCIDENT)
    for alert in alerts or (an_alert(),):
        view, _ = view.with_alert(alert, 0.0)
    for action, is_enforced in actions:
        view, _ = view.with_action(Applied(action, is_enforced))
    return view


def a_budget(transition: Transition = Transition.FIRED, **changes: Any) -> Alert:
    values: dict[str, Any] = {
        "kind": "budget",
        "scope": Scope("team", "payments"),
        "rule": "payments/near",
        "window": Window(START, START + 30 * DAY),
        "expected": 100 * USD,
        "decided_at": START + 5 * DAY,
        "projected_nanousd_per_day": 16 * USD,
    }
    return an_alert(transition, **(values | changes))


def a_ratio(transition: Transition = Transition.FIRED, **changes: Any) -> Alert:
    values: dict[str, Any] = {
        "kind": "ratio",
        "rule": "ratio/accepted",
        "severity": Severity.WARNING,
        "metric": "accepted_ratio",
        "window": Window(START, START + 3600),
        "observed": 310_000_000,
        "expected": 900_000_000,
        "lower": 853_000_000,
        "upper": 947_000_000,
        "decided_at": START + 3600,
        "excess_nanousd": 78 * USD,
        "excess_nanousd_per_hour": 26 * USD,
        "drivers": (),
    }
    return an_alert(transition, **(values | changes))


def an_absence(transition: Transition = Transition.FIRED, **changes: Any) -> Alert:
    is_over = transition is Transition.RESOLVED
    hours = 6 + 3 * is_over
    values: dict[str, Any] = {
        "kind": "absence",
        "rule": "absence",
        "severity": Severity.INFO,
        "window": Window(START, START + hours * 3600),
        "observed": 0,
        "expected": 0 if is_over else 24 * USD,
        "lower": 0 if is_over else 9 * USD,
        "upper": 0 if is_over else 24 * USD,
        "decided_at": START + hours * 3600,
        "excess_nanousd": 0,
        "drivers": (),
        "annotations": {"summary": "agent invoice-bot: spends again after 9 h"} if is_over else {},
    }
    return an_alert(transition, **(values | changes))


def headline(*alerts: Alert, actions: tuple[tuple[ThrottleAction, bool], ...] = ()) -> str:
    return render(view_of(*alerts, actions=actions)).headline


def test_the_first_line_says_who_how_much_against_what_and_what_was_done():
    assert headline(actions=((an_action(), True),)) == (
        "agent invoice-bot: $4.12 in 5 min, expected at most $1.90 - key key-7 blocked"
    )


def test_an_open_window_says_how_much_of_it_has_passed():
    early = an_alert(decided_at=START + 70)
    assert how_much(early) == "$4.12 in 2 min, expected at most $1.90 in 5 min"
    assert how_much(replace(early, decided_at=START)).startswith("$4.12 in 1 min,")


def test_too_little_is_said_against_the_lower_bound():
    quiet = an_alert(observed=100_000_000, lower=900_000_000)
    assert how_much(quiet) == "$0.10 in 5 min, expected at least $0.90"


def test_what_was_told_before_is_said_beside_what_was_seen_since():
    later = an_alert(annotations={"told_usd": "230.1"})
    assert how_much(later) == (
        "$4.12 in 5 min besides $230.10 told of before, expected at most $1.90"
    )


def test_a_metric_that_is_no_money_is_said_as_a_number():
    calls = an_alert(metric="new_agents", observed=12_500 * USD, lower=0, upper=900 * USD)
    assert how_much(alert_from_json(alert_to_json(calls))) == (
        "12,500 new agents in 5 min, expected at most 900 new agents"
    )
    ratio = an_alert(metric="retry_ratio", observed=USD // 4, upper=USD // 100)
    assert how_much(ratio) == "25 % tried again in 5 min, expected at most 1 % tried again"
    price = an_alert(metric="cost_per_request_usd")
    assert how_much(price) == how_much(an_alert())


@pytest.mark.parametrize(("days", "word"), [(1, "day"), (7, "week"), (28, "month"), (31, "month")])
def test_a_budget_is_said_against_its_amount(days: int, word: str):
    budget = an_alert(
        kind="budget",
        rule="payments/near",
        scope=Scope("team", "payments"),
        window=Window(START, START + days * DAY),
        observed=81_200_000_000,
        expected=100_000_000_000,
    )
    assert how_much(budget) == f"$81.20 spent of $100.00 for the {word} (81 %)"
    assert how_much(replace(budget, expected=0)).endswith(f"for the {word}")


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (Mode.BLOCK, "blocked"),
        (Mode.REQUIRE_APPROVAL, "held for approval"),
        (Mode.THROTTLE, "throttled to 68 % of calls"),
    ],
)
def test_a_measure_in_shadow_never_reads_as_if_it_had_been_done(mode: Mode, words: str):
    action = an_action(mode, admit_ratio=0.683333)
    assert what_was_done(Applied(action, is_enforced=True)) == f"key key-7 {words}"
    assert what_was_done(Applied(action, is_enforced=False)) == (
        f"key key-7 would be {words} (shadow)"
    )


def test_what_was_never_held_is_not_let_go():
    release = an_action(Mode.RELEASE)
    assert what_was_done(Applied(release, is_enforced=True)) == "key key-7 released"
    dry = "key key-7: a dry run, nothing was held"
    assert what_was_done(Applied(release, is_enforced=False)) == dry
    over = an_alert(Transition.RESOLVED, minutes=25)
    for last in (release, an_action()):
        assert render(view_of(an_alert(), over, actions=((last, False),))).actions == (dry,)


def test_what_is_enforced_is_said_before_what_would_be():
    both = ((an_action(), True), (an_action(Mode.THROTTLE, admit_ratio=0.1), False))
    assert headline(actions=both).endswith("key key-7 blocked")
    assert headline(actions=both[::-1]).endswith("key key-7 blocked")


def test_more_than_two_targets_are_counted():
    keys = [Scope("api_key", f"k{number}") for number in range(4)]
    actions = tuple((an_action(target=key), True) for key in keys)
    assert headline(actions=actions).endswith("key k0 blocked, key k1 blocked and 2 more")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("enforced", "key key-7 blocked"),
        ("shadow", "key key-7 would be blocked (shadow)"),
        ("proposed", "key key-7 waits for approval to be blocked"),
        ("overruled", "key key-7 left alone by an operator"),
        ("waiting", "key key-7 may be blocked"),
    ],
)
def test_without_an_action_the_alert_s_own_words_are_used(state: str, words: str):
    notes = {
        "throttle": "Enforced: block api_key:key-7.",
        "throttle_state": state,
        "throttle_mode": "block",
        "throttle_target": "api_key:key-7",
    }
    alert = an_alert(annotations=notes)
    assert headline(alert).endswith(f" - {words}")
    assert render(view_of(alert)).actions == ("Enforced: block api_key:key-7.",)


def test_with_nothing_done_it_says_so():
    assert headline().endswith(" - nothing stopped")
    unknown = an_alert(annotations={"throttle_state": "enforced", "throttle_mode": "new"})
    assert headline(unknown).endswith(" - nothing stopped")
    assert render(view_of()).actions == ("No throttle: calls still go through",)


def test_the_actions_say_whether_calls_still_go_through_and_for_how_long():
    assert render(view_of(actions=((an_action(), False),))).actions == (
        (
            "key key-7 would be blocked (shadow): calls still go through; 3 % of its spend is not"
            " part of this; lease until 2026-11-22 10:16 UTC"
        ),
    )
    guilty = render(view_of(actions=((an_action(innocent_share=0.0), True),))).actions
    assert guilty == (
        "key key-7 blocked; all its spend is part of this; lease until 2026-11-22 10:16 UTC",
    )
    assert render(view_of(actions=((an_action(Mode.RELEASE), True),))).actions == (
        "key key-7 released",
    )


def test_a_contained_incident_says_what_holds_it():
    held = an_alert(Transition.CONTAINED, minutes=5, is_contained=True)
    rendered = render(view_of(an_alert(), held, actions=((an_action(), True),)))
    assert rendered.state == "contained"
    assert rendered.headline == (
        "agent invoice-bot: contained - key key-7 blocked; $4.44 above expected in all"
    )
    assert dict(rendered.facts)["Last window"].startswith("$4.12 in 5 min")
    assert "Pace now" not in dict(rendered.facts), "it is the pace of before"


def test_an_incident_of_which_a_part_is_held_is_not_called_contained():
    other = Scope("api_key", "key-8")
    milder = an_action(Mode.THROTTLE, target=other, admit_ratio=0.25)
    held = an_alert(Transition.CONTAINED, minutes=5, scope=KEY, is_contained=True)
    actions = ((an_action(), True), (milder, False))
    view = view_of(an_alert(), an_alert(scope=KEY), held, actions=actions)
    rendered = render(view)
    assert rendered.state == "firing"
    assert rendered.headline.endswith(
        " - only partly held: key key-7 blocked, key key-8 would be throttled to 25 % of calls"
        " (shadow)"
    )


def feed_alerts() -> tuple[list[Alert], list[Alert]]:
    """Both alerts about the feed, from those who raise them, as NOTIFY reads them."""
    config, caps = ThrottleConfig(), Caps()
    for number in range(11):
        caps = with_onset(caps, f"api_key:k{number}", START + number, config)
    since = caps.suspect_since
    assert since is not None
    told = (Transition.FIRED, since), (Transition.RESOLVED, caps.suspect_until)
    burst = [feed_alert(caps, config, transition, at, since) for transition, at in told]
    dead = DeadDelta("spend.deltas", 3, 42, b"", "ValueError: " + "x" * 400)
    return (
        [alert_from_json(alert_to_json(alert)) for alert in burst],
        [alert_from_json(alert_to_json(alert)) for alert in dead.alerts(START)],
    )


def test_a_burst_of_many_keys_is_said_in_its_own_words_and_without_money():
    fired, over = feed_alerts()[0]
    rendered = render(view_of(fired))
    assert rendered.headline == (
        "11 keys rose within 10 minutes. Suspect the feed or the prices before the keys. Until it"
        " is over, nothing is throttled automatically and no further one of them is told by itself."
    )
    assert (rendered.state, rendered.facts) == ("firing", (("Rule", "feed/many_targets"),))
    assert rendered.actions == ()
    assert sentence(Notice("n", INCIDENT, Change.MEMBER, START, fired), view_of(fired)).startswith(
        "Also: 11 keys rose"
    )
    ended = render(view_of(fired, over))
    assert ended.headline.startswith("The burst of many keys at once is over")
    assert ended.state == "resolved"


def test_what_could_not_be_counted_is_a_loss_and_no_recovery():
    rendered = render(view_of(*feed_alerts()[1]))
    assert rendered.headline.startswith(
        "A message of spend.deltas/3 could not be counted and was set aside. Its spend is missing"
        " from all totals, for good. It is at offset 42 and in the dead letters: ValueError: x"
    )
    assert rendered.state == "lost"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (ResolvedReason.RECOVERED, "back to normal"),
        (ResolvedReason.RELEASED, "over and the throttle released"),
        (ResolvedReason.NO_DATA, "no more data"),
        (ResolvedReason.SUPERSEDED, "overtaken by a higher level"),
        (None, "back to normal"),
    ],
)
def test_an_end_says_why_after_how_long_and_what_it_cost(reason: ResolvedReason | None, words: str):
    over = an_alert(Transition.RESOLVED, minutes=25, resolved_reason=reason)
    rendered = render(view_of(an_alert(), over))
    is_overtaken = reason is ResolvedReason.SUPERSEDED
    assert rendered.state == ("overtaken" if is_overtaken else "resolved")
    assert rendered.headline == (
        f"agent invoice-bot: {words} after 30 min; $13.32 above expected in all"
    )
    assert "Pace now" not in dict(rendered.facts)


def test_a_budget_says_what_is_left_or_over_and_where_it_will_end():
    near = a_budget(observed=80 * USD)
    assert render(view_of(near)).facts == (
        ("Left of the budget", "$20.00"),
        ("Mean so far", "$16.00 a day"),
        ("By the end of the month, at this rate", "$480.00"),
        ("Rule", "payments/near"),
    )
    over = a_budget(observed=121 * USD)
    assert ("Over the budget", "$21.00") in render(view_of(over)).facts


def test_a_budget_ends_with_its_period_and_is_never_called_back_to_normal():
    fired = a_budget(observed=110 * USD)
    ended = a_budget(
        Transition.RESOLVED,
        observed=140 * USD,
        decided_at=START + 30 * DAY,
        resolved_reason=ResolvedReason.RECOVERED,
    )
    rendered = render(view_of(fired, ended))
    assert rendered.headline == (
        "team payments: its period is over; $140.00 spent of $100.00 for the month (140 %)"
    )
    assert rendered.facts == (("Over the budget", "$40.00"), ("Rule", "payments/near"))
    raised = replace(ended, resolved_reason=ResolvedReason.SUPERSEDED)
    assert render(view_of(fired, raised)).state == "overtaken"
    assert headline(fired, raised).startswith("team payments: overtaken by a higher level; $140.00")


def test_a_reminder_of_a_budget_counts_from_its_crossing():
    fired = a_budget(observed=110 * USD, fired_at=START + 4 * DAY)
    notice = Notice("n", INCIDENT, Change.REMINDED, START + 7 * DAY, fired)
    assert sentence(notice, view_of(fired)).startswith("Still firing after 3 days: team payments")
    assert render(view_of(fired)).since == START + 4 * DAY
    unknown = replace(fired, fired_at=None)
    notice = replace(notice, alert=unknown)
    assert sentence(notice, view_of(unknown)).startswith("Still firing after 2 days: team payments")


def test_a_ratio_is_said_against_its_band_and_calls_for_no_throttle():
    rendered = render(view_of(a_ratio()))
    assert rendered.headline == ("agent invoice-bot: 31 % accepted in 1 h, usually 85-95 %")
    assert rendered.facts == (
        ("Spent in vain so far", "$78.00"),
        ("Pace now", "$26.00 an hour in vain"),
        ("Rule", "ratio/accepted"),
    )
    assert rendered.actions == ()


def test_a_ratio_that_is_over_says_what_was_spent_in_vain():
    fired, over = a_ratio(), a_ratio(Transition.RESOLVED, resolved_at=START + 7200)
    rendered = render(view_of(fired, over))
    assert rendered.state == "resolved"
    assert rendered.headline == (
        "agent invoice-bot: back to normal after 2 h; $78.00 spent in vain in all"
    )
    assert rendered.facts == (
        ("Spent in vain", "$78.00"),
        ("Last hours", "31 % accepted in 1 h, usually 85-95 %"),
        ("Rule", "ratio/accepted"),
    )
    assert rendered.actions == ()
    unknown = render(view_of(fired, replace(over, resolved_reason=ResolvedReason.NO_DATA)))
    assert [label for label, _ in unknown.facts] == ["Spent in vain", "Rule"]
    assert headline(fired, replace(over, resolved_reason=ResolvedReason.ABSORBED)) == (
        "agent invoice-bot: new normal since Sunday 10:00 UTC: 31 % accepted in 1 h, before that"
        " 90 % accepted; $78.00 spent in vain in all"
    )


def test_a_silence_is_said_against_what_its_hours_usually_cost():
    rendered = render(view_of(an_absence()))
    assert rendered.headline == ("agent invoice-bot: nothing spent for 6 h, expected $24.00 in 6 h")
    assert rendered.facts == (("Rule", "absence"),)
    assert rendered.actions == ()
    assert rendered.state == "firing"


def test_a_silence_that_is_over_is_told_in_its_own_words():
    rendered = render(view_of(an_absence(), an_absence(Transition.RESOLVED)))
    assert rendered.headline == "agent invoice-bot: spends again after 9 h"
    assert rendered.facts == (("Rule", "absence"),)
    assert rendered.actions == ()
    assert rendered.state == "resolved"


def test_of_a_silence_that_is_over_nothing_is_expected_any_more():
    over = an_absence(Transition.RESOLVED)
    assert render(view_of(an_alert(), an_absence(), over)).others == (
        "agent invoice-bot: nothing spent for 9 h (over)",
    )


def test_a_silence_of_another_incident_says_so():
    merged = an_absence(Transition.UPDATED, merged_into="other")
    assert headline(an_absence(), merged) == (
        "agent invoice-bot: part of another incident now; nothing spent for 6 h, expected $24.00"
        " in 6 h"
    )


@pytest.mark.parametrize("alert", [a_ratio(), an_absence()], ids=lambda alert: alert.kind)
def test_what_is_done_about_its_incident_is_said_though_it_leads(alert: Alert):
    rendered = render(view_of(alert, actions=((an_action(), True),)))
    assert rendered.headline.endswith(" - key key-7 blocked")
    assert len(rendered.actions) == 1


@pytest.mark.parametrize("step", [1, -1])
def test_dollars_above_expectation_are_said_before_those_in_vain(step: int):
    alerts = [a_ratio(), an_absence(), an_alert()][::step]
    rendered = render(view_of(*alerts))
    assert rendered.headline == (
        "agent invoice-bot: $4.12 in 5 min, expected at most $1.90 - nothing stopped"
    )
    assert rendered.facts[0] == ("Excess so far", "$2.22")
    assert rendered.others == (
        "agent invoice-bot: 31 % accepted in 1 h, usually 85-95 %",
        "agent invoice-bot: nothing spent for 6 h, expected $24.00 in 6 h",
    )
    spike_over = an_alert(Transition.RESOLVED, minutes=5)
    assert headline(*alerts, spike_over) == (
        "agent invoice-bot: 31 % accepted in 1 h, usually 85-95 %"
    )


def test_an_incident_that_another_took_over_says_so():
    merged = an_alert(Transition.UPDATED, minutes=5, merged_into="other")
    assert headline(an_alert(), merged) == (
        "agent invoice-bot: part of another incident now; $4.44 above expected in all"
    )


def test_what_was_absorbed_says_since_when_it_is_the_new_normal():
    over = an_alert(Transition.RESOLVED, minutes=25, resolved_reason=ResolvedReason.ABSORBED)
    assert render(view_of(an_alert(), over)).headline == (
        "agent invoice-bot: new normal since Sunday 10:00 UTC: $4.12 in 5 min, before that $1.10;"
        " $13.32 above expected in all"
    )


def test_the_second_line_says_what_changed_while_it_fires():
    known = {"decomposition": Decomposition(2_220_000_000, 0, 0, 0, 0), "changes": ()}
    firing = an_alert(**known)
    why = "100 % from more requests of the same size, on prompt v42"
    assert render(view_of(firing)).why == why
    assert render(view_of(firing, an_alert(Transition.RESOLVED, minutes=5, **known))).why == ""
    assert render(view_of(an_alert())).why == ""


def test_the_facts_say_excess_pace_and_day():
    assert render(view_of()).facts == (
        ("Excess so far", "$2.22"),
        ("Pace now", "$26.64 an hour above expected"),
        ("At this pace", "$1,187 a day"),
        ("Expected for Sunday 10:00 UTC", "$0.00-$1.90 in 5 min"),
        ("Rule", "spike"),
    )


def test_the_facts_say_who_is_on_it_what_failed_and_what_leaked():
    notes = {
        "acknowledged_by": "ana\nbob",
        "throttle_failure": "gateway-1 says failed",
        "leaked_usd": "3.5",
    }
    facts = dict(render(view_of(an_alert(annotations=notes))).facts)
    assert facts["Acknowledged by"] == "ana bob"
    assert facts["Throttle failed"] == "gateway-1 says failed"
    assert facts["Leaked before the throttle held"] == "$3.50"


def test_drivers_are_named_with_their_share_and_the_rest_is_said():
    some = (
        Driver("prompt_version:v42", 2_000_000_000, 4_000_000_000),
        Driver("prompt_version:__other__", 220_000_000, 320_000_000),
    )
    assert render(view_of(an_alert(drivers=some))).drivers == (
        "prompt v42: $2.00 (90 %)",
        "prompt all others: $0.22 (9 %)",
    )
    assert render(view_of()).drivers == ("prompt v42: $2.20 (99 %)",)


def test_the_lead_is_not_its_own_driver_and_many_drivers_are_counted():
    own = Driver("agent:invoice-bot", 10**9, 10**9)
    many = tuple(Driver(f"user:u{number}", 10**8, 10**8) for number in range(MAX_DRIVERS + 3))
    none = Driver("user:__other__", 0, 10**9)
    drivers = render(view_of(an_alert(drivers=(own, none, *many), excess_nanousd=0))).drivers
    assert drivers[0] == "user u0: $0.10"
    assert len(drivers) == MAX_DRIVERS + 1
    assert drivers[-1] == "and 3 more"


def test_other_alerts_are_listed_and_what_is_too_much_is_counted():
    scopes = [Scope("user", f"u{number}") for number in range(MAX_OTHERS + 4)]
    alerts = [an_alert(scope=scope) for scope in scopes]
    over = an_alert(Transition.RESOLVED, minutes=5, scope=KEY)
    assert render(view_of(an_alert(), an_alert(scope=KEY), over)).others == (
        "key key-7: $4.12 in 5 min, expected at most $1.90 (over)",
    )
    others = render(view_of(an_alert(), *alerts)).others
    assert len(others) == MAX_OTHERS + 1
    assert others[-1] == "and 4 more"


def test_links_keep_their_order_and_others_are_left_out():
    links = {"x": "https://x.example", "runbook": "https://r.example", "trace": "https://t.example"}
    assert render(view_of(an_alert(links=links))).links == (
        ("Traces", "https://t.example"),
        ("Runbook", "https://r.example"),
    )


def test_a_link_to_a_call_says_what_the_call_cost():
    alert = an_alert(
        links={"trace": "https://t.example/7"}, annotations={"dearest_call_usd": "4.2"}
    )
    assert render(view_of(alert)).links == (("Dearest call ($4.20)", "https://t.example/7"),)


def test_a_link_that_the_lead_has_not_is_that_of_the_next_alert():
    first = an_alert(links={"runbook": "https://r.example/1"})
    call = {"trace": "https://t.example/7", "runbook": "https://r.example/2"}
    second = an_alert(scope=KEY, links=call, annotations={"dearest_call_usd": "4.2"})
    assert render(view_of(first, second)).links == (
        ("Dearest call ($4.20)", "https://t.example/7"),
        ("Runbook", "https://r.example/1"),
    )


def test_a_call_of_another_alert_comes_before_the_lead_s_template():
    search = {"trace": "https://t.example/search", "runbook": "https://r.example/1"}
    first = an_alert(links=search)
    second = an_alert(scope=KEY, links={"trace": "https://t.example/search?2"})
    assert render(view_of(first, second)).links[0] == ("Traces", "https://t.example/search")
    third = an_alert(
        scope=Scope("user", "ana"),
        links={"trace": "https://t.example/7"},
        annotations={"dearest_call_usd": "4.2"},
    )
    assert render(view_of(first, second, third)).links == (
        ("Dearest call ($4.20)", "https://t.example/7"),
        ("Runbook", "https://r.example/1"),
    )
    fourth = replace(third, scope=KEY, links={"runbook": "https://r.example/4"})
    assert render(view_of(first, fourth)).links[0] == ("Traces", "https://t.example/search")


@pytest.mark.parametrize(
    ("change", "start"),
    [
        (Change.MEMBER, "Also: key key-7: $4.12 in 5 min"),
        (Change.ESCALATED, "Now critical: key key-7: $4.12"),
        (Change.REOPENED, "Firing again: key key-7: $4.12"),
        (Change.REMINDED, "Still firing after 5 min: agent invoice-bot: $4.12"),
        (Change.NOT_ACTED, "Throttle failed: gateway-1 says no"),
        (Change.CONTAINED, "Contained: nothing stopped"),
        (Change.RESOLVED, "agent invoice-bot: "),
    ],
)
def test_a_reply_is_a_sentence_of_its_own(change: Change, start: str):
    alert = an_alert(scope=KEY, annotations={"throttle_failure": "gateway-1 says no"})
    view = view_of(an_alert(), replace(alert, severity=Severity.CRITICAL))
    notice = Notice("n", INCIDENT, change, START + 300, alert)
    assert sentence(notice, view).startswith(start)


def test_a_reply_without_an_alert_speaks_of_the_lead():
    notice = Notice("n", INCIDENT, Change.ESCALATED, START)
    assert sentence(notice, view_of()).startswith("Now critical: agent invoice-bot")


def test_summaries_count():
    assert caught_up_text(1, START, START + 60).startswith("Caught up: 1 further incident was")
    assert caught_up_text(2, START, START + 60).startswith("Caught up: 2 further incidents were")
    assert storm_text(30).startswith("More than 30 new incidents")
