"""Budgets: which calendar period a minute belongs to, and the levels at which spend is told.

Counting is the caller's, and so is telling: here is only the arithmetic of calendars and levels.
A budget looks at what was spent, not at what is unusual, so it is no ``Detector``.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from detectors.observation import NANOUSD_PER_USD
from detectors.window import MINUTE_SECONDS


class Period(StrEnum):
    """Calendar periods; a week begins on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Level:
    """A part of a budget whose crossing is told.

    Attributes:
        name: ``near``, ``reached``, ``exceeded``.
        threshold_nanousd: crossed when the period's spend is at or above it.
    """

    name: str
    threshold_nanousd: int


@dataclass(frozen=True, slots=True)
class Budget:
    """An amount for a calendar period, and the levels at which its spend is told.

    Attributes:
        amount_nanousd: what may be spent in one period.
        period: day, week or month.
        zone: IANA name of the zone whose calendar counts.
        levels: in rising order of threshold.
    """

    amount_nanousd: int
    period: Period
    zone: str
    levels: tuple[Level, ...]

    def period_of(self, minute: int) -> tuple[int, int]:
        """Start and end of the period that holds an epoch minute, in epoch seconds."""
        return period_of(minute, self.zone, self.period)


class BudgetConfig(BaseModel):
    """What may be spent in a calendar period."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount_usd: Decimal = Field(gt=0, description="Dollars that may be spent in one period.")
    period: Period = Field(Period.MONTH, description="Calendar period; a week begins on Monday.")
    zone: str = Field("UTC", description="IANA time zone whose calendar counts, Europe/Berlin.")
    near_ratio: Decimal = Field(
        Decimal("0.8"), gt=0, description="Part of the amount at which it is said to be near."
    )
    reached_ratio: Decimal = Field(
        Decimal("1.0"), gt=0, description="Part of the amount at which it is said to be reached."
    )
    exceeded_ratio: Decimal = Field(
        Decimal("1.2"), gt=0, description="Part of the amount at which it is said to be exceeded."
    )

    @field_validator("zone")
    @classmethod
    def _is_known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as error:  # what zoneinfo raises for names it lacks
            raise ValueError(
                f"no time zone {zone!r}; write an IANA name, for example Europe/Berlin"
            ) from error
        return zone

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not (self.near_ratio <= self.reached_ratio <= self.exceeded_ratio):
            raise ValueError(
                f"near_ratio is {self.near_ratio}, reached_ratio {self.reached_ratio} and"
                f" exceeded_ratio {self.exceeded_ratio}; they must rise:"
                " near <= reached <= exceeded"
            )
        return self

    def budget(self) -> Budget:
        """The budget to count by."""
        amount = self.amount_usd * NANOUSD_PER_USD
        levels = tuple(
            Level(name, int((amount * ratio).to_integral_value(ROUND_CEILING)))
            for name, ratio in (
                ("near", self.near_ratio),
                ("reached", self.reached_ratio),
                ("exceeded", self.exceeded_ratio),
            )
        )
        return Budget(
            amount_nanousd=int(amount),
            period=self.period,
            zone=self.zone,
            levels=levels,
        )


_BUCKET_MINUTES = 15
"""Periods are looked up once per quarter of an hour, on which nearly all boundaries fall."""


def period_of(minute: int, zone: str, period: Period) -> tuple[int, int]:
    """The half-open calendar period that holds a minute.

    Boundaries are local midnights as instants. Where a midnight does not exist because clocks go
    forward, the period begins with the first instant after the gap; where it exists twice, with the
    first of the two. A day has 23, 24 or 25 hours, and a day that a country skipped has none.

    Args:
        minute: whole minutes since 1970, UTC.
        zone: IANA name.
        period: day, week (from Monday) or month.

    Returns:
        Its first second and the first second after it, epoch UTC.

    >>> start, end = period_of(29_600_000, "UTC", Period.DAY)
    >>> (end - start) // 3600
    24
    """
    span = _period_at(minute - minute % _BUCKET_MINUTES, zone, period)
    return span if minute * MINUTE_SECONDS < span[1] else _span(minute, zone, period)


@lru_cache(maxsize=4096)
def _period_at(minute: int, zone: str, period: Period) -> tuple[int, int]:
    return _span(minute, zone, period)


def _span(minute: int, zone: str, period: Period) -> tuple[int, int]:
    instant = minute * MINUTE_SECONDS
    clock = ZoneInfo(zone)
    first = _first_day(datetime.fromtimestamp(instant, UTC).astimezone(clock).date(), period)
    start, end = _midnight(first, clock), _midnight(_next(first, period), clock)
    while instant >= end:  # clocks went back over midnight: it is yesterday's date once more
        first = _next(first, period)
        start, end = end, _midnight(_next(first, period), clock)
    return start, end


def _first_day(day: date, period: Period) -> date:
    if period is Period.DAY:
        return day
    if period is Period.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1)


def _next(first: date, period: Period) -> date:
    if period is Period.DAY:
        return first + timedelta(days=1)
    if period is Period.WEEK:
        return first + timedelta(days=7)
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1)


def _midnight(day: date, clock: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), clock).timestamp())
