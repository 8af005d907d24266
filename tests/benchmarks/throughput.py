"""Parts a, b, c, d and i together: whoever is compared takes turns, round by round.

On a busy machine a speed means little and a ratio within one round a lot, so a round runs everybody
once, and rows have the medians of the rounds.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks.end_to_end import PACE_PER_SECOND, Trip, travel
from tests.benchmarks.row import Row
from tests.benchmarks.yard import Yard
from tests.benchmarks.yardsticks import PEERS, Peer, events_topic, run_peer

REQUIRED = {"realistic": 100_000.0, "independent": 50_000.0}
RATIOS = {"b": 80.0, "c": 8.0, "d": 0.4}
_REFERENCE = ("realistic", 1_000)
"""What the peers are compared with: they are given the same shape and scopes."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much of everything.

    Attributes:
        rounds: how often everybody runs.
        events: per end-to-end run.
        shapes: of part a.
        scopes: of part a, small and large.
        more_scopes: of part i, besides those.
        chunks: of part i's long run.
        peer_seconds: about how long a peer runs.
        closing: whether the end of a window is measured, 24 s more.
        processes: of INGEST; where there are several, one alone is measured, too.
    """

    rounds: int
    events: int
    shapes: tuple[str, ...]
    scopes: tuple[int, ...]
    more_scopes: tuple[int, ...]
    chunks: int
    peer_seconds: float
    closing: bool
    processes: int = 1


async def throughput_rows(
    yard: Yard, parts: str, load: Load, tell: Callable[[str], None]
) -> list[Row]:
    """The rows of those of the parts a, b, c, d and i that are wanted."""
    peers = [peer for peer in PEERS if peer.part in parts]
    kinds = (
        [(shape, scopes) for shape in load.shapes for scopes in load.scopes] if "a" in parts else []
    )
    if peers and not kinds:
        kinds = [(_REFERENCE[0], load.scopes[0])]
    counts = {each.part: int(each.speed * load.peer_seconds) for each in peers}
    topic = await events_topic(yard, max(counts.values())) if peers else ""
    trips: dict[tuple[str, int], list[Trip]] = {kind: [] for kind in kinds}
    speeds: dict[str, list[float]] = {peer.part: [] for peer in peers}
    for number in range(load.rounds):
        for shape, scopes in kinds:
            closing = load.closing and number == 0 and shape == "realistic"
            trip = await travel(
                yard, shape, scopes, load.events, closing=closing, processes=load.processes
            )
            trips[shape, scopes].append(trip)
            tell(f"a  {_name(trip)}: {_speech(trip)}")
        for peer in peers:
            speeds[peer.part].append(await run_peer(yard, peer, topic, counts[peer.part]))
            tell(f"{peer.part}  {peer.what}: {speeds[peer.part][-1]:,.0f} events/s")
    rows = [row for kind in kinds for row in _trip_rows(trips[kind])] if "a" in parts else []
    if rows and load.processes > 1:
        alone = await travel(yard, *kinds[0], load.events)
        tell(f"a  {_name(alone)}: {_speech(alone)}")
        rows += _trip_rows([alone])[:2]
    own = [trip.per_second for trip in trips[kinds[0]]] if kinds else []
    for peer in peers:
        rows += _peer_rows(peer, speeds[peer.part], own, counts[peer.part])
    if "i" in parts:
        rows += await _cost_rows(yard, load, trips, tell)
    return rows


def _name(trip: Trip) -> str:
    ingest = f", {trip.processes} processes of INGEST" if trip.processes > 1 else ""
    return f"one worker, {trip.shape}, {_about(trip.scopes)} scopes{ingest}"


def _about(scopes: int) -> str:
    """The number that was asked for: names of few kinds do not come out even."""
    digits = 10 ** (len(str(scopes)) - 1)
    return f"{round(scopes / digits) * digits:,}"


def _speech(trip: Trip) -> str:
    used = ", ".join(f"{role} {us:.1f}" for role, us in trip.cpu_us.items())
    text = f"{trip.per_second:,.0f} events/s; CPU us an event: {used}"
    if trip.closing_seconds is not None:
        text += f"; a window of all scopes ends in {trip.closing_seconds:.2f} s of CPU"
    return text


def _trip_rows(trips: list[Trip]) -> list[Row]:
    first = trips[0]
    rates = [trip.per_second for trip in trips]
    cpu = {role: statistics.median(trip.cpu_us[role] for trip in trips) for role in first.cpu_us}
    used = ", ".join(f"{role} {us:.1f}" for role, us in cpu.items())
    ready, begun = first.start_seconds
    rows = [
        Row(
            "a",
            _name(first),
            statistics.median(rates),
            "events/s",
            at_least=REQUIRED[first.shape],
            detail=f"{min(rates):,.0f} to {max(rates):,.0f} in {len(rates)} runs of"
            f" {first.events:,}; CPU us an event: {used}; start-up left out: {ready:.1f} s until"
            f" ready, {begun:.1f} s until the first event is in; {first.alerts} alerts",
            data={"scopes": first.scopes, "cpu_us": cpu, "rates": rates},
        )
    ]
    processes = dict.fromkeys(cpu, 1) | {"ingest": first.processes}
    slowest = max((us / processes[role], role) for role, us in cpu.items() if role != "broker")
    rows.append(
        Row(
            "a",
            f"its slowest role ({slowest[1]}), were each of its processes alone on a core",
            1e6 / slowest[0],
            "events/s",
            at_least=REQUIRED[first.shape],
            detail="from CPU time, so what else the machine does counts little",
        )
    )
    closed = next((trip for trip in trips if trip.sustained_per_second is not None), None)
    if closed is not None:
        rows.append(
            Row(
                "a",
                f"the same, sustained: a window of {_about(closed.scopes)} scopes ends every 5 min",
                closed.sustained_per_second or 0.0,
                "events/s",
                at_least=REQUIRED[closed.shape],
                detail=f"{closed.closing_seconds or 0:.2f} s of WATCH's CPU a window, with a flush;"
                f" above, {PACE_PER_SECOND:,} events are a second of event time",
            )
        )
    memory = statistics.median(trip.watch_bytes_per_scope for trip in trips)
    rows.append(
        Row(
            "a",
            f"memory of WATCH, {first.shape}, {_about(first.scopes)} scopes",
            memory,
            "bytes a scope",
            detail="resident, young scopes: one event each",
        )
    )
    return rows


def _peer_rows(peer: Peer, speeds: list[float], own: list[float], events: int) -> list[Row]:
    ratios = [mine / theirs for mine, theirs in zip(own, speeds, strict=True)]
    return [
        Row(
            peer.part,
            peer.what,
            statistics.median(speeds),
            "events/s",
            detail=f"{min(speeds):,.0f} to {max(speeds):,.0f} in {len(speeds)} runs of {events:,}",
        ),
        Row(
            peer.part,
            f"one worker against that ({peer.what})",
            statistics.median(ratios),
            "times",
            at_least=RATIOS[peer.part],
            detail=f"{min(ratios):.2f} to {max(ratios):.2f}, each within one round",
        ),
    ]


async def _cost_rows(
    yard: Yard, load: Load, trips: dict[tuple[str, int], list[Trip]], tell: Callable[[str], None]
) -> list[Row]:
    """Cost per event against scopes, and against the age of the process."""
    costs: dict[int, float] = {}
    for scopes in sorted({*load.scopes, *load.more_scopes}):
        found = trips.get(("realistic", scopes)) or [
            await travel(yard, "realistic", scopes, load.events, processes=load.processes)
        ]
        costs[scopes] = statistics.median(_cost(trip) for trip in found)
        tell(f"i  {scopes:,} scopes: {costs[scopes]:.1f} us of CPU an event, INGEST and WATCH")
    rows = [
        Row(
            "i",
            f"cost of an event, {scopes:,} scopes",
            cost,
            "us of CPU",
            detail="INGEST and WATCH together",
            data={"scopes": scopes, "cost_us": cost},
        )
        for scopes, cost in costs.items()
    ]
    small, large = load.scopes[0], load.scopes[-1]
    rows.append(
        Row(
            "i",
            f"cost of an event, {large:,} scopes against {small:,}",
            costs[large] / costs[small],
            "times",
            at_most=1.3,
        )
    )
    short = trips.get(("realistic", load.scopes[0]), []) if load.chunks == 1 else []
    long = next(iter(short), None) or await travel(
        yard,
        "realistic",
        load.scopes[0],
        load.events,
        chunks=load.chunks,
        processes=load.processes,
    )
    rows.append(
        Row(
            "i",
            "cost of an event, an old process against a young one",
            long.chunks[-1] / long.chunks[0],
            "times",
            detail=f"{load.chunks} times {load.events:,} events, one process of WATCH: "
            + ", ".join(f"{cost:.1f}" for cost in long.chunks)
            + " us",
            data={"chunks_us": long.chunks},
        )
    )
    return rows


def _cost(trip: Trip) -> float:
    return trip.cpu_us["ingest"] + trip.cpu_us["watch"]
