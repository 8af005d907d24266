"""INGEST over a file: stretches and steps, dead letters by line, totals."""

import json
from collections import Counter
from itertools import pairwise

import pytest

from detectors.observation import COST, REQUESTS, UNPRICED
from stream.config import Settings
from stream.replay import file_ingest
from stream.replay.file_ingest import FileIngest
from tests.support.event_files import DAY, MONDAY, an_event

SETTINGS = Settings.model_validate(
    {"topics": {"usage_events_partitions": 3, "deltas_partitions": 2}}
)


A_MINUTE_LATE = {
    "topics": {"usage_events_partitions": 1},
    "ingest": {"allowed_lateness_seconds": 60},
}


def encoded(*events) -> list[bytes]:
    return [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]


def stretches(settings: Settings, *events):
    return list(FileIngest(settings).feed(encoded(*events)))


def test_a_stretch_ends_where_a_window_closes_and_with_the_file():
    one = Settings.model_validate(A_MINUTE_LATE)
    times = [0, 100, 300, 359, 360, 370, 400, 700]

    found = stretches(one, *[an_event(each, MONDAY + each) for each in times])

    # The watermark is a minute behind, in the window before; the first event moves it from nowhere.
    assert [each.watermark_seconds for each in found] == [
        MONDAY + newest - 60 for newest in (0, 100, 360, 700)
    ]
    assert [(each.events.seconds - MONDAY).tolist() for each in found] == [
        [0],
        [100],
        [300, 359, 360],
        [370, 400, 700],
    ]


def test_a_step_spans_five_seconds_of_what_is_newest_however_thin_the_file():
    one = Settings.model_validate({"topics": {"usage_events_partitions": 1}})
    times = [0, 4, 5, 3, 9, 10, 100]

    first, rest = stretches(one, *[an_event(at, MONDAY + at) for at in times])

    assert first.newest_at == [MONDAY + 4]
    assert rest.newest_at == [MONDAY + 9, MONDAY + 10, MONDAY + 100]
    assert rest.events.step.tolist() == [1, 1, 1, 2, 3]


@pytest.mark.parametrize("few", [0, 1000])
def test_rows_by_step_add_up_to_the_rows_of_the_stretch(few: int, monkeypatch):
    monkeypatch.setattr(file_ingest, "FEW_EVENTS", few)
    events = [an_event(each, MONDAY + 3 * each, agent=f"a{each % 4}") for each in range(200)]

    for stretch in stretches(SETTINGS, *events):
        rows = [(n, row) for n, each in stretch.events.rows().items() for row in each]
        by_step = stretch.rows_by_step or stretch.events.rows_by_step()
        mine = range(stretch.first_step, stretch.first_step + len(stretch.newest_at))
        some = [row for step in mine for row in by_step.get(step, ())]

        assert (stretch.rows_by_step is None) == (few == 0)
        assert _requests((each.partition, each.row) for each in some) == _requests(rows)


def _requests(rows) -> Counter:
    found: Counter = Counter()
    for partition, row in rows:
        found[partition, row.scope, row.minute] += row.counts[REQUESTS]
    return found


def test_rows_by_step_of_some_scopes_are_theirs_alone():
    events = [an_event(each, MONDAY + each, agent=f"a{each % 4}") for each in range(20)]

    *_, last = stretches(SETTINGS, *events)
    wanted = ["agent:a1", "agent:nobody"]
    rows = [row for each in last.events.rows_by_step(wanted).values() for row in each]

    assert {each.row.scope for each in rows} == {"agent:a1"}
    assert sum(each.row.counts[REQUESTS] for each in rows) == sum(
        row.counts[REQUESTS]
        for each in last.events.rows().values()
        for row in each
        if row.scope == "agent:a1"
    )


@pytest.mark.parametrize("records", [1, 3, 1000])
def test_what_is_found_does_not_hang_on_the_size_of_a_batch(records: int, monkeypatch):
    events = [an_event(each % 30, MONDAY + each) for each in range(60)]
    events.insert(7, b"nonsense")
    events.insert(9, [an_event(each, MONDAY) for each in range(100, 104)])
    whole = FileIngest(SETTINGS)
    list(whole.feed(encoded(*events)))
    monkeypatch.setattr(file_ingest, "BATCH_RECORDS", records)
    cut = FileIngest(SETTINGS)
    list(cut.feed(encoded(*events)))

    assert cut.intake == whole.intake
    assert whole.intake.counted["repeats"] == 30
    assert whole.intake.counted["records"] == 62


def test_a_batch_ends_with_the_line_that_fills_it(monkeypatch):
    monkeypatch.setattr(file_ingest, "BATCH_BYTES", 1)
    one = Settings.model_validate({"topics": {"usage_events_partitions": 1}})

    found = stretches(one, *[an_event(each, MONDAY + each) for each in range(3)])

    assert [len(each.events) for each in found] == [1, 1, 1]


@pytest.mark.parametrize(("apart", "batches"), [(400, [10, 10, 10, 10]), (1, [10, 30])])
def test_a_thin_file_is_read_in_small_batches(apart: int, batches: list[int], monkeypatch):
    monkeypatch.setattr(file_ingest, "FIRST_RECORDS", 10)
    monkeypatch.setattr(file_ingest, "BATCH_STRETCHES", 10)
    one = Settings.model_validate({"topics": {"usage_events_partitions": 1}})
    lines = iter(encoded(*[an_event(each, MONDAY + each * apart) for each in range(40)]))

    left = [lines.__length_hint__() for _ in FileIngest(one).feed(lines)]

    starts = [40, *dict.fromkeys(left)]
    assert [before - after for before, after in pairwise(starts)] == batches


def test_what_is_refused_is_named_by_its_line_and_all_of_it_is_counted():
    ingest = FileIngest(SETTINGS)
    bad = [b"nonsense", b"", encoded(an_event(1, MONDAY))[0], b"{}"] + [b"[" for _ in range(9)]

    list(ingest.feed(bad))

    intake = ingest.intake
    assert [each.line for each in intake.dead] == [1, 4, 5, 6, 7]
    assert intake.dead_by_reason.total() == 11
    assert intake.refusals()[0].startswith("line 1: not_json: ")
    assert intake.refusals()[-1] == "and 6 more"


def test_no_refusals_are_no_lines():
    assert FileIngest(SETTINGS).intake.refusals() == []


def test_totals_count_events_once_whatever_scopes_they_have():
    ingest = FileIngest(SETTINGS)
    unpriced = an_event(3, MONDAY, model="a-model-nobody-knows", requests=2)
    del unpriced["cost_usd"]

    list(
        ingest.feed(
            encoded(
                an_event(1, MONDAY),
                an_event(1, MONDAY),  # a repeat
                an_event(2, MONDAY, agent=None, api_key=None, team="a", cost_usd="1.25"),
                unpriced,
            )
        )
    )

    totals = ingest.intake.totals
    assert (totals[COST], totals[REQUESTS], totals[UNPRICED]) == (1_750_000_000, 4, 2)
    assert ingest.intake.counted["repeats"] == 1


def test_a_leap_ahead_is_believed_once_three_events_made_it():
    one = Settings.model_validate(A_MINUTE_LATE)
    ingest = FileIngest(one)
    monday, friday = MONDAY, MONDAY + 4 * DAY
    times = [monday, friday, friday + 100, monday + 10, friday, friday + 1, friday + 2]

    promised = []
    for number, at in enumerate(times):
        events = encoded(an_event(number, at))
        promised += [stretch.watermark_seconds for stretch in ingest.feed(events)]

    first = monday - 60
    assert promised == [first, first, first, first + 10, first + 10, first + 10, friday + 2 - 60]
    assert ingest.intake.counted["late"] == 0
