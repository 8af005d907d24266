"""False pages of a whole simulated organization: every kind of scope, every rule, and DECIDE.

Agents are the simulator's (``stream/simulation/organization.py``), with the noise of real clients:
what they make in a minute is folded into the agent, its key, its team, department, model and the
organization. What all of these tell goes through DECIDE, in the order of event time. A false page
is an incident of which anything critical was told.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alerting.alert import CONTRIBUTOR, Alert, Severity, Status
from alerting.decide.decider import Decider
from alerting.decide.incident import IncidentConfig
from alerting.throttle.policy import ThrottleConfig
from alerting.watch.rules import RulesConfig
from alerting.watch.scope_watch import ContributorRow, ScopeWatch
from detectors.observation import COST
from detectors.window import MINUTE_SECONDS
from stream.simulation.organization import Agent, make_organization
from tests.evaluation.background import Habit, noise
from tests.evaluation.false_alarms import at_most
from tests.evaluation.minutes import WEEK_MINUTES, CallShape, Ints, Minutes
from tests.evaluation.scope_run import LATENESS_SECONDS, MONDAY, ScopeRun
from tests.evaluation.tables import Table

SHARED_KEY_SHARE = 0.25
"""Of the minutes of an agent with two keys, that go through the shared one."""
PER_KEYS = 10_000
PARTS_A_ROW = 8
"""Of each dimension, the largest."""
Parts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Spent:
    """What one agent spent through one key.

    Attributes:
        agent: who.
        key: with what.
        minutes: when and how much.
    """

    agent: Agent
    key: str
    minutes: Minutes


def spending(agents: Sequence[Agent], *, seed: int, weeks: int) -> Iterator[Spent]:
    """Of every agent and key."""
    for number, agent in enumerate(agents):
        draw = np.random.default_rng((seed, 4, number))
        at = np.arange(MONDAY, MONDAY + weeks * WEEK_MINUTES)
        hour = (at - MONDAY) // 60
        weights = np.array(agent.hours_of_week)[hour % len(agent.hours_of_week)]
        habit = Habit(agent.name, CallShape(agent.call_usd, cached_share=agent.cached_share))
        pace = agent.calls_per_day / 1440 * weights
        pace = pace * noise(draw, hour, habit.hour_noise) * noise(draw, hour // 24, habit.day_noise)
        minutes = habit.minutes_at(draw, MONDAY, pace)
        is_shared = draw.random(len(minutes)) < SHARED_KEY_SHARE * (len(agent.api_keys) - 1)
        for key, chosen in ((agent.api_keys[0], ~is_shared), (agent.api_keys[-1], is_shared)):
            if chosen.any():
                part = {counter: each * chosen for counter, each in minutes.amounts.items()}
                yield Spent(agent, key, Minutes(MONDAY, part))


def _scopes(spent: Spent) -> tuple[str, ...]:
    agent = spent.agent
    return (
        f"agent:{agent.name}",
        f"api_key:{spent.key}",
        f"team:{agent.team}",
        f"department:{agent.department}",
        f"model:{agent.price.model}",
        "organization:example-org",
    )


def _parts(scope: str, spent: Spent) -> Parts:
    """Those by whom DECIDE sees that alerts have one cause."""
    of_all = (("agent", spent.agent.name), ("api_key", spent.key))
    return tuple(each for each in of_all if each[0] != scope.partition(":")[0])


def signals(agents: Sequence[Agent], config: RulesConfig, *, seed: int, weeks: int) -> list[Alert]:
    """Every transition of every scope, in the order of event time."""
    by_scope: dict[str, list[Spent]] = defaultdict(list)
    for spent in spending(agents, seed=seed, weeks=weeks):
        for scope in _scopes(spent):
            by_scope[scope].append(spent)
    watch = ScopeWatch(config, is_durable=False)
    told: list[Alert] = []
    for scope, some in by_scope.items():
        run = ScopeRun(watch, scope, hears_all=True)
        for at, counts, parts in _rows(scope, some):
            run.row(at, counts, parts)
        told += run.told
    return sorted(told, key=lambda alert: alert.decided_at)


def _rows(scope: str, some: Sequence[Spent]):
    """A scope's minutes with the dollars of its largest parts."""
    every = sum((each.minutes for each in some[1:]), some[0].minutes)
    dollars: dict[str, dict[str, Ints]] = defaultdict(dict)
    for spent in some:
        for dimension, name in _parts(scope, spent):
            of = dollars[dimension]
            of[name] = of.get(name, 0) + spent.minutes[COST]
    largest = [_largest(dimension, of) for dimension, of in dollars.items()]
    for minute, counts in every.rows():
        index = minute - every.first
        parts = [part for each in largest for part in each(index)]
        yield minute * MINUTE_SECONDS + MINUTE_SECONDS - 1, counts, parts


def _largest(dimension: str, of: Mapping[str, Ints]) -> Callable[[int], list[ContributorRow]]:
    """A function of a minute's index to the parts of that minute that INGEST would name."""
    names, costs = list(of), np.array(list(of.values()))
    top = np.argsort(-costs, axis=0)[:PARTS_A_ROW]
    numbers, amounts = top.T.tolist(), np.take_along_axis(costs, top, 0).T.tolist()

    def at(index: int) -> list[ContributorRow]:
        some = zip(numbers[index], amounts[index], strict=True)
        return [(dimension, names[number], amount) for number, amount in some if amount]

    return at


def incidents(told: Sequence[Alert]) -> dict[str, tuple[int, Severity]]:
    """Incidents that DECIDE makes of it: when each began, epoch seconds, and its worst severity."""
    decider = Decider(IncidentConfig(), ThrottleConfig())
    worst: dict[str, tuple[int, Severity]] = {}
    for signal in told:
        outcome = decider.on_signal(signal, float(signal.decided_at))
        decider.on_tick(float(signal.decided_at), signal.decided_at - LATENESS_SECONDS)
        for alert in outcome.alerts:
            if alert.merged_into:
                worst.pop(alert.incident_id, None)
            elif alert.status is Status.FIRING and alert.kind != CONTRIBUTOR:
                began, severity = worst.get(alert.incident_id, (alert.started_at, alert.severity))
                worst[alert.incident_id] = (
                    began,
                    max(severity, alert.severity, key=lambda each: each.rank),
                )
    return worst


def organization_table(config: RulesConfig, *, seed: int, agents: int, weeks: int) -> Table:
    """False pages a week per ten thousand keys; the first week only teaches."""
    everybody = make_organization(seed, agents)
    told = signals(everybody, config, seed=seed, weeks=weeks + 1)
    counted_from = (MONDAY + WEEK_MINUTES) * MINUTE_SECONDS
    found = [each for each in incidents(told).values() if each[0] >= counted_from]
    keys = len({key for agent in everybody for key in agent.api_keys})
    usd_per_day = sum(agent.usual_usd_per_day for agent in everybody)
    table = Table(
        f"False incidents of an organization: {agents} agents, {keys} keys, "
        f"${usd_per_day:,.0f} a day, {weeks} weeks after the first",
        ("", "incidents", f"a week per {PER_KEYS:,} keys", "<="),
    )
    for severity in (Severity.CRITICAL, Severity.WARNING, Severity.INFO):
        count = sum(each[1] is severity for each in found)
        scale = PER_KEYS / keys
        table.rows.append(
            (
                {"critical": "pages (critical)"}.get(severity.value, severity.value),
                str(count),
                f"{count / weeks * scale:.1f}",
                f"{at_most(count, weeks) * scale:.1f}",
            )
        )
    table.notes.append(
        f"{weeks * keys} key-weeks; agents, keys, teams, departments, models and the "
        "organization are all watched, and what they tell is grouped by DECIDE."
    )
    return table
