"""The chain over a file: what is decided does not hang on how the file was cut."""

import json

from stream.config import Settings
from stream.replay import file_ingest
from stream.replay.replay import Replay
from tests.support.event_files import DAY, MONDAY, an_event, runaway

SETTINGS = Settings.model_validate(
    {
        "topics": {"usage_events_partitions": 2, "deltas_partitions": 2},
        "fanout": {"kinds": ["agent", "api_key"]},
    }
)


def replayed(events) -> Replay:
    replay = Replay(SETTINGS)
    replay.feed(json.dumps(event).encode() for event in events)
    replay.settle()
    return replay


def told(replay: Replay) -> set[tuple[str, int, str]]:
    return {
        (alert.fingerprint, alert.window.start_seconds, alert.transition.value)
        for alert in replay.result.signals
    }


def test_what_watch_tells_does_not_depend_on_the_size_of_a_step(monkeypatch):
    events = runaway(2.0)
    fine = told(replayed(events))
    monkeypatch.setattr(file_ingest, "STEP_SECONDS", 3600)

    assert fine
    assert told(replayed(events)) == fine


def test_a_key_is_acted_on_within_a_minute_and_before_much_has_leaked():
    result = replayed(runaway(3.0)).result
    start = MONDAY + 3 * DAY

    first = result.actions[0]
    fired = min(alert.fired_at for alert in result.alerts if alert.fired_at)

    assert first.issued_at - fired <= 60
    # Two dollars every ten seconds, from the first wrong call to the action.
    spent = 2.0 * (first.issued_at - start) / 10
    leaked = result.leaked_nanousd[first.incident_id] / 1e9
    assert abs(leaked - spent) <= 6.0


def test_the_clock_of_decisions_never_goes_back():
    result = replayed(runaway(3.0)).result
    issued = [action.issued_at for action in result.actions]

    assert len(issued) > 1
    assert issued == sorted(issued)


def test_one_event_of_a_far_future_changes_nothing_but_the_totals():
    events = runaway(3.0)
    events.insert(-180, an_event(5_000_000, MONDAY + 9_000 * DAY))

    replay = replayed(events)
    first = replay.result.actions[0]

    assert replay.result.intake.counted["late"] == 0
    assert told(replay) == told(replayed(runaway(3.0)))
    assert 0 < first.issued_at - (MONDAY + 3 * DAY) < 600


def test_the_span_of_a_file_is_that_of_its_events():
    replay = replayed([an_event(1, MONDAY + 61), an_event(2, MONDAY + 600)])

    assert replay.span == (MONDAY + 60, MONDAY + 660)
    assert replayed([]).span is None
