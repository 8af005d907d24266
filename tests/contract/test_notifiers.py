"""What every notifier must do, against a real HTTP server: one suite over all of them."""

import asyncio
import base64
import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from alerting.alert import Transition, alert_from_json
from alerting.notify.incident_view import Change, IncidentView
from alerting.notify.notifier import Memory, Notice, Notifier
from alerting.notify.registry import build_notifier
from alerting.notify.retry import DeliveryError, Disposition, FailureReason
from alerting.notify.route import ReceiverConfig
from alerting.secret import SecretError
from tests.support.alerts import INCIDENT, START, an_alert
from tests.support.slack_server import CHANNEL, HOOK_PATH, TOKEN, Fault, SlackServer

NOW = 1_795_341_700.0
SECRETS = ["whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)]
KINDS = ("slack", "slack_incoming", "webhook")


@dataclass
class Stand:
    """One notifier in front of the server, and what it asked to be remembered."""

    notifier: Notifier
    server: SlackServer
    memory: Memory
    remembered: list[Memory]

    async def tell(self, *notices: Notice, view: IncidentView | None = None) -> None:
        async def remember(memory: Memory) -> None:
            self.memory = memory
            self.remembered.append(memory)

        await self.notifier.deliver(notices, view or a_view(), dict(self.memory), remember)

    async def summarize(self, *notices: Notice) -> None:
        async def remember(memory: Memory) -> None:
            self.memory = memory

        await self.notifier.deliver(notices, None, dict(self.memory), remember)


def a_view(*transitions: Transition) -> IncidentView:
    view = IncidentView(INCIDENT)
    for minutes, transition in enumerate(transitions or (Transition.FIRED,)):
        is_contained = transition is Transition.CONTAINED
        alert = an_alert(transition, minutes=5 * minutes, is_contained=is_contained)
        view, _ = view.with_alert(alert, NOW)
    return view


def a_notice(change: Change = Change.FIRED, number: int = 1) -> Notice:
    return Notice(f"notice-{number}", INCIDENT, change, START + 90, an_alert())


def config_of(kind: str, url: str, **more: Any) -> ReceiverConfig:
    if kind == "webhook":
        secrets = ["env:SIGN_1", "env:SIGN_2"]
        webhook = {"url": f"{url}/in?token=url-secret-0001", "signing_secrets": secrets, **more}
        return ReceiverConfig.model_validate({"webhook": webhook})
    where = {"webhook_url": "env:HOOK"}
    if kind == "slack":
        where = {"token": "env:TOKEN", "channel": CHANNEL}
    slack = {**where, "base_url": f"{url}/api/", "min_interval_seconds": 0, **more}
    return ReceiverConfig.model_validate({"slack": slack})


def environ_of(url: str) -> dict[str, str]:
    hook = url + HOOK_PATH
    return {"TOKEN": TOKEN, "HOOK": hook, "SIGN_1": SECRETS[0], "SIGN_2": SECRETS[1]}


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    server = SlackServer()
    await server.start()
    yield server
    await server.stop()


Make = Callable[..., Stand]


@pytest.fixture
async def make(server: SlackServer) -> AsyncIterator[Make]:
    stands: list[Stand] = []

    def build(kind: str, **more: Any) -> Stand:
        url = more.pop("url", server.url)
        notifier = build_notifier(
            config_of(kind, url, **more), clock=lambda: NOW, environ=environ_of(url)
        )
        stands.append(Stand(notifier, server, {}, []))
        return stands[-1]

    yield build
    for stand in stands:
        await stand.notifier.close()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stand(kind: str, make: Make) -> Stand:
    return make(kind)


TABLE = [
    (301, FailureReason.REDIRECTED, Disposition.DROP),
    (400, FailureReason.REJECTED, Disposition.DROP),
    (401, FailureReason.UNAUTHORIZED, Disposition.DROP),
    (403, FailureReason.UNAUTHORIZED, Disposition.DROP),
    (404, FailureReason.NOT_FOUND, Disposition.DROP),
    (408, FailureReason.TIMEOUT, Disposition.RETRY),
    (410, FailureReason.GONE, Disposition.STOP),
    (413, FailureReason.REJECTED, Disposition.DROP),
    (425, FailureReason.SERVER_ERROR, Disposition.RETRY),
    (429, FailureReason.RATE_LIMITED, Disposition.RETRY),
    (500, FailureReason.SERVER_ERROR, Disposition.RETRY),
    (502, FailureReason.SERVER_ERROR, Disposition.RETRY),
    (503, FailureReason.SERVER_ERROR, Disposition.RETRY),
    (504, FailureReason.SERVER_ERROR, Disposition.RETRY),
]


@pytest.mark.parametrize(("status", "reason", "disposition"), TABLE)
async def test_a_status_has_one_meaning_for_every_notifier(
    stand: Stand, status: int, reason: FailureReason, disposition: Disposition
):
    stand.server.faults.append(Fault(status=status, text="secret_looking_text"))
    with pytest.raises(DeliveryError) as caught:
        await stand.tell(a_notice())
    assert (caught.value.reason, caught.value.disposition) == (reason, disposition)


async def test_retry_after_is_handed_on(stand: Stand):
    stand.server.faults.append(Fault(429, "ratelimited", {"Retry-After": "17"}))
    with pytest.raises(DeliveryError) as caught:
        await stand.tell(a_notice())
    assert caught.value.retry_after_seconds == 17.0


async def test_success_is_remembered_and_not_repeated(stand: Stand):
    notice = a_notice()
    await stand.tell(notice)
    asked = len(stand.server.requests)
    assert asked == 1
    await stand.tell(notice)
    assert len(stand.server.requests) == asked


async def test_after_a_failure_the_same_call_succeeds(stand: Stand):
    stand.server.faults.append(Fault(500, text="oops"))
    with pytest.raises(DeliveryError):
        await stand.tell(a_notice())
    await stand.tell(a_notice())
    assert stand.memory


async def test_a_server_that_never_answers_is_a_time_out(kind: str, make: Make):
    stand = make(kind, timeout_seconds=1)
    stand.server.faults.append(Fault(status=0))
    with pytest.raises(DeliveryError) as caught:
        await stand.tell(a_notice())
    assert caught.value.reason is FailureReason.TIMEOUT


async def test_a_closed_port_is_a_connection_failure(kind: str, make: Make):
    with pytest.raises(DeliveryError) as caught:
        await make(kind, url="http://127.0.0.1:1").tell(a_notice())
    assert caught.value.reason is FailureReason.CONNECTION


@pytest.mark.parametrize(
    "fault",
    [Fault(500, text="x"), Fault(401, text="x"), Fault(200, "invalid_auth"), Fault(status=0)],
    ids=["500", "401", "not_ok", "hangs"],
)
async def test_no_secret_is_in_an_error_a_log_or_a_repr(
    kind: str, make: Make, fault: Fault, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    stand = make(kind, timeout_seconds=1)
    stand.server.faults.append(fault)
    texts = [repr(config_of(kind, stand.server.url)), str(config_of(kind, stand.server.url))]
    texts.append(config_of(kind, stand.server.url).model_dump_json())
    if kind != "slack" and fault.status == 200:
        await stand.tell(a_notice())  # only the Web API says no with 200
    else:
        with pytest.raises(DeliveryError) as caught:
            await stand.tell(a_notice())
        error = caught.value
        assert error.__context__ is None
        texts += [str(error), repr(error), "".join(traceback.format_exception(error))]
    texts += [repr(stand.notifier), caplog.text, json.dumps(stand.remembered)]
    for secret in (TOKEN, *SECRETS, "hook-secret-0001", "url-secret-0001"):
        assert not [text for text in texts if secret in text]


async def test_a_summary_is_told_once(stand: Stand):
    summary = Notice("s-1", "s-1", Change.CAUGHT_UP, START, None, "2 <!here> were over", 2)
    await stand.summarize(summary)
    await stand.summarize(summary)
    (request,) = stand.server.requests
    body = json.loads(request[2])
    if stand.notifier.is_coalescing:
        assert body["text"] == "2 &lt;!here&gt; were over"
    else:
        data = {"text": "2 <!here> were over", "count": 2, "incident_id": "s-1"}
        at = "2026-11-22T10:00:00Z"
        assert body == {"type": "alerts.caught_up", "timestamp": at, "data": data}


async def test_a_missing_secret_fails_at_the_start_and_names_the_fix(kind: str):
    with pytest.raises(SecretError, match="set the environment variable"):
        build_notifier(config_of(kind, "http://x"), clock=lambda: NOW, environ={})


# Slack alone


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ratelimited", FailureReason.RATE_LIMITED),
        ("internal_error", FailureReason.SERVER_ERROR),
        ("invalid_auth", FailureReason.UNAUTHORIZED),
        ("not_in_channel", FailureReason.UNAUTHORIZED),
        ("channel_not_found", FailureReason.NOT_FOUND),
        ("is_archived", FailureReason.NOT_FOUND),
        ("msg_too_long", FailureReason.REJECTED),
        ("Weird: xoxb-token", FailureReason.INVALID_RESPONSE),
    ],
)
async def test_slack_says_no_with_status_200(make: Make, code: str, reason: FailureReason):
    stand = make("slack")
    stand.server.faults.append(Fault(200, code))
    with pytest.raises(DeliveryError) as caught:
        await stand.tell(a_notice())
    assert caught.value.reason is reason
    assert "xoxb" not in str(caught.value)


@pytest.mark.parametrize("text", ["plain words", "{not json"])
async def test_an_answer_that_is_not_slack_s_is_tried_again(make: Make, text: str):
    stand = make("slack")
    stand.server.faults.append(Fault(200, text=text))
    with pytest.raises(DeliveryError) as caught:
        await stand.tell(a_notice())
    assert caught.value.disposition is Disposition.RETRY


async def test_json_that_does_not_read_is_tried_again(make: Make):
    stand = make("slack")
    fault = Fault(200, text="{not json", headers={"Content-Type": "application/json"})
    stand.server.faults.append(fault)
    with pytest.raises(DeliveryError) as caught:
        await stand.tell(a_notice())
    assert caught.value.disposition is Disposition.RETRY


async def test_a_deleted_message_is_not_posted_again_for_an_update_alone(make: Make):
    stand = make("slack")
    await stand.tell(a_notice())
    stand.server.messages.clear()
    await stand.tell(a_notice(Change.UPDATED, 2), view=a_view(Transition.FIRED, Transition.UPDATED))
    assert stand.server.messages == {}
    await stand.tell(
        a_notice(Change.CONTAINED, 3), view=a_view(Transition.FIRED, Transition.CONTAINED)
    )
    (root,) = stand.server.roots
    assert root.text.startswith(":lock:")


async def test_another_failure_of_an_update_is_a_failure(make: Make):
    stand = make("slack")
    await stand.tell(a_notice())
    stand.server.faults.append(Fault(200, "is_archived"))
    with pytest.raises(DeliveryError):
        await stand.tell(
            a_notice(Change.UPDATED, 2), view=a_view(Transition.FIRED, Transition.UPDATED)
        )


async def test_a_channel_by_name_works_and_its_id_is_learned(make: Make):
    stand = make("slack", channel="#spend")
    await stand.tell(a_notice())
    assert stand.memory["channel"] == CHANNEL
    await stand.tell(a_notice(Change.UPDATED, 2), view=a_view(Transition.FIRED, Transition.UPDATED))
    assert stand.server.roots[0].versions == 2


async def test_a_channel_by_name_cannot_be_searched_before_its_id_is_known(make: Make):
    stand = make("slack", channel="#spend")
    stand.server.faults.append(Fault(500, text="x", is_applied=True))
    with pytest.raises(DeliveryError):
        await stand.tell(a_notice())
    await stand.tell(a_notice())
    assert "/api/conversations.history" not in stand.server.paths()


async def test_a_search_that_is_limited_is_waited_for(make: Make):
    stand = make("slack")
    stand.server.faults.append(Fault(500, text="x", is_applied=True))
    with pytest.raises(DeliveryError):
        await stand.tell(a_notice())
    stand.server.faults.append(Fault(429, "ratelimited"))
    with pytest.raises(DeliveryError):
        await stand.tell(a_notice())
    await stand.tell(a_notice())
    assert len(stand.server.roots) == 1


async def test_a_search_that_finds_nothing_posts(make: Make):
    stand = make("slack")
    stand.server.faults.append(Fault(500, text="x"))
    with pytest.raises(DeliveryError):
        await stand.tell(a_notice())
    await stand.tell(a_notice())
    assert len(stand.server.roots) == 1


async def test_posts_keep_their_distance(server: SlackServer):
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    config = config_of("slack", server.url, min_interval_seconds=1.0)
    notifier = build_notifier(
        config, clock=lambda: NOW, sleep=sleep, environ=environ_of(server.url)
    )
    stand = Stand(notifier, server, {}, [])
    await stand.tell(a_notice())
    await stand.tell(
        a_notice(Change.CONTAINED, 2), view=a_view(Transition.FIRED, Transition.CONTAINED)
    )
    await notifier.close()
    assert slept == [1.0]


async def test_an_incoming_webhook_posts_the_start_and_the_end_and_nothing_between(make: Make):
    stand = make("slack_incoming")
    await stand.tell(a_notice())
    await stand.tell(a_notice(Change.UPDATED, 2))
    await stand.tell(a_notice(Change.MEMBER, 3))
    over = a_view(Transition.FIRED, Transition.RESOLVED)
    await stand.tell(a_notice(Change.RESOLVED, 4), view=over)
    assert [payload["text"].split(" ")[0] for payload in stand.server.posted] == [
        ":rotating_light:",
        ":white_check_mark:",
    ]
    unfurled = [(each["unfurl_links"], each["unfurl_media"]) for each in stand.server.posted]
    assert unfurled == [(False, False)] * 2


# Webhooks alone


async def test_a_webhook_is_signed_by_both_secrets_and_carries_the_alert(make: Make):
    stand = make("webhook")
    notice = Notice("notice-1", INCIDENT, Change.FIRED, START + 90, an_alert())
    await stand.tell(notice)
    ((path, headers, body),) = stand.server.requests
    assert path == "/in"
    assert headers["webhook-id"] == "notice-1"
    assert headers["webhook-timestamp"] == str(int(NOW))
    event = json.loads(body)
    assert event["type"] == "alert.fired"
    assert event["timestamp"] == "2026-11-22T10:01:30Z"
    assert alert_from_json(event["data"]) == an_alert()
    first, second = headers["webhook-signature"].split(" ")
    at = datetime.fromtimestamp(NOW, UTC)
    assert first == Webhook(SECRETS[0]).sign("notice-1", at, body.decode())
    assert second == Webhook(SECRETS[1]).sign("notice-1", at, body.decode())


async def test_several_notices_are_one_request_each_and_a_retry_goes_on_where_it_stopped(
    make: Make,
):
    stand = make("webhook")
    notices = (a_notice(number=1), a_notice(Change.UPDATED, 2))
    await stand.tell(notices[0])
    await stand.tell(*notices)
    ids = [headers["webhook-id"] for _, headers, _ in stand.server.requests]
    assert ids == ["notice-1", "notice-2"]


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[fe80::1]"],
)
async def test_a_metadata_address_is_never_called(make: Make, host: str):
    stand = make("webhook", url=f"http://{host}")
    with pytest.raises(DeliveryError) as caught:
        await stand.tell(a_notice())
    assert caught.value.reason is FailureReason.BLOCKED_ADDRESS
    assert caught.value.disposition is Disposition.DROP


async def test_a_name_that_leads_to_a_metadata_address_is_never_called(
    make: Make, monkeypatch: pytest.MonkeyPatch
):
    async def resolve(*arguments: Any) -> list[dict[str, Any]]:
        found = {"hostname": "x", "port": 80, "family": 2, "proto": 0, "flags": 0}
        return [{**found, "host": "127.0.0.1"}, {**found, "host": "169.254.169.254"}]

    monkeypatch.setattr("aiohttp.ThreadedResolver.resolve", resolve)
    with pytest.raises(DeliveryError) as caught:
        await make("webhook", url="http://innocent.example").tell(a_notice())
    assert caught.value.reason is FailureReason.BLOCKED_ADDRESS


async def test_an_allowed_network_is_called(make: Make, monkeypatch: pytest.MonkeyPatch):
    stand = make("webhook", url="http://169.254.169.254", allow_networks=["169.254.0.0/16"])

    async def refuse(*arguments: Any, **keywords: Any) -> None:
        raise OSError("no such network here")

    monkeypatch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", refuse)
    with pytest.raises(DeliveryError) as caught:
        await stand.tell(a_notice())
    assert caught.value.reason is FailureReason.CONNECTION


async def test_an_address_in_digits_is_no_url(make: Make):
    with pytest.raises(DeliveryError) as caught:
        await make("webhook", url="http://2852039166").tell(a_notice())
    assert caught.value.reason is FailureReason.REJECTED


async def test_a_redirect_is_not_followed(make: Make):
    stand = make("webhook")
    stand.server.faults.append(Fault(307, text="", headers={"Location": "/elsewhere"}))
    with pytest.raises(DeliveryError):
        await stand.tell(a_notice())
    assert stand.server.paths() == ["/in"]


@pytest.mark.parametrize(
    "secret",
    ["whsec_!!!", "whsec_AAAAA", "whsec_é", "whsec_" + base64.b64encode(b"short").decode()],
)
def test_a_secret_that_is_none_fails_at_the_start_without_being_shown(secret: str):
    environ = {"SIGN_1": secret, "SIGN_2": SECRETS[1]}
    with pytest.raises(SecretError) as caught:
        build_notifier(config_of("webhook", "http://x"), clock=lambda: NOW, environ=environ)
    assert secret not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://[1"])
def test_a_url_that_is_none_fails_at_the_start_without_being_shown(url: str):
    webhook = {"url": "env:URL", "signing_secrets": ["env:SIGN_1"]}
    config = ReceiverConfig.model_validate({"webhook": webhook})
    environ = {"URL": url, "SIGN_1": SECRETS[0]}
    with pytest.raises(SecretError) as caught:
        build_notifier(config, clock=lambda: NOW, environ=environ)
    assert url not in str(caught.value)


def test_an_incoming_webhook_that_is_no_url_fails_at_the_start_without_being_shown():
    with pytest.raises(SecretError, match="no URL") as caught:
        build_notifier(
            config_of("slack_incoming", "http://x"),
            clock=lambda: NOW,
            environ={"HOOK": "T000/B000/hook-secret-0001"},
        )
    assert "hook-secret" not in str(caught.value)
