"""The kinds of things that go wrong: how each changes an agent's calls, or what it adds to them.

This file must not know when anything happens or to whom, and must not make events.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from stream.simulation.organization import DAYS_A_WEEK, HOURS_A_DAY, PREMIUM, Agent, ModelPrice

_FLAT = (1.0,) * (DAYS_A_WEEK * HOURS_A_DAY)
_MONDAY_09 = 9
_SUNDAY_03 = 6 * HOURS_A_DAY + 3
_WEDNESDAY = 2
_SATURDAY = 5
_LEAST_JOB_USD = 60.0

RUNAWAY_FACTOR = 170.0
"""From $100 to $17,000 a day, $0.197 a second: the incident that spendwatch is there for."""


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
        context_growth: how many times longer the input is at the end than at the beginning.
        creep_ratio: by how much the calls a day grow from one day to the next.
        sub_agents: so many agents of names of their own make the calls.
        accepted_share: 0-1, of answers that people accept; None: nobody says.
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
    context_growth: float = 1.0
    creep_ratio: float = 0.0
    sub_agents: int = 0
    accepted_share: float | None = None


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


def _context_growth(stream: CallStream) -> CallStream:
    """One session that forgets nothing: in the end each call reads twelve times as much."""
    return replace(stream, is_one_run=True, context_growth=12.0)


def _cache_failure(stream: CallStream) -> CallStream:
    """The same tokens, and none of them from the provider's prompt cache."""
    uncached = replace(stream.agent, cached_share=0.0)
    return replace(
        stream, agent=uncached, input_factor=stream.agent.input_tokens / uncached.input_tokens
    )


def _weekend_rate(stream: CallStream) -> CallStream:
    """The pace of a Wednesday on Saturday and Sunday."""
    hours = list(stream.agent.hours_of_week)
    wednesday = hours[_WEDNESDAY * HOURS_A_DAY : (_WEDNESDAY + 1) * HOURS_A_DAY]
    hours[_SATURDAY * HOURS_A_DAY :] = wednesday * 2
    return replace(stream, agent=replace(stream.agent, hours_of_week=tuple(hours)))


def _slow_creep(stream: CallStream) -> CallStream:
    """Five percent more calls each day."""
    return replace(stream, creep_ratio=0.05)


def _quality_collapse(stream: CallStream) -> CallStream:
    """The same spend, and people accept three answers of ten in place of nine."""
    return replace(stream, accepted_share=0.3)


def _price_error(stream: CallStream) -> CallStream:
    """The same tokens, each booked at ten times its price."""
    usual = stream.price
    wrong = replace(
        usual,
        input_nanousd=10 * usual.input_nanousd,
        cache_read_nanousd=10 * usual.cache_read_nanousd,
        output_nanousd=10 * usual.output_nanousd,
    )
    return replace(stream, price=wrong)


def _sub_agents(stream: CallStream) -> CallStream:
    """Two hundred new agents on the agent's keys, at $3,000 a day together."""
    agent = replace(stream.agent, usual_usd_per_day=3_000.0, hours_of_week=_FLAT)
    return replace(stream, agent=agent, sub_agents=200)


def _stuck_cron(stream: CallStream) -> CallStream:
    """A job that is due once starts again and again, and spends $40 an hour."""
    agent = replace(stream.agent, usual_usd_per_day=960.0, users=0, hours_of_week=_FLAT)
    return replace(stream, agent=agent)


REPLACING: dict[str, Callable[[CallStream], CallStream]] = {
    "runaway": _runaway,
    "loop": _loop,
    "retry_storm": _retry_storm,
    "prompt_bloat": _prompt_bloat,
    "model_switch": _model_switch,
    "context_growth": _context_growth,
    "cache_failure": _cache_failure,
    "weekend_rate": _weekend_rate,
    "slow_creep": _slow_creep,
    "quality_collapse": _quality_collapse,
    "price_error": _price_error,
}
"""They stand in for the agent's usual calls."""

ADDING: dict[str, Callable[[CallStream], CallStream]] = {
    "key_leak": _key_leak,
    "new_agent": _new_agent,
    "monday_job": _monday_job,
    "sunday_job": _sunday_job,
    "sub_agents": _sub_agents,
    "stuck_cron": _stuck_cron,
}
"""They come on top of them."""

SILENCING = ("stuck_off",)
"""The agent makes no calls at all."""
