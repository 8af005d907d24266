"""A stand-in for Slack and for any webhook endpoint: a real HTTP server with scripted failures.

It checks what Slack checks (limits, token, channel) and keeps what a person would see. It must stay
stricter than Slack, never kinder.
"""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "xoxb-stand-in-token-0001"
CHANNEL = "C0STANDIN1"
HOOK_PATH = "/services/T000/B000/hook-secret-0001"
MAX_MESSAGE_CHARACTERS = 12_000


@dataclass
class Fault:
    """One scripted misbehaviour.

    ``status`` 0 answers never; ``is_applied`` does the work before it misbehaves.
    """

    status: int = 200
    error: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    is_applied: bool = False
    text: str | None = None


@dataclass
class Message:
    """One message as it stands in the channel."""

    ts: str
    text: str
    blocks: list[dict[str, Any]]
    thread_ts: str | None
    is_broadcast: bool
    metadata: dict[str, Any]
    versions: int = 1


class SlackServer:
    """chat.postMessage, chat.update, conversations.*, an incoming webhook and any other path."""

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()
        self.messages: dict[str, Message] = {}
        self.posted: list[dict[str, Any]] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.can_read_history = True
        self._hanging = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        self._hanging.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def roots(self) -> list[Message]:
        return [message for message in self.messages.values() if message.thread_ts is None]

    @property
    def replies(self) -> list[Message]:
        return [message for message in self.messages.values() if message.thread_ts is not None]

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.requests]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {key.lower(): value for key, value in request.headers.items()}
        self.requests.append((request.path, headers, body))
        fault = self.faults.popleft() if self.faults else None
        answer: dict[str, Any] = {"ok": True}
        if fault is None or fault.is_applied:
            answer = self._apply(request, body)
        if fault is None:
            if request.path.startswith("/api/"):
                return web.json_response(answer)
            return web.Response(text="ok", status=200 if answer["ok"] else 400)
        if fault.status == 0:
            await self._hanging.wait()
            return web.Response(status=500)
        if fault.text is not None:
            return web.Response(text=fault.text, status=fault.status, headers=fault.headers)
        return web.json_response(
            {"ok": False, "error": fault.error}, status=fault.status, headers=fault.headers
        )

    def _apply(self, request: web.Request, body: bytes) -> dict[str, Any]:
        if not request.path.startswith("/api/"):
            return self._hook(json.loads(body)) if request.path == HOOK_PATH else {"ok": True}
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return {"ok": False, "error": "invalid_auth"}
        method = request.path.removeprefix("/api/")
        if method.startswith("conversations."):
            return self._history(request, method)
        payload = json.loads(body)
        error = self._problem(payload)
        if payload["channel"] not in {CHANNEL, "#spend"}:
            error = "channel_not_found"
        if error is not None:
            return {"ok": False, "error": error}
        return self._update(payload) if method == "chat.update" else self._post(payload)

    def _hook(self, payload: dict[str, Any]) -> dict[str, Any]:
        error = self._problem(payload)
        if error is None:
            self.posted.append(payload)
        return {"ok": error is None, "error": error}

    def _post(self, payload: dict[str, Any]) -> dict[str, Any]:
        thread = payload.get("thread_ts")
        if thread is not None and thread not in self.messages:
            return {"ok": False, "error": "thread_not_found"}
        ts = f"1700000000.{len(self.posted) + 1:06d}"
        self.posted.append(payload)
        self.messages[ts] = Message(
            ts,
            payload["text"],
            payload["blocks"],
            thread,
            payload.get("reply_broadcast", False),
            payload.get("metadata", {}),
        )
        return {"ok": True, "ts": ts, "channel": CHANNEL}

    def _update(self, payload: dict[str, Any]) -> dict[str, Any]:
        message = self.messages.get(payload["ts"])
        if message is None or payload["channel"] != CHANNEL:
            return {"ok": False, "error": "message_not_found"}
        message.text, message.blocks = payload["text"], payload["blocks"]
        message.versions += 1
        return {"ok": True, "ts": message.ts, "channel": CHANNEL}

    def _history(self, request: web.Request, method: str) -> dict[str, Any]:
        if not self.can_read_history:
            return {"ok": False, "error": "missing_scope"}
        thread = request.query.get("ts") if method == "conversations.replies" else None
        found = [
            {"ts": message.ts, "text": message.text, "metadata": message.metadata}
            for message in self.messages.values()
            if message.thread_ts == thread
        ]
        return {"ok": True, "messages": found}

    @staticmethod
    def _problem(payload: dict[str, Any]) -> str | None:
        """Slack's limits, from docs.slack.dev/reference/block-kit (2026-11)."""
        blocks = payload.get("blocks", [])
        if not payload.get("text"):
            return "no_text"
        if len(payload["text"]) >= 4000 or len(blocks) > 50:
            return "msg_too_long"
        if len(json.dumps(blocks, ensure_ascii=False)) > MAX_MESSAGE_CHARACTERS:
            return "msg_blocks_too_long"
        is_fine = all(_is_fine(block) for block in blocks)
        return None if is_fine else "invalid_blocks"


def _is_fine(block: dict[str, Any]) -> bool:
    texts = [block["text"]] if "text" in block else []
    fields, elements = block.get("fields", []), block.get("elements", [])
    return (
        len(fields) <= 10
        and len(elements) <= 10
        and all(0 < len(text["text"]) <= 3000 for text in (*texts, *elements))
        and all(0 < len(text["text"]) <= 2000 for text in fields)
    )
