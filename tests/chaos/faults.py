"""What goes wrong, in an order that follows from the seed.

Kills at moments chosen by chance, and at moments that once lost money (``tests/support/moments``);
processes that sleep past their session and wake up as zombies; the broker, gone for a while;
workers that come and go; receivers that fail. Each fault is left behind with its processes started
anew, and not always before the next one begins. This file must not know what is right.
"""

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from aiokafka import AIOKafkaProducer

from stream.ingest.dedup import Sightings
from stream.ingest.dedup_record import encode_seen
from stream.ingest.id_table import ids_of
from tests.chaos.receivers import Receivers
from tests.support import moments
from tests.support.kafka import KafkaBroker
from tests.support.worker import Installation, Worker

MOMENT_SECONDS = 15.0
"""A moment that has not come by then is missed, and the process is killed all the same."""

TAKING_OVER = '"ingest_assigned"'
"""What a worker's log says when partitions have come to it."""

HANGS_MS = 900_000
"""Longest that a broker takes as it comes: longer than anything here waits."""

BROKER_SECONDS = 180.0
"""A broker that was killed checks its log first; with every core busy that takes a while."""

BASE_WORKERS = 2
"""So many workers there are again after every fault; one more comes and goes."""

KILLS: dict[str, int] = {
    "kill -9 of a worker": 3,
    "kill -9 of one role": 4,
    "kill -9 in a transaction": 3,
    "kill -9 in a page flush": 3,
    "kill -9 between signals and pages": 3,
    "kill -9 while pages are refused": 1,
    "kill -9 of the successor of a zombie": 2,
    "kill -9 in a recovery": 2,
    "kill -9 in a rebalance": 2,
}
"""Kind to how often it comes, compared with the others."""

OTHERS: dict[str, int] = {
    "a worker sleeps past its session": 3,
    "INGEST sleeps in a transaction": 2,
    "WATCH sleeps past its session": 2,
    "DECIDE sleeps past its session": 1,
    "NOTIFY sleeps past its session": 1,
    "the broker stops and starts": 2,
    "the broker is killed": 1,
    "a transaction in INGEST's logs never ends": 1,
    "a worker is added": 2,
    "a worker is removed": 2,
    "a receiver fails": 4,
}


def plan(chance: random.Random, kills: int, others: int) -> list[str]:
    """Kinds of faults in their order: as many of each sort as asked for, none left out for long.

    The rarer ones come first in a shuffle of their own, so that a short run has some of each.
    """
    faults = _dealt(chance, KILLS, kills) + _dealt(chance, OTHERS, others)
    chance.shuffle(faults)
    return faults


def _dealt(chance: random.Random, weights: dict[str, int], count: int) -> list[str]:
    """Like cards: every kind once, then each as often as its weight says, until the count."""
    dealt: list[str] = []
    while len(dealt) < count:
        once = chance.sample([*weights], k=len(weights))
        rest = [kind for kind, weight in weights.items() for _ in range(weight - 1)]
        chance.shuffle(rest)
        dealt += once + rest
    return dealt[:count]


class Faults:
    """Makes them happen, one by one.

    Attributes:
        done: how often each kind was done.
        missed: how often the moment never came; the process was killed at another one.
    """

    def __init__(
        self,
        installation: Installation,
        broker: KafkaBroker | None,
        receivers: Receivers,
        chance: random.Random,
        *,
        session_seconds: float,
        roles: tuple[str, ...],
    ) -> None:
        self.done: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self._here = installation
        self._broker = broker
        self._receivers = receivers
        self._chance = chance
        self._session = session_seconds
        self._roles = roles
        self._do: dict[str, Callable[[], Awaitable[Any]]] = {
            "kill -9 of a worker": self._kill_worker,
            "kill -9 of one role": self._kill_role,
            "kill -9 in a transaction": self._kill_in_transaction,
            "kill -9 in a page flush": self._kill_in_flush,
            "kill -9 between signals and pages": self._kill_after_signals,
            "kill -9 while pages are refused": self._kill_while_refused,
            "kill -9 of the successor of a zombie": self._kill_successor,
            "kill -9 in a recovery": self._kill_in_recovery,
            "kill -9 in a rebalance": self._kill_in_rebalance,
            "a worker sleeps past its session": self._sleep,
            "INGEST sleeps in a transaction": self._sleep_in_transaction,
            "WATCH sleeps past its session": lambda: self._sleep("watch"),
            "DECIDE sleeps past its session": lambda: self._sleep("decide"),
            "NOTIFY sleeps past its session": lambda: self._sleep("notify"),
            "the broker stops and starts": self._restart_broker,
            "the broker is killed": lambda: self._restart_broker(kill=True),
            "a transaction in INGEST's logs never ends": self._hang,
            "a worker is added": self._add,
            "a worker is removed": self._remove,
            "a receiver fails": self._trouble,
        }

    async def do(self, kind: str) -> None:
        """One fault; what was killed is started again before this returns, ready or not."""
        try:
            await self._do[kind]()
            self.done[kind] += 1
        except (AssertionError, LookupError, RuntimeError, StopIteration):
            # The moment never came, or a process was gone when it did: kill somebody all the same.
            self.missed[kind] += 1
            for worker in self._here.running:
                worker.signal(signal.SIGCONT)
            if kind in KILLS:
                await self._kill_worker()
        self.revive()

    def revive(self) -> None:
        """Start what is to run and does not."""
        for worker in self._here.workers[:BASE_WORKERS]:
            if not worker.is_wanted:
                worker.start(*self._roles)
        for worker in self._here.running:
            worker.revive()

    async def ready(self) -> None:
        """Return when everything is held again."""
        await self._here.ready(180.0)

    @property
    def _some(self) -> Worker:
        return self._chance.choice(self._here.running)

    # -- kills -------------------------------------------------------------------------------

    async def _kill_worker(self) -> None:
        self._some.kill()
        await asyncio.sleep(self._chance.uniform(0.0, 1.5 * self._session))

    async def _kill_role(self) -> None:
        worker = self._some
        worker.signal(signal.SIGKILL, self._chance.choice(self._roles))
        await worker.ended()

    async def _kill_in_transaction(self) -> None:
        await self.ready()
        await moments.kill_between_output_and_commit(self._here, self._some, seconds=MOMENT_SECONDS)

    async def _kill_in_flush(self) -> None:
        await self.ready()
        await moments.kill_in_a_page_flush(self._here, self._some, seconds=MOMENT_SECONDS)

    async def _kill_after_signals(self) -> None:
        await self.ready()
        await moments.kill_between_signals_and_pages(self._here, seconds=MOMENT_SECONDS)

    async def _kill_while_refused(self) -> None:
        """What was not written must not have been acknowledged; most end by themselves of it."""
        await self.ready()
        worker = self._some
        async with moments.pages_are_refused(self._here):
            await asyncio.sleep(self._chance.uniform(2.5, 4.5))
            worker.kill()

    async def _kill_successor(self) -> None:
        """WATCH sleeps in a flush and goes on with it; whoever has taken over meanwhile dies."""
        await self.ready()
        worker = self._some
        await moments.stop_in_a_page_flush(self._here, worker, seconds=MOMENT_SECONDS)
        await moments.others_took_over(self._here, worker)
        await asyncio.sleep(self._chance.uniform(2.0, 4.0))
        worker.signal(signal.SIGCONT, "watch")
        await asyncio.sleep(self._chance.uniform(0.1, 0.8))
        for other in self._here.running:
            if other is not worker:
                other.kill()

    async def _kill_in_recovery(self) -> None:
        worker = self._some
        worker.kill()
        await moments.kill_in_recovery(worker, self._chance, *self._roles)

    async def _kill_in_rebalance(self) -> None:
        """Somebody joins, and while the partitions move somebody else dies."""
        await self.ready()
        before = self._here.running
        idle = [worker for worker in self._here.workers if not worker.is_wanted]
        if idle:
            idle[0].start(*self._roles)
            await idle[0].said("watch_started")
        else:
            await before.pop().stop()
        await asyncio.sleep(self._chance.uniform(0.0, 2.0))
        self._chance.choice(before).kill()

    # -- zombies -----------------------------------------------------------------------------

    async def _sleep(self, role: str | None = None) -> None:
        await self.ready()
        worker = self._some
        worker.signal(signal.SIGSTOP, role)
        await asyncio.sleep(self._session + self._chance.uniform(0.5, 3.0))
        worker.signal(signal.SIGCONT, role)

    async def _sleep_in_transaction(self) -> None:
        """What a worker had written and not committed, while others took over and it wakes up."""
        await self.ready()
        worker = self._some
        await moments.stop_between_output_and_commit(self._here, worker, seconds=MOMENT_SECONDS)
        others = [each for each in self._here.running if each is not worker]
        places = {each: len(each.log) for each in others}
        deadline = time.monotonic() + 3 * self._session
        while time.monotonic() < deadline:
            if any(TAKING_OVER in each.log[at:] for each, at in places.items()):
                break
            await asyncio.sleep(0.01)
        # Between what the successor reads and what it bars: some milliseconds, now and then.
        await asyncio.sleep(self._chance.choice([0.0, 0.01, 0.05, 0.2, 1.0]))
        worker.signal(signal.SIGCONT, "ingest")

    # -- the rest ----------------------------------------------------------------------------

    async def _restart_broker(self, *, kill: bool = False) -> None:
        if self._broker is None:
            raise LookupError("the broker is not ours")
        await asyncio.to_thread(self._broker.kill if kill else self._broker.stop)
        await asyncio.sleep(self._chance.uniform(0.0, 2.0))
        await asyncio.to_thread(self._broker.start, wait=False)
        await asyncio.to_thread(self._broker.wait_ready, BROKER_SECONDS)

    async def _hang(self) -> None:
        """What a broker did once that was stopped in the middle of a transaction."""
        topics = self._here.topics
        number = self._chance.randrange(topics.usage_events_partitions)
        (ids,) = encode_seen(
            Sightings(ids_of(bytes(16)), np.zeros(1, np.int32)),
            source=("another", 0),
            first_offset=0,
            next_offset=1,
            max_bytes=10_000,
        )
        async with AIOKafkaProducer(
            bootstrap_servers=self._here.bootstrap,
            transactional_id=f"{self._here.prefix}hangs-{self.done.total()}",
            transaction_timeout_ms=HANGS_MS,
        ) as producer:
            await producer.begin_transaction()
            await producer.send_and_wait(topics.dedup, ids, partition=number)
            await producer.send_and_wait(
                topics.provisional, b"", key=b"another/0/", partition=number
            )
        await self._kill_worker()

    async def _add(self) -> None:
        for worker in self._here.workers:
            if not worker.is_wanted:
                worker.start(*self._roles)
                return
        await self._remove()

    async def _remove(self) -> None:
        running = self._here.running
        if len(running) > BASE_WORKERS:
            worker = running[-1]
            with contextlib.suppress(TimeoutError):
                await worker.stop()
            worker.kill()
            return
        worker = self._some
        await worker.stop()
        await asyncio.sleep(self._chance.uniform(0.0, self._session))

    async def _trouble(self) -> None:
        self._receivers.trouble(self._chance)
