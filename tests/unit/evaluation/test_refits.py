"""Guesses of hours know only hours before, and figures of them are those known by hand."""

import numpy as np
import pytest

from tests.evaluation.refit_anomalies import between_hours, in_spreads, with_channel
from tests.evaluation.refit_guesses import (
    DAY,
    DRIFT,
    ETS,
    REGRESSION,
    SIX_HOURS,
    SPANS,
    WINTERS,
    YESTERDAY,
    Hours,
)
from tests.evaluation.refits import errors_table, methods

NINE_DAYS = 9 * 24


def _hours(count: int = NINE_DAYS, *, noise: float = 0.2) -> Hours:
    at = np.arange(count)
    wave = np.exp(0.5 * np.sin(2 * np.pi * at / 24))
    return Hours.of(
        "wave", 480_000, wave * np.exp(np.random.default_rng(3).normal(0, noise, count))
    )


def test_hours_are_whole_days_whose_first_week_costs_a_hundred_dollars_a_day():
    hours = Hours.of("cut", 24 * 1000 + 20, np.arange(1.0, 300.0))

    assert hours.first == 24 * 1001
    assert len(hours.usd) == 24 * 12
    assert hours.usd[:168].sum() == pytest.approx(700)
    assert hours.usd[0] == pytest.approx(5 * hours.scale)


@pytest.mark.parametrize("name", methods())
def test_a_guess_follows_from_what_was_before_it(name):
    hours = _hours()
    changed = hours.usd.copy()
    changed[-30:] *= 9  # six hours of the day before the last, and all of the last
    first = methods()[name](hours)
    again = methods()[name](Hours("changed", hours.first, changed, hours.is_odd, hours.scale))

    for key, guess in first.items():
        known = (NINE_DAYS - 30) // SPANS[key] + 1
        assert again[key][:known] == pytest.approx(guess[:known], nan_ok=True)
        assert np.isfinite(guess[168 // SPANS[key] :]).all()


@pytest.mark.parametrize("name", [ETS, REGRESSION, WINTERS])
def test_a_refit_knows_a_clean_season_and_the_sums_of_its_hours(name):
    hours = _hours(noise=0.02)
    guess = methods()[name](hours)

    for key in (SIX_HOURS, DAY):
        span = SPANS[key]
        assert guess[key][168 // span :] == pytest.approx(hours.logs(span)[168 // span :], abs=0.1)


def test_errors_are_counted_after_a_week_and_not_where_it_is_odd():
    hours = _hours()
    hours.is_odd[-24:] = True
    found = {name: method(hours) for name, method in methods().items()}

    table = errors_table("one", [(hours, found)])

    assert table.rows[-1] == ("compared", "24", "24", "4", "1")
    of_day = abs(found[YESTERDAY][DAY][7] - hours.logs(24)[7])
    assert table.rows[0][-1] == f"{of_day:.3f}"
    assert DRIFT in [row[0] for row in table.rows]


def test_between_hours_nothing_is_taken_from_the_next_day():
    hourly = np.concatenate((np.arange(24.0), np.full(24, 100.0)))

    moments = np.array([0.0, 0.5, 1.0, 23.5, 23.9, 24.0])
    assert between_hours(hourly, moments) == pytest.approx([0, 0, 0.5, 23, 23, 100])


def test_a_residual_is_held_against_those_before_it():
    sizes = in_spreads(np.array([1.0, -1, 1, -5]), 1)

    assert np.isnan(sizes[0])
    assert sizes[1:] == pytest.approx([1, 1, 5])


def test_a_silent_channel_lowers_a_surprise_a_little():
    assert with_channel(np.array([4.0]), np.array([np.nan])) == pytest.approx(
        4 * (7.8 / 8.8) ** 0.25
    )
