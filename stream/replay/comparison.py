"""Two backtests of the same file side by side: what one configuration finds and the other does not.

Incidents are paired by cause, not by id: ids follow from rules' names. Nothing is printed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from stream.replay.summary import BacktestSummary, IncidentSummary

_TOGETHER_SECONDS = 3_600
"""Two configurations may see one cause begin so far apart: one needs more of it."""

Pair = tuple[IncidentSummary | None, IncidentSummary | None]


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure of both.

    Attributes:
        name: what it is.
        left: of the first configuration, for people.
        right: of the second.
    """

    name: str
    left: str
    right: str

    @property
    def differs(self) -> bool:
        """Whether they are not the same."""
        return self.left != self.right


def facts_of(left: Sequence[tuple[str, str]], right: Sequence[tuple[str, str]]) -> Sequence[Fact]:
    """The same figures of two configurations, in their order."""
    return [Fact(name, mine, theirs) for (name, mine), (_, theirs) in zip_longest(left, right)]


def is_same_cause(one: IncidentSummary, other: IncidentSummary) -> bool:
    """Whether two configurations speak of the same thing."""
    is_near = abs(one.started_at - other.started_at) <= _TOGETHER_SECONDS
    return is_near and not one.scopes.isdisjoint(other.scopes)


def pairs_of(left: BacktestSummary, right: BacktestSummary) -> Sequence[Pair]:
    """Every incident of both, with the other's of the same cause, in the order of beginning."""
    free = list(right.incidents)
    pairs: list[Pair] = []
    for mine in left.incidents:
        theirs = next((each for each in free if is_same_cause(mine, each)), None)
        if theirs is not None:
            free.remove(theirs)
        pairs.append((mine, theirs))
    pairs += [(None, theirs) for theirs in free]
    return sorted(pairs, key=_began)


def is_different(pair: Pair) -> bool:
    """Whether only one has the incident, or both have it otherwise."""
    mine, theirs = pair
    return mine is None or theirs is None or _figures(mine) != _figures(theirs)


def _began(pair: Pair) -> int:
    return min(each.started_at for each in pair if each is not None)


def _figures(incident: IncidentSummary) -> tuple[object, ...]:
    return (
        incident.started_at,
        incident.told_at,
        incident.scope,
        incident.severity,
        incident.excess_nanousd,
        incident.leaked_nanousd,
        incident.alerts,
    )
