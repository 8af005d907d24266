"""What goes wrong in the simulated organization: each incident as a stream of calls of its own.

An incident that changes how an agent behaves replaces the agent's usual calls while it lasts; one
that adds calls leaves them alone. This file must not make events.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from stream.simulation.organization import DAYS_A_WEEK, HOURS_A_DAY, PREMIUM, Agent, ModelPrice

_HOUR_SECONDS = 3600
_DAY_SECONDS = HOURS_A_DAY * _HOUR_SECONDS
_FLAT = (1.0,) * (DAYS_A_WEEK * HOURS_A_DAY)
_MONDAY_09 = 9
_SUNDAY_03 = 6 * HOURS_A_DAY + 3
_LEAST_JOB_USD = 60.0
_DAY_SPREAD = 0.12
_SPARED_EPISODES = 4
_MONDAY = 3
# 1970-01-01 was a Thursday: hours since then, plus three days, count from a Monday.

RUNAWAY_FACTOR = 170.0
"""From $100 to $17,000 a day, $0.197 a second: the incident that spendwatch is there for."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that goes wrong.

    Attributes:
        name: one of ``INCIDENTS``.
        agent: index of the agent it happens to.
        at: epoch seconds when it begins.
        seconds: how long it lasts.
    """

    name: str
    agent: int
    at: float
    seconds: float = 3_600.0


@dataclass(frozen=True, slots=True)
class CallStream:
    """Calls that one agent, or somebody in its place, makes for a while.

    Attributes:
        number: stable and unique; the stream's randomness and event ids follow from it.
        agent: whose habits the calls have; its ``hours_of_week`` times ``calls_per_day`` is the
            pace.
        since: epoch seconds of the first possible call.
        until: epoch seconds after the last.
        price: the model that is called and paid, where it is not the agent's usual one.
        day_spread: how much the number of calls differs from day to day, as a standard deviation of
            its logarithm; incidents keep their pace.
        muted: (since, until) pairs in which an incident's stream stands in for this one.
        input_factor: how much longer than usual the input is.
        retries: how many retries a call has, for a storm of them.
        error_share: 0-1, of calls that fail without usage.
        is_one_run: all calls are steps of one run, as in a loop.
        user: who calls, in place of the agent's own users.
        is_anonymous: the calls carry no agent and no workflow, as with a stolen key.
    """

    number: int
    agent: Agent
    since: float
    until: float
    price: ModelPrice
    day_spread: float = 0.0
    muted: tuple[tuple[float, float], ...] = ()
    input_factor: float = 1.0
    retries: int = 0
    error_share: float = 0.01
    is_one_run: bool = False
    user: str = ""
    is_anonymous: bool = False


_FIRST_INCIDENT_NUMBER = 1_000_000


def _next_version(version: str) -> str:
    return f"v{int(version[1:]) + 1}"


def _runaway(stream: CallStream) -> CallStream:
    """A prompt goes wrong: more than three times the context, fifty times the calls."""
    calls = 50.0
    size = RUNAWAY_FACTOR / calls
    agent = stream.agent
    return replace(
        stream,
        agent=replace(
            agent,
            usual_usd_per_day=agent.usual_usd_per_day * RUNAWAY_FACTOR,
            call_usd=agent.call_usd * size,
            prompt_version=_next_version(agent.prompt_version),
            hours_of_week=_FLAT,
        ),
    )


def _loop(stream: CallStream) -> CallStream:
    """One run that never ends, forty times the calls."""
    agent = stream.agent
    busy = replace(agent, usual_usd_per_day=40 * agent.usual_usd_per_day, hours_of_week=_FLAT)
    return replace(stream, agent=busy, is_one_run=True)


def _retry_storm(stream: CallStream) -> CallStream:
    """Half the calls fail and everything is tried again, five times over."""
    agent = stream.agent
    busy = replace(agent, usual_usd_per_day=25 * agent.usual_usd_per_day, hours_of_week=_FLAT)
    return replace(stream, agent=busy, retries=5, error_share=0.5)


def _prompt_bloat(stream: CallStream) -> CallStream:
    """As many calls as ever, at any hour's pace, with ten times the input."""
    agent = replace(stream.agent, prompt_version=_next_version(stream.agent.prompt_version))
    return replace(stream, agent=agent, input_factor=10.0)


def _model_switch(stream: CallStream) -> CallStream:
    """The same tokens on a model that costs many times as much."""
    return replace(stream, price=PREMIUM)


def _key_leak(stream: CallStream) -> CallStream:
    """A stranger spends $250 an hour with the agent's first key."""
    stranger = replace(
        stream.agent,
        api_keys=stream.agent.api_keys[:1],
        price=PREMIUM,
        usual_usd_per_day=6_000.0,
        call_usd=0.2,
        users=0,
        hours_of_week=_FLAT,
    )
    return replace(stream, agent=stranger, price=PREMIUM, user="unknown", is_anonymous=True)


def _new_agent(stream: CallStream) -> CallStream:
    """An agent that nobody has seen before, on a key of its own, at $4,000 a day."""
    agent = replace(
        stream.agent,
        name=f"{stream.agent.name}-experiment",
        workflow="experiment",
        api_keys=(f"key-{stream.agent.team}-experiment",),
        prompt_version="v1",
        usual_usd_per_day=4_000.0,
        call_usd=0.2,
        hours_of_week=_FLAT,
    )
    return replace(stream, agent=agent)


def _weekly_job(hour_of_week: int) -> Callable[[CallStream], CallStream]:
    """A job of one hour a week that spends most of a usual day."""
    hours = [0.0] * len(_FLAT)
    hours[hour_of_week] = float(HOURS_A_DAY)

    def job(stream: CallStream) -> CallStream:
        agent = stream.agent
        usd = max(_LEAST_JOB_USD, 0.8 * agent.usual_usd_per_day)
        return replace(
            stream,
            agent=replace(
                agent,
                usual_usd_per_day=usd,
                call_usd=2 * agent.call_usd,
                hours_of_week=tuple(hours),
            ),
        )

    return job


_monday_job = _weekly_job(_MONDAY_09)
_sunday_job = _weekly_job(_SUNDAY_03)

_REPLACING: dict[str, Callable[[CallStream], CallStream]] = {
    "runaway": _runaway,
    "loop": _loop,
    "retry_storm": _retry_storm,
    "prompt_bloat": _prompt_bloat,
    "model_switch": _model_switch,
}
_ADDING: dict[str, Callable[[CallStream], CallStream]] = {
    "key_leak": _key_leak,
    "new_agent": _new_agent,
    "monday_job": _monday_job,
    "sunday_job": _sunday_job,
}
INCIDENTS = (*_REPLACING, *_ADDING)
"""Names of incidents. ``monday_job`` is a regular weekly job and no incident at all;
``sunday_job`` is the same job, once, on the Sunday 03:00 after ``at``."""

EPISODES = tuple(name for name in INCIDENTS if not name.endswith("_job"))
"""The names that ``make_episodes`` draws from."""


def make_streams(
    agents: Sequence[Agent], incidents: Sequence[Incident], *, since: float, until: float
) -> list[CallStream]:
    """Everybody's usual calls, and those of the incidents.

    Raises:
        ValueError: if an incident has no such name, agent or time.
    """
    muted: dict[int, list[tuple[float, float]]] = {}
    extra: list[CallStream] = []
    for index, incident in enumerate(incidents):
        if incident.name not in INCIDENTS:
            raise ValueError(f"no incident {incident.name!r}; there are {', '.join(INCIDENTS)}")
        if not 0 <= incident.agent < len(agents):
            raise ValueError(f"incident for agent {incident.agent} of {len(agents)}")
        begin, end = incident.at, incident.at + incident.seconds
        if incident.name == "monday_job":
            begin, end = since, until
        elif incident.name == "sunday_job":
            end = incident.at + DAYS_A_WEEK * _DAY_SECONDS
        if not since <= begin < until:
            raise ValueError(f"incident {incident.name} begins outside of what is simulated")
        usual = CallStream(
            number=_FIRST_INCIDENT_NUMBER + index,
            agent=agents[incident.agent],
            since=begin,
            until=min(end, until),
            price=agents[incident.agent].price,
        )
        if incident.name in _REPLACING:
            muted.setdefault(incident.agent, []).append((begin, end))
            extra.append(_REPLACING[incident.name](usual))
        else:
            extra.append(_ADDING[incident.name](usual))
    everybody = [
        CallStream(
            index,
            agent,
            since,
            until,
            agent.price,
            day_spread=_DAY_SPREAD,
            muted=tuple(muted.get(index, ())),
        )
        for index, agent in enumerate(agents)
    ]
    return everybody + extra


def make_episodes(
    count: int,
    *,
    seed: int,
    agents: Sequence[Agent],
    since: float,
    until: float,
    seconds: float = 2_700.0,
    least_gap_seconds: float = 10_800.0,
) -> tuple[Incident, ...]:
    """Incidents of all kinds, one after the other, with quiet between them and at the end.

    Nothing happens in the first half (at most seven days), so that there is a usual to depart from,
    nor in the last tenth (at most twelve hours), so that everything can settle. Each happens to the
    agent that spends most at that hour, of those that the four episodes before left alone.

    Raises:
        ValueError: if so many do not fit.
    """
    first = since + min(7 * _DAY_SECONDS, (until - since) / 2)
    last = until - min(_DAY_SECONDS / 2, (until - since) / 10)
    slot = (last - first) / max(1, count)
    spare = slot - seconds - least_gap_seconds
    if spare < 0:
        raise ValueError(f"{count} episodes do not fit between days of learning and a quiet end")
    draw = random.Random(f"episodes/{seed}")  # noqa: S311  a simulation must repeat itself
    episodes: list[Incident] = []
    for index in range(count):
        at = float(int(first + index * slot + draw.uniform(0, spare)))
        spared = {episode.agent for episode in episodes[-_SPARED_EPISODES:]}
        rested = [n for n in range(len(agents)) if n not in spared] or list(range(len(agents)))
        agent = max(rested, key=lambda n: _usd_per_hour(agents[n], at))
        episodes.append(Incident(EPISODES[index % len(EPISODES)], agent, at, seconds))
    return tuple(episodes)


def _usd_per_hour(agent: Agent, at: float) -> float:
    hour = int(at // _HOUR_SECONDS + _MONDAY * HOURS_A_DAY) % len(_FLAT)
    return agent.usual_usd_per_day * agent.hours_of_week[hour]
