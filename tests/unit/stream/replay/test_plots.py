"""A picture of each incident, and what it is drawn from."""

import sys
from datetime import datetime
from itertools import pairwise

import pytest

from alerting.alert import Severity, Transition
from detectors.scope import Scope
from stream.config import Settings
from stream.replay.intake import Intake
from stream.replay.plots import PlotError, draw_incidents, file_name, require_matplotlib
from stream.replay.replay import Replay, ReplayResult
from stream.replay.summary import summarize
from stream.replay.traces import span_of, traces_of
from tests.support.alerts import START, USD, an_action, an_alert
from tests.support.event_files import DAY, MONDAY, runaway, written


def seconds(event):
    return datetime.fromisoformat(event["timestamp"]).timestamp()


PNG = b"\x89PNG\r\n\x1a\n"


def settings():
    return Settings.model_validate(
        {
            "topics": {"usage_events_partitions": 2, "deltas_partitions": 2},
            "fanout": {"kinds": ["agent", "api_key"]},
        }
    )


@pytest.fixture(scope="module")
def bad_hour(tmp_path_factory):
    path = written(tmp_path_factory.mktemp("events") / "e.jsonl", runaway(3.0))
    lines = path.read_bytes().splitlines()
    replay = Replay(settings())
    replay.feed(lines)
    result = replay.settle()
    summary = summarize(result, replay.span)
    return result, summary.incidents, traces_of(settings(), summary.incidents, lines)


def test_a_trace_is_what_the_alerts_saw(bad_hour):
    result, (incident,), traces = bad_hour
    seen = {each.start: each for each in traces[incident.incident_id]}

    closed = [
        alert
        for alert in result.alerts
        if str(alert.scope) == incident.scope and alert.decided_at >= alert.window.end_seconds
    ]
    assert closed
    for alert in closed:
        window = seen[alert.window.start_seconds]
        assert (window.cost_nanousd, window.band.upper_nanousd) == (alert.observed, alert.upper)


def test_a_trace_has_every_window_from_before_the_incident_to_after_it(bad_hour):
    _, (incident,), traces = bad_hour
    starts = [each.start for each in traces[incident.incident_id]]

    assert {later - earlier for earlier, later in pairwise(starts)} == {300}
    assert starts[0] == span_of(incident)[0] < incident.started_at == MONDAY + 3 * DAY
    spent = sum(each.cost_nanousd for each in traces[incident.incident_id])
    assert spent > 360 * USD
    assert starts[-1] + 300 >= incident.ended_at


def test_a_window_without_calls_has_its_band_too(tmp_path):
    events = runaway(3.0)
    silent = [each for each in events if not MONDAY + 2.9 * DAY < seconds(each) < MONDAY + 3 * DAY]
    lines = written(tmp_path / "e.jsonl", silent).read_bytes().splitlines()
    replay = Replay(settings())
    replay.feed(lines)
    (incident,) = summarize(replay.settle(), replay.span).incidents

    (seen,) = traces_of(settings(), [incident], lines).values()

    before = [each for each in seen if each.start < incident.started_at]
    assert len(before) >= 12
    assert all(each.band is not None and each.cost_nanousd == 0 for each in before[1:])


def test_an_alert_that_gets_worse_is_marked_again():
    info = an_alert(severity=Severity.INFO)
    calm = an_alert(Transition.UPDATED, minutes=5, severity=Severity.INFO)
    worse = an_alert(Transition.UPDATED, minutes=10, severity=Severity.CRITICAL)
    result = ReplayResult(Intake(), [info, calm, worse])
    (incident,) = summarize(result, (START, START + DAY)).incidents

    marks = [(firing.at - START, firing.severity) for firing in incident.firings]
    assert marks == [(300, Severity.INFO), (900, Severity.CRITICAL)]
    assert incident.told_at == START + 300


def test_a_png_is_drawn_for_each_incident(bad_hour, tmp_path):
    _, incidents, traces = bad_hour

    (path,) = draw_incidents(tmp_path / "new" / "folder", incidents, traces, 300)
    again = draw_incidents(tmp_path / "again", incidents, traces, 300)[0]

    assert path.read_bytes().startswith(PNG)
    assert path.stat().st_size > 10_000
    assert (again.name, again.read_bytes()) == (path.name, path.read_bytes())
    assert draw_incidents(tmp_path, incidents, {}, 300) == []


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "$x_{2}$ <b>", "a" * 300, "\u00e9t\u00e9 \U0001f600"]
)
def test_whatever_a_scope_is_called_its_file_has_a_safe_name(bad_hour, tmp_path, name):
    alert = an_alert(scope=Scope("agent", name), incident_id="../i-1", severity=Severity.WARNING)
    again = an_alert(Transition.UPDATED, scope=Scope("agent", name), incident_id="../i-1")
    actions = [an_action(incident_id="../i-1")]
    result = ReplayResult(Intake(), [alert, again], actions=actions, leaked_nanousd={"../i-1": 5})
    (incident,) = summarize(result, (START, START + DAY)).incidents
    (seen,) = bad_hour[2].values()

    (path,) = draw_incidents(tmp_path, [incident], {"../i-1": seen}, 300)

    assert path.parent == tmp_path
    assert len(path.name) < 120
    assert set(path.name) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
    )
    assert path.name == file_name(incident)
    assert path.is_file()


def test_without_matplotlib_the_fix_is_named(monkeypatch):
    require_matplotlib()
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(PlotError, match=r"pip install 'spendwatch\[plots\]'"):
        require_matplotlib()
