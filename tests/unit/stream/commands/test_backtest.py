"""``spendwatch backtest`` over small files."""

import json
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
