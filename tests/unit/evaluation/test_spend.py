"""The evaluation runs in small, and its arithmetic gives the figures that are known."""

import numpy as np
import pytest

from alerting.alert import Severity
from alerting.watch.rules import RulesConfig
from alerting.watch.scope_watch import ScopeWatch
from detectors.observation import COST, NANOUSD_PER_USD, REQUESTS
from tests.evaluation import ablation, false_alarms, leak, spend, spend_tables
from tests.evaluation.background import Habit
from tests.evaluation.incidents import KINDS, Kind, times
from tests.evaluation.minutes import DAY_MINUTES, CallShape, Minutes
from tests.evaluation.oracle import call_threshold, first_cry
from tests.evaluation.recall import Hit, Outcome, outcomes
from tests.evaluation.recall_grid import Spell, creep_power, spread
from tests.evaluation.scope_run import MONDAY, ScopeRun
from tests.evaluation.spend_yardsticks import episodes, ewma
from tests.evaluation.tables import Table

HABIT = Habit("$0.05 calls", CallShape(0.05))


def _usual(draw: np.random.Generator, count: int) -> Minutes:
    return HABIT.minutes(draw, MONDAY, count)


def test_a_runaway_is_paged_for_and_its_dollars_are_those_of_its_calls():
    case = next(case for case in leak.CASES if case.name == "$0.05 calls")

    first = leak.leaks(case, RulesConfig(), seed=3, runs=2)

    assert all(each.is_found and 0 < each.usd < 30 for each in first)
    assert all(each.calls * 0.01 < each.usd < each.calls * 0.5 for each in first)
    assert first == leak.leaks(case, RulesConfig(), seed=3, runs=2)


def test_a_runaway_that_begins_as_a_window_does_is_paged_for_within_seconds():
    draw = np.random.default_rng(5)
    usual, begin = _usual(draw, 4 * DAY_MINUTES), MONDAY + 3 * DAY_MINUTES
    run = ScopeRun(ScopeWatch(RulesConfig(), is_durable=False))
    run.minutes(usual.between(MONDAY, begin))
    run.told = []

    calls = leak.runaway_calls(draw, CallShape(0.05), 17_000.0, 600.0)
    found = leak.measure(run, begin * 60, calls, usual.between(begin, begin + 10))

    assert found.is_found
    assert found.is_early
    # The window before closes 15 s late; with a minute it was $12.
    assert found.usd < 7


@pytest.mark.parametrize(
    ("part", "calls"),
    [
        ("judged at a window's end only", "$0.05 calls"),
        ("no edge of a minute's dollars", "$0.005 calls"),
        ("no edge of a minute's calls", "$0.50 calls"),
    ],
)
def test_a_part_that_is_taken_away_is_missed_and_is_back_afterwards(part: str, calls: str):
    case = next(case for case in leak.CASES if case.name == calls)
    row = next(row for row in ablation.ROWS if row.name == part)
    whole = leak.leaks(case, RulesConfig(), seed=3, runs=2)

    with row.applied():
        less = leak.leaks(case, row.config, seed=3, runs=2)

    assert sum(each.usd for each in less) > 1.5 * sum(each.usd for each in whole)
    assert leak.leaks(case, RulesConfig(), seed=3, runs=2) == whole


def test_usual_spend_is_what_was_asked_for():
    minutes = _usual(np.random.default_rng(5), 14 * DAY_MINUTES)

    assert minutes.usd == pytest.approx(14 * 100, rel=0.2)
    assert CallShape.of(minutes).usd == pytest.approx(0.05, rel=0.05)


def test_an_alarm_counts_once_and_not_in_the_first_week():
    usual = _usual(np.random.default_rng(5), 9 * DAY_MINUTES)
    burst = np.zeros(len(usual), np.int64)
    burst[3 * DAY_MINUTES : 3 * DAY_MINUTES + 30] = 1
    burst[8 * DAY_MINUTES : 8 * DAY_MINUTES + 30] = 1
    minutes = usual + Minutes(MONDAY, {REQUESTS: burst, COST: burst * 20 * NANOUSD_PER_USD})
    row = false_alarms.FalseAlarms("bursts")

    row.add(false_alarms.ScopeRun(false_alarms.ScopeWatch(RulesConfig())), minutes)

    assert row.loud == 1
    assert row.weeks == pytest.approx(2 / 7)


def test_the_bound_of_no_alarm_in_119_weeks():
    assert false_alarms.at_most(0, 119) == pytest.approx(0.0252, abs=1e-4)


def test_an_incident_is_found_with_less_than_it_cost_and_what_is_no_incident_is_not():
    kinds = (Kind("runaway", times(50.0), (60, 60)), Kind("nothing", times(1.0), (60, 60)))

    found = {
        each.kind.name: each
        for each in outcomes(_usual, kinds, RulesConfig(), seed=(1,), history_days=3)
    }

    assert found["nothing"].usd == 0
    assert found["nothing"].hits == {}
    assert found["runaway"].loud is not None
    assert 0 < found["runaway"].leaked_usd < found["runaway"].usd


def test_every_kind_of_incident_changes_minutes_as_it_says():
    usual = _usual(np.random.default_rng(5), DAY_MINUTES)
    for kind in KINDS:
        injected = kind.change(np.random.default_rng(1), usual, CallShape.of(usual), 1.4)
        if kind.is_unborn:
            continue
        changed = injected.minutes[COST] - usual[COST]
        assert injected.excess_usd * NANOUSD_PER_USD == pytest.approx(changed), kind.name
        assert bool(changed.any()) == (kind.name != "quality collapse"), kind.name


@pytest.mark.parametrize(
    ("hit", "is_in_time"),
    [
        (None, False),
        (Hit(1200, 500.0), True),  # ten minutes after it went beyond
        (Hit(1201, 75.0), True),  # $25 after
        (Hit(1201, 75.1), False),
    ],
)
def test_in_time_is_ten_minutes_or_25_dollars_after_it_goes_beyond_what_is_known(hit, is_in_time):
    hits = {} if hit is None else {Severity.WARNING: hit}

    assert Outcome(KINDS[0], 600.0, 60.0, 600.0, 50.0, hits).is_in_time is is_in_time


def test_power_bounds_are_those_of_a_known_background():
    assert spread(0.2, 24) == pytest.approx(0.2)
    assert Spell(1.5, 24).power(0.19) == pytest.approx(0.26, abs=0.01)
    assert Spell(1.5, 24).power(0.3) == pytest.approx(0.08, abs=0.01)
    assert creep_power(0.2, 7) == pytest.approx(0.55, abs=0.01)
    assert creep_power(0.5, 7) == pytest.approx(0.05, abs=0.01)


def test_the_oracle_cries_at_a_call_of_a_hundred_times_the_size_and_never_at_the_usual_pace():
    usual = np.arange(100) * 40.0
    sizes = np.ones(100)

    assert first_cry(usual, sizes, 1 / 40, 14_000, 0.02) == -1
    sizes[30] = 100
    assert first_cry(usual, sizes, 1 / 40, 14_000, 0.02) == 30
    assert 1 < first_cry(usual / 200, np.ones(100), 1 / 40, 14_000, 0.02) < 8


def test_the_oracle_is_stricter_where_fewer_false_pages_are_allowed():
    rare, often = call_threshold(14_000, 0.002), call_threshold(14_000, 0.02)

    assert rare[0] < often[0]
    assert rare[1] > often[1]


def test_cries_with_three_calm_windows_between_them_are_two_episodes():
    assert episodes(np.array([0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 0], bool)) == 2


def test_a_yardstick_sees_nothing_of_the_window_it_judges():
    usd = np.ones(600)
    jump = usd.copy()
    jump[500:] = 100

    assert ewma(usd)[0][:501] == pytest.approx(ewma(jump)[0][:501])


def test_missing_data_is_said_and_the_rest_runs(tmp_path, capsys):
    assert spend.main(["--quick", "--only", "clients", "--data", str(tmp_path / "none")]) == 0

    assert "no public data in none" in capsys.readouterr().out


def test_a_table_is_printed_and_written():
    table = Table("Dollars", ("", "median"), [("calls", "2.00")], ["A note."])

    assert table.text().splitlines() == ["Dollars", "       median", "calls    2.00", "A note."]
    assert "| calls | 2.00 |" in table.markdown()


def test_the_menu_names_what_must_be_found():
    hits = {each: Hit(60, 1.0) for each in Severity}
    some = [
        Outcome(KINDS[0], 100.0, 60.0, 0.0, 0.0, hits),
        Outcome(KINDS[0], 100.0, 60.0, 0, 0, {}),
    ]

    table = spend_tables.menu_table("Menu", some)

    assert table.rows[0] == (
        *(KINDS[0].name, "2", "50%", "50%", "50%", "200", "101", "50%", "1.0 min", "2", "50%"),
    )
