"""Slack and a webhook endpoint that fail, and a gateway that obeys: whom spendwatch talks to.

What they have taken for good is what the audit compares with what was to be told. This file must
not know when what goes wrong.
"""

import base64
import os
import random
from collections import Counter
from typing import Any

from aiohttp import web

from tests.support import slack_server
from tests.support.slack_server import Fault, SlackServer

TOKEN_VARIABLE = "SPENDWATCH_CHAOS_SLACK_TOKEN"
SECRET_VARIABLE = "SPENDWATCH_CHAOS_WEBHOOK_SECRET"

Json = dict[str, Any]


class Endpoint(SlackServer):
    """A stand-in that also remembers which ids it has acknowledged, and how often."""

    def __init__(self) -> None:
        super().__init__()
        self.acknowledged: Counter[str] = Counter()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        response = await super()._handle(request)
        if response.status < 300 and (identity := request.headers.get("webhook-id")):
            self.acknowledged[identity] += 1
        return response


class Receivers:
    """Both of them."""

    def __init__(self) -> None:
        self.slack = SlackServer()
        self.hook = Endpoint()

    async def start(self) -> None:
        """Listen, and leave the secrets where the configuration says."""
        os.environ[TOKEN_VARIABLE] = slack_server.TOKEN
        os.environ[SECRET_VARIABLE] = "whsec_" + base64.b64encode(bytes(range(32))).decode()
        await self.slack.start()
        await self.hook.start()

    async def stop(self) -> None:
        """Listen no more."""
        await self.slack.stop()
        await self.hook.stop()

    def trouble(self, chance: random.Random) -> str:
        """Let one of them answer wrongly some times, then come back; what it does."""
        name = chance.choice(["Slack", "webhook"])
        server = self.slack if name == "Slack" else self.hook
        ways = {
            "429": Fault(429, "ratelimited", {"Retry-After": str(chance.randrange(1, 3))}),
            "500": Fault(500, text="oops"),
            "500 after doing it": Fault(500, text="oops", is_applied=True),
            "silence": Fault(0),
            "silence after doing it": Fault(0, is_applied=True),
        }
        way = chance.choice([*ways])
        server.faults.extend([ways[way]] * chance.randrange(1, 5))
        return f"{name} answers {way}"

    def calm(self) -> None:
        """Nothing more goes wrong."""
        self.slack.faults.clear()
        self.hook.faults.clear()

    def settings(self) -> Json:
        """How spendwatch reaches them: everything to both, impatiently."""
        patience = {"first_delay_seconds": 0.2, "max_delay_seconds": 2.0}
        common = {"retry": patience, "group_wait_seconds": 0.5, "max_incidents_per_hour": 10_000}
        return {
            "receivers": {
                "chat": {
                    "slack": {
                        "token": f"env:{TOKEN_VARIABLE}",
                        "channel": slack_server.CHANNEL,
                        "base_url": f"{self.slack.url}/api/",
                        "min_interval_seconds": 0.02,
                        "timeout_seconds": 2,
                    },
                    **common,
                },
                "hook": {
                    "webhook": {
                        "url": f"{self.hook.url}/spendwatch",
                        "signing_secrets": [f"env:{SECRET_VARIABLE}"],
                        "timeout_seconds": 2,
                    },
                    **common,
                },
            },
            "route": {name: ["chat", "hook"] for name in ("critical", "warning", "info")},
        }
