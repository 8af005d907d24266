"""A month in which everything goes wrong once: each kind of incident, for as long as it would last.

This file must not know how an incident changes calls; it says when each happens and to whom.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from stream.simulation.incident import Incident
from stream.simulation.organization import Agent

_HOUR_SECONDS = 3_600.0
_DAY_SECONDS = 24 * _HOUR_SECONDS
_LEARNING_DAYS = 10
_FRIDAY = 4
_MUCH_CACHED = 0.6


def _anybody(_: Agent) -> bool:
    return True


def _caches(agent: Agent) -> bool:
    return agent.cached_share >= _MUCH_CACHED


def _works_in_weeks(agent: Agent) -> bool:
    days = [sum(agent.hours_of_week[24 * day : 24 * day + 24]) for day in range(7)]
    return days[5] < days[2] / 2


def _never_rests(agent: Agent) -> bool:
    return min(agent.hours_of_week) > max(agent.hours_of_week) / 2


@dataclass(frozen=True, slots=True)
class _Dish:
    """One kind of incident: how long it lasts and who is open to it."""

    name: str
    hours: float
    fits: Callable[[Agent], bool] = _anybody


_DISHES = (
    _Dish("slow_creep", 240.0, _never_rests),
    _Dish("runaway", 0.75),
    _Dish("retry_storm", 0.5),
    _Dish("prompt_bloat", 6.0),
    _Dish("model_switch", 4.0),
    _Dish("key_leak", 1.0),
    _Dish("context_growth", 2.0),
    _Dish("cache_failure", 6.0, _caches),
    _Dish("sub_agents", 1.0),
    _Dish("weekend_rate", 48.0, _works_in_weeks),
    _Dish("stuck_off", 24.0, _never_rests),
    _Dish("loop", 1.0),
    _Dish("stuck_cron", 6.0),
    _Dish("quality_collapse", 12.0),
    _Dish("new_agent", 3.0),
    _Dish("price_error", 1.0),  # to everybody; whose it is called does not matter
)

MENU = tuple(dish.name for dish in _DISHES)
"""Every kind once, in the order in which they begin, but for what waits for a Saturday."""


def make_menu(
    *, seed: int, agents: Sequence[Agent], since: float, until: float
) -> tuple[Incident, ...]:
    """One incident of each kind, spread over the time after the first ten days, or half of it.

    Each happens to an agent of its own, the one that spends most of those that are open to it.

    Raises:
        ValueError: if there are fewer agents than kinds, or less than a day for each kind.
    """
    first = since + min(_LEARNING_DAYS * _DAY_SECONDS, (until - since) / 2)
    slot = (until - _DAY_SECONDS - first) / len(_DISHES)
    if slot < _DAY_SECONDS:
        raise ValueError(
            f"{len(_DISHES)} kinds of incidents need {len(_DISHES) + _LEARNING_DAYS + 1} days:"
            " simulate more of them"
        )
    draw = random.Random(f"menu/{seed}")  # noqa: S311  a simulation must repeat itself
    ranked = sorted(range(len(agents)), key=lambda each: -agents[each].usual_usd_per_day)
    incidents = []
    for index, dish in enumerate(_DISHES):
        agent = next((each for each in ranked if dish.fits(agents[each])), None)
        if agent is None:
            raise ValueError(f"no agent is left for {dish.name}: simulate more of them")
        ranked.remove(agent)
        at = first + index * slot + draw.uniform(0, slot / 2)
        if dish.name == "weekend_rate":
            at = _next_saturday(first)
        seconds = min(dish.hours * _HOUR_SECONDS, until - at)
        incidents.append(Incident(dish.name, agent, float(int(at)), float(int(seconds))))
    return tuple(incidents)


def _next_saturday(at: float) -> float:
    weekday = datetime.fromtimestamp(at, UTC).weekday()
    midnight = at - at % _DAY_SECONDS
    return midnight + ((_FRIDAY - weekday) % 7 + 1) * _DAY_SECONDS
