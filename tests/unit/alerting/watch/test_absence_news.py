"""What a scope's silence says."""

from typing import Any

import pytest

from alerting.alert import (
    ABSENCE,
    Alert,
    ResolvedReason,
    Severity,
    Transition,
    alert_from_json,
    alert_to_json,
)
from alerting.fingerprint import alert_id, fingerprint, transition_id
from alerting.watch.absence_news import METRIC, absence_alert
from alerting.watch.rules import AbsenceRule
from detectors.absence import AbsenceFinding, Presence
from detectors.drift import DRIFT_SOURCE
from detectors.scope import Scope
from detectors.window import Window

USD = 1_000_000_000
HOUR = 3600
SINCE = 1_700_000_100  # 2023-11-14T22:15:00Z
EIGHT = 1_700_035_200  # the next morning, 08:00
AGENT = Scope("agent", "invoice-bot")


def finding(change: Presence = Presence.GONE, **changes: Any) -> AbsenceFinding:
    is_gone = change is Presence.GONE
    values: dict[str, Any] = {
        "change": change,
        "since": SINCE,
        "silent": Window(EIGHT - 6 * HOUR if is_gone else SINCE, EIGHT),
        "fired_at": EIGHT,
        "expected_nanousd": 24 * USD,
        "lower_nanousd": 9 * USD if is_gone else 0,
    }
    return AbsenceFinding(**(values | changes))


def told(found: AbsenceFinding, **rule: Any) -> Alert:
    return absence_alert(AbsenceRule.model_validate(rule), AGENT, found)


def test_a_silence_is_told_with_what_its_hours_usually_cost():
    alert = told(finding())
    assert (alert.kind, alert.metric, alert.rule) == (ABSENCE, METRIC, "absence")
    assert (alert.transition, alert.resolved_at, alert.resolved_reason) == (
        Transition.FIRED,
        None,
        None,
    )
    assert alert.window == Window(EIGHT - 6 * HOUR, EIGHT)
    assert (alert.observed, alert.expected, alert.lower, alert.upper) == (
        0,
        24 * USD,
        9 * USD,
        24 * USD,
    )
    assert (alert.started_at, alert.fired_at, alert.decided_at) == (SINCE, EIGHT, EIGHT)
    assert alert.score == 1.0
    assert alert.excess_nanousd == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Presence.BACK, ResolvedReason.RECOVERED),
        (Presence.ACCEPTED, ResolvedReason.ABSORBED),
    ],
)
def test_its_end_is_of_the_same_episode_and_has_a_reason(change: Presence, reason: ResolvedReason):
    fired, alert = told(finding()), told(finding(change, silent=Window(SINCE, EIGHT + HOUR)))
    assert alert.alert_id == fired.alert_id
    assert alert.transition is Transition.RESOLVED
    assert (alert.resolved_at, alert.resolved_reason) == (EIGHT + HOUR, reason)
    assert (alert.fired_at, alert.decided_at) == (EIGHT, EIGHT + HOUR)
    assert alert.window == Window(SINCE, EIGHT + HOUR)
    assert (alert.expected, alert.lower, alert.upper, alert.score) == (0, 0, 0, 0.0)


def test_ids_are_of_rule_scope_silence_and_hours():
    alert = told(finding(), name="silence")
    mark = fingerprint("silence", AGENT)
    assert (alert.rule, alert.fingerprint) == ("silence", mark)
    assert alert.alert_id == alert_id(mark, SINCE)
    assert alert.transition_id == transition_id(mark, EIGHT - 6 * HOUR, Transition.FIRED)
    back = told(finding(Presence.BACK), name="silence")
    assert back.transition_id == transition_id(mark, SINCE, Transition.RESOLVED)


@pytest.mark.parametrize("severity", [Severity.WARNING, Severity.INFO])
def test_the_rule_says_who_hears_of_it(severity: Severity):
    assert told(finding()).severity is Severity.INFO
    assert told(finding(), severity=severity).severity is severity


def test_the_sentences_can_be_checked_against_the_figures():
    assert told(finding()).annotations == {
        "baseline": DRIFT_SOURCE,
        "summary": ("agent invoice-bot has spent nothing for 9 h 45 min; expected $24.00 in 6 h"),
        "description": (
            "expected $24.00 in 6 h from Wednesday 02:00 UTC on, at least $9.00;"
            " saw nothing since Tuesday 22:15 UTC"
        ),
    }


@pytest.mark.parametrize(
    ("change", "summary"),
    [
        (Presence.BACK, "agent invoice-bot: spends again after 9 h 45 min"),
        (
            Presence.ACCEPTED,
            "agent invoice-bot: silent for 9 h 45 min, accepted as the new normal",
        ),
    ],
)
def test_an_end_says_after_how_long(change: Presence, summary: str):
    assert told(finding(change)).annotations == {"baseline": DRIFT_SOURCE, "summary": summary}


def test_a_user_s_name_stays_on_one_line():
    alert = absence_alert(AbsenceRule(), Scope("agent", "a\nb", "staging"), finding())
    assert alert.annotations["summary"].startswith("agent a b (staging) has spent nothing")


@pytest.mark.parametrize("change", list(Presence))
def test_the_wire_form_reads_back(change: Presence):
    alert = told(finding(change))
    assert alert_from_json(alert_to_json(alert)) == alert
