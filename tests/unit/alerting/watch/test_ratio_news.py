"""What a ratio's change says."""

from dataclasses import replace
from typing import Any

import pytest

from alerting.alert import (
    RATIO,
    Alert,
    ResolvedReason,
    Severity,
    Transition,
    alert_from_json,
    alert_to_json,
)
from alerting.fingerprint import alert_id, fingerprint, transition_id
from alerting.watch.ratio_news import BASELINE, ratio_alerts, ratio_rule
from alerting.watch.rules import RatioRule
from detectors.ratio_channels import RATIOS
from detectors.ratios import Change, RatioFinding
from detectors.scope import Scope
from detectors.window import Window

USD = 1_000_000_000
HOUR, DAY = 3600, 86400
START = 1_700_000_400  # 2023-11-14T22:20:00Z
AGENT = Scope("agent", "invoice-bot")
LAST = Window(START + HOUR - 300, START + HOUR)
"""The window that closed."""

BY_NAME = {channel.name: channel for channel in RATIOS}


def finding(change: Change = Change.BEGAN, **changes: Any) -> RatioFinding:
    values: dict[str, Any] = {
        "channel": BY_NAME["accepted"],
        "change": change,
        "span": Window(START, START + HOUR),
        "seen": 0.31,
        "trials": 1_240,
        "usual": 0.9,
        "lower": 0.853,
        "upper": 0.947,
        "score": 0.8,
        "started_at": START,
        "cost_nanousd": 40 * USD,
        "lost_nanousd": 26 * USD,
        "lost_in_all_nanousd": 26 * USD,
        "worst_nanousd_per_hour": 26 * USD,
        "fired_at": START + HOUR,
    }
    return RatioFinding(**(values | changes))


def told(found: RatioFinding, rule: RatioRule | None = None) -> Alert:
    """The last that is told of it."""
    return ratio_alerts(rule or RatioRule(), AGENT, LAST, found)[-1]


@pytest.mark.parametrize(
    ("change", "transitions", "reason"),
    [
        (Change.BEGAN, [Transition.FIRED, Transition.UPDATED], None),
        (Change.GOES_ON, [Transition.UPDATED], None),
        (Change.RECOVERED, [Transition.RESOLVED], ResolvedReason.RECOVERED),
        (Change.ABSORBED, [Transition.RESOLVED], ResolvedReason.ABSORBED),
        (Change.NO_DATA, [Transition.RESOLVED], ResolvedReason.NO_DATA),
    ],
)
def test_each_change_is_a_transition_and_only_an_end_has_a_reason(
    change: Change, transitions: list[Transition], reason: ResolvedReason | None
):
    alerts = ratio_alerts(RatioRule(), AGENT, LAST, finding(change))
    assert [each.transition for each in alerts] == transitions
    assert {each.resolved_reason for each in alerts} == {reason}
    assert {each.resolved_at for each in alerts} == {None if reason is None else LAST.end_seconds}


def test_ids_are_of_the_ratio_s_own_rule_of_episode_and_window():
    fired, updated = ratio_alerts(RatioRule(name="quality"), AGENT, LAST, finding())
    assert fired.rule == ratio_rule("quality", "accepted") == "quality/accepted"
    mark = fingerprint("quality/accepted", AGENT)
    for each in (fired, updated):
        assert each.fingerprint == mark
        assert each.alert_id == alert_id(mark, START)
        assert each.transition_id == transition_id(mark, LAST.start_seconds, each.transition)
    later = told(finding(Change.GOES_ON, span=Window(START + HOUR, START + 2 * HOUR)))
    assert later.alert_id == alert_id(fingerprint("ratio/accepted", AGENT), START)


def test_figures_are_shares_in_billionths_and_dollars_those_lost_in_vain():
    alert = told(finding(span=Window(START - HOUR, START + HOUR), lost_in_all_nanousd=70 * USD))
    assert (alert.kind, alert.metric) == (RATIO, "accepted_ratio")
    assert alert.window == Window(START - HOUR, START + HOUR)
    assert (alert.observed, alert.expected) == (310_000_000, 900_000_000)
    assert (alert.lower, alert.upper) == (853_000_000, 947_000_000)
    assert alert.score == 0.8
    assert (alert.started_at, alert.fired_at) == (START, START + HOUR)
    assert alert.decided_at == LAST.end_seconds
    assert alert.excess_nanousd == 70 * USD
    assert alert.excess_nanousd_per_hour == 13 * USD
    assert alert.projected_nanousd_per_day == 480 * USD


@pytest.mark.parametrize("channel", RATIOS, ids=lambda channel: channel.name)
def test_each_ratio_is_told_by_its_own_metric_and_rule(channel: Any):
    alert = told(finding(channel=channel))
    assert (alert.metric, alert.rule) == (channel.metric, f"ratio/{channel.name}")


def test_the_worst_pace_of_the_episode_says_who_hears_of_it():
    rule = RatioRule.model_validate({"warning_usd_per_hour": "10", "info_usd_per_hour": "1"})
    for dollars, severity in ((10.0, Severity.WARNING), (9.99, Severity.INFO)):
        pace = round(dollars * USD)
        assert told(finding(worst_nanousd_per_hour=pace), rule).severity is severity
    calm = finding(Change.RECOVERED, lost_nanousd=0, worst_nanousd_per_hour=10 * USD)
    assert told(calm, rule).severity is Severity.WARNING
    ruinous = finding(worst_nanousd_per_hour=10**6 * USD)
    assert told(ruinous, rule).severity is Severity.WARNING, "no throttle would mend it"


def test_the_sentence_says_what_was_seen_of_how_many_against_what():
    assert told(finding()).annotations == {
        "baseline": BASELINE,
        "summary": (
            "agent invoice-bot: 31 % accepted of 1,240 answers in 1 h; usually 85-95 %; "
            "$26.00 spent in vain so far"
        ),
        "description": (
            "expected 85-95 % for Tuesday 22:20 UTC, saw 31 % accepted of 1,240 answers in 1 h; "
            "$0.10 an accepted answer, $0.04 if as many were accepted as usual"
        ),
    }
    nobody = told(finding(seen=0.0)).annotations["description"]
    assert nobody.endswith("saw 0 % accepted of 1,240 answers in 1 h"), "not one: no price of one"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("accepted", "31 % accepted of 1,240 answers"),
        ("prompt_cache", "31 % read from the prompt cache of 1,240 input tokens"),
        ("response_cache", "31 % answered from the cache of 1,240 calls"),
        ("errors", "31 % failed of 1,240 calls"),
        ("refusals", "31 % refused of 1,240 calls"),
        ("retries", "31 % tried again of 1,240 attempts"),
    ],
)
def test_each_ratio_has_its_own_words(name: str, words: str):
    summary = told(finding(channel=BY_NAME[name])).annotations["summary"]
    assert summary.startswith(f"agent invoice-bot: {words} in 1 h; usually ")


def test_a_usual_ratio_near_nothing_keeps_its_digit():
    found = finding(channel=BY_NAME["errors"], usual=0.001, lower=0.0, upper=0.004)
    assert "; usually 0-0.4 %; " in told(found).annotations["summary"]


def test_a_user_s_name_stays_on_one_line():
    scope = Scope("agent", "a\nRESOLVED", "staging")
    [alert] = ratio_alerts(RatioRule(), scope, LAST, finding(Change.GOES_ON))
    assert alert.annotations["summary"].startswith("agent a RESOLVED (staging): 31 % accepted")


@pytest.mark.parametrize(
    ("change", "summary"),
    [
        (
            Change.RECOVERED,
            "agent invoice-bot: back to normal after 3 h, with $26.00 spent in vain",
        ),
        (Change.NO_DATA, "agent invoice-bot: no more data after 3 h, with $26.00 spent in vain"),
        (
            Change.ABSORBED,
            (
                "agent invoice-bot: new normal since Tuesday 20:20 UTC: 31 % accepted in 1 h,"
                " before that 90 % accepted; $26.00 spent in vain until now"
            ),
        ),
    ],
)
def test_an_end_says_why_after_how_long_and_what_it_cost(change: Change, summary: str):
    alert = told(finding(change, started_at=START - 2 * HOUR))
    assert alert.annotations == {"baseline": BASELINE, "summary": summary}


def test_an_episode_lasted_a_minute_at_least():
    alert = told(finding(Change.RECOVERED, started_at=LAST.end_seconds))
    assert "back to normal after 1 min," in alert.annotations["summary"]


def test_the_wire_form_reads_back():
    for change in Change:
        alert = told(replace(finding(), change=change))
        assert alert_from_json(alert_to_json(alert)) == alert
    assert alert_to_json(told(finding()))["observed"] == "0.31"
