"""What goes wrong in the simulated organization: each incident as a stream of calls of its own.

An incident that changes how an agent behaves replaces the agent's usual calls while it lasts; one
that adds calls leaves them alone. This file must not make events.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from stream.simulation.call_stream import ADDING, REPLACING, SILENCING, CallStream
from stream.simulation.organization import DAYS_A_WEEK, HOURS_A_DAY, Agent

_HOUR_SECONDS = 3600
_DAY_SECONDS = HOURS_A_DAY * _HOUR_SECONDS
_DAY_SPREAD = 0.12
_SPARED_EPISODES = 4
_USUALLY_ACCEPTED = 0.9
_MONDAY = 3
# 1970-01-01 was a Thursday: hours since then, plus three days, count from a Monday.


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


_FIRST_INCIDENT_NUMBER = 1_000_000
_NUMBERS_AN_INCIDENT = 100_000

INCIDENTS = (*REPLACING, *ADDING, *SILENCING)
"""Names of incidents. ``monday_job`` is a regular weekly job and no incident at all;
``sunday_job`` is the same job, once, on the Sunday 03:00 after ``at``. A ``price_error`` happens to
every agent there is."""

EPISODES = (
    "runaway",
    "loop",
    "retry_storm",
    "prompt_bloat",
    "model_switch",
    "key_leak",
    "new_agent",
)
"""The names that ``make_episodes`` draws from: loud and short."""


def make_streams(
    agents: Sequence[Agent], incidents: Sequence[Incident], *, since: float, until: float
) -> list[CallStream]:
    """Everybody's usual calls, and those of the incidents.

    Raises:
        ValueError: if an incident has no such name, agent or time.
    """
    muted: dict[int, list[tuple[float, float]]] = {}
    extra: list[CallStream] = []
    rated = {each.agent for each in incidents if each.name == "quality_collapse"}
    for index, incident in enumerate(incidents):
        begin, end = _span(incident, len(agents), since=since, until=until)
        number = _FIRST_INCIDENT_NUMBER + index
        whom = {number: incident.agent}
        if incident.name == "price_error":
            first = _FIRST_INCIDENT_NUMBER + (index + 1) * _NUMBERS_AN_INCIDENT
            whom = {first + each: each for each in range(len(agents))}
        for stream_number, each in whom.items():
            usual = CallStream(
                number=stream_number,
                agent=agents[each],
                since=begin,
                until=min(end, until),
                price=agents[each].price,
            )
            if incident.name in ADDING:
                extra.append(ADDING[incident.name](usual))
                continue
            muted.setdefault(each, []).append((begin, end))
            if incident.name in REPLACING:
                extra.append(REPLACING[incident.name](usual))
    everybody = [
        CallStream(
            index,
            agent,
            since,
            until,
            agent.price,
            day_spread=_DAY_SPREAD,
            muted=tuple(muted.get(index, ())),
            accepted_share=_USUALLY_ACCEPTED if index in rated else None,
        )
        for index, agent in enumerate(agents)
    ]
    return everybody + extra


def _span(incident: Incident, agents: int, *, since: float, until: float) -> tuple[float, float]:
    if incident.name not in INCIDENTS:
        raise ValueError(f"no incident {incident.name!r}; there are {', '.join(INCIDENTS)}")
    if not 0 <= incident.agent < agents:
        raise ValueError(
            f"incident for agent {incident.agent} of {agents}: they are counted from 0"
        )
    begin, end = incident.at, incident.at + incident.seconds
    if incident.name == "monday_job":
        begin, end = since, until
    elif incident.name == "sunday_job":
        end = incident.at + DAYS_A_WEEK * _DAY_SECONDS
    if not since <= begin < until:
        raise ValueError(f"incident {incident.name} begins outside of what is simulated")
    return begin, end


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
        raise ValueError(
            f"{count} episodes do not fit between days of learning and a quiet end: simulate more"
            " days or fewer of them"
        )
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
    hour = int(at // _HOUR_SECONDS + _MONDAY * HOURS_A_DAY) % len(agent.hours_of_week)
    return agent.usual_usd_per_day * agent.hours_of_week[hour]
