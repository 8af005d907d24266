"""The stand-in Slack, asked by the real client library, and what it shows."""

import io

import pytest
from aiohttp.test_utils import TestServer
from rich.console import Console
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from deploy.demo.slack import Slack, make_app, mrkdwn, shower

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*invoice-bot* spends"}}


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100, color_system=None)


@pytest.fixture
def slack(console):
    workspace = Slack(shower(console, lambda: workspace), clock=lambda: 1_790_000_000.0)
    return workspace


@pytest.fixture
async def server(slack):
    async with TestServer(make_app(slack)) as found:
        yield found


@pytest.fixture
def web(server):
    return AsyncWebClient(token="xoxb-demo", base_url=str(server.make_url("/api/")))


def shown(console):
    return console.file.getvalue()


async def test_a_message_is_posted_edited_and_answered(web, console):
    posted = await web.chat_postMessage(channel="#spend", text="fallback", blocks=[SECTION])
    await web.chat_update(
        channel=posted["channel"], ts=posted["ts"], text="now contained", blocks=[]
    )
    await web.chat_postMessage(channel="#spend", text="key-7 is blocked", thread_ts=posted["ts"])
    first, second = shown(console).split("╭")[1:]
    assert "invoice-bot spends" in first
    assert "fallback" not in first
    assert first.count("edited, now: now contained") == 1
    assert "key-7 is blocked" in second
    assert "\n    ↳ in the thread of: now contained" in shown(console)
    assert "\n    │ key-7 is blocked" in second


async def test_an_edit_that_says_the_same_in_its_first_line_is_not_shown_again(web, console):
    posted = await web.chat_postMessage(channel="#spend", text="one", blocks=[SECTION])
    for blocks in ([], [SECTION]):
        await web.chat_update(channel=posted["channel"], ts=posted["ts"], text="one", blocks=blocks)
    assert "edited" not in shown(console)


async def test_what_was_posted_can_be_found_again(web):
    root = await web.chat_postMessage(
        channel="#spend",
        text="root",
        metadata={"event_type": "spendwatch", "event_payload": {"key": "in-1"}},
    )
    reply = await web.chat_postMessage(channel="#spend", text="reply", thread_ts=root["ts"])
    await web.chat_postMessage(channel="#other", text="elsewhere")
    history = await web.conversations_history(channel="#spend", oldest="0", limit=10)
    assert [message["ts"] for message in history["messages"]] == [root["ts"]]
    assert history["messages"][0]["metadata"]["event_payload"] == {"key": "in-1"}
    replies = await web.conversations_replies(channel="#spend", ts=root["ts"])
    assert [message["ts"] for message in replies["messages"]] == [root["ts"], reply["ts"]]


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": "x", "blocks": [SECTION] * 51}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "poem"}]}, "invalid_blocks"),
        (
            {"text": "x", "blocks": [{"type": "section", "text": {"text": "x" * 3_001}}]},
            "invalid_blocks",
        ),
        (
            {"text": "x", "blocks": [{"type": "header", "text": {"text": "x" * 151}}]},
            "invalid_blocks",
        ),
        (
            {"text": "x", "blocks": [{"type": "section", "text": {"text": "x" * 2_900}}] * 5},
            "msg_blocks_too_long",
        ),
        ({"text": "x", "thread_ts": "1.000001"}, "thread_not_found"),
        ({"text": "x", "channel": ""}, "channel_not_found"),
    ],
)
async def test_what_slack_refuses_is_refused(web, console, sent, error):
    with pytest.raises(SlackApiError) as refused:
        await web.chat_postMessage(**({"channel": "#spend"} | sent))
    assert refused.value.response["error"] == error
    assert shown(console) == ""


async def test_an_unknown_message_cannot_be_edited(web):
    with pytest.raises(SlackApiError, match="message_not_found"):
        await web.chat_update(channel="#spend", ts="1.000001", text="x")


async def test_without_a_token_nothing_is_posted(server, console):
    with pytest.raises(SlackApiError, match="not_authed"):
        await AsyncWebClient(base_url=str(server.make_url("/api/"))).chat_postMessage(
            channel="#spend", text="x"
        )
    assert shown(console) == ""


async def test_an_incoming_webhook_shows_its_message(server, console):
    hook = AsyncWebhookClient(str(server.make_url("/services/T0/B0/secret")))
    answer = await hook.send(text="x", blocks=[SECTION])
    assert (answer.status_code, answer.body) == (200, "ok")
    assert "invoice-bot spends" in shown(console)
    refused = await hook.send(text="")
    assert (refused.status_code, refused.body) == (400, "no_text")


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("*bold* and _italic_ and ~gone~ and `code`", "bold and italic and gone and code"),
        ("*bold with `code`*", "bold with code"),
        ("invoice_bot_7 2*3*4", "invoice_bot_7 2*3*4"),
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("<https://x.example/y|Runbook>", "Runbook"),
        ("<https://x.example/y>", "https://x.example/y"),
        ("<!date^1790000000^{date_short_pretty} {time}|then>", "Sep 21 14:13 UTC"),
        ("<!channel> look", "@channel look"),
        (":warning: [bold]not markup[/bold]", "⚠ [bold]not markup[/bold]"),
    ],
)
def test_slack_markup_is_shown_as_slack_shows_it(source, plain):
    assert mrkdwn(source).plain == plain


async def test_every_kind_of_block_is_shown(web, console):
    await web.chat_postMessage(
        channel="#spend",
        text="x",
        blocks=[
            {"type": "header", "text": {"type": "plain_text", "text": "Head :lock:"}},
            {"type": "divider"},
            {
                "type": "section",
                "fields": [{"type": "mrkdwn", "text": f"*Field {n}*\n${n}"} for n in range(3)],
            },
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "small print"}]},
            {
                "type": "actions",
                "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Approve"}}],
            },
        ],
    )
    for words in ("Head 🔒", "───", "Field 0", "$2", "small print", "Approve"):
        assert words in shown(console)
    line = next(line for line in shown(console).splitlines() if "Field 0" in line)
    assert "Field 1" in line
