"""The simulator: native usage events of a made-up organization, in the order they arrive.

Deterministic: the same plan gives the same events, byte for byte, and an incident changes nothing
but its own calls. Knows no Kafka and no clock (``stream/commands/simulate.py`` does).
"""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from stream.simulation.call_stream import CallStream
from stream.simulation.incident import Incident, make_streams
from stream.simulation.organization import HOURS_A_DAY, Agent, make_organization

_HOUR_SECONDS = 3600
_DAY_SECONDS = HOURS_A_DAY * _HOUR_SECONDS
_NANO = 1_000_000_000
_STEPS_A_RUN = 8
_INPUT_SPREAD = 0.5
_OUTPUT_SPREAD = 0.6
# Standard deviations of the logarithm of a call's tokens.

_MONDAY = 3
# 1970-01-01 was a Thursday: days since then, plus three, count from a Monday.

_MOST_TOKENS = 200_000
# Beyond that some models have another price, and others no context.

_LATE_SECONDS = (90.0, 1_800.0)
_REPEAT_SECONDS = (1.0, 600.0)

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate.

    Attributes:
        start: epoch seconds of the first possible event.
        days: how long.
        seed: everything random follows from it.
        agents: how many.
        pace: times the usual number of calls of every agent.
        quiet_share: 0-1, of agents that make a fiftieth of that.
        incidents: what goes wrong.
        late_share: 0-1, of events that arrive 90 s to 30 min after those of their time.
        repeat_share: 0-1, of events that arrive a second time, up to 10 min later.
        traces: address below which each call has its ``trace_url``; empty: none has one.
    """

    start: float
    days: float = 14.0
    seed: int = 7
    agents: int = 30
    pace: float = 1.0
    quiet_share: float = 0.0
    incidents: tuple[Incident, ...] = ()
    late_share: float = 0.0
    repeat_share: float = 0.0
    traces: str = ""

    @property
    def end(self) -> float:
        """Epoch seconds after the last event."""
        return self.start + self.days * _DAY_SECONDS

    def organization(self) -> tuple[Agent, ...]:
        """Who there is.

        Raises:
            ValueError: if there is nobody.
        """
        return make_organization(
            self.seed, self.agents, pace=self.pace, quiet_share=self.quiet_share
        )


class Arrival(NamedTuple):
    """An event and when it arrives.

    Attributes:
        at: epoch seconds; its own time unless it is late or a repeat.
        event: a UsageEvent, native.md section 1.
    """

    at: float
    event: Event


def simulate(plan: Plan) -> Iterator[Event]:
    """The events of a plan in the order they arrive.

    Raises:
        ValueError: if the plan makes no sense.
    """
    return (arrival.event for arrival in arrivals(plan))


def arrivals(plan: Plan) -> Iterator[Arrival]:
    """The same with the time at which each arrives, which never goes back.

    Raises:
        ValueError: if the plan makes no sense.
    """
    for name, share in (("late_share", plan.late_share), ("repeat_share", plan.repeat_share)):
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"{name} {share} is not between 0 and 1")
    if plan.days <= 0:
        raise ValueError(f"{plan.days} days: there is nothing to simulate")
    agents = plan.organization()
    streams = make_streams(agents, plan.incidents, since=plan.start, until=plan.end)
    in_time = _in_time(plan, streams)
    if plan.traces:
        in_time = _with_traces(plan.traces, in_time)
    return _disturbed(plan, in_time) if plan.late_share or plan.repeat_share else in_time


def _with_traces(address: str, in_time: Iterator[Arrival]) -> Iterator[Arrival]:
    """The same events, and where each can be looked at: its step of its run."""
    for at, event in in_time:
        url = f"{address}/{event['run_id']}/{event['step']}"
        yield Arrival(at, {**event, "trace_url": url})


def _disturbed(plan: Plan, in_time: Iterator[Arrival]) -> Iterator[Arrival]:
    """The same events, some of them late, some of them twice."""
    draw = random.Random(f"arrivals/{plan.seed}")  # noqa: S311  a simulation must repeat itself
    waiting: list[tuple[float, int, Event]] = []
    number = 0
    for at, event in in_time:
        while waiting and waiting[0][0] <= at:
            due = heapq.heappop(waiting)
            yield Arrival(due[0], due[2])
        is_late = draw.random() < plan.late_share
        arrives_at = at + draw.uniform(*_LATE_SECONDS) if is_late else at
        if is_late:
            number += 1
            heapq.heappush(waiting, (arrives_at, number, event))
        if draw.random() < plan.repeat_share:
            number += 1
            again_at = arrives_at + draw.uniform(*_REPEAT_SECONDS)
            heapq.heappush(waiting, (again_at, number, event))
        if not is_late:
            yield Arrival(at, event)
    while waiting:
        due = heapq.heappop(waiting)
        yield Arrival(due[0], due[2])


class _Columns(NamedTuple):
    """One stream's calls of one day, one element per call in each array."""

    number: np.ndarray[Any, Any]
    milliseconds: np.ndarray[Any, Any]
    input_tokens: np.ndarray[Any, Any]
    cached_tokens: np.ndarray[Any, Any]
    output_tokens: np.ndarray[Any, Any]
    nanousd: np.ndarray[Any, Any]
    is_error: np.ndarray[Any, Any]
    retries: np.ndarray[Any, Any]
    pick: np.ndarray[Any, Any]


def _in_time(plan: Plan, streams: list[CallStream]) -> Iterator[Arrival]:
    first_day = int(plan.start // _DAY_SECONDS)
    last_day = int(np.ceil(plan.end / _DAY_SECONDS))
    for day in range(first_day, last_day):
        busy = [
            (stream, columns)
            for stream in streams
            if (columns := _calls(plan.seed, stream, day)) is not None
        ]
        if not busy:
            continue
        times = np.concatenate([columns.milliseconds for _, columns in busy])
        order = np.argsort(times, kind="stable")
        events = [
            event for stream, columns in busy for event in _events(plan.seed, stream, columns, day)
        ]
        for index, milliseconds in zip(order.tolist(), times[order].tolist(), strict=True):
            yield Arrival(milliseconds / 1000, events[index])


def _calls(seed: int, stream: CallStream, day: int) -> _Columns | None:
    """The calls of a day (days since 1970), or None if there are none.

    All of the day's are drawn before those outside of the stream's time are left out, so that
    neither the plan's start nor another incident changes a call.
    """
    midnight = day * _DAY_SECONDS
    if stream.until <= midnight or stream.since >= midnight + _DAY_SECONDS:
        return None
    agent = stream.agent
    draw = np.random.default_rng((seed, stream.number, day))
    weekday = (day + _MONDAY) % 7
    hours = np.array(agent.hours_of_week[weekday * HOURS_A_DAY : (weekday + 1) * HOURS_A_DAY])
    day_factor = draw.lognormal(-(stream.day_spread**2) / 2, stream.day_spread)
    days = max(0.0, midnight - stream.since) / _DAY_SECONDS if stream.creep_ratio else 0.0
    pace = agent.calls_per_day * (1 + stream.creep_ratio) ** days
    counts = draw.poisson(pace / HOURS_A_DAY * day_factor * hours)
    total = int(counts.sum())
    hour = np.repeat(np.arange(HOURS_A_DAY), counts)
    seconds = np.sort((hour + draw.random(total)) * _HOUR_SECONDS)
    milliseconds = ((midnight + seconds) * 1000).astype(np.int64)
    input_tokens = _tokens(draw, agent.input_tokens * stream.input_factor, _INPUT_SPREAD, total)
    if stream.context_growth != 1:
        grown = (milliseconds / 1000 - stream.since) / (stream.until - stream.since)
        factor = 1 + (stream.context_growth - 1) * np.clip(grown, 0, 1)
        input_tokens = np.clip(input_tokens * factor, 1, _MOST_TOKENS).astype(np.int64)
    cached_tokens = (input_tokens * agent.cached_share).astype(np.int64)
    output_tokens = _tokens(draw, agent.output_tokens, _OUTPUT_SPREAD, total)
    price = stream.price
    nanousd = (
        (input_tokens - cached_tokens) * price.input_nanousd
        + cached_tokens * price.cache_read_nanousd
        + output_tokens * price.output_nanousd
    )
    columns = _Columns(
        number=np.arange(total),
        milliseconds=milliseconds,
        input_tokens=input_tokens,
        cached_tokens=cached_tokens,
        output_tokens=output_tokens,
        nanousd=nanousd,
        is_error=draw.random(total) < stream.error_share,
        retries=draw.poisson(stream.retries or 0.03, total),
        pick=draw.integers(0, 1 << 30, total),
    )
    keep = (milliseconds >= stream.since * 1000) & (milliseconds < stream.until * 1000)
    for since, until in stream.muted:
        keep &= (milliseconds < since * 1000) | (milliseconds >= until * 1000)
    return _Columns(*(column[keep] for column in columns)) if keep.any() else None


def _tokens(
    draw: np.random.Generator, mean: float, spread: float, count: int
) -> np.ndarray[Any, Any]:
    """Log-normal numbers of tokens of this mean, within what a call can have."""
    tokens = draw.lognormal(np.log(mean) - spread**2 / 2, spread, count)
    return np.clip(tokens, 1, _MOST_TOKENS).astype(np.int64)


def _events(seed: int, stream: CallStream, columns: _Columns, day: int) -> Iterator[Event]:
    agent = stream.agent
    always = _always(stream)
    keys = agent.api_keys
    run = f"run-{seed}-{stream.number}-{day}"
    minute, minute_text = -1, ""
    for number, at, read, cached, written, nanousd, is_error, retries, pick in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        if at // 60_000 != minute:
            minute = at // 60_000
            minute_text = datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:")
        event = {
            "event_id": f"sim-{seed}-{stream.number}-{day}-{number}",
            "timestamp": f"{minute_text}{at % 60_000 // 1000:02d}.{at % 1000:03d}Z",
            **always,
            "api_key": keys[0] if pick % 4 else keys[-1],
            "run_id": run if stream.is_one_run else f"{run}-{number // _STEPS_A_RUN}",
            "step": str(number if stream.is_one_run else number % _STEPS_A_RUN),
        }
        if stream.sub_agents:
            event["agent"] = f"{agent.name}-sub-{pick % stream.sub_agents}"
        if stream.accepted_share is not None:
            is_accepted = pick % 1000 < 1000 * stream.accepted_share
            event["outcome"] = "accepted" if is_accepted else "rejected"
        if agent.users:
            event["user"] = f"user-{pick % agent.users}"
        if retries:
            event["retries"] = retries
        if is_error:
            event["status"] = "error"
            event["latency_ms"] = 400 + pick % 600
        else:
            event["input_tokens"] = read
            event["output_tokens"] = written
            if cached:
                event["cache_read_tokens"] = cached
            event["cost_usd"] = f"{nanousd // _NANO}.{nanousd % _NANO:09d}"
            event["latency_ms"] = 300 + 12 * written
        yield event


def _always(stream: CallStream) -> Event:
    """What all calls of a stream say alike."""
    agent = stream.agent
    who = {} if stream.is_anonymous else {"agent": agent.name, "workflow": agent.workflow}
    if not stream.is_anonymous:
        who["prompt_version"] = agent.prompt_version
    if stream.user:
        who["user"] = stream.user
    return {
        "provider": stream.price.provider,
        "model": stream.price.model,
        **who,
        "team": agent.team,
        "department": agent.department,
        "project": agent.project,
        "organization": "example-org",
    }
