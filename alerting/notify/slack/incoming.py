"""Slack by incoming-webhook URL: simpler to set up, and it cannot update what it has posted.

So only what must be noticed is posted: the start of an incident, that it got worse, still fires,
was contained, is over. An answer that was lost makes one message come twice; Slack gives nothing to
find it by.
"""

from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from slack_sdk.webhook.async_client import AsyncWebhookClient

from alerting.notify.incident_view import Change, IncidentView
from alerting.notify.notifier import Memory, Notice, Remember
from alerting.notify.render import render
from alerting.notify.slack.blocks import blocks_of, reply_blocks, reply_text, text_of
from alerting.notify.slack.config import SlackConfig
from alerting.notify.slack.transport import (
    asked,
    failure_of,
    open_session,
    proxy_of,
    quiet_logger,
)

POSTED = frozenset(
    {
        Change.ESCALATED,
        Change.REOPENED,
        Change.REMINDED,
        Change.CONTAINED,
        Change.NOT_ACTED,
        Change.MERGED,
        Change.RESOLVED,
    }
)
"""What is posted after the first message."""


class SlackIncomingNotifier:
    """A channel, by incoming webhook.

    Args:
        config: with ``webhook_url``.
        clock: wall clock, epoch seconds.
        environ: where ``env:`` references are looked up; the process's own by default.

    Raises:
        SecretError: if the URL cannot be had or is none.
    """

    is_coalescing = True

    def __init__(
        self,
        config: SlackConfig,
        *,
        clock: Callable[[], float],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._timeout_seconds = config.timeout_seconds
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        url = config.incoming_url(environ)
        self._hook = AsyncWebhookClient(url, logger=quiet_logger(), retry_handlers=[])
        self._hook.proxy = proxy_of(url, self._hook.proxy)

    async def deliver(
        self,
        notices: tuple[Notice, ...],
        view: IncidentView | None,
        memory: Memory,
        remember: Remember,
    ) -> None:
        """Posts what must be noticed; see ``Notifier``."""
        last = notices[-1]
        posted = memory.get("posted", "")
        if posted == last.notice_id:
            return
        if posted and not any(notice.change in POSTED for notice in notices):
            return
        if view is None:
            await self._post(reply_text(last.text), reply_blocks(last.text))
        else:
            rendered = render(view)
            await self._post(text_of(rendered), blocks_of(rendered))
        await remember({"posted": last.notice_id})

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, text: str, blocks: list[dict[str, Any]]) -> None:
        if self._session is None:
            self._session = self._hook.session = open_session(self._timeout_seconds)
        now = self._clock()
        # Producers choose where links lead, and Slack would fetch and show what is there.
        sent = self._hook.send(text=text, blocks=blocks, unfurl_links=False, unfurl_media=False)
        answer = await asked(sent, now)
        if answer.status_code != 200:  # noqa: PLR2004  Slack's only success
            raise failure_of(answer.status_code, answer.headers, answer.body.strip(), now)
