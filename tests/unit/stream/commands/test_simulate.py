"""``spendwatch simulate`` on stdout."""

import json
from datetime import datetime

import pytest

from stream.cli import main
from stream.usage.trace_url import refusal


def lines(capsys, *words):
    assert main(["simulate", *words]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_it_prints_the_same_events_every_time(capsysbinary):
    main(["simulate", "--days", "0.5", "--agents", "3"])
    first = capsysbinary.readouterr()
    main(["simulate", "--days", "0.5", "--agents", "3"])
    assert capsysbinary.readouterr().out == first.out
    count = len(first.out.splitlines())
    assert count > 100
    assert first.err == f"{count} events written to stdout\n".encode()


def test_each_call_says_where_it_can_be_looked_at_if_that_is_wanted(capsys):
    words = ("--days", "0.5", "--agents", "3", "--repeat-share", "0.1")
    bare = lines(capsys, *words)
    shown = lines(capsys, *words, "--traces", "https://traces.example/")
    urls = {event["event_id"]: event.pop("trace_url") for event in shown}
    assert shown == bare
    assert not any(map(refusal, urls.values()))
    assert len(set(urls.values())) == len(urls)
    first = bare[0]
    expected = f"https://traces.example/{first['run_id']}/{first['step']}"
    assert urls[first["event_id"]] == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [("ftp:traces", "not_plain"), ("https://t.example/?token=abc", "door")],
)
def test_an_address_that_nobody_is_shown_is_refused_without_being_quoted(capsys, url, reason):
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "--traces", url])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"no link to it is shown ({reason})" in said
    assert url not in said


def test_an_incident_begins_when_it_is_told_to(capsys):
    words = ("--days", "1", "--agents", "2", "--start", "2026-01-06T00:00:00Z")
    usual = {event["event_id"] for event in lines(capsys, *words)}
    wrong = lines(
        capsys,
        *words,
        *("--incident", "runaway", "--incident-at", "2026-01-06T10:00:00Z"),
        *("--incident-minutes", "30", "--incident-agent", "1"),
    )
    added = [event["timestamp"] for event in wrong if event["event_id"] not in usual]
    assert min(added) >= "2026-01-06T10:00:00"
    assert max(added) < "2026-01-06T10:30:00"


def test_episodes_and_incidents_go_together(capsys):
    words = ("--days", "8", "--agents", "4")
    usual = len(lines(capsys, *words))
    episodes = len(lines(capsys, *words, "--episodes", "3"))
    both = len(lines(capsys, *words, "--episodes", "3", "--incident", "loop"))
    assert usual < episodes < both


def test_real_time_waits_for_the_future_only(capsys, monkeypatch):
    start = datetime.fromisoformat("2026-01-06T12:00:00Z").timestamp()
    now = start + 1_800
    waits = []

    def sleep(seconds):
        nonlocal now
        waits.append(seconds)
        now += seconds

    monkeypatch.setattr("stream.commands.simulate.time.time", lambda: now)
    monkeypatch.setattr("stream.commands.simulate.time.sleep", sleep)
    events = lines(capsys, "--realtime", "--days", "0.05", "--start", "2026-01-06T12:00:00Z")
    past = [event for event in events if event["timestamp"] < "2026-01-06T12:30"]
    assert 0 < len(past) < len(events)
    assert 0 < len(waits) <= len(events) - len(past)
    last = datetime.fromisoformat(events[-1]["timestamp"]).timestamp()
    assert sum(waits) == pytest.approx(last - start - 1_800, abs=0.01)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--agents", "0"], 1),
        (["--topic", "usage.events", "--bootstrap-servers", "nowhere"], 1),
        (["--topic", "usage.events", "--bootstrap-servers", "127.0.0.1:1"], 3),
    ],
)
def test_what_cannot_be_done_ends_with_a_sentence_and_its_exit_code(capsys, words, code):
    assert main(["simulate", *words]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("spendwatch: ")
    assert "Traceback" not in captured.err


def test_a_time_that_is_none_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as end:
        main(["simulate", "--start", "tomorrow"])
    assert end.value.code == 2
    assert "'tomorrow' is not an RFC 3339 time" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--days", "nan"],
        ["--days", "inf"],
        ["--days", "1e300"],
        ["--days", "soon"],
        ["--incident-minutes", "nan"],
        ["--late-share", "nan"],
        ["--repeat-share", "1.5"],
        ["--start", "9999-12-31T00:00:00Z"],
    ],
)
def test_a_number_out_of_bounds_is_a_usage_error(capsys, words: list[str]):
    with pytest.raises(SystemExit) as ended:
        main(["simulate", *words])

    assert ended.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert words[0] in last
    assert repr(words[1]) in last
    assert " to " in last


def test_a_plan_beyond_the_last_event_time_is_refused(capsys):
    assert main(["simulate", "--start", "2099-12-31T00:00:00Z", "--days", "20"]) == 1
    assert "2100-01-01" in capsys.readouterr().err


def test_a_menu_writes_what_went_wrong(capsys, tmp_path):
    truth = tmp_path / "truth.jsonl"
    words = ("--days", "27", "--agents", "40", "--pace", "0.01", "--menu", "--truth", str(truth))

    events = lines(capsys, *words)

    labels = [json.loads(line) for line in truth.read_text().splitlines()]
    assert len(labels) >= 12
    assert len({label["name"] for label in labels}) == len(labels)
    (new,) = [label for label in labels if label["name"] == "new_agent"]
    mine = [event for event in events if f"agent:{event.get('agent')}" == new["scope"]]
    assert {new["start"] <= event["timestamp"] <= new["end"] for event in mine} == {True}


def test_a_truth_that_cannot_be_written_ends_with_1(capsys, tmp_path):
    assert main(["simulate", "--truth", str(tmp_path / "none" / "t"), "--days", "1"]) == 1
    assert "cannot be written" in capsys.readouterr().err
