"""The seasonal baseline: what a scope does in this hour of the week, over its last four weeks.

Per hour it keeps two numbers, coarsely: what the hour cost and what its largest judged window cost.
It believes only what was seen on several days, so it may learn anomalies: a runaway seen once
raises nothing. It alerts by itself only if asked to; usually its band is combined with the spike
rule's (``baseline.combine_bands``). Hours are UTC's; neighbouring hours are looked at too, so that
a job survives a change of daylight saving time.
"""

from collections.abc import Sequence
from decimal import Decimal
from math import sqrt
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from detectors.detector import State, Verdict, judge_above
from detectors.levels import EDGES_NANOUSD, MIDDLES_NANOUSD, level_of
from detectors.observation import NANOUSD_PER_USD, Observation
from detectors.signal import Band
from detectors.window import HOUR_SECONDS, Window

SEASONAL_SOURCE = "hour_of_week"

FIRST_HOUR, HOUR, COST, PEAK, DAYS = range(5)
"""Of a state: first hour learned, the hour being summed (-1: none), its cost and largest window so
far, and a dict of day number -> 24 levels of cost followed by 24 levels of the largest window."""

DAY_HOURS = 24
WEEKS = 4
DAYS_BACK = 7
KEPT_DAYS = 7 * WEEKS + 1
"""The earliest neighbour looked at is the hour before the same day four weeks ago."""

WEEKS_AGREE = 2
DAYS_AGREE = 2
ANY_HOUR_DAYS_AGREE = 3
"""How many weeks (same hour of the week), days (same hour), or days (any hour) must have shown a
spend before it is believed: the second or third largest of the last ones counts."""

SPARSE_HOURS = 15
"""A day with at most this many busy hours is written as triples hour, cost, peak: below 48 bytes,
by which the two forms are told apart."""


class SeasonalConfig(BaseModel):
    """How far above its usual hour a scope may spend in one window."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    peak_ratio: float = Field(
        1.5,
        ge=1,
        description="Multiple of the largest window of such an hour that several weeks or days "
        "agree on, up to which a window is usual.",
    )
    any_hour_ratio: float = Field(
        1.5,
        ge=0,
        description="The same for the largest window of a whole day, at whatever hour, that three "
        "of the last seven days agree on; 0: do not look.",
    )
    min_excess_usd: Decimal = Field(
        Decimal("1.00"), ge=0, description="Dollars above the expected that are always usual."
    )


class SeasonalDetector:
    """Above what this hour of the week, this hour of the day and any hour were seen to do.

    The peak of the hour of the week is the second largest of the last four weeks (each week's with
    its neighbouring hours); that of the hour of the day, the second largest of the last seven days,
    counts in so far as it is larger, shrunk by ``1 / (weeks + 1)`` once two weeks are known; that
    of any hour is the third largest of the last seven days' largest. The expectation is the mean
    cost of the hour over the weeks, the largest replaced by the second largest, shrunk likewise.
    """

    kind: ClassVar[str] = "seasonal"

    def __init__(self, config: SeasonalConfig, window_seconds: int) -> None:
        self.config = config
        self.window_seconds = window_seconds
        self.floor_nanousd = int(config.min_excess_usd * NANOUSD_PER_USD)

    def fresh(self) -> State:
        """Nothing learned."""
        return [-1, -1, 0, 0, {}]

    def band(self, state: State, window: Window) -> Band | None:
        """What the window's hour has shown; ``None`` before it was seen on two days."""
        first = state[FIRST_HOUR]
        hour = window.start_seconds // HOUR_SECONDS
        days_known = min((hour - first) // DAY_HOURS, DAYS_BACK) if first >= 0 else 0
        if days_known < DAYS_AGREE:
            return None
        weeks_known = min((hour - first) // (7 * DAY_HOURS), WEEKS)
        days: dict[int, bytes] = state[DAYS]
        peak, expected, spread = _believed(
            [_peak_near(days, hour - 7 * DAY_HOURS * back) for back in range(1, weeks_known + 1)],
            [_peak_near(days, hour - DAY_HOURS * back) for back in range(1, days_known + 1)],
            [_cost(days, hour - 7 * DAY_HOURS * back) for back in range(1, weeks_known + 1)],
            [_cost(days, hour - DAY_HOURS * back) for back in range(1, days_known + 1)],
        )
        upper = int(peak * self.config.peak_ratio)
        if days_known >= ANY_HOUR_DAYS_AGREE:
            day = hour // DAY_HOURS
            largest = sorted(
                max(days[day - back][DAY_HOURS:]) if day - back in days else 0
                for back in range(1, days_known + 1)
            )
            any_hour = EDGES_NANOUSD[largest[-ANY_HOUR_DAYS_AGREE]]
            upper = max(upper, int(any_hour * self.config.any_hour_ratio))
        share = min(window.size_seconds, HOUR_SECONDS)
        expected = expected * share // HOUR_SECONDS
        return Band(
            expected_nanousd=expected,
            lower_nanousd=0,
            upper_nanousd=max(upper, expected + self.floor_nanousd),
            spread_nanousd=int(spread * (share / HOUR_SECONDS)),
            source=SEASONAL_SOURCE,
        )

    def cold_band(self, window: Window) -> Band | None:  # noqa: ARG002 - the contract's
        """None: a season unseen says nothing of dollars."""
        return None

    def judge(self, band: Band, observation: Observation) -> Verdict:
        """Above the band or inside it."""
        return judge_above(band, observation)

    def learn(self, state: State, observation: Observation) -> None:
        """Add one closed window to its hour.

        Raises:
            ValueError: if the window lies in an hour before the one being summed.
        """
        self._advance(state, observation.window.start_seconds // HOUR_SECONDS)
        cost = observation.cost_nanousd
        state[COST] += cost
        state[PEAK] = max(state[PEAK], cost)

    def skip(self, state: State, first: Window, count: int) -> None:
        """Let ``count`` windows without spend pass.

        Raises:
            ValueError: if they begin in an hour before the one being summed.
        """
        if count:
            self._advance(state, first.start_seconds // HOUR_SECONDS)
            last = first.start_seconds + (count - 1) * first.size_seconds
            self._advance(state, last // HOUR_SECONDS)

    def _advance(self, state: State, hour: int) -> None:
        if hour == state[HOUR]:
            return
        if hour < state[HOUR]:
            raise ValueError(f"hour {hour} comes before hour {state[HOUR]}, already being summed")
        if state[FIRST_HOUR] < 0:
            state[FIRST_HOUR] = hour
        days: dict[int, bytes] = state[DAYS]
        if state[PEAK]:
            day, of_day = divmod(state[HOUR], DAY_HOURS)
            levels = bytearray(days.get(day, bytes(2 * DAY_HOURS)))
            levels[of_day] = level_of(state[COST])
            levels[DAY_HOURS + of_day] = level_of(state[PEAK])
            days[day] = bytes(levels)
        oldest = hour // DAY_HOURS - KEPT_DAYS
        for day in [day for day in days if day < oldest]:
            del days[day]
        state[HOUR], state[COST], state[PEAK] = hour, 0, 0

    def snapshot(self, state: State) -> State:
        """Four numbers, then day number and levels for each day with spend; quiet days are free."""
        plain = state[:DAYS]
        for day, levels in sorted(state[DAYS].items()):
            plain += day, _packed(levels)
        return plain

    def restore(self, snapshot: Sequence[Any]) -> State:
        """The state of a snapshot.

        Raises:
            ValueError: if it is not one.
        """
        try:
            first, hour, cost, peak, *rest = snapshot
            days = {
                int(day): _unpacked(packed)
                for day, packed in zip(rest[::2], rest[1::2], strict=True)
            }
            return [int(first), int(hour), int(cost), int(peak), days]
        except (TypeError, ValueError, IndexError) as error:
            raise ValueError("not a snapshot of the seasonal detector") from error


def _peak_near(days: dict[int, bytes], hour: int) -> int:
    """The largest window of an hour and its two neighbours."""
    level = 0
    for near in (hour - 1, hour, hour + 1):
        day, of_day = divmod(near, DAY_HOURS)
        if day in days:
            level = max(level, days[day][DAY_HOURS + of_day])
    return EDGES_NANOUSD[level]


def _cost(days: dict[int, bytes], hour: int) -> int:
    day, of_day = divmod(hour, DAY_HOURS)
    return MIDDLES_NANOUSD[days[day][of_day]] if day in days else 0


def _believed(
    week_peaks: list[int], day_peaks: list[int], week_costs: list[int], day_costs: list[int]
) -> tuple[int, int, float]:
    """Peak of a window, cost of the hour, standard deviation of that, all believable."""
    day_peaks.sort()
    peak = day_peaks[-DAYS_AGREE]
    costs = _winsorised(day_costs)
    expected = sum(costs) // len(costs)
    if len(week_peaks) >= WEEKS_AGREE:
        week_peaks.sort()
        slot = week_peaks[-WEEKS_AGREE]
        peak = slot + max(peak - slot, 0) // (len(week_peaks) + 1)
        costs = _winsorised(week_costs)
        slot = sum(costs) // len(costs)
        expected = slot + (expected - slot) // (len(costs) + 1)
    deviation = 0.0
    for cost in costs:
        deviation += float(cost - expected) * float(cost - expected)
    return peak, expected, sqrt(deviation / len(costs))


def _winsorised(costs: list[int]) -> list[int]:
    """Ascending, the largest replaced by the second largest."""
    costs.sort()
    return [*costs[:-1], costs[-2]]


def _packed(levels: bytes) -> bytes:
    busy = [hour for hour in range(DAY_HOURS) if levels[hour]]
    if len(busy) > SPARSE_HOURS:
        return levels
    return bytes(
        number for hour in busy for number in (hour, levels[hour], levels[DAY_HOURS + hour])
    )


def _unpacked(packed: bytes) -> bytes:
    if len(packed) == 2 * DAY_HOURS:
        return bytes(packed)
    levels = bytearray(2 * DAY_HOURS)
    for place in range(0, len(packed), 3):
        hour = packed[place]
        levels[hour], levels[DAY_HOURS + hour] = packed[place + 1], packed[place + 2]
    return bytes(levels)
