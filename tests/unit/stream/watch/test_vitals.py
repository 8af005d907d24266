"""What WATCH shows: its lag, its time, what waits, and a transaction that hangs."""

import asyncio

import pytest
from aiokafka import TopicPartition

from stream.health import catalogue
from stream.health.vitals import READY
from stream.kafka.progress import Progress
from stream.watch import vitals as module
from stream.watch.vitals import NEAR_HEAD_RECORDS, WatchVitals
from tests.support.faust_fakes import Event
from tests.support.timeline import MONDAY
from tests.support.watch_bench import TOPIC, WatchBench, delta, row


def sample(name: str, **labels: str) -> float | None:
    return catalogue.REGISTRY.get_sample_value(name, labels)


class Looker:
    def __init__(self, bench: WatchBench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.known: dict[TopicPartition, Progress] = {}
        monkeypatch.setattr(module, "progress_of_app", lambda _: self.known)
        self.vitals = WatchVitals(bench.app, bench.role, TOPIC, lambda: bench.now, lambda: 0.0)

    def ends(self, end: int, partition: int = 0) -> None:
        self.known[TopicPartition(TOPIC, partition)] = Progress(0, end, end)


async def test_it_is_not_ready_before_its_tables_are_recovered(monkeypatch: pytest.MonkeyPatch):
    bench = WatchBench()
    looker = Looker(bench, monkeypatch)
    assert looker.vitals.look().detail == "its tables are being recovered"
    await bench.recovered()
    assert looker.vitals.look() == READY
    assert (sample("spendwatch_recovery_seconds", role="watch") or -1) >= 0


async def test_lag_is_what_is_not_yet_folded(monkeypatch: pytest.MonkeyPatch):
    bench = WatchBench(2)
    await bench.recovered()
    looker = Looker(bench, monkeypatch)
    bench.now = MONDAY + 90.0
    await bench.take(9, delta(MONDAY, row(MONDAY, 1.0)))
    looker.ends(10)
    looker.ends(5, partition=1)
    looker.known[TopicPartition("a-changelog", 0)] = Progress(0, 10**6, 10**6)
    assert looker.vitals.look() == READY
    assert sample("spendwatch_consumer_lag_worst_records", role="watch") == 5
    assert sample("spendwatch_assigned_partitions", role="watch") == 2
    assert sample("spendwatch_watermark_age_seconds") == 90
    assert sample("spendwatch_scopes") == 1
    looker.ends(11 + NEAR_HEAD_RECORDS)
    assert looker.vitals.look().detail == "501 deltas behind in the worst partition"


async def test_what_faust_has_put_aside_for_it_is_shown(monkeypatch: pytest.MonkeyPatch):
    bench = WatchBench()
    await bench.recovered()
    looker = Looker(bench, monkeypatch)
    looker.vitals.look()
    assert sample("spendwatch_buffered_records", role="watch") == 0
    queue: asyncio.Queue[Event] = asyncio.Queue()
    bench.role.reads_from(queue)
    for value in (b"12345", b"1234567"):
        queue.put_nowait(bench.event(0, value))
    looker.vitals.look()
    assert sample("spendwatch_buffered_records", role="watch") == 2
    assert sample("spendwatch_buffered_bytes", role="watch") == 12


async def test_a_transaction_that_hangs_in_the_deltas_shows(monkeypatch: pytest.MonkeyPatch):
    bench = WatchBench()
    looker = Looker(bench, monkeypatch)
    looker.known[TopicPartition(TOPIC, 0)] = Progress(0, 3, 8)
    looker.known[TopicPartition("a-changelog", 0)] = Progress(0, 0, 99)
    looker.vitals.look()
    assert sample("spendwatch_unstable_records", role="watch") == 5
