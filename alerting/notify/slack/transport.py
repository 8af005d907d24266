"""What both ways to Slack share: a session with a time-out, a quiet logger, and what errors mean.

slack_sdk puts tokens and URLs into its exceptions and debug lines. Nothing of either leaves this
package: failures become ``DeliveryError`` with a reason and Slack's own error code.

Sources: docs.slack.dev/reference/methods/chat.postMessage, chat.update (error codes),
docs.slack.dev/apis/web-api/rate-limits; read 2026-11.
"""

import ipaddress
import logging
import re
import urllib.request
from collections.abc import Awaitable
from typing import Any, TypeVar

import aiohttp
from slack_sdk.errors import SlackApiError
from yarl import URL

from alerting.notify.retry import DeliveryError, FailureReason, failure_of_status, parse_retry_after

Answer = TypeVar("Answer")

REASON_OF_CODE = {
    "ratelimited": FailureReason.RATE_LIMITED,
    "rate_limited": FailureReason.RATE_LIMITED,
    "internal_error": FailureReason.SERVER_ERROR,
    "fatal_error": FailureReason.SERVER_ERROR,
    "service_unavailable": FailureReason.SERVER_ERROR,
    "team_added_to_org": FailureReason.SERVER_ERROR,
    "request_timeout": FailureReason.TIMEOUT,
    "invalid_auth": FailureReason.UNAUTHORIZED,
    "not_authed": FailureReason.UNAUTHORIZED,
    "account_inactive": FailureReason.UNAUTHORIZED,
    "token_expired": FailureReason.UNAUTHORIZED,
    "token_revoked": FailureReason.UNAUTHORIZED,
    "missing_scope": FailureReason.UNAUTHORIZED,
    "no_permission": FailureReason.UNAUTHORIZED,
    "not_in_channel": FailureReason.UNAUTHORIZED,
    "channel_not_found": FailureReason.NOT_FOUND,
    "is_archived": FailureReason.NOT_FOUND,
    "message_not_found": FailureReason.NOT_FOUND,
    "thread_not_found": FailureReason.NOT_FOUND,
}
"""Slack's error codes; any other is ``rejected``: the request itself is wrong."""

_CODE = re.compile(r"[a-z_]{1,64}")


def quiet_logger() -> logging.Logger:
    """A logger of our own above debug: slack_sdk's debug lines show webhook URLs.

    It must have a level itself, because slack_sdk asks for ``logger.level`` and takes "not set" for
    debug.
    """
    return logging.Logger("spendwatch.slack", logging.WARNING)  # noqa: LOG001  no level is inherited


def open_session(timeout_seconds: float) -> aiohttp.ClientSession:
    """A session; slack_sdk does not apply its own time-out to one that it is given."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_seconds), cookie_jar=aiohttp.DummyCookieJar()
    )


def proxy_of(url: str, proxy: str | None) -> str | None:
    """The proxy to use for a URL: slack_sdk takes HTTPS_PROXY and ignores NO_PROXY."""
    host = URL(url).host or ""
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    return None if is_loopback or urllib.request.proxy_bypass(host) else proxy


def failure_of(status: int, headers: Any, code: str, now: float) -> DeliveryError:
    """What an answer that is no success means.

    Args:
        status: HTTP status; Slack says 200 for most failures.
        headers: of the answer.
        code: Slack's error code, or whatever stood in its place.
        now: wall clock, epoch seconds.
    """
    known = code if _CODE.fullmatch(code) else "unknown"
    reason = failure_of_status(status) or REASON_OF_CODE.get(known)
    if reason is None:
        is_answer = known != "unknown"
        reason = FailureReason.REJECTED if is_answer else FailureReason.INVALID_RESPONSE
    retry_after = parse_retry_after(headers.get("Retry-After"), now)
    return DeliveryError(reason, f"{status} {known}", retry_after)


async def asked(request: Awaitable[Answer], now: float) -> Answer:
    """The answer to a request.

    Raises:
        DeliveryError: if it failed; without the original as context, for that holds the token.
    """
    try:
        return await request
    except SlackApiError as error:
        answer = error.response
        data = getattr(answer, "data", None)
        code = data.get("error", "unknown") if isinstance(data, dict) else "unknown"
        status = getattr(answer, "status_code", 200)
        failure = failure_of(status, getattr(answer, "headers", {}), str(code), now)
    except TimeoutError:
        failure = DeliveryError(FailureReason.TIMEOUT)
    except aiohttp.ClientError as error:
        failure = DeliveryError(FailureReason.CONNECTION, type(error).__name__)
    except AttributeError:  # slack_sdk reads a text/plain answer as if it were an object
        failure = DeliveryError(FailureReason.INVALID_RESPONSE, "200 unknown")
    raise failure
