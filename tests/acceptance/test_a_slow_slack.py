"""A receiver that takes 10 s a call: throttling does not wait, little waits, the newest is told.

DECIDE and NOTIFY are processes of their own; here they share a virtual clock, so that whatever one
waits for would be seen in the other.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from alerting.alert import Alert, Transition
from alerting.notify.delivery import Surroundings
from alerting.notify.notification_log import Record
from alerting.notify.pipeline import Pipeline
from alerting.notify.route import NotifyConfig
from tests.support.alerts import START, an_alert
from tests.support.decisions import Office, agent_signal, key_signal
from tests.support.notify import WritingNotifier

CALL_SECONDS = 10.0
MAX_OUTBOX = 5


class Clock:
    """Seconds pass when ``pass_time`` says so; whoever sleeps is woken when they have."""

    def __init__(self) -> None:
        self.now = START + 60.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        heapq.heappush(self._sleepers, (self.now + seconds, len(self._sleepers), woken))
        await woken.wait()

    async def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            while self._sleepers and self._sleepers[0][0] <= self.now:
                heapq.heappop(self._sleepers)[2].set()
            for _ in range(10):  # everybody has their turn until nothing moves
                await asyncio.sleep(0)


class SlowNotifier(WritingNotifier):
    """Answers after ten seconds."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    async def deliver(self, *given: Any) -> None:
        await self._clock.sleep(CALL_SECONDS)
        await super().deliver(*given)


class Desk:
    """NOTIFY with one slow receiver."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.slack = SlowNotifier(self.clock)
        self.store: dict[str, Record] = {}
        slack = {"webhook_url": "env:HOOK"}
        limits = {"max_outbox": MAX_OUTBOX, "max_incidents_per_hour": 100}
        config = {"receivers": {"oncall": {"slack": slack, "group_wait_seconds": 0, **limits}}}
        self.pipeline = Pipeline(
            NotifyConfig.model_validate(config),
            {"oncall": self.slack},
            Surroundings(self._persist, lambda: self.clock.now, self.clock.sleep, Random(1)),
        )

    async def _persist(self, key: str, record: Record | None) -> None:
        if record is None:
            self.store.pop(key, None)
        else:
            self.store[key] = record

    async def hear(self, *alerts: Alert) -> None:
        """Alerts arrive now; none may wait for the receiver."""
        before = self.clock.now
        async with asyncio.timeout(5):
            await self.pipeline.accept(alerts, now=before)
        assert self.clock.now == before
        assert len(self.pipeline.waiting()["oncall"]) <= MAX_OUTBOX

    async def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.clock.pass_time(1)
            await self.pipeline.tick(now=self.clock.now, is_head=True)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    await desk.pipeline.start()
    yield desk
    await desk.pipeline.stop(0)


async def test_a_key_is_blocked_in_the_second_of_its_signal_while_the_message_is_on_its_way(
    desk: Desk,
):
    office, told = Office(mode="enforce"), 0
    office.tell(agent_signal(), key_signal())
    while not office.actions:
        office.wait(1)
        desk.clock.now = office.wall
        await desk.hear(*office.alerts[told:])
        told = len(office.alerts)
        await desk.pass_time(1)
    assert office.wall - START <= 60 + CALL_SECONDS / 2
    assert desk.slack.calls == [], "the receiver has not answered yet"
    assert desk.pipeline.waiting()["oncall"]


async def test_what_comes_faster_than_it_is_told_is_told_together_and_the_newest_state_last(
    desk: Desk,
):
    await desk.hear(an_alert())
    for number in range(1, 61):  # a new window each five seconds, two for each call
        await desk.pass_time(5)
        await desk.hear(an_alert(Transition.UPDATED, minutes=5 * number))
    await desk.pass_time(5)
    await desk.hear(newest := an_alert(Transition.RESOLVED, minutes=305))
    await desk.pass_time(2 * int(CALL_SECONDS) + 1)
    assert desk.pipeline.waiting() == {"oncall": []}
    assert len(desk.slack.calls) <= 305 / CALL_SECONDS + 2
    (last,) = [] if (view := desk.slack.views[-1]) is None else view.members.values()
    assert last.transition_id == newest.transition_id


async def test_of_many_incidents_no_more_wait_than_the_outbox_holds_and_all_are_told_in_time(
    desk: Desk,
):
    burst = [an_alert(incident_id=f"i{n}", started=START + 300 * n) for n in range(10)]
    await desk.hear(*burst)
    for number in range(10, 4 * MAX_OUTBOX):
        await desk.hear(an_alert(incident_id=f"i{number}", started=START + 300 * number))
    assert len(desk.pipeline.waiting()["oncall"]) == MAX_OUTBOX
    for _ in range(120):  # what found no room is offered again every five minutes
        await desk.pass_time(int(CALL_SECONDS))
        assert len(desk.pipeline.waiting()["oncall"]) <= MAX_OUTBOX
    told = {notice.incident_id for call in desk.slack.calls for notice in call}
    assert told == {f"i{number}" for number in range(4 * MAX_OUTBOX)}
