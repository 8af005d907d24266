"""From events with a ``trace_url`` to the link that somebody clicks on at three in the morning."""

import json
from typing import Any

from alerting.alert import Alert, Transition
from alerting.exemplar import DEAREST_CALL_USD
from stream.config import Settings
from stream.replay.replay import Replay
from tests.acceptance.test_one_incident_one_message import Office
from tests.support.event_files import DAY, MONDAY, an_event
from tests.support.slack_server import SlackServer

DAYS = 3
START = MONDAY + DAYS * DAY
"""A call every five minutes until then; after it one every ten seconds, of two dollars."""

SETTINGS = {
    "topics": {"usage_events_partitions": 2, "deltas_partitions": 2},
    "fanout": {"kinds": ["agent", "api_key"]},
}


def at(name: object) -> str:
    return f"https://traces.example/project/1/traces/{name}"


def events(**wrong: Any) -> list[dict[str, Any]]:
    """What is wrong with the calls of the runaway, beside their number."""
    calm = [
        an_event(number, MONDAY + 1 + number * 300, trace_url=at(f"calm-{number}"))
        for number in range(DAYS * DAY // 300)
    ]
    runaway = [
        an_event(10_000 + number, START + 2 + number * 10, cost_usd="2.00", **wrong)
        for number in range(180)
    ]
    return calm + runaway


def told(sent: list[dict[str, Any]], **settings: Any) -> list[Alert]:
    """What DECIDE tells of a file."""
    replay = Replay(Settings.model_validate(SETTINGS | settings))
    replay.feed([json.dumps(each).encode() for each in sent])
    return replay.settle().alerts


async def link_of(slack: SlackServer, alerts: list[Alert]) -> list[str]:
    """The last block of the message after each alert, one by one."""
    office, found = Office(slack), []
    office.now = alerts[0].decided_at + 5.0
    await office.pipeline.start()
    for alert in alerts:
        office.now = max(office.now, alert.decided_at + 5.0)
        await office.tell(alert)
        if slack.roots:
            found.append(slack.roots[0].blocks[-1]["text"]["text"])
    await office.pipeline.stop(0)
    return found


async def test_the_message_of_a_runaway_leads_to_its_dearest_call(slack: SlackServer):
    sent = events()
    for each in sent[-180:]:
        each["trace_url"] = at(each["event_id"])
    sent[-178] |= {"cost_usd": "3.50"}
    sent[-60] |= {"cost_usd": "9.00", "trace_url": "https://traces.example/?token=secret"}
    alerts = told(sent)
    links = await link_of(slack, alerts)
    assert len(slack.roots) == 1
    assert links[-1] == f"<{at(sent[-178]['event_id'])}|Dearest call ($3.50)>"
    assert {link.split("|")[0].rpartition("/")[2] for link in links} <= {
        each["event_id"] for each in sent[-180:]
    }, "no calm call is shown, and the message never loses its link"
    assert "secret" not in json.dumps([message.blocks for message in slack.roots])
    fired = next(alert for alert in alerts if alert.transition is Transition.FIRED)
    assert fired.annotations[DEAREST_CALL_USD] in {"2", "3.5"}


async def test_alerts_that_join_show_the_call_of_the_one_that_names_the_incident(
    slack: SlackServer,
):
    """The key is shared: its dearest call is another agent's, and no part of this."""
    sent = events(trace_url=at("runaway"))
    other = [
        an_event(50_000 + number, START + 5 + number * 300, agent="steady-bot", cost_usd="2.50")
        | {"trace_url": at("steady")}
        for number in range(-DAYS * DAY // 300, 7)
    ]
    sent = sorted(sent + other, key=lambda each: each["timestamp"])
    alerts = told(sent)
    assert {alert.scope.kind for alert in alerts} == {"agent", "api_key"}
    assert {alert.links["trace"] for alert in alerts if alert.scope.kind == "api_key"} == {
        at("steady")
    }
    links = await link_of(slack, alerts)
    assert links[-1] == f"<{at('runaway')}|Dearest call ($2.00)>"


async def test_without_urls_a_template_leads_to_where_calls_are(slack: SlackServer):
    template = "https://traces.example/search?{kind}={name}&from={from_ms}"
    sent = [{**each, "trace_url": None} for each in events()]
    alerts = told(sent, incidents={"links": {"trace": template}})
    assert {alert.links["trace"].partition("&")[0] for alert in alerts} <= {
        "https://traces.example/search?agent=invoice-bot",
        "https://traces.example/search?api_key=key-7",
    }
    links = await link_of(slack, alerts)
    assert links[-1] == (
        f"<https://traces.example/search?agent=invoice-bot&amp;from={START}000|Traces>"
    )
