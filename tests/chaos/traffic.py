"""A producer as unreliable as producers are, all of it following from one seed.

Calls of twenty agents with the dimensions they really have, and among them: events sent again,
events that come hours late, guesses with their final counts, outcomes, arrays, records that are no
events, and now and then an agent that runs away. Times are the wall clock's: what is old never
throttles. This file must not know what becomes of its events.
"""

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.support.auditor import Price

PRICES: dict[str, Price] = {
    "chaos-large": (Decimal("2.50"), Decimal(10)),
    "chaos-small": (Decimal("0.15"), Decimal("0.60")),
}
"""Dollars per million tokens, read and written."""


def own_prices() -> list[dict[str, str]]:
    """The same as configured."""
    return [
        {
            "model": model,
            "input_usd_per_million": str(read),
            "output_usd_per_million": str(written),
        }
        for model, (read, written) in PRICES.items()
    ]


UNPRICED = "house-model-of-nobody"

RUNAWAY_USD = "0.5"
RUNAWAY_SECONDS = 30.0
RUNAWAY_PER_TICK = 0.4

TICK_SECONDS = 0.1

_REMEMBERED = 50_000
"""Events that may be sent again: the last so many."""

_CALM_SECONDS = 8.0
"""At first only what is on time: before the first watermark nobody can say what is late."""

Json = dict[str, Any]

Record = tuple[bytes | None, bytes]
"""Key and value."""

BAD: tuple[bytes, ...] = (
    b"", b"null", b"7", b'"usage"', b"no JSON at all", b'{"event_id": "cut", "timest', b"\xff\xfe",
    b'{"event_id": "bad", "model": "chaos-small"}',
    b'{"timestamp": 1790000000, "model": "chaos-small"}',
    b'{"event_id": "bad", "timestamp": 1790000000}',
    b'{"event_id": "", "timestamp": 1790000000, "model": "chaos-small"}',
    b'{"event_id": "bad", "timestamp": 0, "model": "chaos-small"}',
    b'{"event_id": "bad", "timestamp": 1790000000, "model": "chaos-small", "input_tokens": -1}',
    b'{"event_id": "bad", "timestamp": 1790000000, "model": "chaos-small", "input_tokens": [1]}',
    b'{"event_id": "bad", "timestamp": 1790000000, "model": "chaos-small", "cost_usd": "1_0"}',
    b'{"event_id": "bad", "timestamp": 1790000000, "model": "chaos-small", "cost_usd": "-0.5"}',
)  # fmt: skip
"""Records in which nothing can be counted."""


class _Agent:
    """Who makes calls, with the dimensions that are always the same."""

    def __init__(self, number: int, chance: random.Random) -> None:
        team = number % 6
        self.weight = 1.0 / (number + 1)
        self.keys = [f"key-{number}", f"key-shared-{team}"][: 1 + chance.randrange(2)]
        self.users = [f"user-{number}-{each}" for each in range(1 + number % 4)]
        self.models = ["chaos-small"] if chance.random() < 0.6 else [*PRICES]
        self.fixed: Json = {
            "agent": f"agent-{number}",
            "workflow": f"workflow-{number % 9}",
            "team": f"team-{team}",
            "department": f"department-{team % 3}",
            "project": f"project-{number % 7}",
            "organization": "example",
        }
        if number % 10 == 9:
            self.fixed["environment"] = "staging"


class Traffic:
    """Everything that is sent, tick by tick.

    Args:
        seed: what is sent follows from it, but for the times.
        events_per_second: on average.
        runaways_at: seconds after the start at which an agent begins to run away.

    Attributes:
        is_paused: nothing is sent while it is set.
        records: sent so far.
    """

    def __init__(self, seed: int, events_per_second: float, runaways_at: tuple[float, ...]) -> None:
        self._chance = random.Random(seed)
        self._per_tick = events_per_second * TICK_SECONDS
        self._runaways_at = runaways_at
        self._agents = [_Agent(number, self._chance) for number in range(20)]
        self._weights = [agent.weight for agent in self._agents]
        self._sent: deque[Record] = deque(maxlen=_REMEMBERED)
        self._calls: deque[Json] = deque(maxlen=1000)
        self._finals: deque[tuple[float, Json]] = deque()
        self._number = 0
        self._is_over = asyncio.Event()
        self.is_paused = False
        self.records = 0

    def end(self) -> None:
        """Send no more than what is owed: the final counts of guesses."""
        self._is_over.set()

    async def run(self, bootstrap: str, topic: str) -> None:
        """Send until ``end``; returns once all is sent.

        A record that the broker took without saying so is sent again, and one that it never took
        may be lost: the auditor reads the log, not this program's memory.
        """
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5)
        await producer.start()
        try:
            started = time.time()
            while not self._is_over.is_set():
                now = time.time()
                if not self.is_paused:
                    await self._send(producer, topic, list(self._tick(now, now - started)))
                await asyncio.sleep(max(0.0, TICK_SECONDS - (time.time() - now)))
            await self._send(producer, topic, [_record(event) for _, event in self._finals])
            await producer.flush()
        finally:
            await producer.stop()

    async def _send(self, producer: Any, topic: str, records: list[Record]) -> None:
        self.records += len(records)
        for key, value in records:
            while True:
                try:
                    await producer.send(topic, value, key=key)
                    break
                except KafkaError:  # the broker is gone, and the producer's buffer is full
                    await asyncio.sleep(TICK_SECONDS)

    def _tick(self, now: float, elapsed: float) -> Iterator[Record]:
        count = int(self._per_tick) + (self._chance.random() < self._per_tick % 1)
        for _ in range(count):
            yield from self._one(now, is_calm=elapsed < _CALM_SECONDS)
        while self._finals and self._finals[0][0] <= now:
            yield self._new(self._finals.popleft()[1])
        for number, at in enumerate(self._runaways_at):
            if at <= elapsed < at + RUNAWAY_SECONDS and self._chance.random() < RUNAWAY_PER_TICK:
                yield self._new(self._runaway(number, now))

    def _one(self, now: float, *, is_calm: bool) -> Iterator[Record]:
        """One record, in one of the ways in which records come."""
        chance, way = self._chance, self._chance.random()
        if way < 0.05 and self._sent:
            yield chance.choice(self._sent)
        elif way < 0.06:
            yield None, chance.choice(BAD)
        elif way < 0.08 and self._calls:
            yield self._new(self._outcome(now))
        elif way < 0.09:
            guess = self._call(now) | {"estimated": True}
            self._finals.append((now + 5.0, {k: v for k, v in guess.items() if k != "estimated"}))
            yield self._new(guess)
        elif way < 0.10:
            yield self._array(now)
        elif way < 0.13 and not is_calm:
            yield self._new(self._call(now - chance.choice([60, 600, 7200, 100_000])))
        else:
            yield self._new(self._call(now))

    def _call(self, at: float) -> Json:
        chance = self._chance
        (agent,) = chance.choices(self._agents, self._weights)
        self._number += 1
        event: Json = {
            "event_id": f"call-{self._number}",
            "timestamp": round(at, 3),
            "model": chance.choice(agent.models),
            "api_key": chance.choice(agent.keys),
            "user": chance.choice(agent.users),
            **agent.fixed,
            "input_tokens": round(chance.lognormvariate(5, 1)),
            "output_tokens": round(chance.lognormvariate(3.5, 1)),
        }
        if chance.random() < 0.3:
            event["customer"] = f"customer-{chance.randrange(12)}"
        odd = chance.random()
        if odd < 0.2:
            event["cost_usd"] = f"{chance.randrange(10**9)}e-13"  # often half a nano-dollar more
        elif odd < 0.22:
            event["model"] = UNPRICED
        elif odd < 0.25:
            event["status"] = "error"
            del event["input_tokens"], event["output_tokens"]
        elif odd < 0.27:
            event["requests"] = chance.randrange(2, 6)
        self._calls.append(event)
        return event

    def _outcome(self, now: float) -> Json:
        call = self._chance.choice(self._calls)
        kept = ("event_id", "agent", "workflow", "environment")
        return {
            "record": "outcome",
            "timestamp": round(now, 3),
            "outcome": self._chance.choice(["accepted", "edited", "rejected", "escalated"]),
            **{name: call[name] for name in kept if name in call},
        }

    def _array(self, now: float) -> Record:
        """Several calls in one record, and sometimes something that is none among them."""
        events: list[Any] = [self._call(now) for _ in range(3)]
        for event in events:
            self._calls.remove(event)  # an outcome would go to another partition, by its own id
        key = events[0]["event_id"].encode()
        if self._chance.random() < 0.3:
            events.insert(1, {"event_id": "bad", "timestamp": 0})
        record = key, json.dumps(events).encode()
        self._sent.append(record)
        return record

    def _runaway(self, number: int, now: float) -> Json:
        self._number += 1
        return {
            "event_id": f"runaway-{self._number}",
            "timestamp": round(now, 3),
            "model": "chaos-large",
            "agent": f"runaway-{number}",
            "workflow": f"runaway-{number}",
            "api_key": f"key-runaway-{number}",
            "user": f"runaway-{number}",
            "team": "team-0",
            "cost_usd": RUNAWAY_USD,
        }

    def _new(self, event: Json) -> Record:
        record = _record(event)
        self._sent.append(record)
        return record


def _record(event: Json) -> Record:
    return event["event_id"].encode(), json.dumps(event).encode()
