"""What a detector says of one window of one scope: what was expected, and who spent it.

It is evidence; whether anybody is told is decided in ``alerting``.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Band:
    """What a baseline expects of one window, fixed before the window is looked at.

    Attributes:
        expected_nanousd: the point expectation.
        lower_nanousd: below it spend is unusually low.
        upper_nanousd: above it spend is unusually high.
        spread_nanousd: one standard deviation as the baseline estimates it.
        source: which baseline spoke, for the sentence that explains: ``ewma``, ``hour_of_week``…
        firm_nanousd: above it chance is ruled out, as far as the scope's own past says how far it
            goes; ``None``: above ``upper_nanousd``.
        minute_nanousd: likewise for any one minute of the window; ``None``: minutes are not judged.
        minute_calls: more calls in any one minute are beyond chance; ``None``: they are not judged.
    """

    expected_nanousd: int
    lower_nanousd: int
    upper_nanousd: int
    spread_nanousd: int
    source: str
    firm_nanousd: int | None = None
    minute_nanousd: int | None = None
    minute_calls: int | None = None

    @property
    def edge_nanousd(self) -> int:
        """Above it chance is ruled out, as far as is known."""
        return self.upper_nanousd if self.firm_nanousd is None else self.firm_nanousd

    def is_passed(self, cost_nanousd: int, minute_nanousd: int, minute_calls: int) -> bool:
        """Whether a window, its dearest minute or its busiest is beyond chance by itself."""
        is_quick = self.minute_nanousd is not None and minute_nanousd > self.minute_nanousd
        is_busy = self.minute_calls is not None and minute_calls > self.minute_calls
        return is_quick or is_busy or cost_nanousd > self.edge_nanousd


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
