"""DECIDE on Kafka: the single writer's inputs, outputs and memory.

What is decided is ``alerting/decide/decider.py``'s. Here an outcome is published, then remembered,
and only then is its input acknowledged: a repeat gives the same ids.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from alerting.alert import Alert, alert_from_json, alert_to_json
from alerting.command import decode_ack, decode_command
from alerting.decide.decider import Decider
from alerting.decide.incident import IncidentConfig
from alerting.decide.ledger import Outcome
from alerting.throttle.action import action_to_json, decode_action, target_key
from alerting.throttle.policy import ThrottleConfig
from stream.canary import (
    OLD_SECONDS,
    canary_action,
    is_canary_ack,
    is_canary_action,
    is_canary_signal,
)
from stream.cloudevents import action_headers, alert_headers, control_headers
from stream.decision_tally import Tally
from stream.health import catalogue
from stream.kafka.connection import ConnectionConfig
from stream.kafka.follow import read_to_end
from stream.kafka.topics import TopicsConfig
from stream.keyed.config import Role
from stream.keyed.state import KeyedState
from stream.log_head import LogHead

CONTROL_KEY = b"throttle"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DecideParts:
    """What a session of DECIDE is made from.

    Attributes:
        incidents: how alerts are grouped.
        throttle: how far automation may go.
        topics: names.
        connection: how to reach Kafka.
        producer: started; ``acks="all"``.
        head: the watermark at the log's head.
        wall: the wall clock, epoch seconds.
    """

    incidents: IncidentConfig
    throttle: ThrottleConfig
    topics: TopicsConfig
    connection: ConnectionConfig
    producer: Any
    head: LogHead
    wall: Callable[[], float]


async def open_decide(parts: DecideParts, state: KeyedState) -> "DecideSession":
    """Take over: what is remembered, and the sequences that are out there already."""
    session = DecideSession(parts, state)
    for topic in (parts.topics.actions, parts.topics.shadow):
        for record in await read_to_end(parts.connection, topic):
            action = decode_action(record.value)
            if action is not None and not is_canary_action(action):
                await session.finish(session.decider.adopt(action))
    return session


class DecideSession:
    """One reign of the single writer."""

    def __init__(self, parts: DecideParts, state: KeyedState) -> None:
        self.decider = Decider(parts.incidents, parts.throttle, state.values)
        self._parts = parts
        self._state = state
        self._tally = Tally(self.decider.ledger)

    async def handle(self, topic: str, value: bytes | None) -> None:
        """One signal, command or ack; what does not read is refused with its reason."""
        names, wall = self._parts.topics, self._parts.wall()
        if value is None:
            return
        try:
            if topic == names.signals:
                alert = alert_from_json(msgspec.json.decode(value))
                if is_canary_signal(alert):
                    await self._answer_canary(alert, wall)
                    return
                outcome = self.decider.on_signal(alert.read_at(wall), wall)
            elif topic == names.commands:
                outcome = self.decider.on_command(decode_command(value), wall)
            else:
                ack = decode_ack(value)
                if is_canary_ack(ack):
                    return
                catalogue.ACKS.labels(ack.result).inc()
                outcome = self.decider.on_ack(ack, wall)
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
            _log.warning("decide_input_refused", topic=topic, reason=str(error))
            catalogue.INPUTS_REFUSED.labels(Role.DECIDE.value).inc()
            return
        await self.finish(outcome)

    async def tick(self) -> None:
        """Leases are renewed, probes go on, suspicions end."""
        watermark = self._parts.head.watermark_seconds
        await self.finish(self.decider.on_tick(self._parts.wall(), watermark))
        self._tally.show(self.decider, self._parts.wall())

    async def leave(self) -> None:
        """Say what is left held, while people can still be told."""
        await self.finish(self.decider.on_stop(self._parts.wall()))

    async def close(self) -> None:
        """Nothing is open between two inputs."""

    async def finish(self, outcome: Outcome) -> None:
        """Publish, then remember."""
        await self._publish(outcome)
        self._tally.count(outcome)
        if outcome.changed:
            await self._state.put(outcome.changed)
        for reason in outcome.rejections:
            _log.warning("decide_input_refused", reason=reason)
            catalogue.INPUTS_REFUSED.labels(Role.DECIDE.value).inc()

    async def _answer_canary(self, alert: Alert, wall: float) -> None:
        """Let it pass on as fast as an action would; nothing is remembered of it."""
        if wall - alert.decided_at <= OLD_SECONDS:
            await self._publish(Outcome(shadow=(canary_action(alert, wall),)))

    async def _publish(self, outcome: Outcome) -> None:
        names, producer = self._parts.topics, self._parts.producer
        encode = msgspec.json.encode
        # Actions first: throttling never waits for anybody to be told.
        sent = [
            await producer.send(
                topic,
                key=target_key(action.target).encode(),
                value=encode(action_to_json(action)),
                headers=action_headers(action),
            )
            for topic, actions in ((names.actions, outcome.actions), (names.shadow, outcome.shadow))
            for action in actions
        ]
        sent += [
            await producer.send(
                names.control,
                key=CONTROL_KEY,
                value=encode(record),
                headers=control_headers(record["command_id"], self._parts.wall()),
            )
            for record in outcome.control
        ]
        sent += [
            await producer.send(
                names.alerts,
                key=alert.fingerprint.encode(),
                value=encode(alert_to_json(alert)),
                headers=alert_headers(alert),
            )
            for alert in outcome.alerts
        ]
        await asyncio.gather(*sent)
