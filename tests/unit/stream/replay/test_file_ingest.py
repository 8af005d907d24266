"""INGEST over a file: steps of little event time, dead letters by line, totals."""

import json

from detectors.observation import COST, REQUESTS, UNPRICED
from stream.config import Settings
from stream.replay import file_ingest
from stream.replay.file_ingest import FileIngest, input_partition
from tests.support.event_files import DAY, MONDAY, an_event

SETTINGS = Settings.model_validate(
    {"topics": {"usage_events_partitions": 3, "deltas_partitions": 2}}
)


def encoded(*events) -> list[bytes]:
    return [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]


def test_a_step_spans_seconds_however_thin_the_file():
    one = Settings.model_validate({"topics": {"usage_events_partitions": 1}})
    events = [an_event(number, MONDAY + number * 2) for number in range(7)]

    deltas = list(FileIngest(one).feed(encoded(*events)))

    # Events at 0, 2 and 4 s; at 6, 8 and 10 s; at 12 s. Each promises its newest less a minute.
    promised = [delta.promise.watermark_seconds for delta in deltas]
    assert promised == [MONDAY + 4 - 60, MONDAY + 10 - 60, MONDAY + 12 - 60]


def test_a_step_holds_only_so_many_records(monkeypatch):
    monkeypatch.setattr(file_ingest, "STEP_RECORDS", 4)
    events = [an_event(number, MONDAY) for number in range(10)]
    sizes = []
    ingest = FileIngest(SETTINGS)
    before = 0
    for _ in ingest.feed(encoded(*events)):
        counted = ingest.intake.counted["events"]
        sizes.append(counted - before)
        before = counted

    assert sum(sizes) == 10
    assert max(sizes) <= 4


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


def test_an_event_goes_where_kafka_puts_its_key():
    # Kafka's own test vectors (UtilsTest.testMurmur2): murmur2("21") is -973932308.
    assert input_partition("21", 1 << 20) == (-973932308 & 0x7FFFFFFF) % (1 << 20)
    assert {input_partition(f"e-{number}", 4) for number in range(50)} == {0, 1, 2, 3}
    assert input_partition(None, 4) == 0


def test_a_leap_ahead_is_believed_once_three_events_made_it():
    one = Settings.model_validate({"topics": {"usage_events_partitions": 1}})
    ingest = FileIngest(one)
    monday, friday = MONDAY, MONDAY + 4 * DAY
    times = [monday, friday, friday + 100, monday + 10, friday, friday + 1, friday + 2]

    promised = []
    for number, at in enumerate(times):
        events = encoded(an_event(number, at))
        promised += [delta.promise.watermark_seconds for delta in ingest.feed(events)]

    first = monday - 60
    assert promised == [first, first, first, first + 10, first + 10, first + 10, friday + 2 - 60]
    assert ingest.intake.counted["late"] == 0
