"""The only list of what can judge a scope: kind, its configuration, and how it is built.

A new kind is added here and nowhere else; configuration, the conformance suite and the
documentation read this list.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from detectors.budget import Budget, BudgetConfig
from detectors.detector import Detector
from detectors.seasonal import SeasonalConfig, SeasonalDetector
from detectors.spike import SpikeConfig, SpikeDetector


@dataclass(frozen=True, slots=True)
class Registration:
    """One kind.

    Attributes:
        config: the model of its settings.
        build: the running thing from its settings and the length of a judged window in seconds.
    """

    config: type[BaseModel]
    build: Callable[[Any, int], Detector]


DETECTORS: dict[str, Registration] = {
    SpikeDetector.kind: Registration(SpikeConfig, SpikeDetector),
    SeasonalDetector.kind: Registration(SeasonalConfig, SeasonalDetector),
}
"""Kinds that compare a window with what was learned: all obey the contract in ``detector.py``."""

BUDGET = "budget"

KINDS: dict[str, type[BaseModel]] = {
    **{kind: registration.config for kind, registration in DETECTORS.items()},
    BUDGET: BudgetConfig,
}
"""Every kind of rule a configuration may name, budgets, which learn nothing, included."""


def build_detector(kind: str, config: BaseModel, window_seconds: int) -> Detector:
    """The detector of a kind.

    Raises:
        ValueError: if there is no such kind, naming those there are, or ``config`` is another's.
    """
    registration = DETECTORS.get(kind)
    if registration is None:
        raise ValueError(f"no detector {kind!r}; there are {', '.join(DETECTORS)}")
    if not isinstance(config, registration.config):
        raise ValueError(  # noqa: TRY004 - a wrong value from the configuration, not a wrong call
            f"{kind!r} takes {registration.config.__name__}, not {type(config).__name__}"
        )
    return registration.build(config, window_seconds)


def build_budget(config: BudgetConfig) -> Budget:
    """The budget of its settings."""
    return config.budget()
