"""A stand-in for Slack: its Web API as far as spendwatch uses it, and messages in the terminal.

Prints every message as a person would see it, refuses what Slack would refuse, and keeps the
channel in memory. This file must not import spendwatch.
"""

import argparse
import asyncio
import itertools
import json
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from rich.console import Console, Group, RenderableType
from rich.emoji import Emoji
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

_MOST_BLOCKS = 50
_MOST_SECTION = 3_000
_MOST_HEADER = 150
_MOST_TEXT = 40_000
_MOST_PAYLOAD = 13_200
# Sources: docs.slack.dev/reference/block-kit; for the last, slackapi/bolt-js issue 2509; 2026-11.

_REPLY_INDENT = 4
_FIELD_COLUMNS = 2
_SPAN = re.compile(r"<([^<>]*)>|`([^`\n]+)`|(?<!\w)(?:\*([^*\n]+)\*|_([^_\n]+)_|~([^~\n]+)~)(?!\w)")
_DATE = re.compile(r"!date\^(\d+)\^[^|]*\|?(.*)")


@dataclass(slots=True)
class Message:
    """One message of a channel.

    Attributes:
        ts: Slack's id of it, seconds with six decimals.
        channel: where it is.
        text: what a phone shows.
        blocks: what is shown instead, where there are any.
        thread_ts: the message it answers, if it is a reply.
        is_broadcast: a reply that is shown in the channel too.
        is_edited: whether it was changed.
        metadata: as sent.
    """

    ts: str
    channel: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str | None = None
    is_broadcast: bool = False
    is_edited: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As ``conversations.history`` lists it."""
        found = {"type": "message", "ts": self.ts, "text": self.text, "blocks": self.blocks}
        if self.thread_ts is not None:
            found["thread_ts"] = self.thread_ts
        return {**found, "metadata": self.metadata}


class SlackError(Exception):
    """What Slack answers with ``ok: false``; the text is its error code."""


class Slack:
    """A workspace in memory that shows each message as it comes.

    Args:
        show: called with every message posted or edited.
        clock: wall clock, epoch seconds.

    Attributes:
        messages: by ts, in the order of posting.
    """

    def __init__(
        self, show: Callable[[Message], None], *, clock: Callable[[], float] = time.time
    ) -> None:
        self.messages: dict[str, Message] = {}
        self._show = show
        self._clock = clock
        self._numbers = itertools.count(1)

    def post(self, sent: Mapping[str, Any]) -> Message:
        """``chat.postMessage``.

        Raises:
            SlackError: as Slack would.
        """
        channel = str(sent.get("channel") or "")
        if not channel:
            raise SlackError("channel_not_found")
        thread_ts = sent.get("thread_ts") or None
        if thread_ts is not None and thread_ts not in self.messages:
            raise SlackError("thread_not_found")
        text, blocks = _content(sent)
        message = Message(
            ts=f"{int(self._clock())}.{next(self._numbers):06d}",
            channel=channel,
            text=text,
            blocks=blocks,
            thread_ts=thread_ts,
            is_broadcast=bool(sent.get("reply_broadcast")),
            metadata=_parsed(sent.get("metadata"), {}),
        )
        self.messages[message.ts] = message
        self._show(message)
        return message

    def update(self, sent: Mapping[str, Any]) -> Message:
        """``chat.update``.

        Raises:
            SlackError: as Slack would.
        """
        message = self.messages.get(str(sent.get("ts")))
        if message is None:
            raise SlackError("message_not_found")
        message.text, message.blocks = _content(sent)
        message.is_edited = True
        self._show(message)
        return message

    def history(self, asked: Mapping[str, Any]) -> list[Message]:
        """``conversations.history``: the newest first, replies only where broadcast."""
        oldest = float(asked.get("oldest") or 0)
        found = [
            message
            for message in self.messages.values()
            if message.channel == asked.get("channel")
            and (message.thread_ts is None or message.is_broadcast)
            and float(message.ts) > oldest
        ]
        return found[::-1][: int(asked.get("limit") or 100)]

    def replies(self, asked: Mapping[str, Any]) -> list[Message]:
        """``conversations.replies``: the message, then its replies, oldest first.

        Raises:
            SlackError: as Slack would.
        """
        ts = str(asked.get("ts"))
        if ts not in self.messages:
            raise SlackError("thread_not_found")
        thread = [message for message in self.messages.values() if message.thread_ts == ts]
        return [self.messages[ts], *thread][: int(asked.get("limit") or 1000)]


def _parsed(value: Any, otherwise: Any) -> Any:
    """Blocks and metadata come as JSON, or as JSON in a form field."""
    return json.loads(value) if isinstance(value, str) else value or otherwise


def _content(sent: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    text, blocks = str(sent.get("text") or ""), _parsed(sent.get("blocks"), [])
    if not text and not blocks:
        raise SlackError("no_text")
    if len(text) > _MOST_TEXT:
        raise SlackError("msg_too_long")
    if len(blocks) > _MOST_BLOCKS or not all(_is_valid(block) for block in blocks):
        raise SlackError("invalid_blocks")
    if len(json.dumps(blocks, ensure_ascii=False)) > _MOST_PAYLOAD:
        raise SlackError("msg_blocks_too_long")
    return text, blocks


def _is_valid(block: Mapping[str, Any]) -> bool:
    match block.get("type"):
        case "header":
            return 0 < len(block["text"]["text"]) <= _MOST_HEADER
        case "section":
            fields = block.get("fields", [])
            texts = [block["text"]] if "text" in block else []
            sizes = [len(text["text"]) for text in texts + fields]
            return bool(sizes) and all(0 < size <= _MOST_SECTION for size in sizes)
        case "context" | "actions":
            return bool(block.get("elements"))
        case kind:
            return kind in ("divider", "image", "markdown", "rich_text")


def mrkdwn(source: str) -> Text:
    """Slack's own markup as styled text; nothing in it is taken for the terminal's."""
    shown, end = Text(), 0
    for span in _SPAN.finditer(source):
        shown.append(_plain(source[end : span.start()]))
        end = span.end()
        bracket, code, bold, italic, struck = span.groups()
        if bracket is not None:
            shown.append_text(_bracket(bracket))
        elif code is not None:
            shown.append(_plain(code), style="cyan")
        else:
            inner = mrkdwn(bold or italic or struck)
            inner.stylize("bold" if bold else "italic" if italic else "strike")
            shown.append_text(inner)
    shown.append(_plain(source[end:]))
    return shown


def _plain(source: str) -> str:
    text = source.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return Emoji.replace(text)


def _bracket(inner: str) -> Text:
    """A link, a date or a mention: what stands between angle brackets."""
    if date := _DATE.match(inner):
        when = datetime.fromtimestamp(int(date.group(1)), UTC)
        return Text(f"{when:%b} {when.day} {when:%H:%M} UTC")
    address, _, label = inner.partition("|")
    if address.startswith(("!", "@", "#")):
        return Text(f"@{label or address.lstrip('!@#')}", style="bold black on yellow")
    return Text(_plain(label or address), style=f"underline blue link {address}")


def render(message: Message, first_line: str = "") -> RenderableType:
    """A message as its reader sees it.

    Args:
        message: what to show.
        first_line: of the message it answers, for a reply.
    """
    parts = [_block(block) for block in message.blocks] or [mrkdwn(message.text)]
    when = datetime.fromtimestamp(float(message.ts), UTC)
    title = Text(f"{message.channel}  spendwatch  {when:%H:%M:%S}", style="bold")
    if message.is_edited:
        title.append("  (edited)", style="dim not bold")
    panel = Panel(
        Group(*parts),
        title=title,
        title_align="left",
        border_style="magenta" if message.thread_ts is None else "bright_black",
        padding=(0, 1),
    )
    if message.thread_ts is None:
        return panel
    answered = Text(f"↳ in the thread of: {first_line}", style="dim", no_wrap=True)
    answered.truncate(80, overflow="ellipsis")
    return Padding(Group(answered, panel), (0, 0, 0, _REPLY_INDENT))


def _block(block: Mapping[str, Any]) -> RenderableType:
    match block.get("type"):
        case "header":
            return Text(_plain(block["text"]["text"]), style="bold underline")
        case "section":
            return _section(block)
        case "context":
            elements = [mrkdwn(part.get("text", "")) for part in block["elements"]]
            line = Text("  ").join(elements)
            line.stylize("dim")
            return line
        case "actions":
            labels = [_plain(part["text"]["text"]) for part in block["elements"]]
            return Text("  ").join(Text(f" {label} ", style="reverse") for label in labels)
        case "divider":
            return Rule(style="bright_black")
        case _:
            return Text(f"[{block.get('type')}]", style="dim")


def _section(block: Mapping[str, Any]) -> RenderableType:
    parts: list[RenderableType] = []
    if "text" in block:
        parts.append(mrkdwn(block["text"]["text"]))
    if fields := block.get("fields"):
        table = Table.grid(padding=(0, 4), pad_edge=False)
        for start in range(0, len(fields), _FIELD_COLUMNS):
            table.add_row(*(mrkdwn(f["text"]) for f in fields[start : start + _FIELD_COLUMNS]))
        parts.append(table)
    return Group(*parts)


def make_app(slack: Slack) -> web.Application:
    """The HTTP application: ``/api/<method>`` and ``/services/...`` for incoming webhooks."""

    async def method(request: web.Request) -> web.Response:
        if not request.headers.get("authorization", "").startswith("Bearer "):
            return web.json_response({"ok": False, "error": "not_authed"})
        try:
            return web.json_response({"ok": True, **_answer(slack, request, await _sent(request))})
        except SlackError as error:
            return web.json_response({"ok": False, "error": str(error)})

    async def incoming(request: web.Request) -> web.Response:
        try:
            slack.post({**await _sent(request), "channel": "#incoming-webhook", "thread_ts": None})
        except SlackError as error:
            return web.Response(status=400, text=str(error))
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_route("*", "/api/{method}", method)
    app.router.add_post("/services/{path:.+}", incoming)
    return app


def _answer(slack: Slack, request: web.Request, sent: Mapping[str, Any]) -> dict[str, Any]:
    match request.match_info["method"]:
        case "chat.postMessage":
            message = slack.post(sent)
        case "chat.update":
            message = slack.update(sent)
        case "conversations.history":
            return {"messages": [found.as_json() for found in slack.history(sent)]}
        case "conversations.replies":
            return {"messages": [found.as_json() for found in slack.replies(sent)]}
        case "auth.test":
            return {"team": "demo", "user": "spendwatch", "bot_id": "B0DEMO"}
        case _:
            raise SlackError("unknown_method")
    return {"channel": message.channel, "ts": message.ts, "message": message.as_json()}


async def _sent(request: web.Request) -> dict[str, Any]:
    """What was sent, as JSON, as a form, or in the address."""
    if request.content_type == "application/json":
        try:
            found = await request.json()
        except ValueError:
            raise SlackError("invalid_payload") from None
        return found if isinstance(found, dict) else {}
    return {**request.query, **{name: str(text) for name, text in (await request.post()).items()}}


def shower(console: Console, slack: Callable[[], Slack]) -> Callable[[Message], None]:
    """Something that prints each message on a console.

    Args:
        console: where to.
        slack: the workspace, asked for when a reply needs the line it answers.
    """
    told: dict[str, str] = {}

    def show(message: Message) -> None:
        if message.is_edited:
            # People see a message change in place; a terminal can only say what it says now.
            if told.get(message.ts) != message.text:
                told[message.ts] = message.text
                now = mrkdwn(message.text).plain.split("\n")[0]
                console.print(f"    [dim]edited, now:[/] {escape(now)}", highlight=False)
            return
        told[message.ts] = message.text
        first_line = ""
        if message.thread_ts is not None:
            first_line = mrkdwn(slack().messages[message.thread_ts].text).plain.split("\n")[0]
        console.print(render(message, first_line))

    return show


async def serve(port: int) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    slack: Slack = Slack(shower(Console(), lambda: slack))
    runner = web.AppRunner(make_app(slack), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    sys.stdout.write(f"slack at http://127.0.0.1:{runner.addresses[0][1]}/api/\n")
    sys.stdout.flush()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await runner.cleanup()


def main() -> None:
    """``python -m deploy.demo.slack``."""
    parser = argparse.ArgumentParser(description="A stand-in for Slack that prints its messages.")
    parser.add_argument("--port", type=int, default=8081, help="0 for any free one, printed")
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
