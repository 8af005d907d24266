"""Simulated usual spend of one scope, as the rows of minutes that INGEST would send.

Calls come as a Poisson process whose pace has a daily rhythm and log-normal noise by hour and by
day; their sizes are log-normal. Some are retried, some fail, some are judged by people.
"""

from dataclasses import dataclass

import numpy as np

from tests.evaluation.minutes import (
    ACCEPTED,
    DAY_MINUTES,
    ERRORS,
    REJECTED,
    RETRIES,
    CallShape,
    Floats,
    Ints,
    Minutes,
)

RETRIED_SHARE = 0.03
FAILED_SHARE = 0.01
JUDGED_SHARE = 0.3
ACCEPTED_SHARE = 0.9
"""Of those judged; the others are rejected."""


@dataclass(frozen=True, slots=True)
class Habit:
    """How a scope spends when nothing is wrong.

    Attributes:
        name: in tables.
        call: its usual call.
        usd_per_day: on average.
        swing: range of the busiest hour's pace over the quietest's, drawn per scope.
        hour_noise: of the logarithm of an hour's pace.
        day_noise: of a day's.
        is_office: ten hours of five days only, and 3 % of that pace else.
    """

    name: str
    call: CallShape
    usd_per_day: float = 100.0
    swing: tuple[float, float] = (1.4, 2.2)
    hour_noise: float = 0.3
    day_noise: float = 0.19
    is_office: bool = False

    def pace(self, draw: np.random.Generator, first: int, count: int) -> Floats:
        """Expected calls a minute, noise included."""
        at = np.arange(first, first + count)
        hour, day = at // 60, at // DAY_MINUTES
        swing = draw.uniform(*self.swing)
        depth = (swing - 1) / (swing + 1)
        weight = 1 + depth * np.sin(2 * np.pi * (at / DAY_MINUTES + draw.uniform()))
        if self.is_office:
            opens = 8 * 60 + draw.integers(-60, 60)
            is_open = (at % DAY_MINUTES >= opens) & (at % DAY_MINUTES < opens + 600)
            is_open &= (day + 3) % 7 < 5
            weight = weight * np.where(is_open, 1.0, 0.03) / (50 / 168 + 0.03)
        weight = weight * noise(draw, hour - hour[0], self.hour_noise)
        weight = weight * noise(draw, day - day[0], self.day_noise)
        return self.usd_per_day / self.call.usd / DAY_MINUTES * weight

    def minutes(self, draw: np.random.Generator, first: int, count: int) -> Minutes:
        """That many minutes of it."""
        return self.minutes_at(draw, first, self.pace(draw, first, count))

    def minutes_at(self, draw: np.random.Generator, first: int, pace: Floats) -> Minutes:
        """Minutes of that pace, calls expected in each."""
        requests = draw.poisson(pace)
        minutes = self.call.minutes(draw, first, requests)
        judged = draw.binomial(requests, JUDGED_SHARE)
        accepted = draw.binomial(judged, ACCEPTED_SHARE)
        return minutes.with_(
            {
                RETRIES: draw.binomial(requests, RETRIED_SHARE),
                ERRORS: draw.binomial(requests, FAILED_SHARE),
                ACCEPTED: accepted,
                REJECTED: judged - accepted,
            }
        )


def noise(draw: np.random.Generator, number: Ints, spread: float) -> Floats:
    """A factor of mean one for each number."""
    drawn = draw.lognormal(-(spread**2) / 2, spread, int(number[-1]) + 1)
    return drawn[number]
