"""The spike rule: more dollars in one window than the scope's own last hours and days explain.

It knows one scope's EWMA and the floors in dollars; what time of day or week it is, is
``seasonal.py``'s, and the two are combined by ``baseline.combine_bands``.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from detectors.baseline import WINDOWS, Ewma, Moments, gain
from detectors.detector import State, Verdict, judge_above
from detectors.observation import NANOUSD_PER_USD, Observation
from detectors.signal import Band
from detectors.window import HOUR_SECONDS, Window

# Measured 2026-11-22 with the defaults, combined with the seasonal band, window 5 minutes, band two
# windows old, first week not counted, every scope scaled to $100 a day. Simulated: compound Poisson
# calls, log-normal sizes (sigma 0.7), daily rhythm 1.4-2.2 x, log noise 0.3 an hour and 0.19 a day;
# 200 scopes, 1,400 scope-weeks a row. "after": dollars of a runaway of $17,000 a day, from its
# first call to the open window's verdict, median (95 %).
#
#   calls of                      alarms   a scope-week (one-sided 95 %)   after
#   $0.005                             0   0      (<= 0.002)               $1.33 ($1.77)
#   $0.05                              0   0      (<= 0.002)               $2.31 ($2.82)
#   $0.05, rhythm 2-4 x, noise 0.5     1   0.0007 (<= 0.003)               $2.79 ($3.92)
#   $0.05, office hours                4   0.003  (<= 0.007)               $4.73 ($6.71)
#   $0.50                             14   0.010  (<= 0.016)               $9.52 ($15.67)
#   $5.00                             14   0.010  (<= 0.016)               $98 ($245)
#
# ServeGen m-mid, 108 real clients, one week judged (35 to 37 scope-weeks a row): 0.24 a scope-week
# where active over 90 % of the time, 2.3 at 10-90 %, 3.1 below 10 %. Those are bursts of 10 x and
# more out of little or nothing; dollars of one window alone cannot tell them from a runaway. So
# above this band is information, and what wakes anybody is ``calibration.py``'s to say.

EWMA_SOURCE = "ewma"
COLD_START_SOURCE = "cold_start"


class SpikeConfig(BaseModel):
    """How much above its own past a scope may spend in one window."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fast_half_life_hours: float = Field(
        1.0, gt=0, description="Half-life of the mean that follows the hours of a day, in hours."
    )
    slow_half_life_hours: float = Field(
        48.0, gt=0, description="Half-life of the mean and spread that remember days, in hours."
    )
    spreads: float = Field(
        7.0, gt=0, description="Standard deviations above the mean at which a window is a spike."
    )
    burst_calls: float = Field(
        10.0,
        ge=0,
        description="Calls of the usual cost that may come together at any time, on top of that.",
    )
    min_excess_usd: Decimal = Field(
        Decimal("1.00"),
        ge=0,
        description="Dollars above the mean in one window that are no spike.",
    )
    min_excess_usd_per_hour: Decimal = Field(
        Decimal("10.00"), ge=0, description="Pace above the mean, in dollars an hour, that is none."
    )
    warm_up_hours: float = Field(
        1.0, gt=0, description="Hours before a new scope is compared with its own past."
    )
    young_hours: float = Field(
        24.0,
        ge=0,
        description="Hours in which a scope has not seen its whole day: below the cold-start pace "
        "nothing it does is a spike.",
    )
    cold_start_usd_per_hour: Decimal | None = Field(
        Decimal("50.00"),
        gt=0,
        description="Pace, in dollars an hour, that a scope without a past may reach; null: any.",
    )


def _nanousd(usd: Decimal) -> int:
    return int(usd * NANOUSD_PER_USD)


class SpikeDetector:
    """Above ``max(fast, slow) + spreads * spread + burst_calls * call`` and above the floors.

    The spread alone would be wrong for a sparse scope: $100 a day in calls of $0.50 is 0.7 calls a
    window, and seven deviations of a skew distribution are soon reached; hence the calls on top.
    The larger of two means is taken, so that neither a quiet hour nor a quiet day makes the usual
    level look like a spike.
    """

    kind: ClassVar[str] = "spike"

    def __init__(self, config: SpikeConfig, window_seconds: int) -> None:
        self.config = config
        self.window_seconds = window_seconds
        hours = window_seconds / HOUR_SECONDS
        self.young_windows = round(config.young_hours / hours)
        self.floor_nanousd = max(
            _nanousd(config.min_excess_usd),
            _nanousd(config.min_excess_usd_per_hour) * window_seconds // HOUR_SECONDS,
        )
        ceiling = config.cold_start_usd_per_hour
        self.ceiling_nanousd = (
            0 if ceiling is None else _nanousd(ceiling) * window_seconds // HOUR_SECONDS
        )
        self.ewma = Ewma(
            fast_gain=gain(config.fast_half_life_hours, window_seconds),
            slow_gain=gain(config.slow_half_life_hours, window_seconds),
            warm_windows=max(1, round(config.warm_up_hours / hours)),
            clip_spreads=config.spreads,
            clip_floor=float(self.floor_nanousd),
        )

    def fresh(self) -> State:
        """Nothing learned."""
        return self.ewma.fresh()

    def band(self, state: State, window: Window) -> Band | None:  # noqa: ARG002 - the contract's
        """The same for every next window: an EWMA knows no time."""
        known = self.ewma.moments(state)
        return None if known is None else self._band(known, state[WINDOWS])

    def _band(self, known: Moments, windows: int) -> Band:
        high, low = max(known.fast, known.slow), min(known.fast, known.slow)
        reach = self.config.spreads * known.spread
        upper = int(high + max(reach + self.config.burst_calls * known.call, self.floor_nanousd))
        if windows < self.young_windows:
            upper = max(upper, self.ceiling_nanousd)
        return Band(
            expected_nanousd=int((high + low) * 0.5),
            lower_nanousd=int(max(low - reach, 0.0)),
            upper_nanousd=upper,
            spread_nanousd=int(known.spread),
            source=EWMA_SOURCE,
        )

    def cold_band(self, window: Window) -> Band | None:
        """The absolute ceiling for a scope without a past; it is expected to use half of it."""
        if not self.ceiling_nanousd:
            return None
        ceiling = self.ceiling_nanousd * window.size_seconds // self.window_seconds
        return Band(ceiling // 2, 0, ceiling, ceiling // 2, COLD_START_SOURCE)

    def judge(self, band: Band, observation: Observation) -> Verdict:
        """Above the band or inside it."""
        return judge_above(band, observation)

    def learn(self, state: State, observation: Observation) -> None:
        """Fold one closed window in."""
        self.ewma.learn(state, observation.cost_nanousd, observation.requests)

    def skip(self, state: State, first: Window, count: int) -> None:  # noqa: ARG002 - the contract's
        """Fold ``count`` zeros in."""
        self.ewma.skip(state, count)

    def reset_level(self, state: State, observations: Sequence[Observation]) -> None:
        """Accept the level of ``observations``: an alert that lasted long enough was absorbed."""
        self.ewma.reset_level(state, observations)

    def snapshot(self, state: State) -> State:
        """Five numbers."""
        return list(state)

    def restore(self, snapshot: Sequence[Any]) -> State:
        """The state of five numbers.

        Raises:
            ValueError: if they are not five.
        """
        try:
            windows, fast, slow, second, calls = snapshot
            return [int(windows), float(fast), float(slow), float(second), float(calls)]
        except (TypeError, ValueError) as error:
            raise ValueError("not a snapshot of the spike detector") from error
