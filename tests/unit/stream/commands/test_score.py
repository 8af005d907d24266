"""``spendwatch score``: files and folders in and out, and what is said of bad ones."""

import csv
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream.cli import main

HEADER = ["timestamp", "value", "expected", "lower", "upper", "score", "alert"]
START = 1_764_547_200
ROWS = 1_200
SPIKE = 900


def lines_of(values, step=300, start=START) -> str:
    rows = (f"{start + step * number},{value}\n" for number, value in enumerate(values))
    return "timestamp,value\n" + "".join(rows)


def noise(rows=ROWS, seed=7) -> list[float]:
    chance = random.Random(seed)
    return [100 + chance.gauss(0, 3) for _ in range(rows)]


def spiked() -> list[float]:
    values = noise()
    values[SPIKE] = 200.0
    return values


def score(source: Path, output: Path) -> list[dict[str, str]]:
    assert main(["score", str(source), "--output", str(output)]) == 0
    with output.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert reader.fieldnames == HEADER
    return rows


@pytest.fixture
def series(tmp_path: Path) -> Path:
    path = tmp_path / "series.csv"
    path.write_text(lines_of(spiked()))
    return path


def test_a_spike_gets_one_alert_and_every_row_a_line(series, tmp_path):
    rows = score(series, tmp_path / "scores.csv")

    assert len(rows) == ROWS
    assert [row["timestamp"] for row in rows] == [str(START + 300 * n) for n in range(ROWS)]
    assert [n for n, row in enumerate(rows) if row["alert"] == "1"] == [SPIKE]
    assert 0.5 <= float(rows[SPIKE]["score"]) < 1
    assert float(rows[SPIKE]["upper"]) < 200
    warm = [n for n, row in enumerate(rows) if row["score"]]
    assert warm == list(range(warm[0], ROWS))
    assert 60 <= warm[0] <= 289
    assert all(row["expected"] == "" and row["alert"] == "0" for row in rows[: warm[0]])


def test_a_prefix_gets_the_same_rows_as_the_whole(series, tmp_path):
    whole = score(series, tmp_path / "whole.csv")
    text = series.read_text().splitlines(keepends=True)
    cut = tmp_path / "cut.csv"
    cut.write_text("".join(text[: SPIKE + 11]))

    assert score(cut, tmp_path / "part.csv") == whole[: SPIKE + 10]


def test_every_form_of_timestamp_gives_the_same_scores(tmp_path):
    values = noise(400)
    found = []
    for number, form in enumerate(
        (
            "{e}",
            "{ms}",
            "{d:%Y-%m-%d %H:%M:%S}",
            "{d:%Y-%m-%dT%H:%M:%SZ}",
            "{d:%Y-%m-%dT%H:%M}+00:00",
        )
    ):
        lines = ["timestamp,value\n"]
        for row, value in enumerate(values):
            at = START + 300 * row
            when = datetime.fromtimestamp(at, UTC)
            lines.append(f"{form.format(e=at, ms=at * 1000, d=when)},{value}\n")
        source = tmp_path / f"{number}.csv"
        source.write_text("".join(lines))
        found.append([row["score"] for row in score(source, tmp_path / f"{number}.out")])

    assert all(each == found[0] for each in found)
    assert found[0][-1] != ""


def test_a_folder_is_done_file_by_file_at_any_depth(tmp_path, capsys):
    folder = tmp_path / "in"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.csv").write_text(lines_of(spiked()))
    (folder / "deep" / "er" / "b.CSV").write_text(lines_of(noise(100)))
    (folder / "deep" / "notes.txt").write_text("no series")

    assert main(["score", str(folder), "--output", str(tmp_path / "out")]) == 0

    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    assert written == {"a.csv", "deep/er/b.CSV"}
    assert "b.CSV: its 100 rows are all warming up" in capsys.readouterr().err


def test_output_inside_the_folder_is_not_taken_for_input(tmp_path):
    (tmp_path / "a.csv").write_text(lines_of(noise(100)))
    for _ in range(2):
        assert main(["score", str(tmp_path), "--output", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["a.csv"]


def test_one_bad_file_does_not_stop_the_others(tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("timestamp,value\n2026-01-01,1\nyesterday,2\n")
    (folder / "b.csv").write_text("")
    (folder / "c.csv").write_text(lines_of(noise(300)))

    assert main(["score", str(folder), "--output", str(tmp_path / "out")]) == 1

    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["c.csv"]
    err = capsys.readouterr().err
    assert "a.csv, row 2 (line 3): the timestamp 'yesterday' is neither RFC 3339" in err
    assert "b.csv: the file is empty" in err
    assert "2 of 3 files have no scores" in err


def test_many_empty_files_are_as_many_errors(tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(1_000):
        (folder / f"{number}.csv").touch()

    assert main(["score", str(folder), "--output", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.count("the file is empty") == 1_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,value\n1,2\n", "the first line is 'time,value'; it should name"),
        ("1764547200,2\n", "the first line is '1764547200,2'"),
        ("timestamp,value,value\n", "once each"),
        ("timestamp,value\n1764547200,12 EUR\n", "row 1 (line 2): the value '12 EUR' is no number"),
        ("timestamp,value\n1764547200,inf\n", "row 1 (line 2): the value 'inf' is beyond 1e+100"),
        (
            "timestamp,value\n1764547200\n",
            "row 1 (line 2): '1764547200' has no timestamp and value",
        ),
        ("timestamp,value\n,5\n", "row 1 (line 2): the timestamp '' is neither"),
        ("timestamp,value\n1e999,5\n", "row 1 (line 2): the timestamp '1e999' is neither"),
        ("timestamp,value\n1,5\n\n2,x\n", "row 2 (line 4): the value 'x' is no number"),
        (f"timestamp,value\n{'9' * 300},5\n", "9999…' is neither"),
    ],
)
def test_an_error_names_file_and_row(text, message, tmp_path, capsys):
    source = tmp_path / "series.csv"
    source.write_text(text)

    assert main(["score", str(source), "--output", str(tmp_path / "out.csv")]) == 1

    err = capsys.readouterr().err
    assert str(source) in err
    assert message in err
    assert not list(tmp_path.glob("out*"))


def test_bytes_that_are_no_text_are_an_error(tmp_path, capsys):
    source = tmp_path / "series.csv"
    source.write_bytes(b"timestamp,value\n\xff\xfe,1\n")

    assert main(["score", str(source), "--output", str(tmp_path / "out.csv")]) == 1
    assert "it is no text in UTF-8" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_an_error(tmp_path, capsys):
    missing = tmp_path / "missing.csv"
    assert main(["score", str(missing), "--output", str(tmp_path / "out.csv")]) == 1
    assert "No such file" in capsys.readouterr().err


def test_an_output_that_is_the_input_is_refused(series, tmp_path):
    assert main(["score", str(series), "--output", str(series)]) == 2
    assert main(["score", str(tmp_path), "--output", str(tmp_path)]) == 2
    assert main(["score", str(series), "--output", str(tmp_path)]) == 2
    assert main(["score", str(tmp_path), "--output", str(series)]) == 2
    assert main(["score", str(tmp_path), "--output", "-"]) == 2


def test_an_output_that_cannot_be_written_is_an_error(series, tmp_path, capsys):
    output = series / "below" / "scores.csv"
    assert main(["score", str(series), "--output", str(output)]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_folder_without_series_is_an_error(tmp_path, capsys):
    assert main(["score", str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    assert "holds no .csv file" in capsys.readouterr().err


def test_stdout_gets_the_same_rows(series, tmp_path, capsys):
    assert main(["score", str(series), "--output", "-"]) == 0
    printed = capsys.readouterr().out
    assert main(["score", str(series), "--output", str(tmp_path / "out.csv")]) == 0
    assert (tmp_path / "out.csv").read_text() == printed


def test_what_is_no_regular_file_is_written_into(series, tmp_path):
    assert main(["score", str(series), "--output", "/dev/null"]) == 0
    assert not Path("/dev/null.part").exists()


def test_columns_are_found_by_name_and_texts_kept(tmp_path):
    source = tmp_path / "series.csv"
    source.write_text('﻿Label,VALUE,Timestamp\n0,-1.50,"2026-01-01 00:00:00"\n', encoding="utf-8")
    (row,) = score(source, tmp_path / "out.csv")
    assert (row["timestamp"], row["value"]) == ("2026-01-01 00:00:00", "-1.50")


def test_a_row_without_value_has_no_score_and_teaches_nothing(tmp_path, capsys):
    values: list[object] = list(noise(700))
    holes = dict.fromkeys((400, 401, 500, 620), "NaN") | {630: "", 631: "null"}
    with_holes = tmp_path / "holes.csv"
    with_holes.write_text(lines_of([holes.get(n, value) for n, value in enumerate(values)]))

    rows = score(with_holes, tmp_path / "out.csv")

    assert all(rows[n]["score"] == rows[n]["expected"] == "" for n in holes)
    assert all(row["score"] for n, row in enumerate(rows) if n > 400 and n not in holes)
    assert not any(row["alert"] == "1" for row in rows)
    assert "values missing in 6 rows" in capsys.readouterr().err


def test_time_that_goes_back_is_remarked_and_judged(tmp_path, capsys):
    lines = lines_of(noise(700)).splitlines(keepends=True)
    lines[500:500] = lines[480:500]
    source = tmp_path / "series.csv"
    source.write_text("".join(lines))

    rows = score(source, tmp_path / "out.csv")

    assert all(row["score"] for row in rows[400:])
    assert not any(row["alert"] == "1" for row in rows)
    assert "1 rows are not later than the row before (first: row 500)" in capsys.readouterr().err


@pytest.mark.parametrize("value", [0, 5, -3.25, 1e99, 1e-99])
def test_a_series_that_never_changes_never_alerts(value, tmp_path):
    source = tmp_path / "series.csv"
    source.write_text(lines_of([value] * 2_000))
    rows = score(source, tmp_path / "out.csv")
    assert not any(row["alert"] == "1" for row in rows)
    assert float(rows[-1]["expected"]) == pytest.approx(value)


def test_negative_values_are_numbers_like_others(tmp_path):
    source = tmp_path / "series.csv"
    source.write_text(lines_of([-value for value in spiked()]))
    rows = score(source, tmp_path / "out.csv")
    assert [n for n, row in enumerate(rows) if row["alert"] == "1"] == [SPIKE]


def test_a_gap_of_a_year_is_no_alert_storm(tmp_path):
    first, second = noise(700), [value + 400 for value in noise(700, seed=8)]
    source = tmp_path / "series.csv"
    later = lines_of(second, start=START + 31_536_000).split("\n", 1)[1]
    source.write_text(lines_of(first) + later)
    rows = score(source, tmp_path / "out.csv")
    assert sum(row["alert"] == "1" for row in rows) <= 1


def test_the_help_says_the_rules_for_bad_input(capsys):
    with pytest.raises(SystemExit):
        main(["score", "--help"])
    told = capsys.readouterr().out
    for rule in ("NaN", "warming up", "goes back", "gap", "negative", "constant"):
        assert rule in told
