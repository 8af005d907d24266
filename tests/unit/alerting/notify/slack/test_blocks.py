"""Within Slack's limits, whatever the names are, and nothing that pings."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.alert import Driver, Severity, Transition
from alerting.notify.incident_view import Applied, IncidentView
from alerting.notify.render import Rendered, render
from alerting.notify.slack.blocks import (
    blocks_of,
    escape,
    escape_within,
    mark,
    reply_blocks,
    reply_text,
    text_of,
)
from detectors.scope import Scope
from stream.usage.trace_url import TRACE_URL_MAX_CHARS, refusal
from stream.watch.unfoldable import DeadDelta
from tests.support.alerts import INCIDENT, an_action, an_alert
from tests.support.slack_server import SlackServer

NASTY = st.text(
    st.one_of(st.sampled_from("<>&!@|*`\n"), st.characters(codec="utf-8")), min_size=1, max_size=256
)


def rendered_of(*alerts: object, view: IncidentView | None = None) -> Rendered:
    view = view or IncidentView(INCIDENT)
    for alert in alerts:
        view, _ = view.with_alert(alert, 0.0)  # type: ignore[arg-type]  alerts
    return render(view)


def test_a_loss_has_no_check_mark():
    lost = rendered_of(*DeadDelta("spend.deltas", 3, 42, b"", "ValueError: x").alerts(0))
    assert text_of(lost).startswith(":rotating_light: A message of spend.deltas/3")
    assert blocks_of(lost)[1]["elements"][0]["text"].startswith("Lost · critical")


def test_the_message_is_what_a_person_sees():
    blocks = blocks_of(rendered_of(an_alert()))
    assert [block["type"] for block in blocks] == [
        "section",
        "context",
        "section",
        "section",
        "section",
        "section",
    ]
    assert blocks[0]["text"]["text"] == (
        ":rotating_light: *agent invoice-bot: $4.12 in 5 min, expected at most $1.90"
        " - nothing stopped*"
    )
    assert blocks[1]["elements"][0]["text"] == (
        "Firing · critical · since"
        " <!date^1795341600^{date_short_pretty} {time}|2026-11-22 10:00 UTC>"
    )
    assert blocks[3]["text"]["text"].startswith("*Driven by*\n• prompt v42: $2.20 (99 %)")
    assert blocks[5]["text"]["text"] == (
        "<https://spend.example/i/1|Dashboard> · <https://spend.example/run|Runbook>"
    )


@pytest.mark.parametrize(
    ("severity", "sign"),
    [
        (Severity.CRITICAL, ":rotating_light:"),
        (Severity.WARNING, ":warning:"),
        (Severity.INFO, ":information_source:"),
    ],
)
def test_the_sign_says_how_bad_it_is(severity: Severity, sign: str):
    assert mark(rendered_of(an_alert(severity=severity))) == sign
    over = an_alert(Transition.RESOLVED, minutes=5, severity=severity)
    assert mark(rendered_of(an_alert(severity=severity), over)) == ":white_check_mark:"


@given(NASTY, st.integers(1, 40))
def test_cutting_never_splits_an_entity_nor_exceeds_the_limit(text: str, limit: int):
    cut = escape_within(text, limit)
    assert len(cut) <= max(limit, 1)
    assert not re.search(r"[<>]", cut)
    assert not re.search(r"&(?!amp;|lt;|gt;)", cut)
    if len(escape(text)) <= limit:
        assert cut == escape(text)


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "https://x.example/<!channel>", "https://x|y", "https://" + "x" * 600],
)
def test_a_link_that_is_no_web_address_is_left_out(url: str):
    blocks = blocks_of(rendered_of(an_alert(links={"trace": url, "other": "https://o.example"})))
    assert "Traces" not in json.dumps(blocks)


def test_the_link_to_a_call_comes_first():
    links = {"runbook": "https://r.example", "trace": "https://t.example/7"}
    blocks = blocks_of(rendered_of(an_alert(links=links, annotations={"dearest_call_usd": "2"})))
    assert blocks[-1]["text"]["text"] == (
        "<https://t.example/7|Dearest call ($2.00)> · <https://r.example|Runbook>"
    )


def test_an_address_with_an_ampersand_is_kept():
    blocks = blocks_of(rendered_of(an_alert(links={"trace": "https://t.example/?a=1&b=2"})))
    assert blocks[-1]["text"]["text"] == "<https://t.example/?a=1&amp;b=2|Traces>"


@pytest.mark.parametrize("query", ["a=1&", "&"])
def test_any_address_that_is_shown_of_a_call_is_kept(query: str):
    room = TRACE_URL_MAX_CHARS - len("http://t/?")
    url = "http://t/?" + (query * room)[:room]
    assert refusal(url) is None
    links = {"trace": url, "runbook": "https://r.example"}
    notes = {"dearest_call_usd": "9223372036.854775807"}
    blocks = blocks_of(rendered_of(an_alert(links=links, annotations=notes)))
    assert f"<{escape(url)}|Dearest call (" in blocks[-1]["text"]["text"]
    assert SlackServer._problem({"text": "x", "blocks": blocks}) is None


def test_a_call_s_many_parameters_leave_room_for_the_other_links():
    url = "https://t.example/?" + "&".join(f"a{number}=1" for number in range(81))
    assert 480 < len(url) <= TRACE_URL_MAX_CHARS
    others = dict.fromkeys(("dashboard", "runbook"), "https://g.example/d?" + "ab=cd&" * 50)
    blocks = blocks_of(rendered_of(an_alert(links={"trace": url, **others})))
    assert blocks[-1]["text"]["text"].count("|") == 3


def test_links_for_which_no_room_is_left_are_left_out():
    links = dict.fromkeys(("dashboard", "runbook", "trace"), "https://x.example/" + "&" * 400)
    blocks = blocks_of(rendered_of(an_alert(links={**links, "runbook": "https://r.example"})))
    text = blocks[-1]["text"]["text"]
    assert ("|Traces>" in text, "|Dashboard>" in text, "|Runbook>" in text) == (True, False, True)


@settings(max_examples=60)
@given(st.lists(NASTY, min_size=1, max_size=20), st.integers(0, 40))
def test_any_incident_is_within_slack_s_limits_and_pings_nobody(names: list[str], count: int):
    name = names[0] * 100
    links = dict.fromkeys(("dashboard", "runbook", "trace"), "https://x.example/" + "&" * 494)
    notes = dict.fromkeys(("acknowledged_by", "throttle_failure", "throttle"), name)
    drivers = tuple(Driver(str(Scope("user", other * 50)), 10**15, 10**15) for other in names)
    view = IncidentView(INCIDENT)
    for number in range(count + 1):
        scope = Scope("agent", f"{number}{name}"[:256], names[-1][:256])
        alert = an_alert(
            scope=scope,
            rule=name,
            metric=name,
            links=links,
            drivers=drivers,
            annotations=notes,
        )
        view, _ = view.with_alert(alert, 0.0)
    for number in range(30):
        action = an_action(target=Scope("api_key", f"{number}{name}"[:256]))
        view, _ = view.with_action(Applied(action, is_enforced=bool(number % 2)))
    rendered = render(view)
    payload = {"text": text_of(rendered), "blocks": blocks_of(rendered)}
    assert SlackServer._problem(payload) is None
    without_links = [block["text"]["text"] for block in payload["blocks"][:-1] if "text" in block]
    for text in (payload["text"], *without_links):
        assert "<" not in text


def test_lines_that_do_not_fit_are_counted():
    view = IncidentView(INCIDENT)
    view, _ = view.with_alert(an_alert(), 0.0)
    for number in range(40):
        action = an_action(target=Scope("api_key", f"key-{number}"))
        view, _ = view.with_action(Applied(action, is_enforced=False))
    done = blocks_of(render(view))[4]["text"]["text"]
    found = re.search(r"… (\d+) more lines$", done)
    assert found is not None
    assert done.count("• key") + int(found.group(1)) == 40


def test_a_reply_is_escaped_as_well():
    assert reply_text("Also: <!here>") == "Also: &lt;!here&gt;"
    assert reply_blocks("a & b")[0]["text"]["text"] == "a &amp; b"
