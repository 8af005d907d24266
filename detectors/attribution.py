"""Who drove the excess of a scope: its contributors, each against its own past, in exact dollars.

Per dimension (agent, key, prompt version, user, model) a scope remembers the mean cost per window
of its largest contributors. What they do not explain is named ``__other__``, so that the parts of
every dimension add up to the scope's own figures to the nano-dollar. Which dimensions exist, and
who is told, is decided elsewhere.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from detectors.baseline import NEGLIGIBLE_NANOUSD, gain
from detectors.detector import State
from detectors.scope import OTHER
from detectors.signal import Contribution

Part = tuple[str, str, int]
"""Dimension, contributor's name, nano-dollars spent through it."""

Parts = dict[str, dict[str, int]]
"""Dimension to contributor's name to nano-dollars spent through it."""

WINDOWS, QUIET, MEANS = range(3)
"""Of a state: windows folded in; windows without spend that are not yet; dimension -> name -> mean
cost per window."""


class AttributionConfig(BaseModel):
    """How contributors are remembered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    half_life_hours: float = Field(
        24.0, gt=0, description="Half-life of a contributor's mean cost per window, in hours."
    )
    remembered: int = Field(
        64, ge=1, le=1024, description="Largest contributors remembered per scope and dimension."
    )
    named: int = Field(
        16, ge=1, description="Most contributors named per dimension; the rest is __other__."
    )


class Attribution:
    """Remembers contributors of one scope and splits an excess among them.

    Called like a detector: ``contributions`` of a window first, ``learn`` of it afterwards, and
    ``skip`` for windows without spend. Windows left out of learning did not happen.
    """

    def __init__(self, config: AttributionConfig, window_seconds: int) -> None:
        self.config = config
        self.gain = gain(config.half_life_hours, window_seconds)
        self.young_windows = int(1.0 / self.gain)

    def fresh(self) -> State:
        """Nobody known."""
        return [0, 0, {}]

    def expected_nanousd(self, state: State, dimension: str, name: str) -> int:
        """Mean cost per window of one contributor; 0 if it is not among those remembered."""
        mean: float = state[MEANS].get(dimension, {}).get(name, 0.0)
        return int(mean * self._kept(state[WINDOWS], state[QUIET]))

    def remembered(self, state: State, dimension: str) -> tuple[str, ...]:
        """The names of a dimension whose means are known, largest first."""
        means: dict[str, float] = state[MEANS].get(dimension, {})
        return tuple(sorted(means, key=lambda name: (-means[name], name)))

    def contributions(
        self,
        state: State,
        *,
        observed_nanousd: int,
        expected_nanousd: int,
        parts: Parts,
        windows: int = 1,
    ) -> tuple[Contribution, ...]:
        """The parts of a scope's spend, per dimension, largest excess first, the rest last.

        Args:
            state: the scope's.
            observed_nanousd: the scope's spend.
            expected_nanousd: what its band expected of it.
            parts: who spent it, as far as known.
            windows: how many windows the figures span.

        Returns:
            For each dimension in ``parts``, in the order of names: its largest contributors, then
            ``__other__``. In every dimension ``observed`` adds up to ``observed_nanousd`` and
            ``expected`` to ``expected_nanousd``; the rest's may be negative.
        """
        found: list[Contribution] = []
        for dimension, names in sorted(parts.items()):
            known = [
                Contribution(
                    dimension, name, cost, windows * self.expected_nanousd(state, dimension, name)
                )
                for name, cost in names.items()
                if name != OTHER
            ]
            known.sort(key=lambda one: (one.expected_nanousd - one.observed_nanousd, one.name))
            del known[self.config.named :]
            rest = Contribution(
                dimension,
                OTHER,
                observed_nanousd - sum(one.observed_nanousd for one in known),
                expected_nanousd - sum(one.expected_nanousd for one in known),
            )
            found += [*known, rest]
        return tuple(found)

    def learn(self, state: State, parts: Parts) -> None:
        """Take who spent what in one closed window into account."""
        means: dict[str, dict[str, float]] = state[MEANS]
        windows = state[WINDOWS] + state[QUIET]
        keep = self._kept(state[WINDOWS], state[QUIET] + 1)
        newest = max(self.gain, 1.0 / (windows + 1))
        state[WINDOWS], state[QUIET] = windows + 1, 0
        most = self.config.remembered
        for dimension in sorted(means.keys() | parts.keys()):
            old, new = means.get(dimension, {}), parts.get(dimension, {})
            folded = {name: mean * keep for name, mean in old.items()}
            for name, cost in sorted(new.items()):  # the order of rows must not show
                if name != OTHER:
                    folded[name] = folded.get(name, 0.0) + newest * cost
            # Most windows change nobody's place: ranked each time it was a seventh of what WATCH
            # does, 60 us a window of 60 contributors.
            if len(folded) > most or min(folded.values(), default=0.0) < NEGLIGIBLE_NANOUSD:
                ranked = [(-mean, name) for name, mean in folded.items()]
                ranked = sorted(each for each in ranked if -each[0] >= NEGLIGIBLE_NANOUSD)
                folded = {name: -negative for negative, name in ranked[:most]}
            if folded:
                means[dimension] = folded
            else:
                means.pop(dimension, None)

    def skip(self, state: State, count: int) -> None:
        """Let ``count`` windows without spend pass; folded in at the next ``learn``."""
        state[QUIET] += count

    def _kept(self, windows: int, count: int) -> float:
        """What is left of a mean over ``windows`` after ``count`` more without spend.

        While the windows are fewer than ``1 / gain`` the mean is the plain one.
        """
        young = max(0, min(count, self.young_windows - windows))
        left = windows / (windows + young) if young else 1.0
        return left * math.pow(1.0 - self.gain, count - young)

    def snapshot(self, state: State) -> State:
        """Windows, quiet ones, then per dimension its name and a flat list of names and means."""
        plain = state[:MEANS]
        for dimension, means in sorted(state[MEANS].items()):
            plain += dimension, [cell for item in means.items() for cell in item]
        return plain

    def restore(self, snapshot: Sequence[Any]) -> State:
        """The state of a snapshot.

        Raises:
            ValueError: if it is not one.
        """
        try:
            windows, quiet, *rest = snapshot
            means = {
                dimension: dict(zip(flat[::2], flat[1::2], strict=True))
                for dimension, flat in zip(rest[::2], rest[1::2], strict=True)
            }
            return [int(windows), int(quiet), means]
        except (TypeError, ValueError) as error:
            raise ValueError("not a snapshot of attribution") from error


def by_dimension(parts: Iterable[Part]) -> Parts:
    """Parts in any order, added up; a name may come several times.

    >>> by_dimension([("agent", "a", 1), ("agent", "a", 2)])
    {'agent': {'a': 3}}
    """
    spent: Parts = {}
    for dimension, name, cost in parts:
        names = spent.setdefault(dimension, {})
        names[name] = names.get(name, 0) + cost
    return spent
