"""Parts a and i: events of a topic to table state and alerts, by one worker on a real Kafka.

The judging roles are ready and every scope is known before the clock runs; the events lie in the
topic; then INGEST starts. Time runs from the first look that finds something counted until
everything is, or for 25 s. So start-up is left out, and what was counted before the first look.
"""

import asyncio
import time
from dataclasses import dataclass, field

from tests.benchmarks.traffic import Traffic, expensive
from tests.benchmarks.yard import INPUT_PARTITIONS, JUDGING, POLL_SECONDS, House, Moment, Yard

PACE_PER_SECOND = 100_000
"""Event time of the measured events runs as it would at the speed that is required."""

_WINDOW_SECONDS = 300
_EDGE_SECONDS = 75.0
# The shipped lateness, and the seconds that the measured events are spread over.

_MEASURED_SECONDS = 25.0
# Two flushes or three: between them WATCH puts work off, so that a shorter run would flatter it.

_INCIDENTS = 5
_ALERT_WAIT_SECONDS = 90.0
_CLOSING_SECONDS = 24.0
# Two flushes: the end of a window is followed by one in which every page has changed.


@dataclass(frozen=True, slots=True)
class Trip:
    """What one run found.

    Attributes:
        shape: of the traffic.
        scopes: how many names there are, all known before the clock ran.
        processes: of INGEST (``ingest.processes``).
        events: measured.
        per_second: events from topic to tables.
        cpu_us: role, or ``broker``, to microseconds of CPU an event.
        watch_bytes_per_scope: resident memory of WATCH that came with the scopes.
        start_seconds: until the judging roles were ready, and until INGEST had its first event in.
        alerts: transitions on the topic of alerts at the end.
        closing_seconds: CPU of WATCH for the end of one window in which every scope spent, with the
            flush after it; ``None`` if not asked for.
        chunks: CPU of INGEST and WATCH together, microseconds an event, per part of the events.
    """

    shape: str
    scopes: int
    processes: int
    events: int
    per_second: float
    cpu_us: dict[str, float]
    watch_bytes_per_scope: float
    start_seconds: tuple[float, float]
    alerts: int
    closing_seconds: float | None
    chunks: list[float] = field(default_factory=list)

    @property
    def worker_cpu_us(self) -> float:
        """CPU of all roles, microseconds an event."""
        return sum(us for role, us in self.cpu_us.items() if role != "broker")

    @property
    def sustained_per_second(self) -> float | None:
        """With a window of every scope ending every five minutes, on the core that WATCH has."""
        if self.closing_seconds is None:
            return None
        return self.per_second * (1 - self.closing_seconds / _WINDOW_SECONDS)


async def past_edge() -> float:
    """Now, once that is well within a window.

    The window that begins at an edge is judged early only once the lateness has passed
    (ARCHITECTURE.md, Time), and whoever measures alerts would wait for that. Events of before the
    edge would be late: an idle partition's watermark follows the clock (seen: 1,000,005 of them).
    """
    phase = time.time() % _WINDOW_SECONDS
    await asyncio.sleep(max(0.0, _EDGE_SECONDS - phase))
    return time.time()


async def travel(
    yard: Yard,
    shape: str,
    scopes: int,
    events: int,
    *,
    closing: bool = False,
    chunks: int = 1,
    processes: int = 1,
) -> Trip:
    """One run.

    Args:
        yard: where.
        shape: one of ``SHAPES``.
        scopes: about how many.
        events: to measure with.
        closing: measure the end of a window, too; 24 s more.
        chunks: parts, one after the other, of so many events each.
        processes: of INGEST.
    """
    traffic = Traffic(shape, scopes)
    async with yard.house(traffic.shape.scopes, {"ingest": {"processes": processes}}) as house:
        ready_seconds = await house.open()
        empty = await house.look()
        house.feeder.start("ingest")
        # In the last window that is over by now, so that the next event ends exactly that one.
        open_since = int(await past_edge()) // _WINDOW_SECONDS * _WINDOW_SECONDS
        primer = traffic.primer(open_since - _WINDOW_SECONDS, 50.0)
        goal = await yard.fill(house.topic, primer)
        known = await house.reached(goal)
        closing_seconds = await _closing(yard, house, traffic, goal) if closing else None
        goal = (await house.look()).counted

        parts: list[tuple[Moment, Moment]] = []
        first_seconds = 0.0
        for number in range(chunks):
            await house.feeder.stop()
            goal += await _produce(yard, house, traffic, events, number)
            started = time.monotonic()
            house.feeder.start("ingest")
            parts.append(await house.measured(goal, _MEASURED_SECONDS))
            first_seconds = parts[-1][0].at - started
            if number < chunks - 1:
                await house.reached(goal)
        alerts = await _alerts(yard, house)
    first, last = parts[-1]
    rates = [(end.counted - start.counted) / (end.at - start.at) for start, end in parts]
    return Trip(
        shape=shape,
        scopes=traffic.shape.scopes,
        processes=processes,
        events=events * chunks,
        per_second=rates[-1],
        cpu_us={role: _cpu_us(role, first, last) for role in ("ingest", *JUDGING, "broker")},
        watch_bytes_per_scope=(known.used["watch"].rss_bytes - empty.used["watch"].rss_bytes)
        / traffic.shape.scopes,
        start_seconds=(ready_seconds, first_seconds),
        alerts=alerts,
        closing_seconds=closing_seconds,
        chunks=[sum(_cpu_us(role, *part) for role in ("ingest", "watch")) for part in parts],
    )


def _cpu_us(role: str, first: Moment, last: Moment) -> float:
    before = first.used[role].cpu_seconds if role in first.used else 0.0  # not started yet
    used = last.used[role].cpu_seconds - before
    return used * 1e6 / max(1, last.counted - first.counted)


async def _produce(yard: Yard, house: House, traffic: Traffic, events: int, number: int) -> int:
    """Events up to now, and early among them some that are worth an alert each."""
    seconds = events / PACE_PER_SECOND
    at = await past_edge() - seconds
    share = 0.05
    early = int(events * share)
    count = await yard.fill(house.topic, traffic.events(early, at, seconds * share))
    loud = [
        (
            f"loud-{number}-{each}".encode(),
            expensive(
                f"loud-{number}-{each}",
                at + seconds * share,
                agent=f"loud-{number}-{each}",
                api_key=f"loud-key-{number}-{each}",
                usd="40.00",
            ),
        )
        for each in range(_INCIDENTS)
    ]
    count += await yard.fill(house.topic, loud)
    rest = traffic.events(events - early, at + seconds * share, seconds * (1 - share))
    return count + await yard.fill(house.topic, rest)


async def _alerts(yard: Yard, house: House) -> int:
    """Alerts told by now; waits for the first."""
    deadline = time.monotonic() + _ALERT_WAIT_SECONDS
    topic = house.installation.topics.alerts
    while (found := await yard.end(topic)) == 0 and time.monotonic() < deadline:  # noqa: ASYNC110 -- of another process
        await asyncio.sleep(POLL_SECONDS)
    assert found, f"no alert was told\n{house.installation.logs()}"
    return found


async def _closing(yard: Yard, house: House, traffic: Traffic, goal: int) -> float:
    """CPU seconds of WATCH beyond what it uses when it has nothing to do."""
    await asyncio.sleep(_CLOSING_SECONDS / 2)  # what the primer changed is written by now
    before = await house.look()
    await asyncio.sleep(_CLOSING_SECONDS / 4)
    idle = await house.look()
    # To every input partition, since a window ends when all have passed its end.
    ends = list(traffic.events(16 * INPUT_PARTITIONS, await past_edge(), 0.0))
    await yard.fill(house.topic, ends)
    await house.reached(goal + len(ends))
    await asyncio.sleep(_CLOSING_SECONDS)
    after = await house.look()
    idle_share = (idle.used["watch"].cpu_seconds - before.used["watch"].cpu_seconds) / (
        idle.at - before.at
    )
    busy = after.used["watch"].cpu_seconds - idle.used["watch"].cpu_seconds
    return max(0.0, busy - idle_share * (after.at - idle.at))
