"""What INGEST's log says of its work."""

import asyncio
from collections import Counter

import pytest
from structlog.testing import capture_logs

from stream.ingest.statistics import TOLD, Statistics


def test_a_line_tells_what_was_added_since_the_last():
    counted = Counter(events=5, late=2, transactions=9)
    statistics = Statistics(counted)
    with capture_logs() as logs:
        statistics.tell()
        counted.update(events=1, dead_letters=3)
        statistics.tell()
    assert [log["event"] for log in logs] == ["ingest_counted"] * 2
    assert [{name: log[name] for name in TOLD if log[name]} for log in logs] == [
        {"events": 5, "late": 2},
        {"events": 1, "dead_letters": 3},
    ]


def test_where_nothing_has_changed_nothing_is_told():
    counted = Counter(events=5)
    statistics = Statistics(counted)
    statistics.tell()
    counted.update(transactions=60, messages=900)
    with capture_logs() as logs:
        statistics.tell()
    assert logs == []


def test_with_a_hop_in_front_producers_may_key_as_they_like():
    counted = Counter(events=5, keys_sampled=40)
    with capture_logs() as logs:
        Statistics(counted, is_rekeyed=True).tell()
    assert [log["event"] for log in logs] == ["ingest_counted"]


async def test_lines_go_on_until_cancelled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("stream.ingest.statistics.TELL_SECONDS", 0)
    counted = Counter(events=1)
    with capture_logs() as logs:
        telling = asyncio.create_task(Statistics(counted).run())
        async with asyncio.timeout(5):
            while len(logs) < 3:
                counted["events"] = len(logs) + 1
                await asyncio.sleep(0)
    telling.cancel()
    assert [log["events"] for log in logs] == [1, 1, 1]


def test_traffic_that_is_keyed_otherwise_is_said_with_its_share():
    counted = Counter(events=5, keys_sampled=40, keys_by_murmur2=30, keys_by_crc32=8)
    statistics = Statistics(counted)
    with capture_logs() as logs:
        statistics.tell()
        counted.update(events=1, keys_sampled=40, keys_by_murmur2=40)
        statistics.tell()
    (told,) = [log for log in logs if log["event"] == "ingest_off_key"]
    assert (told["off_key_ratio"], told["sampled"]) == (0.25, 40)
