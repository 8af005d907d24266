"""One finding of one detector about one window of one scope.

A signal is evidence; whether anybody is told is decided in ``alerting``.
"""

from dataclasses import dataclass

from detectors.scope import Scope
from detectors.window import Window


@dataclass(frozen=True, slots=True)
class Band:
    """What a baseline expects of one window, fixed before the window is looked at.

    Attributes:
        expected_nanousd: the point expectation.
        lower_nanousd: below it spend is unusually low.
        upper_nanousd: above it spend is unusually high.
        spread_nanousd: one standard deviation as the baseline estimates it.
        source: which baseline spoke, for the sentence that explains: ``ewma``, ``hour_of_week``…
    """

    expected_nanousd: int
    lower_nanousd: int
    upper_nanousd: int
    spread_nanousd: int
    source: str


@dataclass(frozen=True, slots=True)
class Contribution:
    """One contributor's part of a scope's spend in a window.

    Attributes:
        dimension: ``agent``, ``api_key``, ``prompt_version``, ``user`` or ``model``.
        name: its name; ``detectors.scope.OTHER`` for the rest.
        observed_nanousd: spent through it in the window.
        expected_nanousd: what its own EWMA expected of the window.
    """

    dimension: str
    name: str
    observed_nanousd: int
    expected_nanousd: int


@dataclass(frozen=True, slots=True)
class Signal:
    """A detector's finding: this window of this scope is unusual.

    Attributes:
        rule: the rule's name in the configuration.
        kind: the detector's kind in the registry.
        scope: whom it is about.
        window: which span.
        metric: what was judged, for example ``cost_usd``.
        observed_nanousd: what was seen.
        band: what was expected.
        score: 0-1, a fixed monotone map of the tail probability; 0.5 is the alert threshold.
    """

    rule: str
    kind: str
    scope: Scope
    window: Window
    metric: str
    observed_nanousd: int
    band: Band
    score: float
