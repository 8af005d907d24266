"""A backtest held against labels."""

import json

import pytest

from alerting.alert import Severity, Transition
from detectors.scope import Scope
from stream.replay.intake import Intake
from stream.replay.labels import Label, LabelError, label_to_json, read_labels
from stream.replay.replay import ReplayResult
from stream.replay.report_json import report_to_json
from stream.replay.summary import summarize
from stream.replay.verdict import hold_against
from tests.support.alerts import AGENT, KEY, START, USD, an_alert

WEEK = 7 * 86_400
SPAN = (START - WEEK, START + WEEK)
STRANGER = Scope("agent", "stranger")


def a_summary(*alerts):
    return summarize(ReplayResult(Intake(), alerts=list(alerts)), SPAN)


def a_label(start=START, end=START + 3_600, scopes=(str(AGENT),)):
    return Label(scopes, start, end, "runaway")


def test_what_no_label_explains_is_a_false_page():
    summary = a_summary(
        an_alert(excess_nanousd=5 * USD),
        an_alert(scope=STRANGER, incident_id="i-2", drivers=()),
        an_alert(scope=STRANGER, incident_id="i-3", started=START + 86_400, drivers=(),
                 severity=Severity.INFO),
    )  # fmt: skip

    verdict = hold_against(summary, [a_label()])

    (found,) = verdict.found
    assert [each.scope for each in found.incidents] == [str(AGENT)]
    assert found.told_after_seconds == 300
    assert found.cost_nanousd == 5 * USD  # nothing would have been done: all of it
    assert found.is_paged
    assert [each.incident_id for each in verdict.unexplained] == ["i-2", "i-3"]
    assert verdict.false_pages == 1
    assert (len(summary.pages), summary.a_week(len(summary.pages))) == (2, 1.0)


@pytest.mark.parametrize(
    ("label", "is_explained"),
    [
        (a_label(), True),
        (a_label(scopes=("agent:other", "prompt_version:v42")), True),  # by what drives it
        (a_label(scopes=("agent:invoice-*",)), True),
        (a_label(scopes=("agent:Invoice-*",)), False),
        (a_label(scopes=("agent:[i]nvoice-bo?",)), False),  # only the asterisk stands for others
        (a_label(START + 900, START + 1_000), True),  # told after 300 s, ten minutes before
        (a_label(START + 901, START + 1_000), False),
        (a_label(START - 9_000, START - 3_300), True),
        (a_label(START - 9_000, START - 3_301), False),
    ],
)
def test_a_label_explains_what_it_means_and_what_is_told_in_its_time(label, is_explained):
    lasting = [an_alert(), an_alert(Transition.UPDATED, minutes=30)]

    verdict = hold_against(a_summary(*lasting), [label])

    assert bool(verdict.found[0].incidents) is is_explained
    assert bool(verdict.unexplained) is not is_explained


def test_what_was_over_before_is_not_explained():
    verdict = hold_against(a_summary(an_alert()), [a_label(START + 301, START + 600)])

    assert verdict.found[0].told_after_seconds is None
    assert verdict.found[0].cost_nanousd == 0
    assert not verdict.found[0].is_paged


def test_of_two_labels_the_later_one_explains():
    early, late = a_label(START - 900), a_label(START - 300)

    verdict = hold_against(a_summary(an_alert()), [early, late])

    assert [len(each.incidents) for each in verdict.found] == [0, 1]


def test_less_than_a_week_counts_as_one():
    short = summarize(ReplayResult(Intake(), alerts=[an_alert()]), (START, START + 86_400))

    assert short.a_week(1) == 1.0


def test_the_report_as_json_says_all_of_it():
    summary = a_summary(an_alert(excess_nanousd=5 * USD), an_alert(scope=KEY, incident_id="i-2"))

    bare = report_to_json(summary, Intake(), None)
    report = report_to_json(summary, Intake(), hold_against(summary, [a_label()]))

    assert "false_pages" not in bare
    assert "label" not in bare["incidents"][0]
    assert json.loads(json.dumps(report)) == report
    assert (report["pages"], report["false_pages"]) == (2, 1)
    assert report["excess_usd"] == report["leaked_usd"] == "7.22"
    second, first = report["incidents"]  # of the same beginning, by their ids
    assert first["label"]["name"] == "runaway"
    assert second["label"] is None
    assert first["action"] is None
    (label,) = report["labels"]
    assert label["incidents"] == [first["incident_id"]]
    assert (label["told_after_seconds"], label["leaked_usd"]) == (300, "5")


def test_labels_are_read_as_they_are_written(tmp_path):
    labels = [a_label(START + 60, START + 120), a_label(scopes=("agent:x", "api_key:*"))]
    path = tmp_path / "truth.jsonl"
    path.write_text("\n\n".join(json.dumps(label_to_json(each)) for each in labels))

    assert read_labels(path) == [labels[1], labels[0]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "line 2: no JSON object"),
        ("[]", "line 2: no JSON object"),
        ('{"scope": "x", "start": "2026-01-05T10:00:00Z", "end": "2026-01-06"}', "kind:name"),
        ('{"start": "2026-01-05T10:00:00Z", "end": "2026-01-06"}', "kind:name"),
        ('{"scope": "a:b", "also": "c:d"}', "also is a list"),
        ('{"scope": "a:b", "start": 5}', "start is no RFC 3339 time"),
        ('{"scope": "a:b", "start": "2026-01-05"}', "end is no RFC 3339 time"),
        ('{"scope": "a:b", "start": "2026-01-05", "end": "2026-01-05"}', "end is not after start"),
        ('{"scope": "a:b", "begin": 5}', "unknown key begin"),
    ],
)
def test_a_line_that_is_no_label_is_named(tmp_path, line, said):
    path = tmp_path / "truth.jsonl"
    path.write_text(f"\n{line}\n")

    with pytest.raises(LabelError, match=said):
        read_labels(path)


def test_labels_that_cannot_be_read_are_an_error(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, said in (("none", "No such file"), ("binary", "it is not UTF-8 text")):
        with pytest.raises(LabelError, match=f"cannot be read: {said}"):
            read_labels(tmp_path / name)
