"""Tells spendwatch on ``throttle.acks`` what became of each action.

An ack never holds anybody up: they wait in a bounded queue and are sent when Kafka can be reached.
This file must not decide what an ack says.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

_log = logging.getLogger("spendwatch_client.throttle")

_FIRST_RETRY_SECONDS = 0.5
_MOST_RETRY_SECONDS = 10.0
_MOST_REMEMBERED = 10_000

APPLIED = "applied"
REJECTED = "rejected"
FAILED = "failed"


class Acks:
    """A queue of acks in front of Kafka; one per action, and one more when ``failed`` came right.

    Args:
        topic: where acks go.
        enforcer: who acknowledges.
        connection: arguments of the aiokafka producer.
        clock: wall clock, epoch seconds.

    Attributes:
        dropped: acks given up because Kafka could not take them.
        waiting: acks that Kafka has not confirmed, oldest first.
    """

    def __init__(
        self,
        topic: str,
        *,
        enforcer: str,
        connection: Mapping[str, Any],
        clock: Callable[[], float],
    ) -> None:
        self.dropped = 0
        self.waiting: deque[dict[str, str]] = deque()
        self._topic = topic
        self._enforcer = enforcer
        self._connection = connection
        self._clock = clock
        self._said: dict[str, str] = {}
        self._woken = asyncio.Event()

    def add(self, action_id: str, result: str, detail: str) -> None:
        """Queue an ack, unless the action has one already; never waits."""
        said = self._said.get(action_id)
        if said is not None and not (said == FAILED and result == APPLIED):
            return
        self._remember(action_id, result)
        if len(self.waiting) >= _MOST_REMEMBERED:
            self.waiting.popleft()
            self.dropped += 1
        self.waiting.append(
            {
                "action_id": action_id,
                "enforcer": self._enforcer,
                "applied_at": _rfc3339(self._clock()),
                "result": result,
                "detail": detail,
            }
        )
        self._woken.set()

    def leave_out(self, action_id: str) -> None:
        """Never acknowledge an action, unless it has been said to have failed."""
        if action_id not in self._said:
            self._remember(action_id, APPLIED)

    async def keep_sending(self) -> None:
        """Send what waits, for ever."""
        pause = _FIRST_RETRY_SECONDS
        while True:
            producer = AIOKafkaProducer(acks="all", **self._connection)
            try:
                await producer.start()
                pause = _FIRST_RETRY_SECONDS
                while True:
                    await self._woken.wait()
                    self._woken.clear()
                    while self.waiting:
                        ack = self.waiting[0]
                        await self._send(producer, ack)
                        if self.waiting and self.waiting[0] is ack:  # else dropped meanwhile
                            self.waiting.popleft()
            except Exception as error:  # noqa: BLE001  whatever it is, acks go on being sent
                _log.warning(
                    "throttle_ack_failed error=%s waiting=%d retry_seconds=%.1f",
                    type(error).__name__,
                    len(self.waiting),
                    pause,
                )
                self._woken.set()
            finally:
                with contextlib.suppress(Exception):
                    await producer.stop()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MOST_RETRY_SECONDS)

    def _remember(self, action_id: str, result: str) -> None:
        self._said.pop(action_id, None)
        self._said[action_id] = result
        if len(self._said) > _MOST_REMEMBERED:
            del self._said[next(iter(self._said))]

    async def _send(self, producer: AIOKafkaProducer, ack: Mapping[str, str]) -> None:
        # A consumer drops what it has seen under this id, so "applied" is another word than
        # "failed" was.
        identity = f"{ack['action_id']}/{ack['enforcer']}/{ack['result']}"
        headers = {
            "ce_specversion": "1.0",
            "ce_id": identity,
            "ce_source": f"/spendwatch-client/{ack['enforcer']}",
            "ce_type": "io.spendwatch.throttle.ack.v1",
            "ce_time": ack["applied_at"],
            "content-type": "application/json",
        }
        await producer.send_and_wait(
            self._topic,
            key=ack["action_id"].encode(),
            value=msgspec.json.encode(ack),
            headers=[(name, text.encode()) for name, text in headers.items()],
        )


def _rfc3339(now: float) -> str:
    return (
        datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
