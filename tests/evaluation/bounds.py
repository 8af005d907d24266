"""The same runaways as in ``leak.py`` for the yardsticks and the oracles, at equal false pages.

The yardsticks' thresholds are set on scopes that are in no figure: to cry as often as allowed on
them where nothing is wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.observation import COST, NANOUSD_PER_USD
from tests.evaluation.leak import (
    CASES,
    GIVEN_UP_SECONDS,
    HISTORY_DAYS,
    RUNAWAY_USD_PER_DAY,
    LeakCase,
    runaway_calls,
)
from tests.evaluation.minutes import DAY_MINUTES, WEEK_MINUTES, Floats, Minutes
from tests.evaluation.oracle import dollar_upper, first_cry
from tests.evaluation.scope_run import MONDAY
from tests.evaluation.spend_yardsticks import (
    FLOOR_USD,
    WINDOW_MINUTES,
    YARDSTICKS,
    Yardstick,
    calibrated,
    episodes,
    windows,
)
from tests.evaluation.tables import Table

PAGES_A_WEEK = 0.02
WEEK_WINDOWS = WEEK_MINUTES // WINDOW_MINUTES
CALIBRATION_WEEKS = 8
WINDOW_SECONDS = WINDOW_MINUTES * 60


@dataclass(frozen=True, slots=True)
class Scene:
    """A runaway after two weeks.

    Attributes:
        minutes: usual ones, the time of the runaway included.
        pace: expected calls of each.
        onset: seconds after the first minute.
        since: seconds of each call of the runaway since the first.
        usd: of each.
    """

    minutes: Minutes
    pace: Floats
    onset: int
    since: Floats
    usd: Floats

    @property
    def usual_usd(self) -> Floats:
        """Per minute."""
        return self.minutes[COST] / NANOUSD_PER_USD


def scenes(case: LeakCase, *, seed: int, runs: int) -> list[Scene]:
    """That many."""
    found = []
    for number in range(runs):
        draw = np.random.default_rng((seed, 1, number, *case.name.encode()))
        count = (HISTORY_DAYS + 2) * DAY_MINUTES
        pace = case.habit.pace(draw, MONDAY, count)
        minutes = case.habit.minutes_at(draw, MONDAY, pace)
        onset = HISTORY_DAYS * DAY_MINUTES * 60 + int(draw.integers(0, DAY_MINUTES * 60))
        calls = list(runaway_calls(draw, case.call, RUNAWAY_USD_PER_DAY, GIVEN_UP_SECONDS / 6))
        since = np.array([each[0] for each in calls])
        usd = np.array([each[1][COST] for each in calls]) / NANOUSD_PER_USD
        found.append(Scene(minutes, pace, onset, since, usd))
    return found


def leak_over(scene: Scene, upper: Floats) -> float:
    """Dollars of the runaway when an open window first holds more than its upper band."""
    at = scene.onset + scene.since
    window = (at // WINDOW_SECONDS).astype(int)
    minute = (at // 60).astype(int)
    before = np.concatenate([[0.0], np.cumsum(scene.usual_usd)])
    usual = before[minute] - before[window * WINDOW_MINUTES]
    spent = np.cumsum(scene.usd)
    begins = np.searchsorted(window, window, side="left")
    in_window = spent - (spent - scene.usd)[begins]
    is_over = usual + in_window > upper[window]
    return float(spent[np.argmax(is_over)] if is_over.any() else spent[-1])


def leak_of_calls(case: LeakCase, scene: Scene, pages_a_week: float) -> float:
    """Dollars of the runaway when the oracle of calls cries."""
    a_week = 7 * case.habit.usd_per_day / case.habit.call.usd
    pace = scene.pace[scene.onset // 60] / 60
    sizes = scene.usd / case.habit.call.usd
    index = first_cry(scene.since, sizes, pace, a_week, pages_a_week)
    return float(scene.usd[: index + 1].sum() if index >= 0 else scene.usd.sum())


def _oracle_upper(case: LeakCase, scene: Scene, pages_a_week: float, floor_usd: float) -> Floats:
    calls = windows(scene.pace)
    usual = calls * case.habit.call.usd
    upper = dollar_upper(calls, case.habit.call.usd, pages_a_week)
    return np.maximum(upper, usual + floor_usd)


def bounds_table(*, seed: int, runs: int, pages_a_week: float = PAGES_A_WEEK) -> Table:
    """Leak of oracles and yardsticks."""
    cases = [case for case in CASES if not case.is_young]
    table = Table(
        f"Leak of oracles and yardsticks at {pages_a_week} false pages a scope-week "
        f"(median / 95 % of {runs} runaways)",
        ("", *(case.name for case in cases)),
    )
    columns = [_column(case, seed=seed, runs=runs, pages_a_week=pages_a_week) for case in cases]
    for name in columns[0]:
        table.rows.append((name, *(column[name] for column in columns)))
    table.data["oracle"] = {
        case.name: column["oracle of calls"] for case, column in zip(cases, columns, strict=True)
    }
    table.notes.append(
        "In brackets: false pages a scope-week of the yardstick with its usual threshold."
    )
    return table


def _column(case: LeakCase, *, seed: int, runs: int, pages_a_week: float) -> dict[str, str]:
    some = scenes(case, seed=seed, runs=runs)
    quiet = _quiet(case, seed=seed, scopes=runs)
    column = {
        "oracle of calls": _cell([leak_of_calls(case, each, pages_a_week) for each in some]),
    }
    for name, floor in (("", 0.0), (", with the floor of a page", FLOOR_USD)):
        column[f"oracle of dollars in 5 minutes{name}"] = _cell(
            [leak_over(each, _oracle_upper(case, each, pages_a_week, floor)) for each in some]
        )
    most = pages_a_week * CALIBRATION_WEEKS * len(quiet)
    for yardstick in YARDSTICKS:
        k = calibrated(yardstick, quiet, skip=WEEK_WINDOWS, most=most)
        found = [leak_over(each, yardstick.upper(windows(each.usual_usd), k)) for each in some]
        usual = _rate(yardstick, quiet)
        column[yardstick.name] = f"{_cell(found)} ({usual:.2g})"
    return column


def _quiet(case: LeakCase, *, seed: int, scopes: int) -> list[Floats]:
    found = []
    for number in range(scopes):
        draw = np.random.default_rng((seed, 2, number, *case.name.encode()))
        minutes = case.habit.minutes(draw, MONDAY, (CALIBRATION_WEEKS + 1) * WEEK_MINUTES)
        found.append(windows(minutes[COST] / NANOUSD_PER_USD))
    return found


def _rate(yardstick: Yardstick, quiet: Sequence[Floats]) -> float:
    cries = sum(
        episodes((usd > yardstick.upper(usd, yardstick.usual_k))[WEEK_WINDOWS:]) for usd in quiet
    )
    return cries / CALIBRATION_WEEKS / len(quiet)


def _cell(usd: Sequence[float]) -> str:
    middle, high = np.percentile(usd, (50, 95))
    return f"{middle:.2f} / {high:.2f}"
