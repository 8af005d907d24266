"""Whatever is sent, the columns of INGEST find what one event after the other would."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.canary import NAME as CANARY
from stream.ingest import exemplars
from stream.ingest import identities as identities_module
from stream.ingest.config import IngestConfig
from stream.ingest.events import InputRecord
from stream.ingest.identities import Identities
from stream.ingest.partition import InputPartition
from stream.usage.fanout import Fanout, FanoutConfig
from stream.usage.price_config import CostBasis, OwnPrice, PricingConfig
from stream.usage.pricing import PriceBook
from tests.properties.test_reading_events import events as odd_events
from tests.support.one_by_one import OneByOne
from tests.support.usage_events import mutated

START = 1_790_000_000
KINDS = ("agent", "team", "user", "api_key", "organization", "agent+model", "tags.squad")
FANOUT = Fanout(FanoutConfig(kinds=KINDS, default_organization="acme"))
OWN = (
    OwnPrice(model="own-*", input_usd_per_million="3.333333333", output_usd_per_million=7),
    OwnPrice(model="half", input_usd_per_million="0.0005"),
    OwnPrice(model="free-of-charge", free=True),
    OwnPrice(model="dear", input_usd_per_million=1_000_000, output_usd_per_million=1_000_000),
)
BOOKS = {basis: PriceBook(PricingConfig(cost_basis=basis, own_prices=OWN)) for basis in CostBasis}
CONFIG = IngestConfig(dedup_horizon_seconds=120, allowed_lateness_seconds=60, max_batch_events=40)

names = st.sampled_from(
    ["", "a", "b", "c|d", "e@f", " ", "J\u00fcrgen", "t\tab", "__other__", "__canary__", None]
)
counts = st.one_of(st.integers(0, 9), st.integers(0, 10**12), st.none())
costs = st.one_of(
    st.sampled_from(
        [None, "0", 0, "0.1", 1e-9, 5e-10, 1.5e-9, 2.5e-9, 100_000, "1.", "\\u0031", -0.0]
    ),
    st.decimals(0, 100_000, places=12).map(str),
    st.floats(0, 1),
    st.text("0123456789.eE-_ ", max_size=14),
)
stamps = st.one_of(
    st.integers(START, START + 400),
    st.integers(START, START + 400).map(lambda at: at * 1000 + 7),
    st.sampled_from(
        [
            "2026-09-21T14:14:40Z",
            "2026-09-21T14:15:59.999Z",
            "2026-09-21T14:15:60Z",
            "2026-09-21T14:16:00.000001+00:00",
            "2026-09-21T16:16:00+02:00",
            "2026-09-21t14:16:30z",
            "2026-09-31T14:16:30Z",
            "2026-09-21T14:16:30",
        ]
    ),
)
models = st.sampled_from(
    [
        "gpt-4o",
        "gpt-4o-mini",
        "o1-pro",
        "gpt-4o-audio-preview",
        "gemini-2.5-pro",
        "claude-sonnet-4-5",
        "deepseek-chat",
        "own-model",
        "half",
        "free-of-charge",
        "dear",
        "__canary__",
        "nobody-knows",
        "",
        None,
    ]
)
trace_urls = st.one_of(
    st.integers(0, 30).map(lambda number: f"https://traces.example/{number}"),
    st.sampled_from(["", None, " ", "ftp://t.example", "https://a:b@t.example/1", "/1"]),
    st.sampled_from(
        ["https://t.example/?to%6ben=1", "https://t.example/<1>", "https://\u00e4/", "x" * 2000]
    ),
)
ordinary = st.fixed_dictionaries(
    {"event_id": st.sampled_from([f"e{n}" for n in range(25)]), "timestamp": stamps},
    optional={
        "provider": st.sampled_from(["openai", "anthropic", "google", "deepseek", "", None, "who"]),
        "model": models,
        "request_id": st.sampled_from(["r1", 7, ""]),
        "record": st.sampled_from(["call", "outcome", None]),
        "input_tokens": counts,
        "output_tokens": counts,
        "total_tokens": counts,
        "cache_read_tokens": counts,
        "cache_write_tokens": counts,
        "cache_write_1h_tokens": st.integers(0, 3),
        "reasoning_tokens": counts,
        "audio_input_tokens": st.integers(0, 5),
        "audio_output_tokens": st.integers(0, 5),
        "image_input_tokens": st.integers(0, 5),
        "billable_units": st.dictionaries(
            st.sampled_from(["web_search", "image"]), st.integers(0, 9), max_size=2
        ),
        "service_tier": st.sampled_from(["", "batch", "priority", "standard", "odd"]),
        "cost_usd": costs,
        "requests": st.sampled_from([None, 1, 2, 1000]),
        "retries": st.integers(0, 2),
        "tool_calls": st.sampled_from([None, 3]),
        "agent": names,
        "team": names,
        "user": names,
        "api_key": st.one_of(names, st.sampled_from(["sk-1234567", " key-1 ", "Bearer key-1"])),
        "prompt_version": names,
        "environment": st.sampled_from(["default", "staging", "", None]),
        "organization": names,
        "status": st.sampled_from(["ok", "error", "refused"]),
        "outcome": st.sampled_from(["accepted", "edited", "rejected", "escalated", None]),
        "estimated": st.booleans(),
        "cache_hit": st.booleans(),
        "tags": st.dictionaries(
            st.sampled_from(["squad", "squ\nad", "other", " "]), names, max_size=3
        ),
        "run_id": st.text(max_size=3),
        "trace_url": trace_urls,
        "beyond": st.just(1),
    },
)
# With a model and most amounts in reach of each other, so that many are accepted.
usual = ordinary.map(
    lambda sent: (
        {"model": "gpt-4o", "input_tokens": 2 * 10**12 // 2, "output_tokens": 10**12}
        | {name: each for name, each in sent.items() if name != "model" or each}
    )
)


@pytest.fixture(autouse=True, scope="module")
def _all_urls_are_looked_at() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exemplars, "LOOKS_MAX_PER_GROUP", 1000)
        patch.setattr(exemplars, "ROUNDS_MAX", 1000)
        yield


def encoded(sent: Any, *, ascii_only: bool) -> bytes:
    return json.dumps(sent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


canaries = st.fixed_dictionaries(
    {
        "event_id": st.sampled_from(["c1", "c2"]),
        "timestamp": st.just(START),
        "agent": st.just(CANARY),
        "model": st.just(CANARY),
    },
    optional={
        "prompt_version": st.sampled_from(["1", "2"]),
        "team": st.sampled_from(["", "a"]),
        "environment": st.sampled_from(["", "default", "staging"]),
        "tags": st.just({"squad": "b"}),
        "cost_usd": st.sampled_from([0, 1]),
    },
)
elements = st.one_of(usual, usual, ordinary, odd_events, canaries)
payloads = st.one_of(
    st.builds(encoded, elements, ascii_only=st.booleans()),
    st.builds(encoded, elements, ascii_only=st.booleans()),
    st.builds(encoded, st.lists(usual, max_size=4), ascii_only=st.booleans()),
    st.builds(encoded, st.lists(elements, max_size=3), ascii_only=st.booleans()),
    st.integers(0, 2**32).map(lambda seed: mutated(random.Random(seed), seed % 50)),
    st.none(),
)
logs = st.lists(
    st.tuples(payloads, st.sampled_from([-1, 0, 100, 300, 10_000])), min_size=1, max_size=30
)


def records_of(log: list[tuple[bytes | None, int]]) -> list[InputRecord]:
    return [
        InputRecord(offset, -1 if stamp < 0 else (START + stamp) * 1000, payload)
        for offset, (payload, stamp) in enumerate(log)
    ]


def check(records: list[InputRecord], cuts: list[int], basis: CostBasis = CostBasis.MAX) -> None:
    """Both ways over the same records in the same pieces."""
    slow = OneByOne(BOOKS[basis], FANOUT, config=CONFIG, delta_partitions=3)
    fast = InputPartition(BOOKS[basis], Identities(FANOUT, 3), config=CONFIG)
    for start, end in zip([0, *cuts], [*cuts, len(records)], strict=True):
        left = records[start:end]
        while left:
            expected, found = slow.process(left), fast.process(left)
            fast.commit(found)
            assert found.taken == expected.taken
            assert {number: list(rows) for number, rows in found.rows.items()} == expected.rows
            assert found.dead == expected.dead
            assert found.watermark == expected.watermark
            assert found.counted == expected.counted
            assert found.totals == expected.totals
            left = left[found.taken :]


@settings(max_examples=300)
@given(logs, st.data(), st.sampled_from(CostBasis))
def test_columns_find_what_one_by_one_finds(log, data, basis):
    records = records_of(log)
    cuts = data.draw(st.lists(st.integers(0, len(records)), max_size=2).map(sorted))
    check(records, cuts, basis)


@pytest.mark.parametrize("seed", range(4))
def test_hostile_payloads_by_the_thousand_find_the_same(seed):
    chance = random.Random(seed)
    log = [(mutated(chance, number), chance.choice([-1, 0, 300])) for number in range(3000)]
    check(records_of(log), [1000, 1700])


@settings(max_examples=60)
@given(logs)
def test_identities_that_are_forgotten_change_nothing(log):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identities_module, "IDENTITIES_MAX", 3)
        patch.setattr(identities_module, "NAMES_MAX", 40)
        records = records_of(log)
        check(records, list(range(1, len(records), 2)))
