"""NOTIFY on Kafka: transitions and actions in, the outbox and the log remembered.

Who is told what is ``alerting/notify/pipeline.py``'s. An input is acknowledged once what it leads
to is in the remembered outbox; sending goes on beside it, a task per receiver.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from alerting.alert import alert_from_json
from alerting.command import SilenceAdd, SilenceExpire, decode_command
from alerting.notify.delivery import DELIVERED, Surroundings
from alerting.notify.pipeline import Pipeline
from alerting.notify.registry import build_notifiers
from alerting.notify.retry import FailureReason
from alerting.notify.route import NotifyConfig
from alerting.notify.stages import NoticeVerdict, Untold
from alerting.silence import silence_from_json
from alerting.throttle.action import action_from_json
from stream.canary import is_canary_action
from stream.health import catalogue
from stream.kafka.topics import TopicsConfig
from stream.keyed.config import Role
from stream.keyed.state import KeyedState

HEAD_AFTER_SECONDS = 15.0
"""With no input for this long everything in the log has been read, and old news is summed up."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NotifyParts:
    """What a session of NOTIFY is made from.

    Attributes:
        config: receivers and routes.
        topics: names.
        wall: the wall clock, epoch seconds.
    """

    config: NotifyConfig
    topics: TopicsConfig
    wall: Callable[[], float]


def _report(receiver: str, outcome: str) -> None:
    catalogue.NOTIFICATIONS.labels(receiver, outcome).inc()


async def open_notify(parts: NotifyParts, state: KeyedState) -> "NotifySession":
    """Take over: what waited in the outbox is sent first."""

    async def persist(key: str, record: Any) -> None:
        await state.put({key: record})

    pipeline = Pipeline(
        parts.config,
        build_notifiers(parts.config, clock=parts.wall),
        Surroundings(persist=persist, clock=parts.wall, report=_report),
    )
    for receiver in parts.config.receivers:
        for outcome in (DELIVERED, *FailureReason):
            catalogue.NOTIFICATIONS.labels(receiver, outcome)
    pipeline.restore(state.values)
    await pipeline.start()
    return NotifySession(parts, pipeline)


class NotifySession:
    """One reign of the teller."""

    def __init__(self, parts: NotifyParts, pipeline: Pipeline) -> None:
        self._parts = parts
        self._pipeline = pipeline
        self._quiet_since = parts.wall()

    async def handle(self, topic: str, value: bytes | None) -> None:
        """One alert, action or command; what does not read is refused with its reason."""
        if value is None:
            return
        now, names = self._parts.wall(), self._parts.topics
        self._quiet_since = now
        try:
            if topic == names.commands:
                await self._command(value, now)
            elif topic == names.alerts:
                alert = alert_from_json(msgspec.json.decode(value))
                self._note(await self._pipeline.accept([alert], now=now))
            else:
                action = action_from_json(msgspec.json.decode(value))
                if is_canary_action(action):
                    return
                is_enforced = topic == names.actions
                self._note(
                    await self._pipeline.accept([], [action], is_enforced=is_enforced, now=now)
                )
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
            _log.warning("notify_input_refused", topic=topic, reason=str(error))
            catalogue.INPUTS_REFUSED.labels(Role.NOTIFY.value).inc()

    async def _command(self, value: bytes, now: float) -> None:
        command = decode_command(value)
        if isinstance(command, SilenceAdd):
            await self._pipeline.add_silence(silence_from_json(command.silence))
        elif isinstance(command, SilenceExpire):
            await self._pipeline.expire_silence(command.silence_id, now)

    async def tick(self) -> None:
        """Reminders, folded old news; a receiver's task that died ends the process."""
        for task in self._pipeline.tasks:
            if task.done():
                task.result()
                raise RuntimeError(f"{task.get_name()} ended by itself")
        now = self._parts.wall()
        is_head = now - self._quiet_since >= HEAD_AFTER_SECONDS
        self._note(await self._pipeline.tick(now=now, is_head=is_head))
        for receiver, enqueued in self._pipeline.waiting().items():
            catalogue.OUTBOX.labels(receiver).set(len(enqueued))
            age = now - min(enqueued) if enqueued else 0.0
            catalogue.OUTBOX_AGE.labels(receiver).set(max(0.0, age))

    async def leave(self) -> None:
        """Nothing is left to say: whoever takes over sends what waits."""

    async def close(self) -> None:
        """Requests in flight end; what waits stays in the outbox."""
        await self._pipeline.stop()

    @staticmethod
    def _note(verdicts: tuple[NoticeVerdict, ...]) -> None:
        for verdict in verdicts:
            catalogue.VERDICTS.labels(verdict.outcome).inc()
            # A replay of old news is thousands of transitions; they are in spend.alerts.
            say = _log.debug if verdict.outcome in _ROUTINE else _log.info
            say("notify_verdict", **{name: getattr(verdict, name) for name in _VERDICT})


_VERDICT = tuple(NoticeVerdict.__dataclass_fields__)
_ROUTINE = frozenset({Untold.OLD_NEWS.value, Untold.REPEATED.value, Untold.PENDING.value})
