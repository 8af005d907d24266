"""What INGEST shows: what it counted, how far behind it is, and what its partitions know."""

import zlib
from collections import Counter
from types import SimpleNamespace

import msgspec
import pytest
from aiokafka import TopicPartition

from stream.health import catalogue
from stream.health.vitals import READY
from stream.ingest import vitals as module
from stream.ingest.config import IngestConfig
from stream.ingest.events import InputRecord
from stream.ingest.identities import Identities
from stream.ingest.keys import KeySampler
from stream.ingest.partition import InputPartition
from stream.ingest.statistics import count_batch
from stream.ingest.vitals import NEAR_HEAD_RECORDS, IngestVitals
from stream.kafka.progress import Progress
from stream.usage.fanout import Fanout
from stream.usage.pricing import PriceBook
from stream.usage.rejection import RejectReason
from stream.usage.trace_url import Refusal

AT = 1_795_341_600
SOURCE = TopicPartition("usage.events", 0)
OTHER = TopicPartition("usage.events", 1)


def event(identity: str, **more: object) -> bytes:
    record = {"event_id": identity, "timestamp": AT, "model": "no-such-model", "input_tokens": 5}
    return msgspec.json.encode(record | more)


def sample(name: str, **labels: str) -> float:
    return catalogue.REGISTRY.get_sample_value(name, labels) or 0.0


class Held:
    """A partition; one without a chain is of the hop in front."""

    def __init__(self, chain: InputPartition | None, at: int | None = None) -> None:
        self.chain = chain
        self.is_ready = chain is not None or at is not None
        self.at = at
        self.buffered = (0, 0)

    @property
    def next_offset(self) -> int | None:
        return self.at if self.chain is None else self.chain.next_offset


class Bench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counted: Counter[str] = Counter()
        self.chain = InputPartition(
            PriceBook(), Identities(Fanout(), 1), config=IngestConfig(allowed_lateness_seconds=60)
        )
        self.partitions: dict[TopicPartition, Held] = {SOURCE: Held(self.chain)}
        self.known: dict[TopicPartition, Progress] = {}
        self.now = 0.0
        monkeypatch.setattr(module, "progress_of", lambda consumer: consumer)
        members = [SimpleNamespace(consumer=self.known, partitions=self.partitions)]
        self.front: dict[TopicPartition, Held] = {}
        self.front_known: dict[TopicPartition, Progress] = {}
        members.append(SimpleNamespace(consumer=self.front_known, partitions=self.front))
        self.vitals = IngestVitals(members, self.counted, lambda: AT + 75.0, clock=lambda: self.now)

    def take(self, *values: bytes) -> None:
        first = self.chain.next_offset
        records = [InputRecord(first + n, AT * 1000, value) for n, value in enumerate(values)]
        batch = self.chain.process(records)
        self.chain.commit(batch)
        count_batch(self.counted, batch, messages=1, seconds=0.02)


def test_what_is_committed_is_counted_by_reason_price_and_money(monkeypatch: pytest.MonkeyPatch):
    names = {
        "spendwatch_events_total": 3,
        "spendwatch_records_total": 5,
        "spendwatch_repeats_total": 1,
        "spendwatch_requests_total": 12,
        "spendwatch_unpriced_requests_total": 11,
        "spendwatch_spend_usd_total": 2.5,
        "spendwatch_batch_seconds_count": 1,
    }
    before = {name: sample(name) for name in names}
    reasons = {
        reason: sample("spendwatch_dead_letters_total", reason=reason) for reason in RejectReason
    }
    bench = Bench(monkeypatch)
    bench.take(
        event("a"),
        event("b", cost_usd=2.5),
        event("a"),
        event("c", requests=10),
        b"{",
    )
    bench.vitals.look()
    bench.vitals.look()
    assert {name: sample(name) - was for name, was in before.items()} == names
    found = {
        reason: sample("spendwatch_dead_letters_total", reason=reason) - was
        for reason, was in reasons.items()
    }
    assert {reason for reason, count in found.items() if count} == {RejectReason.NOT_JSON}


def test_addresses_that_may_not_be_shown_are_counted_by_reason(monkeypatch: pytest.MonkeyPatch):
    def refused() -> dict[Refusal, float]:
        name = "spendwatch_trace_urls_refused_total"
        return {reason: sample(name, reason=reason) for reason in Refusal}

    before, bench = refused(), Bench(monkeypatch)
    urls = [
        "https://me@t.example/",
        "https://t.example/?code=1",
        "https://t.example/?otp=1",
        "ftp:",
    ]
    for number, url in enumerate([*urls, "https://t.example/7"]):
        bench.take(event(f"{number}", cost_usd=1, trace_url=url))
    bench.take(event("8", cost_usd=1, trace_url="x" * 600), event("9", cost_usd=1))
    bench.vitals.look()
    assert {reason: count - before[reason] for reason, count in refused().items()} == {
        Refusal.TOO_LONG: 1,
        Refusal.NOT_PLAIN: 1,
        Refusal.USERINFO: 1,
        Refusal.DOOR: 2,
        Refusal.SECRET: 0,
    }


def test_time_that_passes_without_records_is_no_batch(monkeypatch: pytest.MonkeyPatch):
    bench, before = Bench(monkeypatch), sample("spendwatch_batch_seconds_count")
    count_batch(bench.counted, bench.chain.pass_time(AT, is_silent=True), messages=1, seconds=0.01)
    assert sample("spendwatch_batch_seconds_count") == before
    assert bench.counted["transactions"] == 1


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("spendwatch_dedup_incomplete_total", "dedup_incomplete"),
        ("spendwatch_dedup_shortened_total", "dedup_shortened"),
        ("spendwatch_provisional_dropped_total", "provisional_dropped"),
    ],
)
def test_what_may_count_twice_is_shown(name: str, counted: str, monkeypatch: pytest.MonkeyPatch):
    bench, before = Bench(monkeypatch), sample(name)
    bench.counted[counted] = 3
    bench.vitals.look()
    assert sample(name) - before == 3


def test_where_keys_lead_is_shown_by_partitioner(monkeypatch: pytest.MonkeyPatch):
    def shown() -> list[float]:
        explained = "spendwatch_keys_explained_total"
        return [
            sample("spendwatch_keys_sampled_total"),
            *(sample(explained, partitioner=name) for name in ("murmur2", "crc32")),
        ]

    bench, before = Bench(monkeypatch), shown()
    sampler = KeySampler(1_000_003, bench.counted)
    for partition, key in ((zlib.crc32(b"a") % 1_000_003, b"a"), (0, b"agent-7")):
        sampler.look(partition, [SimpleNamespace(offset=0, key=key, value=event("a"))])
    bench.vitals.look()
    assert [now - was for now, was in zip(shown(), before, strict=True)] == [2, 0, 1]


def test_what_the_partitions_know_is_shown(monkeypatch: pytest.MonkeyPatch):
    bench = Bench(monkeypatch)
    bench.take(event("a"), event("b"))
    bench.vitals.look()
    assert sample("spendwatch_dedup_ids") == 2
    assert sample("spendwatch_input_watermark_age_seconds") == 75 + 60
    bench.partitions.clear()
    bench.vitals.look()
    assert sample("spendwatch_dedup_ids") == sample("spendwatch_input_watermark_age_seconds") == 0


def test_it_is_ready_once_all_partitions_are_taken_over_and_nearly_read(
    monkeypatch: pytest.MonkeyPatch,
):
    bench = Bench(monkeypatch)
    assert bench.vitals.look() == READY, "an answer of the broker is not waited for"
    bench.known[SOURCE] = Progress(0, 0, NEAR_HEAD_RECORDS)
    assert bench.vitals.look() == READY
    bench.known[SOURCE] = Progress(0, 0, NEAR_HEAD_RECORDS + 1)
    assert bench.vitals.look().detail == "20001 records behind in the worst input partition"
    assert sample("spendwatch_consumer_lag_worst_records", role="ingest") == 20001
    bench.take(event("a"))
    assert bench.vitals.look() == READY
    bench.partitions[OTHER] = Held(None)
    assert bench.vitals.look().detail == "1 of 2 input partitions are being taken over"


def test_with_a_hop_in_front_its_lag_counts_too(monkeypatch: pytest.MonkeyPatch):
    bench = Bench(monkeypatch)
    bench.known[SOURCE] = Progress(0, 30, 30)
    bench.front[OTHER] = Held(None, at=100)
    bench.front_known[OTHER] = Progress(100, 170, 170)
    bench.counted["rekeyed"] = 7
    before = sample("spendwatch_rekeyed_events_total")
    assert bench.vitals.look() == READY
    assert sample("spendwatch_consumer_lag_records", role="ingest") == 30 + 70
    assert sample("spendwatch_consumer_lag_worst_records", role="ingest") == 70
    assert sample("spendwatch_assigned_partitions", role="ingest") == 2
    assert sample("spendwatch_rekeyed_events_total") == before + 7


def test_what_waits_to_be_worked_on_is_shown(monkeypatch: pytest.MonkeyPatch):
    bench = Bench(monkeypatch)
    bench.partitions[SOURCE].buffered = (3, 900)
    bench.front[OTHER] = Held(None, at=1)
    bench.front[OTHER].buffered = (2, 500)
    bench.vitals.look()
    assert sample("spendwatch_buffered_records", role="ingest") == 5
    assert sample("spendwatch_buffered_bytes", role="ingest") == 1400


def test_a_foreign_transaction_that_hangs_in_the_input_shows(monkeypatch: pytest.MonkeyPatch):
    bench = Bench(monkeypatch)
    bench.known[SOURCE] = Progress(5, 5, 9)
    bench.vitals.look()
    bench.now = 30.0
    bench.vitals.look()
    assert sample("spendwatch_unstable_records", role="ingest") == 4
    assert sample("spendwatch_unstable_seconds", role="ingest") == 30
    bench.known[SOURCE] = Progress(9, 9, 9)
    bench.vitals.look()
    assert sample("spendwatch_unstable_seconds", role="ingest") == 0
