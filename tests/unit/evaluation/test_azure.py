"""Scopes whose calls are a trace's."""

from pathlib import Path

import numpy as np
import pytest

from detectors.observation import COST, INPUT_TOKENS, NANOUSD_PER_USD, OUTPUT_TOKENS, REQUESTS
from tests.evaluation import spend
from tests.evaluation.azure import TracedCalls, TracedHabit, cases, trace
from tests.evaluation.minutes import DAY_MINUTES
from tests.evaluation.scope_run import MONDAY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two services: call n reads 100 n tokens and writes n; the second half hour is empty."""
    (tmp_path / "azure").mkdir()
    for name in ("code", "conv"):
        rows = [
            f"2023-11-16 18:{15 + n // 2:02}:{n % 2 * 30:02}.1234567,{100 * n},{n}"
            for n in range(1, 61)
        ]
        path = tmp_path / "azure" / f"AzureLLMInferenceTrace_{name}.csv"
        path.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]))
    return tmp_path


def test_minutes_take_the_calls_in_their_order_and_begin_anew(folder: Path):
    of = trace(folder, "code")
    calls = TracedCalls.at_price(of, 0.05)
    minutes = calls.minutes(np.random.default_rng(1), MONDAY, np.array([0, 2, 200, 1]))
    first = int(minutes[OUTPUT_TOKENS][1]) // 2  # n and n + 1
    after = [(first + 1 + number) % 60 + 1 for number in range(200)]
    assert minutes[REQUESTS].tolist() == [0, 2, 200, 1]
    assert minutes[OUTPUT_TOKENS].tolist() == [0, 2 * first + 1, sum(after), after[-1] % 60 + 1]
    assert minutes[INPUT_TOKENS].tolist() == (100 * minutes[OUTPUT_TOKENS]).tolist()


def test_a_mean_call_costs_what_was_asked_for_and_a_day_a_hundred_dollars(folder: Path):
    [case, *_] = [each for each in cases(folder) if "$0.05" in each.name]
    minutes = case.habit.minutes(np.random.default_rng(2), MONDAY, 14 * DAY_MINUTES)
    assert minutes.usd / 14 == pytest.approx(100, rel=0.15)
    call = minutes[COST].sum() / minutes[REQUESTS].sum() / NANOUSD_PER_USD
    assert call == pytest.approx(0.05, rel=0.02)


def test_an_hour_is_as_uneven_as_the_trace_s_and_each_from_another_minute_on(folder: Path):
    habit = TracedHabit("", TracedCalls.at_price(trace(folder, "conv"), 0.05), hour_noise=0.0)
    pace = habit.pace(np.random.default_rng(3), MONDAY, DAY_MINUTES).reshape(24, 60)
    silent = pace == 0
    assert (silent.sum(axis=1) == 30).all()
    assert len(np.unique(silent, axis=0)) > 10


def test_without_the_data_the_table_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert spend.main(["--quick", "--only", "azure", "--data", str(tmp_path / "none")]) == 0
    assert "Left out" in capsys.readouterr().out
