"""``spendwatch backtest`` over small files."""

import json
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from stream.cli import main
from tests.support.event_files import MONDAY, an_event, runaway, steady, written

CONFIG = """
topics: {usage_events_partitions: 2, deltas_partitions: 2}
fanout: {kinds: [agent, api_key]}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    return str(path)


@pytest.fixture(scope="module")
def bad_hour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = runaway(3.0)
    lines[5:5] = ["not json", "", {"event_id": "no-model", "timestamp": MONDAY}]
    lines.append(lines[-1])
    return written(tmp_path_factory.mktemp("events") / "events.jsonl.gz", lines)


@pytest.fixture(scope="module")
def tuned(bad_hour: Path, tmp_path_factory: pytest.TempPathFactory):
    config = tmp_path_factory.mktemp("tuned") / "c.yaml"
    config.write_text(CONFIG)
    with redirect_stdout(StringIO()) as out:
        assert not backtest(config, bad_hour, "--tune", "--false-pages-per-week", "0", "--json")
    return json.loads(out.getvalue())


def test_a_runaway_key_is_found_and_its_dollars_are_told(config, bad_hour, tmp_path, capsys):
    output = tmp_path / "alerts.jsonl"

    code = main(["backtest", "-c", config, "--events", str(bad_hour), "--output", str(output)])

    out, err = capsys.readouterr()
    assert (code, out) == (0, "")
    alerts = [json.loads(line) for line in output.read_text().splitlines()]
    fired = {alert["scope"]["kind"] for alert in alerts if alert["transition"] == "fired"}
    assert fired == {"agent", "api_key"}
    assert len({alert["transition_id"] for alert in alerts}) == len(alerts)
    assert all(alert["incident_id"] for alert in alerts)
    told = {" ".join(line.split()) for line in err.splitlines()}
    assert told >= {
        "events 1,044",
        "dead letters 2 (not_json 1, missing_field 1)",
        "late 0",
        "repeats 1",
        "unpriced 0.00% of 1,044 requests",
        "spend $792.00",  # 864 x 0.50 + 180 x 2.00
        "incidents 1",
        "alerts 2, 0.7 a day",
        "severities critical 2, warning 0, info 0",
        "loudest rules spike 2",
    }
    assert "refused: line 6: not_json" in err
    assert "refused: line 8: missing_field: model" in err
    (incident,) = [line for line in err.splitlines() if line.startswith("2026-01-08")]
    _, _, scope, key, excess, leaked, *action, alerts_told = incident.split()
    assert (scope, key, alerts_told) == ("agent:invoice-bot", "api_key:key-7", "2")
    assert action == ["block,", "dry", "run"]
    assert 300 < float(excess) <= 360
    assert 0 < float(leaked) < 40


def test_the_same_file_gives_the_same_alerts_on_stdout(config, bad_hour, capsys):
    words = ["backtest", "-c", config, "--events", str(bad_hour), "--output", "-"]

    main(words)
    first = capsys.readouterr().out
    main(words)

    assert first
    assert capsys.readouterr().out == first


def test_a_quiet_file_gives_no_alert_and_says_so(config, tmp_path, capsys):
    events = written(tmp_path / "e.jsonl", steady(0.5))

    assert main(["backtest", "-c", config, "--events", str(events), "--output", "-"]) == 0

    out, err = capsys.readouterr()
    assert out == ""
    told = [" ".join(line.split()) for line in err.splitlines()]
    assert {"incidents 0", "alerts 0, 0.0 a day", "loudest rules none"} <= set(told)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "is empty"),
        (["", " "], "holds no usage event; it should hold"),
        (["a", "b"], "holds no usage event: line 1: not_json"),
        ([b"\x00\x01"], "is a binary file"),
    ],
)
def test_a_file_without_events_ends_with_1_and_one_sentence(config, tmp_path, capsys, lines, said):
    events = written(tmp_path / "e", lines)
    output = tmp_path / "alerts.jsonl"

    code = main(["backtest", "-c", config, "--events", str(events), "--output", str(output)])

    (line,) = capsys.readouterr().err.splitlines()
    assert code == 1
    assert said in line


def test_a_missing_file_ends_with_1(config, capsys):
    assert main(["backtest", "-c", config, "--events", "/none", "--output", "-"]) == 1
    assert capsys.readouterr().err == (
        "spendwatch: /none cannot be read: No such file or directory\n"
    )


def test_the_events_are_never_overwritten(config, tmp_path, capsys):
    events = written(tmp_path / "e", [an_event(1, MONDAY)])
    before = events.read_bytes()

    assert main(["backtest", "-c", config, "--events", str(events), "--output", str(events)]) == 2
    assert events.read_bytes() == before


def test_an_output_that_cannot_be_written_is_told_before_the_work(config, tmp_path, capsys):
    events = written(tmp_path / "e", ["a"])
    output = str(tmp_path / "none" / "alerts.jsonl")

    assert main(["backtest", "-c", config, "--events", str(events), "--output", output]) == 1
    assert "cannot be written: No such file" in capsys.readouterr().err


STRICT = CONFIG + "rules: {spikes: [{severity: {critical_usd_per_hour: 10000}}]}\n"
TRUTH = (
    '{"scope": "agent:invoice-bot", "start": "2026-01-08T00:00:00Z", "end": "2026-01-08T01:00Z"}'
)


def backtest(config, events, *words):
    return main(["backtest", "-c", str(config), "--events", str(events), *words])


def test_labels_tell_false_pages_from_others(config, bad_hour, tmp_path, capsys):
    (tmp_path / "t").write_text(TRUTH)
    (tmp_path / "none").write_text("")

    assert backtest(config, bad_hour, "--incidents", str(tmp_path / "t")) == 0
    told = {" ".join(line.split()) for line in capsys.readouterr().err.splitlines()}
    assert {"pages 1, 1.0 a week", "false pages 0, 0.0 a week", "labels found 1 of 1"} <= told

    assert backtest(config, bad_hour, "--json", "--incidents", str(tmp_path / "none")) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert err == ""
    assert (report["false_pages"], report["labels"]) == (1, [])
    (incident,) = report["incidents"]
    assert 0 < float(incident["leaked_usd"]) < 40
    assert incident["action"] == {"mode": "block", "admit_ratio": None, "is_enforced": False}


def test_two_configurations_side_by_side_end_with_4_if_they_differ(
    config, bad_hour, tmp_path, capsys
):
    strict = tmp_path / "strict.yaml"
    strict.write_text(STRICT)

    assert backtest(config, bad_hour, "--compare", str(strict)) == 4
    told = {" ".join(line.split()) for line in capsys.readouterr().err.splitlines()}
    assert "≠ pages 1, 1.0 a week 0, 0.0 a week" in told
    assert "1 of 1 incidents differ" in told

    assert backtest(config, bad_hour, "--compare", str(strict), "--json") == 4
    compared = json.loads(capsys.readouterr().out)
    assert [each["pages"] for each in compared["configurations"]] == [1, 0]
    assert len(compared["different_incidents"]) == 1

    assert backtest(config, bad_hour, "--compare", config) == 0
    assert "1 incidents, all alike" in capsys.readouterr().err


def test_tuning_proposes_settings_that_can_be_used(config, bad_hour, tmp_path, capsys):
    (tmp_path / "t").write_text(TRUTH)

    assert backtest(config, bad_hour, "--tune", "--incidents", str(tmp_path / "t")) == 0
    err = capsys.readouterr().err
    assert "at most 2 false pages a week: 0.0 false pages a week, $" in err


def test_tuning_for_no_false_page_chooses_the_fewest(tuned):
    (chosen,) = [each for each in tuned["variants"] if each["is_chosen"]]
    assert chosen["pages_per_week"] == min(each["pages_per_week"] for each in tuned["variants"])
    assert tuned["settings"].keys() == {"rules"}


def test_variants_that_share_a_reading_find_what_each_finds_alone(config, bad_hour, tuned, capsys):
    backtest(config, bad_hour, "--json")
    alone = json.loads(capsys.readouterr().out)

    (present,) = [each for each in tuned["variants"] if each["is_present"]]
    assert present["incidents"] == len(alone["incidents"])
    assert present["leaked_usd"] == alone["leaked_usd"]
    assert present["alerts_per_day"] == alone["alerts_per_day"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--json", "--output", "-"], "both want stdout"),
        (["--tune", "--output", "x"], "has no --output"),
        (["--false-pages-per-week", "1"], "says what --tune may propose; give both"),
    ],
)
def test_what_does_not_go_together_is_told_before_the_work(config, bad_hour, capsys, words, said):
    assert backtest(config, bad_hour, *words) == 2
    assert said in capsys.readouterr().err


def test_a_wrong_label_is_told_before_the_work(config, tmp_path, capsys):
    (tmp_path / "t").write_text("nonsense")
    assert backtest(config, "/none", "--incidents", str(tmp_path / "t")) == 1
    assert "line 1: no JSON object" in capsys.readouterr().err


def test_plots_are_written_into_a_folder(config, bad_hour, tmp_path, capsys):
    assert backtest(config, bad_hour, "--plots", str(tmp_path / "p")) == 0
    assert f"1 plots written to {tmp_path / 'p'}\n" in capsys.readouterr().err
    (plot,) = (tmp_path / "p").iterdir()
    assert plot.name.startswith("2026-01-08T0000-agent-invoice-bot-")


def test_without_matplotlib_nothing_is_read(config, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert backtest(config, "/none", "--plots", str(tmp_path)) == 1
    assert "pip install 'spendwatch[plots]'" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told_before_the_work(
    config, bad_hour, tmp_path, capsys
):
    (tmp_path / "file").write_text("")
    assert backtest(config, bad_hour, "--plots", str(tmp_path / "file")) == 1
    err = capsys.readouterr().err
    assert "cannot be written: File exists" in err
    assert "incidents" not in err  # of the summary
