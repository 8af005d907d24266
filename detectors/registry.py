"""The only list of detectors: kind, configuration, and how one is built.

The conformance suite (``tests/contract/test_detectors.py``) runs every entry: a detector is held to
the contract before anything uses it. WATCH builds none from this list, for its baselines make one
band together (``detectors/baseline.py``); there a new one gets its settings in a rule of
``alerting/watch/rules.py``, its state in ``Learned`` (``alerting/watch/scope_state.py``), and its
band and its lessons in ``alerting/watch/learning.py``. Budgets learn nothing and are no detectors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from detectors.detector import Detector
from detectors.seasonal import SeasonalConfig, SeasonalDetector
from detectors.spike import SpikeConfig, SpikeDetector


@dataclass(frozen=True, slots=True)
class Registration:
    """One kind.

    Attributes:
        config: the model of its settings; every one has a default.
        build: the running thing from its settings and the length of a judged window in seconds.
    """

    config: type[BaseModel]
    build: Callable[[Any, int], Detector]


DETECTORS: dict[str, Registration] = {
    SpikeDetector.kind: Registration(SpikeConfig, SpikeDetector),
    SeasonalDetector.kind: Registration(SeasonalConfig, SeasonalDetector),
}
"""Kind -> what it is made of; all obey the contract in ``detector.py``."""
