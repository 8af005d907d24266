import logging

import pytest
from aiohttp import ClientSession

from alerting.notify.retry import FailureReason
from alerting.notify.slack.config import SlackConfig
from alerting.notify.slack.incoming import SlackIncomingNotifier
from alerting.notify.slack.notifier import SlackNotifier
from alerting.notify.slack.transport import (
    REASON_OF_CODE,
    failure_of,
    open_session,
    proxy_of,
    quiet_logger,
)
from alerting.secret import SecretError

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://slack.com/api/", PROXY),
        ("http://127.0.0.1:8080/api/", None),
        ("http://localhost:8080/api/", None),
        ("http://[::1]/api/", None),
        ("https://slack.internal.example/api/", None),
        ("https://8.8.8.8/api/", PROXY),
    ],
)
def test_no_proxy_is_honoured_and_this_machine_needs_none(
    url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NO_PROXY", "internal.example")
    monkeypatch.delenv("no_proxy", raising=False)
    assert proxy_of(url, PROXY) == proxy


def test_the_logger_has_a_level_of_its_own():
    assert quiet_logger().level == logging.WARNING


async def test_the_session_has_the_time_out():
    session = open_session(7.0)
    assert isinstance(session, ClientSession)
    assert session.timeout.total == 7.0
    await session.close()


@pytest.mark.parametrize("code", sorted(REASON_OF_CODE))
def test_a_known_code_means_one_reason(code: str):
    assert failure_of(200, {}, code, 0.0).reason is REASON_OF_CODE[code]


def test_the_status_speaks_before_the_code():
    error = failure_of(503, {"Retry-After": "9"}, "invalid_auth", 0.0)
    assert error.reason is FailureReason.SERVER_ERROR
    assert error.retry_after_seconds == 9.0


def test_a_code_that_is_none_is_not_shown():
    assert str(failure_of(200, {}, "Bearer xoxb-1", 0.0)) == "invalid_response: 200 unknown"
    assert failure_of(200, {}, "brand_new_error", 0.0).reason is FailureReason.REJECTED


def test_each_way_refuses_the_other_way_s_settings():
    channel = SlackConfig.model_validate({"token": "env:T", "channel": "#spend"})
    incoming = SlackConfig.model_validate({"webhook_url": "env:HOOK"})
    with pytest.raises(SecretError, match="token and channel"):
        SlackNotifier(incoming, clock=float)
    with pytest.raises(SecretError, match="webhook_url"):
        SlackIncomingNotifier(channel, clock=float)


async def test_a_notifier_that_never_sent_can_be_closed():
    channel = SlackConfig.model_validate({"token": "env:T", "channel": "#spend"})
    await SlackNotifier(channel, clock=float, environ={"T": "xoxb"}).close()
    incoming = SlackConfig.model_validate({"webhook_url": "env:HOOK"})
    await SlackIncomingNotifier(incoming, clock=float, environ={"HOOK": "https://x"}).close()
