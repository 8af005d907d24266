"""One Slack message per incident: posted once, updated in place, with replies for what matters.

After a crash or a time-out in the middle of a post nobody knows whether Slack has it. So the
intention is remembered before, the message carries the incident in its metadata, and the next
attempt first looks for it (scope ``channels:history``; without it the message may come twice, as
at-least-once says). Retrying is ``alerting/notify/delivery.py``'s.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from alerting.notify.incident_view import QUIET, IncidentView
from alerting.notify.notifier import Memory, Notice, Remember
from alerting.notify.render import render, sentence
from alerting.notify.retry import DeliveryError, FailureReason
from alerting.notify.slack.blocks import blocks_of, reply_blocks, reply_text, text_of
from alerting.notify.slack.config import SlackConfig
from alerting.notify.slack.transport import asked, open_session, proxy_of, quiet_logger

EVENT_TYPE = "spendwatch_notice"
"""Metadata event type of our messages."""

MAX_REPLIES_REMEMBERED = 64

_CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{6,}")
_SEARCHED_BEFORE_SECONDS = 60
_SEARCHED_MESSAGES = 200

_LOST = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
"""The message is gone or closed: there is nothing to update any more."""

_DEFINITE = frozenset(
    {
        FailureReason.RATE_LIMITED,
        FailureReason.UNAUTHORIZED,
        FailureReason.NOT_FOUND,
        FailureReason.REJECTED,
    }
)
"""Failures after which the message is certainly not there."""


class SlackNotifier:
    """A channel, by bot token.

    Args:
        config: with ``token`` and ``channel``.
        clock: wall clock, epoch seconds.
        sleep: waits between two posts.
        environ: where ``env:`` references are looked up; the process's own by default.

    Raises:
        SecretError: if the token cannot be had or is none.
    """

    is_coalescing = True

    def __init__(
        self,
        config: SlackConfig,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        token = config.bot_token(environ)
        self._config = config
        self._channel = config.channel or ""  # who has a token has a channel
        self._channel_id = self._channel if _CHANNEL_ID.fullmatch(self._channel) else None
        self._clock = clock
        self._sleep = sleep
        self._next_post_at = 0.0
        self._session: aiohttp.ClientSession | None = None
        self._web = AsyncWebClient(
            token=token,
            base_url=config.base_url,
            timeout=config.timeout_seconds,
            logger=quiet_logger(),
            retry_handlers=[],
        )
        self._web.proxy = proxy_of(config.base_url, self._web.proxy)

    async def deliver(
        self,
        notices: tuple[Notice, ...],
        view: IncidentView | None,
        memory: Memory,
        remember: Remember,
    ) -> None:
        """Posts, or updates and replies; see ``Notifier``."""
        if self._session is None:
            self._session = self._web.session = open_session(self._config.timeout_seconds)
        if view is None:
            text = notices[-1].text
            if "ts" not in memory:
                await self._post_root(
                    notices[-1], reply_text(text), reply_blocks(text), memory, remember
                )
            return
        rendered = render(view)
        text, blocks = text_of(rendered), blocks_of(rendered)
        if "ts" in memory:
            memory = await self._update(text, blocks, memory, remember)
        if "ts" not in memory:
            if memory.get("lost") and all(notice.change in QUIET for notice in notices):
                return
            await self._post_root(notices[-1], text, blocks, memory, remember)
            return
        for notice in notices:
            if notice.change not in QUIET:
                memory = await self._reply(notice, sentence(notice, view), memory, remember)

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    async def _post_root(
        self,
        notice: Notice,
        text: str,
        blocks: list[dict[str, Any]],
        memory: Memory,
        remember: Remember,
    ) -> None:
        key = notice.incident_id
        found = await self._find_root(key, memory)
        if found is None:
            posting = {"posting": str(int(self._clock()))}
            await remember(posting)
            found = await self._post(key, {}, text, blocks, memory={}, remember=remember)
        await remember({**found, "digest": _digest(text, blocks), "replies": notice.notice_id})

    async def _update(
        self, text: str, blocks: list[dict[str, Any]], memory: Memory, remember: Remember
    ) -> Memory:
        """The message shows the present state; memory without ``ts`` if it is gone."""
        digest = _digest(text, blocks)
        if memory["digest"] == digest:
            return memory
        try:
            await asked(
                self._web.chat_update(
                    channel=memory["channel"],
                    ts=memory["ts"],
                    text=text,
                    blocks=blocks,
                    parse="none",
                    link_names=False,
                ),
                self._clock(),
            )
        except DeliveryError as error:
            if error.detail.split(" ")[-1] not in _LOST:
                raise
            memory = {"lost": memory["ts"]}
        else:
            memory = {**memory, "digest": digest}
        await remember(memory)
        return memory

    async def _reply(self, notice: Notice, text: str, memory: Memory, remember: Remember) -> Memory:
        replies = memory["replies"].split(" ")
        if notice.notice_id in replies:
            return memory
        found = await self._find_reply(notice.notice_id, memory)
        if found is None:
            await remember({**memory, "replying": notice.notice_id})
            thread = {
                "thread_ts": memory["ts"],
                "reply_broadcast": notice.change in self._config.broadcast,
            }
            await self._post(
                notice.notice_id,
                thread,
                reply_text(text),
                reply_blocks(text),
                memory=memory,
                remember=remember,
            )
        kept = [*replies, notice.notice_id][-MAX_REPLIES_REMEMBERED:]
        memory = {**memory, "replies": " ".join(kept)}
        memory.pop("replying", None)
        await remember(memory)
        return memory

    async def _post(
        self,
        key: str,
        thread: dict[str, Any],
        text: str,
        blocks: list[dict[str, Any]],
        *,
        memory: Memory,
        remember: Remember,
    ) -> Memory:
        """Posts; where Slack surely has not taken it, the intention is forgotten again."""
        wait = min(self._next_post_at - self._clock(), self._config.min_interval_seconds)
        if wait > 0:
            await self._sleep(wait)
        self._next_post_at = self._clock() + self._config.min_interval_seconds
        try:
            answer = await asked(
                self._web.chat_postMessage(
                    channel=self._channel,
                    text=text,
                    blocks=blocks,
                    parse="none",
                    link_names=False,
                    unfurl_links=False,
                    unfurl_media=False,
                    metadata={"event_type": EVENT_TYPE, "event_payload": {"key": key}},
                    **thread,
                ),
                self._clock(),
            )
        except DeliveryError as error:
            if error.reason in _DEFINITE:
                await remember(memory)
            raise
        self._channel_id = str(answer["channel"])
        return {"channel": self._channel_id, "ts": str(answer["ts"])}

    async def _find_root(self, key: str, memory: Memory) -> Memory | None:
        """Our message, if an earlier attempt got through without our hearing of it."""
        channel = self._channel_id
        if "posting" not in memory or channel is None:
            return None
        oldest = str(int(memory["posting"]) - _SEARCHED_BEFORE_SECONDS)
        ts = await self._find(
            key,
            self._web.conversations_history(
                channel=channel,
                oldest=oldest,
                limit=_SEARCHED_MESSAGES,
                include_all_metadata=True,
            ),
        )
        return None if ts is None else {"channel": channel, "ts": ts}

    async def _find_reply(self, key: str, memory: Memory) -> str | None:
        if memory.get("replying") != key:
            return None
        return await self._find(
            key,
            self._web.conversations_replies(
                channel=memory["channel"],
                ts=memory["ts"],
                limit=_SEARCHED_MESSAGES,
                include_all_metadata=True,
            ),
        )

    async def _find(self, key: str, request: Awaitable[Any]) -> str | None:
        try:
            answer = await asked(request, self._clock())
        except DeliveryError as error:
            if error.reason is FailureReason.RATE_LIMITED or error.reason not in _DEFINITE:
                raise
            return None  # may not look (missing_scope): better twice than never
        return _ts_of(key, answer.get("messages", ()))


def _ts_of(key: str, messages: Iterable[Mapping[str, Any]]) -> str | None:
    for message in messages:
        if message.get("metadata", {}).get("event_payload", {}).get("key") == key:
            return str(message["ts"])
    return None


def _digest(text: str, blocks: list[dict[str, Any]]) -> str:
    return sha256(json.dumps([text, blocks]).encode()).hexdigest()[:16]
