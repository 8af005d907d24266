from dataclasses import replace

import pytest
from pydantic import ValidationError

from alerting.alert import ABSENCE, FEED, alert_from_json, alert_to_json
from alerting.links import LinksConfig, labels_of
from alerting.matcher import parse_matcher
from alerting.notify.incident_view import IncidentView
from alerting.notify.render import render
from detectors.scope import Scope
from tests.support.alerts import INCIDENT, START, an_alert
from tests.support.decisions import Office, agent_signal


def test_a_template_is_filled_with_the_alert_and_no_name_leads_elsewhere():
    links = LinksConfig(
        runbook="https://wiki.example/run#{rule}",
        dashboard="https://g.example/d?s={scope}&a={alert_id}&from={from_ms}&to={to_ms}&x={{1}}",
        trace="https://t.example/{kind}/{name}",
    )
    alert = an_alert(scope=Scope("agent", "a b&c=/../@evil", "staging"), rule="feed/many")
    assert links.links_of(alert) == {
        "runbook": "https://wiki.example/run#feed%2Fmany",
        "dashboard": "https://g.example/d?s=agent%3Aa%20b%26c%3D%2F..%2F%2540evil%40staging"
        f"&a={alert.alert_id}&from={START}000&to={START + 300}000&x={{1}}",
        "trace": "https://t.example/agent/a%20b%26c%3D%2F..%2F%40evil",
    }
    assert LinksConfig(runbook=None).links_of(alert) == {}


@pytest.mark.parametrize("kind", [FEED, ABSENCE])
def test_what_is_about_no_calls_leads_to_none(kind: str):
    links = LinksConfig(runbook="https://r.example", trace="https://t.example/{name}")
    assert links.links_of(an_alert(kind=kind)) == {"runbook": "https://r.example"}


@pytest.mark.parametrize("name", ["runbook", "dashboard", "trace"])
@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("ftp://x.example/{name}", "is no URL"),
        ("https://{name}.example/", "fields after the host"),
        ("https://{name}/", "fields after the host"),
        ("https://x.example/a b", "is no URL"),
        ("https://x.example/{nmae}", "no field {nmae}; fields are scope, kind, name"),
        ("https://x.example/{name.__class__}", "no field"),
        ("https://x.example/{name!r}", "no field"),
        ("https://x.example/{name:>9}", "no field"),
        ("https://x.example/{", "write a literal brace twice"),
    ],
)
def test_a_template_that_would_not_do_is_refused_with_the_fix(name: str, template: str, says: str):
    with pytest.raises(ValidationError, match=says):
        LinksConfig(**{name: template})


def test_labels_are_those_of_the_rule_the_scope_and_its_parts():
    assert labels_of(an_alert(scope=Scope("agent+model", "bot|gpt", "staging"))) == {
        "agent": "bot",
        "model": "gpt",
        "alertname": "spike",
        "severity": "critical",
        "kind": "spike",
        "environment": "staging",
    }


def test_every_alert_of_decide_has_its_labels_and_links_on_the_wire_and_in_slack():
    office = Office(incidents={"links": {"runbook": "https://w.example/{kind}/{incident_id}"}})
    told = office.tell(agent_signal("batch")).alerts[0]
    read = alert_from_json(alert_to_json(told))
    assert parse_matcher("labels.agent=batch").is_match(read)
    assert not parse_matcher("labels.agent=other").is_match(read)
    view, _ = IncidentView(INCIDENT).with_alert(read, 0.0)
    assert render(view).links == (("Runbook", f"https://w.example/agent/{told.incident_id}"),)


def test_a_link_that_an_alert_has_of_itself_stays():
    office = Office(incidents={"links": {"trace": "https://t.example/search?{kind}={name}"}})
    searched = office.tell(agent_signal("other")).alerts[0]
    assert searched.links == {"trace": "https://t.example/search?agent=other"}
    known = replace(agent_signal(), links={"trace": "https://t.example"}, labels={"owner": "ana"})
    told = office.tell(known).alerts[-1]
    assert (told.links, told.labels["owner"]) == ({"trace": "https://t.example"}, "ana")
