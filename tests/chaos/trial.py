"""One run: traffic, faults, calm, audit; and the table that it prints.

This file must not know how a fault is made or what is compared with what.
"""

import asyncio
import contextlib
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.errors import KafkaError

from spendwatch_client.subscriber import ThrottleSubscriber, Topics
from stream.replay.replay import ReplayResult
from tests.chaos import audit
from tests.chaos.faults import BASE_WORKERS, KILLS, Faults, plan
from tests.chaos.logs import Json, Witness, dump
from tests.chaos.receivers import Receivers
from tests.chaos.standing import standing
from tests.chaos.traffic import RUNAWAY_SECONDS, Traffic, own_prices
from tests.support.kafka import KafkaBroker
from tests.support.worker import Installation

SETTLE_SECONDS = 45.0
"""After the last event everything has to be right within this; what is late is a difference."""

READY_SECONDS = 180.0
"""Until workers hold everything; starting two takes ten seconds of a core."""

COUNTED = "all counted after each fault"
"""The check of a run that is watched: its first difference names the fault that did it."""

ROLES = ("ingest", "watch", "decide", "notify")

FAULT_SECONDS = 10.0
"""What a fault takes, about: how many runaways fit into a run follows from it."""


@dataclass(frozen=True)
class Plan:
    """What to do.

    Attributes:
        seed: all that chance decides follows from it.
        kills: how many processes or workers die by kill -9.
        others: how many other faults there are.
        minutes: no fault begins after this.
        events_per_second: on average.
        session_seconds: after which a silent worker is replaced.
        is_watched: stop sending after each fault and count, to see which one it was.
        kinds: of faults, in turn; by chance if none are given.
        roles: that workers run.
    """

    seed: int
    kills: int
    others: int
    minutes: float
    events_per_second: float = 60.0
    session_seconds: float = 3.0
    is_watched: bool = False
    kinds: tuple[str, ...] = ()
    roles: tuple[str, ...] = ROLES

    def faults(self, chance: random.Random) -> list[str]:
        """What goes wrong, in its order."""
        if not self.kinds:
            return plan(chance, self.kills, self.others)
        return [self.kinds[number % len(self.kinds)] for number in range(self.kills + self.others)]


@dataclass
class Report:
    """What came of it.

    Attributes:
        faults: done, by kind.
        missed: moments that never came.
        figures: what was counted on the way, by name.
        differences: by check; empty lists where all is well.
        standing: where INGEST stood, if totals differed.
    """

    faults: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    figures: dict[str, int] = field(default_factory=dict)
    differences: dict[str, list[str]] = field(default_factory=dict)
    standing: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs."""
        return not any(self.differences.values())

    def table(self, *, most: int = 8) -> str:
        """For people, with so many differences of each check."""
        lines = [f"{'fault':<44}{'done':>7}{'missed':>8}"]
        lines += [
            f"{kind:<44}{self.faults[kind]:>7}{self.missed[kind]:>8}"
            for kind in sorted(self.faults.keys() | self.missed.keys())
        ]
        kills = sum(self.faults[kind] + self.missed[kind] for kind in KILLS)
        lines += [f"{'kills in all':<44}{kills:>7}", ""]
        lines += [f"{name:<44}{count:>7,}" for name, count in self.figures.items()]
        lines += ["", f"{'check':<44}{'differences':>12}"]
        for check, found in self.differences.items():
            lines.append(f"{check:<44}{len(found):>12}")
            lines += [f"    {each[:300]}" for each in found[:most]]
        return "\n".join([*lines, *self.standing])


def settings(receivers: Receivers) -> Json:
    """Short windows, many budgets, throttling for real, and no verdict that a clock makes."""
    budgets = [
        {
            "name": f"{kind}-{step}",
            "kind": kind,
            "amount_usd": f"{0.004 * 2**step:.4f}",
            "period": "day",
            "zone": "UTC",
        }
        for kind in ("agent", "team")
        for step in range(8)
    ]
    return {
        "pricing": {"own_prices": own_prices()},
        # No verdict that a replay cannot repeat: nobody is idle, and everybody is waited for.
        "ingest": {"allowed_lateness_seconds": 10, "idle_after_seconds": 3600},
        "watch": {
            "flush_seconds": 2.0,
            "profile_flush_seconds": 8.0,
            "max_silence_messages": 100_000,
        },
        "rules": {"window_seconds": 60, "resolve_after_windows": 1, "budgets": budgets},
        "throttle": {
            "mode": "enforce",
            "max_automatic_targets_per_hour": 1000,
            "settle_seconds": 1,
            "evidence_wait_seconds": 5,
            "lease_minutes": 0.5,
            "renew_minutes": 0.1,
            "hold_minutes": 0.5,
            "probe_minutes": 0.2,
        },
        "notify": receivers.settings(),
    }


class Trial:
    """A run on one broker.

    Args:
        plan: what to do.
        broker: where; it is stopped and started.
        folder: for configuration, logs and data folders.
        say: hears how it goes.
    """

    def __init__(
        self,
        plan_: Plan,
        broker: KafkaBroker,
        folder: Path,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._plan = plan_
        self._broker = broker
        self._folder = folder
        self._say = say
        self._chance = random.Random(plan_.seed)
        self.report = Report()

    async def run(self) -> Report:
        """All of it; processes and servers end with it, whatever happens."""
        receivers = Receivers()
        await receivers.start()
        here = Installation(
            self._folder,
            self._broker.bootstrap,
            f"chaos-{self._plan.seed}-",
            workers=BASE_WORKERS + 1,
            session_seconds=self._plan.session_seconds,
        )
        here.configure(settings(receivers))
        try:
            await self._go(here, receivers)
        finally:
            here.kill()
            await receivers.stop()
        return self.report

    async def _go(self, here: Installation, receivers: Receivers) -> None:
        await here.create_topics()
        for worker in here.workers[:BASE_WORKERS]:
            worker.start(*self._plan.roles)
        await here.ready(READY_SECONDS)
        names = here.topics
        witness = Witness(here.bootstrap, (names.actions, names.shadow))
        witness.start()
        gateway = ThrottleSubscriber(
            here.bootstrap,
            enforcer="chaos-gateway",
            topics=Topics(names.actions, names.control, names.acks),
        )
        await gateway.start()
        traffic = Traffic(self._plan.seed, self._plan.events_per_second, self._runaways())
        sending = asyncio.create_task(traffic.run(here.bootstrap, names.usage_events))
        try:
            await self._trouble(here, receivers, traffic)
        finally:
            traffic.end()
            await sending
        self._say("calm")
        try:
            await self._audit(here, receivers, witness)
        finally:
            await gateway.stop()
            await witness.stop()

    def _runaways(self) -> tuple[float, ...]:
        """An agent runs away now and then; the first soon, so that a short run has it."""
        seconds = min(
            60 * self._plan.minutes, FAULT_SECONDS * (self._plan.kills + self._plan.others)
        )
        every = 1.5 * RUNAWAY_SECONDS
        return tuple(10.0 + every * number for number in range(max(1, int(seconds / every))))

    async def _trouble(self, here: Installation, receivers: Receivers, traffic: Traffic) -> None:
        faults = Faults(
            here,
            self._broker,
            receivers,
            self._chance,
            session_seconds=self._plan.session_seconds,
            roles=self._plan.roles,
        )
        self.report.faults, self.report.missed = faults.done, faults.missed
        started = time.monotonic()
        await asyncio.sleep(10.0)
        for kind in self._plan.faults(self._chance):
            elapsed = time.monotonic() - started
            if elapsed > 60 * self._plan.minutes:
                self._say("out of time")
                break
            self._say(f"{elapsed:6.1f} s  {kind}")
            await faults.do(kind)
            if self._chance.random() < 0.5:
                since = time.monotonic()
                await faults.ready()
                self._say(f"          all is held again after {time.monotonic() - since:.1f} s")
            await asyncio.sleep(self._chance.uniform(0.5, 3.0))
            if self._plan.is_watched:
                await self._count(here, traffic, kind)
        receivers.calm()
        faults.revive()
        await faults.ready()

    async def _count(self, here: Installation, traffic: Traffic, kind: str) -> None:
        """Whether all that was sent so far is counted, each once; a difference if not."""
        found = self.report.differences.setdefault(COUNTED, [])
        traffic.is_paused = True
        await asyncio.sleep(1.0)
        log = await audit.Log.of(here)
        wanted = log.auditor.requests("model")
        try:
            await here.reached(wanted, seconds=SETTLE_SECONDS)
            counted = await here.stable(quiet=1.0)
        except AssertionError as error:
            found.append(f"after {kind}: {str(error).splitlines()[0]}")
        else:
            if counted != wanted:
                found.append(f"after {kind}: {counted} are counted of {wanted}")
            self._say(f"          {counted} of {wanted} are counted")
        traffic.is_paused = False

    async def _dump(self, here: Installation) -> None:
        """What can be looked at afterwards, if the folder is kept."""
        topics = here.topics
        for topic in (topics.usage_events, topics.signals, topics.alerts, topics.actions):
            await dump(here.bootstrap, topic, self._folder / f"{topic}.jsonl")
        await dump(here.bootstrap, topics.deltas, self._folder / "deltas.jsonl")

    async def _audit(self, here: Installation, receivers: Receivers, witness: Witness) -> None:
        log = await audit.Log.of(here)
        report = self.report
        with contextlib.suppress(AssertionError):  # that is for the audit to say
            await here.reached(log.auditor.requests("model"), seconds=SETTLE_SECONDS)
            await here.stable(quiet=2.0, seconds=SETTLE_SECONDS)
        report.figures["records in usage.events"] = log.reading.records
        report.figures["canaries among them"] = log.reading.canaries
        report.figures["events, each once"] = log.auditor.events
        report.figures["refused"] = log.reading.refused.total()
        report.figures["workers that ended by themselves"] = sum(w.revived for w in here.workers)
        checks: dict[str, Callable[[], Awaitable[list[str]]]] = {
            "totals by scope, spend --json": lambda: audit.totals(log, here),
            "totals by scope and hour, day, period": lambda: audit.windows(log, here),
            "dead letters": lambda: audit.dead_letters(log, here),
        }
        for name, check in checks.items():
            report.differences[name] = await check()
        if not report.is_clean:
            try:
                report.standing = await asyncio.wait_for(standing(here), SETTLE_SECONDS)
            except (KafkaError, OSError, TimeoutError) as error:
                report.standing = [f"where INGEST stood is unknown: {error!r}"]
        replay = await asyncio.to_thread(log.replayed, here)
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            told = await self._told(here, receivers, witness, replay.result)
            if not any(told.values()) or time.monotonic() > deadline:
                break
            for worker in here.running:
                worker.revive()
            await asyncio.sleep(1.0)
        report.differences |= told
        await here.stop()
        _, alerts = await audit.told(here, witness)
        held = audit.held_scopes(alerts, witness.values(here.topics.actions))
        learned = await audit.states(here, replay, held)
        report.differences["what was learned, against a replay"] = learned
        if not report.is_clean:
            await self._dump(here)
            (self._folder / "differences.txt").write_text(report.table(most=100_000))

    async def _told(
        self, here: Installation, receivers: Receivers, witness: Witness, result: ReplayResult
    ) -> dict[str, list[str]]:
        signals, alerts = await audit.told(here, witness)
        enforced = witness.values(here.topics.actions)
        shadow = witness.values(here.topics.shadow)
        held = audit.held_scopes(alerts, enforced)
        of_scopes = {
            "transitions of scopes, against a replay": audit.signals(signals, result, held)
        }
        self.report.figures |= {
            "transitions of scopes, repeats too": len(signals),
            "transitions of scopes, each once": len({s["transition_id"] for s in signals}),
            "transitions in spend.alerts": len(alerts),
            "throttle actions enforced": len(enforced),
            "targets acted on": len({str(action["target"]) for action in enforced}),
            "messages in Slack": len(receivers.slack.roots),
            "requests the webhook took": receivers.hook.acknowledged.total(),
        }
        if "decide" not in self._plan.roles:
            return of_scopes
        return of_scopes | {
            "transitions with their incidents": audit.forwarded(signals, alerts),
            "sequences of throttle actions": audit.actions(enforced, shadow),
            "targets, against a DECIDE that never dies": audit.targets(
                enforced, await audit.decided(here)
            ),
            "deliveries": audit.deliveries(alerts, receivers),
        }


def say(text: str) -> None:
    """One line of how it goes."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
