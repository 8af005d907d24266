"""A runaway agent, happening now, on an installation whose every process is killed meanwhile.

People must be told once, and the alert that goes on must be the one that began.
"""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from tests.support import slack_server
from tests.support.auditor import read_topic
from tests.support.slack_server import SlackServer
from tests.support.survival import Step
from tests.support.worker import Installation, Json, until

WINDOW_SECONDS = 60
"""The shortest there is, so that windows close while one watches."""

AGENT = "invoice-bot"
EVENTS_PER_SECOND = 4
CALL_USD = "0.50"
TOKEN_VARIABLE = "SPENDWATCH_TEST_SLACK_TOKEN"


def settings(slack_url: str) -> Json:
    """Short windows, and a stand-in for Slack."""
    return {
        "ingest": {"allowed_lateness_seconds": 2},
        "watch": {"flush_seconds": 2.0},
        "rules": {"window_seconds": WINDOW_SECONDS},
        "notify": {
            "receivers": {
                "on-call": {
                    "slack": {
                        "token": f"env:{TOKEN_VARIABLE}",
                        "channel": slack_server.CHANNEL,
                        "base_url": f"{slack_url}/api/",
                        "min_interval_seconds": 0.1,
                    },
                    "group_wait_seconds": 0.5,
                }
            }
        },
    }


class IncidentTrial:
    """The incident and what became of it.

    Args:
        installation: with no settings of its own that matter, and topics not yet made.
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._slack = SlackServer()
        self._sent = 0

    async def run(self) -> list[Step]:
        """Begin, be told, kill everything, start again, go on until windows have closed, look."""
        os.environ[TOKEN_VARIABLE] = slack_server.TOKEN
        await self._slack.start()
        here = self._installation
        try:
            here.configure(settings(self._slack.url))
            await here.create_topics()
            await here.start()
            async with self._runaway():
                await self._until(lambda: bool(self._slack.roots), "nobody was told")
                before = await self._alert_ids()
                here.kill()
                await here.start()
                seen = await self._count("updated")
                await self._until_updated(seen)
            after = await self._alert_ids()
            return [
                Step(
                    "kill -9 of all in an incident: the alert's id",
                    self._sent,
                    _apart(before, after),
                ),
                Step("  and the messages in Slack", self._sent, self._more_than_one()),
            ]
        finally:
            here.kill()
            await self._slack.stop()

    @contextlib.asynccontextmanager
    async def _runaway(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._spend_for_ever())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _spend_for_ever(self) -> None:
        while True:
            events = [self._event() for _ in range(EVENTS_PER_SECOND)]
            await self._installation.publish(events)
            await asyncio.sleep(1.0)

    def _event(self) -> Json:
        self._sent += 1
        return {
            "event_id": f"call-{self._sent}",
            "timestamp": time.time(),
            "model": "gpt-4o",
            "agent": AGENT,
            "cost_usd": CALL_USD,
        }

    async def _alerts(self) -> list[Json]:
        topic = self._installation.topics.alerts
        records = await read_topic(self._installation.bootstrap, topic)
        found: list[Json] = [json.loads(record.value) for record in records]
        return [alert for alert in found if alert["rule"] == "spike"]

    async def _alert_ids(self) -> dict[str, set[str]]:
        """Scope to the ids of its alerts and of their incidents."""
        found: dict[str, set[str]] = {}
        for alert in await self._alerts():
            scope = f"{alert['scope']['kind']}:{alert['scope']['name']}"
            found.setdefault(scope, set()).update({alert["alert_id"], alert["incident_id"]})
        return found

    async def _count(self, transition: str) -> int:
        return sum(alert["transition"] == transition for alert in await self._alerts())

    async def _until_updated(self, seen: int) -> None:
        async def is_updated() -> bool:
            return await self._count("updated") > seen

        await until(is_updated, 4 * WINDOW_SECONDS, self._report("no window has closed"))

    async def _until(self, is_so: Callable[[], bool], what: str) -> None:
        async def check() -> bool:
            return is_so()

        await until(check, 60.0, self._report(what))

    def _report(self, what: str) -> Callable[[], str]:
        return lambda: f"{what}\n{self._installation.logs()}"

    def _more_than_one(self) -> list[str]:
        return [f"told again: {message.text}" for message in self._slack.roots[1:]]


def _apart(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    if not before:
        return ["there was no alert"]
    return [
        f"{scope}: {sorted(before[scope])} became {sorted(after.get(scope, ()))}"
        for scope in before
        if before[scope] != after.get(scope)
    ]
