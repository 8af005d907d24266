"""What a replay is said to have come to."""

from alerting.alert import Driver, Severity, Transition
from alerting.throttle.action import Mode
from stream.replay.intake import Intake
from stream.replay.replay import ReplayResult
from stream.replay.summary import summarize
from tests.support.alerts import AGENT, INCIDENT, KEY, START, USD, an_action, an_alert

SPAN = (START, START + 2 * 86_400)


def a_result(*alerts, actions=(), **changes) -> ReplayResult:
    return ReplayResult(Intake(), alerts=list(alerts), actions=list(actions), **changes)


def test_an_incident_is_named_and_measured_at_its_worst():
    result = a_result(
        an_alert(excess_nanousd=5 * USD),
        an_alert(scope=KEY, excess_nanousd=5 * USD, started=START - 300),
        an_alert(Transition.UPDATED, minutes=5, excess_nanousd=90 * USD),
        an_alert(Transition.UPDATED, scope=KEY, minutes=5, excess_nanousd=95 * USD,
                 started=START - 300),
        an_alert(Transition.RESOLVED, minutes=10, excess_nanousd=1 * USD),
        actions=[an_action(Mode.RELEASE), an_action(sequence=2), an_action(sequence=3)],
        leaked_nanousd={INCIDENT: 7 * USD},
        enforced={an_action(sequence=2).action_id},
    )  # fmt: skip

    summary = summarize(result, SPAN)

    (incident,) = summary.incidents
    assert (incident.scope, incident.excess_nanousd) == (str(AGENT), 90 * USD)
    assert incident.started_at == START - 300
    assert (incident.key, incident.leaked_nanousd, incident.alerts) == (str(KEY), 7 * USD, 2)
    assert incident.action.sequence == 2
    assert incident.is_enforced
    assert (summary.fired, summary.alerts_per_day) == (2, 1.0)


def test_without_an_action_the_key_is_the_one_that_leads_and_nothing_is_said_to_have_leaked():
    drivers = (Driver("api_key:key-9", 2_000_000_000, 2_100_000_000),)

    (led,) = summarize(a_result(an_alert(drivers=drivers)), SPAN).incidents
    (itself,) = summarize(a_result(an_alert(scope=KEY)), SPAN).incidents
    (unknown,) = summarize(a_result(an_alert()), SPAN).incidents

    assert (led.key, led.leaked_nanousd, led.action) == ("api_key:key-9", None, None)
    assert itself.key == str(KEY)
    assert unknown.key == ""
    assert not led.is_enforced


def test_merged_incidents_count_as_the_one_that_took_them_over():
    first = an_alert(incident_id="i-1")
    second = an_alert(scope=KEY, incident_id="i-2")
    result = a_result(
        first,
        second,
        an_alert(Transition.UPDATED, scope=KEY, incident_id="i-2", merged_into="i-3"),
        an_alert(Transition.UPDATED, incident_id="i-3", merged_into="i-1"),
        actions=[an_action(incident_id="i-2")],
        leaked_nanousd={"i-2": 3 * USD},
    )

    (incident,) = summarize(result, SPAN).incidents

    assert (incident.incident_id, incident.alerts) == ("i-1", 2)
    assert incident.leaked_nanousd == 3 * USD


def test_only_what_fired_is_an_alert_and_its_worst_severity_counts():
    result = a_result(
        an_alert(severity=Severity.WARNING),
        an_alert(Transition.UPDATED, minutes=5, severity=Severity.CRITICAL),
        an_alert(Transition.RESOLVED, minutes=10, severity=Severity.INFO),
        an_alert(Transition.PENDED, scope=KEY, rule="other"),
        an_alert(scope=KEY, rule="budget/near", severity=Severity.INFO, incident_id="i-2"),
    )

    summary = summarize(result, (START, START + 3_600))

    assert summary.fired_by_rule == {"spike": 1, "budget/near": 1}
    assert summary.fired_by_severity == (
        (Severity.CRITICAL, 1),
        (Severity.WARNING, 0),
        (Severity.INFO, 1),
    )
    assert {each.severity for each in summary.incidents} == {Severity.CRITICAL, Severity.INFO}
    assert summary.alerts_per_day == 2.0  # an hour counts as a day


def test_an_empty_run_is_no_division_by_zero():
    summary = summarize(a_result(), None)

    assert (summary.incidents, summary.fired, summary.alerts_per_day) == ((), 0, 0.0)
