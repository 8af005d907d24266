"""One trace through workers that are killed at every moment that once lost money.

The same steps serve the test (a short trace) and the show (the Azure trace). After each step the
answer of ``spend`` is compared with the auditor's sum, by every kind of scope and by hour.
"""

import asyncio
import json
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from alerting.watch.scope_watch import ScopeState, ScopeWatch
from detectors.window import rfc3339
from stream.config import Settings
from stream.derived_settings import bounds_of, watermark_policy
from stream.replay.replay import Replay
from stream.watch.flush import TABLES
from stream.watch.partition import DeltaPartition
from tests.support import moments
from tests.support.auditor import Auditor, read_topic
from tests.support.trace import KINDS, PRICES, pricing
from tests.support.worker import Installation, Json

ROLES = ("ingest", "watch")

PARTS = 8
"""Into so many parts a trace is cut: one for each step."""

DRIP_SECONDS = 0.1
DRIP_EVENTS = 100
MOMENT_EVENTS = 5
"""So few while a moment is awaited: it is found only while there is something to do."""

TRIES = 3
"""So often the one moment is looked for that cannot be made sure of before the kill."""


def settings(total_usd: float, *, flush_seconds: float = 2.0) -> Json:
    """Own prices, and budgets enough for signals all along.

    Args:
        total_usd: what the trace costs, about.
        flush_seconds: between two flushes.
    """
    budgets = [
        {
            "name": f"{kind}-{step}",
            "kind": kind,
            "amount_usd": f"{total_usd * step / 20:.4f}",
            "period": "day",
            "zone": "UTC",
        }
        for kind in ("agent", "api_key", "model")
        for step in range(1, 13)
    ]
    return {
        "pricing": pricing(),
        # A trace is poured in at a hundred times its pace. While INGEST is dead nobody takes back
        # that a partition is idle, and a minute's silence is hours of the trace.
        "ingest": {"idle_after_seconds": 3600},
        "watch": {
            "flush_seconds": flush_seconds,
            "profile_flush_seconds": 5 * flush_seconds,
            # A frozen INGEST must be waited for, or its windows close without it: nobody is late
            # in a replay of the same events.
            "max_silence_messages": 100_000,
        },
        "rules": {"budgets": budgets},
    }


@dataclass(frozen=True)
class Step:
    """What one step came to.

    Attributes:
        name: what was done.
        events: published so far.
        differences: between ``spend`` and the auditor, over all kinds and hours.
    """

    name: str
    events: int
    differences: list[str]


class Trial:
    """A trace, cut into parts, and the installation that has to survive it.

    Attributes:
        steps: what was done so far.
    """

    def __init__(
        self,
        installation: Installation,
        events: Sequence[Json],
        chance: random.Random,
        *,
        freeze_seconds: float,
        say: Callable[[Step], None] = lambda _: None,
    ) -> None:
        """Nothing is published yet.

        Args:
            installation: with two workers that run ``ROLES`` or all roles.
            events: the trace.
            chance: for the moments.
            freeze_seconds: longer than a session.
            say: hears of each step.
        """
        self.installation = installation
        self.steps: list[Step] = []
        self._chance = chance
        self._freeze = freeze_seconds
        self._say = say
        self._auditor = Auditor(PRICES)
        self._sent: list[Json] = []
        self._size = -(-len(events) // PARTS)
        self._rest = deque(events)

    async def plainly(self) -> None:
        """A part with nothing going wrong."""
        await self._step("nothing goes wrong", self._quiet)

    async def output_and_commit(self) -> None:
        """``kill -9`` between output and commit, seen by the deltas that were never committed.

        Raises:
            AssertionError: each kill came after its commit.
        """

        async def kill() -> None:
            worker = self._chance.choice(self.installation.workers)
            await moments.kill_between_output_and_commit(self.installation, worker)
            worker.start(*ROLES)

        # Seen from outside, a commit that is on its way looks like none: then once more.
        for _ in range(TRIES):
            await self._step("kill -9 of INGEST between output and commit", kill, awaits=True)
            if await self.aborted():
                return
        raise AssertionError(f"in {TRIES} tries no kill fell between output and commit")

    async def signals_and_pages(self) -> None:
        """``kill -9`` between signals and pages; the signals come again, and must."""

        async def kill() -> None:
            worker, _ = await moments.kill_between_signals_and_pages(self.installation)
            worker.start(*ROLES)

        await self._step("kill -9 of WATCH between signals and pages", kill, awaits=True)

    async def page_flush(self) -> None:
        """``kill -9`` in a page flush."""

        async def kill() -> None:
            worker = self._chance.choice(self.installation.workers)
            await moments.kill_in_a_page_flush(self.installation, worker)
            worker.start(*ROLES)

        await self._step("kill -9 of WATCH in a page flush", kill, awaits=True)

    async def recovery(self) -> None:
        """``kill -9`` of a worker, and again while it recovers."""

        async def kill() -> None:
            worker = self._chance.choice(self.installation.workers)
            worker.kill()
            await moments.kill_in_recovery(worker, self._chance, *ROLES)
            worker.start(*ROLES)

        await self._step("kill -9, and again in recovery", kill)

    async def frozen(self) -> None:
        """A worker that sleeps past its session, and wakes up as a zombie."""

        async def freeze() -> None:
            worker = self._chance.choice(self.installation.workers)
            await moments.freeze(worker, self._freeze)

        await self._step(f"a worker stopped for {self._freeze:.0f} s, then continued", freeze)

    async def forgotten(self) -> None:
        """``kill -9`` of everything, the data folders deleted, and a start."""

        async def forget() -> None:
            self.installation.kill()
            folders = [worker.forget() for worker in self.installation.workers]
            assert all(folders), "there was nothing to delete"
            await self.installation.start(*ROLES)

        await self._step("kill -9 of all, data folders deleted, restart", forget)

    async def _quiet(self) -> None:
        return

    async def _step(
        self, name: str, trouble: Callable[[], Awaitable[None]], *, awaits: bool = False
    ) -> None:
        troubled = asyncio.create_task(_awaited(trouble))
        part: list[Json] = []
        while self._rest and (len(part) < self._size or (awaits and not troubled.done())):
            is_early = awaits and not troubled.done()
            count = MOMENT_EVENTS if is_early else min(DRIP_EVENTS, self._size - len(part))
            piece = [self._rest.popleft() for _ in range(min(count, len(self._rest)))]
            part += piece
            await self.installation.publish(piece)
            await asyncio.sleep(DRIP_SECONDS)
        self._sent += part
        self._auditor.add(part, KINDS)
        # Repeats, as a producer sends them that was not sure; few, and all within the horizon.
        await self.installation.publish(self._chance.sample(part, k=len(part) // 50))
        await troubled
        await self.installation.ready()
        await self.installation.reached(self._auditor.events)
        await self.installation.stable(quiet=2.0)
        step = Step(name, len(self._sent), await self.differences())
        self.steps.append(step)
        self._say(step)

    async def differences(self) -> list[str]:
        """Between ``spend`` and the auditor, by every kind, as a whole and hour by hour."""
        found = []
        hours = sorted({int(event["timestamp"]) // 3600 for event in self._sent})
        for kind in KINDS:
            rows = await self.installation.spend(kind)
            found += self._auditor.differences(kind, rows)
            for hour in hours:
                span = {"from": rfc3339(hour * 3600), "to": rfc3339((hour + 1) * 3600)}
                rows = await self.installation.spend(kind, **span)
                found += [f"hour {hour}: {each}" for each in self._audit_hour(kind, rows, hour)]
        return found

    def _audit_hour(self, kind: str, rows: list[Json], hour: int) -> list[str]:
        return self._auditor.differences(kind, rows, range(hour, hour + 1))

    async def differences_on_command(self) -> list[str]:
        """Between ``spendwatch spend --json`` and the auditor."""
        return [
            difference
            for kind in KINDS
            for difference in self._auditor.differences(
                kind, await self.installation.spend_on_command(kind)
            )
        ]

    async def aborted(self) -> int:
        """Deltas of transactions that never were: proof of kills between output and commit."""
        where = (self.installation.bootstrap, self.installation.topics.deltas)
        written = await read_topic(*where, isolation="read_uncommitted")
        committed = {(each.partition, each.offset) for each in await read_topic(*where)}
        return sum((each.partition, each.offset) not in committed for each in written)

    def _replayed(self) -> frozenset[str]:
        signals = replay_of(self.installation, self._sent).result.signals
        return frozenset(alert.transition_id for alert in signals)

    async def state_differences(self) -> "States":
        """What workers have learned of every scope, as the changelogs hold it, against a replay.

        Ends the workers: their last flush is part of what is compared.
        """
        await self.installation.stop()
        settings = self.installation.settings
        own = await partitions_in_changelogs(self.installation.bootstrap, settings)
        replay = replay_of(self.installation, self._sent)
        watch = ScopeWatch(settings.rules)
        found = {text: s for each in own for text, s in each.scopes.items()}
        wanted = {text: s for each in replay.partitions for text, s in each.scopes.items()}
        problems = sorted(f"{text}: on one side only" for text in set(found) ^ set(wanted))
        for text in set(found) & set(wanted):
            theirs, ours = learned(watch, found[text]), learned(watch, wanted[text])
            if theirs != ours:
                problems.append(f"{text}: {theirs} is not {ours}")
        return States(len(wanted), problems)

    async def transitions(self) -> "Transitions":
        """What was told of single scopes, against a replay of the same events."""
        where = (self.installation.bootstrap, self.installation.topics.signals)
        told = Counter(_transition_id(record) for record in await read_topic(*where))
        return Transitions(told, self._replayed())


@dataclass(frozen=True)
class Transitions:
    """Transitions of single scopes by their ids.

    Attributes:
        told: how often each was published.
        replayed: what a replay over the same events comes to.
    """

    told: Counter[str]
    replayed: frozenset[str]

    @property
    def repeats(self) -> int:
        """Published again by a successor: proof of kills between signals and pages."""
        return self.told.total() - len(self.told)

    @property
    def differences(self) -> list[str]:
        """Transitions that only one side knows."""
        return sorted(self.replayed ^ set(self.told))


def _transition_id(record: Any) -> str:
    return str(json.loads(record.value)["transition_id"])


@dataclass(frozen=True)
class States:
    """What was learned of single scopes.

    Attributes:
        scopes: how many a replay knows.
        differences: between the changelogs and the replay.
    """

    scopes: int
    differences: list[str]


def replay_of(installation: Installation, events: Sequence[Json]) -> Replay:
    """A replay of events, with the end of the file not settled."""
    replay = Replay(installation.settings, is_durable=True)
    replay.feed(json.dumps(event).encode() for event in events)
    return replay


def learned(watch: ScopeWatch, state: ScopeState) -> Any:
    """All that is known of a scope, in one form, however much of it was in which table.

    Without the event at which a budget's level was crossed: partitions are read in any order.
    """
    for account in state.accounts:
        for period in account.periods.values():
            period.fired_at = 0
    profile = watch.profile_snapshot(state)
    watch.profile_durable(state, profile[0])
    return _canonical([watch.live_snapshot(state), profile])


def _canonical(value: Any) -> Any:
    """With the parts of a scope (name, value, name, value, ...) in the order of their names."""
    if not isinstance(value, list):
        return value
    parts = [_canonical(each) for each in value]
    names = parts[::2]
    if len(parts) % 2 or not all(isinstance(name, str) for name in names):
        return parts
    return sorted(zip(names, parts[1::2], strict=True), key=lambda part: part[0])


async def partitions_in_changelogs(bootstrap: str, settings: Settings) -> list[DeltaPartition]:
    """Every delta partition, restored from what the changelogs hold."""
    count = settings.topics.deltas_partitions
    tables: list[dict[str, dict[Any, bytes]]] = [
        {table: {} for table in TABLES} for _ in range(count)
    ]
    for table in TABLES:
        topic = f"{settings.watch.group}-{table}-changelog"
        for record in await read_topic(bootstrap, topic):
            key = json.loads(record.key)
            place = (key[0], tuple(key[1])) if isinstance(key, list) else key
            if record.value is None:
                tables[record.partition][table].pop(place, None)
            else:
                tables[record.partition][table][place] = record.value
    partitions = []
    for number, records in enumerate(tables):
        partition = DeltaPartition(
            number,
            incarnation="auditor",
            config=settings.watch,
            policy=watermark_policy(settings, settings.topics.usage_events_partitions),
            watch=ScopeWatch(settings.rules),
            bounds=bounds_of(settings),
        )
        partition.restore(records)
        partitions.append(partition)
    return partitions


async def _awaited(trouble: Callable[[], Awaitable[None]]) -> None:
    await trouble()
