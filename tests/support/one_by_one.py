"""INGEST's pure chain as it reads: one event after the other, no columns.

The yardstick for ``stream/ingest``: rows, dead letters, counts, watermark and what is remembered
have to be the same. Slow on purpose; nothing here may be shared with what it judges but the reader
of events, the price of one, the names of scopes and which of two exemplars is kept.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from alerting.exemplar import Exemplar, dearer
from detectors.observation import COST, COUNTER_INDEX, Counts, add_counts, zero_counts
from stream.delta import CONTRIBUTOR_DIMENSIONS, MAX_CONTRIBUTORS, Contributor, DeltaRow
from stream.ingest.config import IngestConfig
from stream.ingest.dedup import dedup_id
from stream.ingest.events import DeadRecord, InputRecord
from stream.ingest.watermark import Watermark, is_ahead, log_minute
from stream.usage.decode import decode
from stream.usage.fanout import Fanout, delta_partition
from stream.usage.pricing import PriceBook, Priced
from stream.usage.trace_url import refusal
from stream.usage.usage import Usage
from tests.support.seen import SeenIds

_C = COUNTER_INDEX


def scopes_of(fanout: Fanout, usage: Usage) -> list[str]:
    """The one-string forms of an event's scopes, in the order of the kinds."""
    dimensions = fanout.dimensions(usage)
    canary = fanout.canary(dimensions)
    if canary is not None:
        return [canary]
    found = (
        fanout.scope(kind, [dimensions[place] for place in places], usage.environment)
        for kind, places in fanout.kinds
    )
    return [scope for scope in found if scope]


def count_event(counts: Counts, usage: Usage, priced: Priced) -> None:
    """Add one event's amounts to ``counts``."""
    requests = usage.requests
    if usage.estimated and usage.record != "outcome":
        counts[_C["estimated_requests"]] += requests
        counts[_C["estimated_nanousd"]] += priced.cost_nanousd or 0
        return
    if usage.outcome:
        counts[_C[usage.outcome]] += requests
    if usage.record == "outcome":
        return
    counts[_C["requests"]] += requests
    counts[_C["cost_nanousd"]] += priced.cost_nanousd or 0
    counts[_C["reported_nanousd"]] += priced.reported_nanousd or 0
    counts[_C["computed_nanousd"]] += priced.computed_nanousd or 0
    counts[_C["unpriced_requests"]] += requests * priced.is_unpriced
    for name in (
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
        "retries",
        "tool_calls",
    ):
        counts[_C[name]] += getattr(usage, name)
    counts[_C["errors"]] += requests * (usage.status == "error")
    counts[_C["refusals"]] += requests * (usage.status == "refused")
    counts[_C["response_cache_hits"]] += requests * usage.cache_hit


def rows_of(
    fanout: Fanout, events: Iterable[tuple[Usage, Priced, bool]], partitions: int
) -> dict[int, list[DeltaRow]]:
    """Events, their prices and whether they are late, added up scope by scope."""
    sums: defaultdict[tuple[str, int, bool], Counts] = defaultdict(zero_counts)
    dearest: dict[tuple[str, int, bool], Exemplar | None] = {}
    spent: defaultdict[tuple[str, int, bool], Counter[tuple[int, str]]] = defaultdict(Counter)
    for usage, priced, is_late in events:
        counts = zero_counts()
        count_event(counts, usage, priced)
        for scope in scopes_of(fanout, usage):
            key = scope, usage.timestamp_seconds // 60, is_late
            add_counts(sums[key], counts)
            own = scope.partition(":")[0].split("+")
            for number, dimension in enumerate(CONTRIBUTOR_DIMENSIONS):
                name = getattr(usage, dimension)
                if not is_late and name and counts[COST] and dimension not in own:
                    spent[key][number, name] += counts[COST]
            is_call = not is_late and usage.requests == 1 and counts[COST] > 0
            if is_call and refusal(usage.trace_url) is None:
                dearest[key] = dearer(dearest.get(key), Exemplar(counts[COST], usage.trace_url))
    rows: defaultdict[int, list[DeltaRow]] = defaultdict(list)
    for key in sorted(sums):
        found = []
        for number, dimension in enumerate(CONTRIBUTOR_DIMENSIONS):
            ranked = sorted(
                (-cost, name) for (of, name), cost in spent[key].items() if of == number
            )
            found += [
                Contributor(dimension, name, -cost) for cost, name in ranked[:MAX_CONTRIBUTORS]
            ]
        row = DeltaRow(*key, sums[key], tuple(found), dearest.get(key))
        rows[delta_partition(row.scope, partitions)].append(row)
    return dict(rows)


class Stands(NamedTuple):
    """What an event counts for, and how that is taken back."""

    usage: Usage
    priced: Priced


class Revisions:
    """Estimates until they are final, outcomes until they are replaced; for ever."""

    def __init__(self) -> None:
        self._estimates: dict[str, Stands] = {}
        self._outcomes: dict[str, Stands] = {}
        self.taken_back: list[tuple[Usage, Counts]] = []

    def counted_part(self, usage: Usage, priced: Priced, *, is_final_known: bool) -> Usage | None:
        """What of an event counts; ``None`` if nothing does."""
        name = usage.event_id
        is_record = usage.record == "outcome"
        if usage.estimated and not is_record:
            if is_final_known or name in self._estimates:
                return None
            self._estimates[name] = Stands(usage, priced)
            return usage
        if not is_record and name in self._estimates:
            self._take_back(self._estimates.pop(name))
        if not usage.outcome:
            return usage
        former = self._outcomes.get(name)
        if former is not None:
            at, before = usage.timestamp_seconds, former.usage.timestamp_seconds
            if at < before or (at == before and usage.outcome == former.usage.outcome):
                return None if is_record else msgspec.structs.replace(usage, outcome="")
            only = msgspec.structs.replace(former.usage, record="outcome")
            self._take_back(Stands(only, former.priced))
        self._outcomes[name] = Stands(usage, priced)
        return usage

    def _take_back(self, stands: Stands) -> None:
        counts = zero_counts()
        count_event(counts, *stands)
        self.taken_back.append((stands.usage, [-amount for amount in counts]))


class Found(NamedTuple):
    """What became of some records; see ``stream.ingest.partition.Batch``."""

    taken: int
    rows: dict[int, list[DeltaRow]]
    dead: list[DeadRecord]
    watermark: Watermark
    counted: Counter[str]
    totals: Counts


class OneByOne:
    """The state of one input partition.

    Args:
        prices: what events cost.
        fanout: whom they are counted against.
        config: lateness, horizon and bounds.
        delta_partitions: how many partitions the deltas have.
    """

    def __init__(
        self, prices: PriceBook, fanout: Fanout, *, config: IngestConfig, delta_partitions: int
    ) -> None:
        self._prices = prices
        self._fanout = fanout
        self._partitions = delta_partitions
        self._max_events = config.max_batch_events
        self._watermark = Watermark(config.allowed_lateness_seconds)
        self._seen = SeenIds(-(-config.dedup_horizon_seconds // 60))
        self._revisions = Revisions()

    def process(self, records: Sequence[InputRecord]) -> Found:
        """What the records amount to; it joins the state at once."""
        watermark = self._watermark
        counted: Counter[str] = Counter()
        events: list[tuple[Usage, Priced, bool]] = []
        dead: list[DeadRecord] = []
        totals = zero_counts()
        taken = found = 0
        finals = set[str]()
        for record in records:
            decoded = decode(record.value or b"")
            size = len(decoded.usages) + len(decoded.rejections)
            if taken and (found >= self._max_events or found + size > self._max_events):
                break
            taken, found = taken + 1, found + size
            counted["unknown_fields"] += decoded.unknown_fields
            for usage in decoded.usages:
                at = usage.timestamp_seconds
                if self._seen.is_repeat(_id(usage), log_minute(at, record.timestamp)):
                    counted["repeats"] += 1
                    continue
                priced = self._prices.price(usage)
                part = self._revisions.counted_part(
                    usage, priced, is_final_known=self._is_final_known(usage, finals)
                )
                if not usage.estimated and usage.record != "outcome":
                    finals.add(usage.event_id)
                if part is None:
                    counted["repeats"] += 1
                    continue
                usage = part  # noqa: PLW2901 -- its outcome may be one that was told before
                is_late, is_early = watermark.is_late(at), is_ahead(at, record.timestamp)
                watermark = watermark.after(at, record.timestamp)
                events.append((usage, priced, is_late or is_early))
                count_event(totals, usage, priced)
                counted["late"] += is_late
                counted["ahead"] += is_early
                counted["estimated"] += usage.estimated
                counted["outcomes"] += usage.record == "outcome"
            self._seen.end_record()
            dead.extend(DeadRecord(record.offset, rejection) for rejection in decoded.rejections)
        counted.update(records=taken, events=len(events), dead_letters=len(dead))
        self._watermark = watermark
        rows = rows_of(self._fanout, events, self._partitions)
        self._correct(rows, totals)
        return Found(taken, rows, dead, watermark, counted, totals)

    def _is_final_known(self, usage: Usage, finals: set[str]) -> bool:
        return usage.event_id in finals or self._seen.is_known(dedup_id("call", usage.event_id))

    def _correct(self, rows: dict[int, list[DeltaRow]], totals: Counts) -> None:
        """Rows of what is taken back come behind the others."""
        sums: defaultdict[tuple[str, int], Counts] = defaultdict(zero_counts)
        for usage, counts in self._revisions.taken_back:
            add_counts(totals, counts)
            for scope in scopes_of(self._fanout, usage):
                add_counts(sums[scope, usage.timestamp_seconds // 60], counts)
        self._revisions.taken_back.clear()
        for (scope, minute), counts in sorted(sums.items()):
            row = DeltaRow(scope, minute, is_late=True, counts=counts)
            rows.setdefault(delta_partition(scope, self._partitions), []).append(row)


def _id(usage: Usage) -> bytes:
    if usage.record == "outcome":
        return dedup_id(f"outcome {usage.outcome} {usage.timestamp_seconds}", usage.event_id)
    return dedup_id("estimate" if usage.estimated else "call", usage.event_id)
