"""What an episode's excess comes from: who, what kind of it, and who came shortly before.

Asked when something is told, of what was learned before it. Nothing is decided or learned here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alerting.alert import SPIKE, Driver, Newcomer
from alerting.watch.learning import Learner
from alerting.watch.lifecycle import Episode
from alerting.watch.scope_state import Learned, ScopeState
from detectors.attribution import Parts
from detectors.decomposition import COUNTED_BESIDE, Decomposition
from detectors.first_seen import SETTLING_SECONDS, SINCE
from detectors.scope import OTHER, Scope
from detectors.signal import Contribution
from detectors.window import MINUTE_SECONDS, Window

SHORTLY_SECONDS = 30 * MINUTE_SECONDS
"""How long before an onset somebody may have come to be told of as a change."""

MAX_CHANGES = 16

_WORTH_SHARE = 100
"""A change explains at least this fraction of the excess."""


@dataclass(frozen=True, slots=True)
class Causes:
    """Where an excess comes from.

    Attributes:
        drivers: who, per dimension.
        decomposition: what kind; ``None``: not known.
        changes: who came shortly before or with it; ``None``: not known.
    """

    drivers: tuple[Driver, ...]
    decomposition: Decomposition | None = None
    changes: tuple[Newcomer, ...] | None = None


def causes_of(
    learner: Learner,
    state: ScopeState,
    learned: Learned,
    episode: Episode,
    window: Window,
    *,
    kind: str,
    parts: Parts,
    amounts: Sequence[int],
) -> Causes:
    """The causes of an episode. Hours before it that count too are taken to have been like it.

    Args:
        learner: of the scope's kind.
        state: the scope's.
        learned: before the episode's newest window.
        episode: with that window in it.
        window: the newest.
        kind: of the alert. Of single contributors' alerts only drivers are said.
        parts: who spent in the episode.
        amounts: calls and the counters beside, in the same windows.
    """
    spent, windows = episode.whole, episode.spent.windows
    if episode.before.observed_nanousd and episode.spent.observed_nanousd:
        times = spent.observed_nanousd / episode.spent.observed_nanousd
        windows = max(1, round(times * windows))
        amounts = [int(times * amount) for amount in amounts]
        parts = {
            dimension: {name: int(times * cost) for name, cost in names.items()}
            for dimension, names in parts.items()
        }
    contributions = learner.attribution.contributions(
        learned.contributors,
        observed_nanousd=spent.observed_nanousd,
        expected_nanousd=spent.observed_nanousd - spent.excess_nanousd,
        parts=parts,
        windows=windows,
    )
    drivers = drivers_of(contributions, state.scope)
    if kind != SPIKE:
        return Causes(drivers)
    counted = (spent.observed_nanousd, *amounts[: 1 + COUNTED_BESIDE])
    return Causes(
        drivers,
        learner.usual.decompose(learned.usual, counted, spent.excess_nanousd),
        _changes(learner, state, learned, episode, window=window, contributions=contributions),
    )


def drivers_of(contributions: Iterable[Contribution], scope: Scope) -> tuple[Driver, ...]:
    """Contributions as drivers of an alert about a scope, in its environment."""
    return tuple(
        Driver(
            scope=str(Scope(each.dimension, each.name, scope.environment)),
            excess_nanousd=each.observed_nanousd - each.expected_nanousd,
            observed_nanousd=each.observed_nanousd,
        )
        for each in contributions
        if each.dimension != scope.kind
    )


def _changes(
    learner: Learner,
    state: ScopeState,
    learned: Learned,
    episode: Episode,
    *,
    window: Window,
    contributions: Iterable[Contribution],
) -> tuple[Newcomer, ...] | None:
    """Who was first seen from shortly before the onset to the end of its window, dearest first.

    Of a scope that came then itself only that is said, and nothing while it settles.
    """
    scope, excess = state.scope, episode.whole.excess_nanousd
    since, until = episode.started_at - SHORTLY_SECONDS, episode.started_at + window.size_seconds
    born_at = state.first_minute * MINUTE_SECONDS
    if born_at >= since:
        return (Newcomer(str(scope), born_at, excess),)
    if since < learned.first_seen[SINCE] + SETTLING_SECONDS:
        return None
    found = []
    for each in contributions:
        part = each.observed_nanousd - each.expected_nanousd
        if each.name == OTHER or each.dimension == scope.kind or part * _WORTH_SHARE < excess:
            continue
        memory, start = learned.first_seen, window.start_seconds
        at = learner.first_seen.at(memory, each.dimension, each.name, now=start)
        if at is not None and since <= at < until:
            named = str(Scope(each.dimension, each.name, scope.environment))
            found.append(Newcomer(named, at, part))
    found.sort(key=lambda one: (-one.excess_nanousd, one.scope))
    return tuple(found[:MAX_CHANGES])
