"""Sends every transition to an HTTP endpoint, signed, one request a notice.

Body ``{"type": "alert.fired", "timestamp": …, "data": <alert as in spend.alerts>}``; a receiver
knows a repeat by ``webhook-id``. Retrying is ``alerting/notify/delivery.py``'s.

Sources: Standard Webhooks specification, spec/standard-webhooks.md (read 2026-11).
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import aiohttp
from standardwebhooks.webhooks import Webhook

from alerting.alert import alert_to_json
from alerting.notify.incident_view import IncidentView
from alerting.notify.notifier import Memory, Notice, Remember
from alerting.notify.retry import DeliveryError, FailureReason, failure_of_status, parse_retry_after
from alerting.notify.webhook.address import BlockedAddressError, GuardedResolver, is_blocked
from alerting.notify.webhook.config import WebhookConfig
from detectors.window import rfc3339


def body_of(notice: Notice) -> bytes:
    """The request's body: the same bytes on every attempt."""
    data: dict[str, Any]
    if notice.alert is None:
        kind, data = f"alerts.{notice.change.value}", {"text": notice.text, "count": notice.count}
        data["incident_id"] = notice.incident_id
    else:
        kind, data = f"alert.{notice.alert.transition.value}", alert_to_json(notice.alert)
    event = {"type": kind, "timestamp": rfc3339(notice.at), "data": data}
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


class WebhookNotifier:
    """An endpoint.

    Args:
        config: where, with which secrets.
        clock: wall clock, epoch seconds: a signature carries the time of its attempt.
        environ: where ``env:`` references are looked up; the process's own by default.

    Raises:
        SecretError: if a secret cannot be had or is none; nothing is retried, the start fails.
    """

    is_coalescing = False

    def __init__(
        self,
        config: WebhookConfig,
        *,
        clock: Callable[[], float],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._url = config.endpoint(environ)
        self._signers = [
            Webhook(config.signing_key(index, environ))
            for index in range(len(config.signing_secrets))
        ]
        self._session: aiohttp.ClientSession | None = None

    async def deliver(
        self,
        notices: tuple[Notice, ...],
        view: IncidentView | None,  # noqa: ARG002  a webhook gets transitions, not states
        memory: Memory,
        remember: Remember,
    ) -> None:
        """One POST a notice, oldest first; see ``Notifier``."""
        for notice in notices:
            if memory.get("notice_id") == notice.notice_id:
                continue
            await self._post(notice)
            await remember({"notice_id": notice.notice_id})

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, notice: Notice) -> None:
        body = body_of(notice)
        headers = self._headers(notice.notice_id, body)
        if self._is_blocked_literal():
            raise DeliveryError(FailureReason.BLOCKED_ADDRESS)
        try:
            async with self._open_session().post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as response:
                failure = self._failure_of(response)
        except TimeoutError:
            failure = DeliveryError(FailureReason.TIMEOUT)
        except aiohttp.ClientError as error:
            failure = DeliveryError(_reason_of(error), type(error).__name__)
        if failure is not None:  # raised out here, for the original has the URL in it
            raise failure

    def _failure_of(self, response: aiohttp.ClientResponse) -> DeliveryError | None:
        reason = failure_of_status(response.status)
        if reason is None:
            return None
        asked = parse_retry_after(response.headers.get("Retry-After"), self._clock())
        return DeliveryError(reason, str(response.status), asked)

    def _headers(self, notice_id: str, body: bytes) -> dict[str, str]:
        at = datetime.fromtimestamp(int(self._clock()), UTC)
        signatures = [signer.sign(notice_id, at, body.decode()) for signer in self._signers]
        return {
            "content-type": "application/json",
            "user-agent": "spendwatch",
            "webhook-id": notice_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    def _is_blocked_literal(self) -> bool:
        """Whether the URL names a blocked address itself: then no name is ever resolved."""
        host = self._url.host or ""
        try:
            ip_address(host)
        except ValueError:
            return False
        return is_blocked(host, self._config.allow_networks)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            resolver = GuardedResolver(
                aiohttp.ThreadedResolver(asyncio.get_running_loop()), self._config.allow_networks
            )
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=resolver),
                timeout=aiohttp.ClientTimeout(total=self._config.timeout_seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _reason_of(error: aiohttp.ClientError) -> FailureReason:
    if isinstance(getattr(error, "os_error", None), BlockedAddressError):
        return FailureReason.BLOCKED_ADDRESS
    is_wrong = isinstance(error, aiohttp.InvalidURL)
    return FailureReason.REJECTED if is_wrong else FailureReason.CONNECTION
