"""A second opinion on every total: its own sum over the events, and over what Kafka holds.

It shares the event's and the answer's field names with spendwatch and nothing else: own reading,
own prices, own rounding, own recognition of repeats. Keep it slow and plain.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

NANO = Decimal("0.000000001")

Price = tuple[Decimal, Decimal]
"""Dollars per million input tokens, and per million output tokens."""


@dataclass
class Total:
    """What one scope spent."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)


class Auditor:
    """Sums events by field, each ``event_id`` once.

    Args:
        prices: model -> its price, for events that report no cost.
    """

    def __init__(self, prices: Mapping[str, Price] | None = None) -> None:
        self._prices = prices or {}
        self._seen: set[str] = set()
        self._totals: dict[tuple[str, str], Total] = defaultdict(Total)
        self._hours: dict[tuple[str, str, int], Total] = defaultdict(Total)

    def add(self, events: Iterable[Mapping[str, Any]], kinds: Iterable[str]) -> "Auditor":
        """Count events by each of these fields, where they have it."""
        kinds = tuple(kinds)
        for event in events:
            if event["event_id"] in self._seen:
                continue
            self._seen.add(event["event_id"])
            cost = self._cost_usd(event)
            for kind in kinds:
                if (name := event.get(kind)) is not None:
                    hour = int(event["timestamp"]) // 3600
                    self._count(self._totals[kind, name], event, cost)
                    self._count(self._hours[kind, name, hour], event, cost)
        return self

    @staticmethod
    def _count(total: Total, event: Mapping[str, Any], cost: Decimal) -> None:
        total.requests += event.get("requests", 1)
        total.input_tokens += event.get("input_tokens", 0)
        total.output_tokens += event.get("output_tokens", 0)
        total.cost_usd += cost

    def _cost_usd(self, event: Mapping[str, Any]) -> Decimal:
        if (reported := event.get("cost_usd")) is not None:
            cost = Decimal(str(reported))
        else:
            read, written = self._prices[event["model"]]
            cost = event.get("input_tokens", 0) * read + event.get("output_tokens", 0) * written
            cost /= 1_000_000
        return cost.quantize(NANO, ROUND_HALF_EVEN)

    @property
    def events(self) -> int:
        """Distinct events seen."""
        return len(self._seen)

    def of(self, kind: str, hour: int | None = None) -> dict[str, Total]:
        """Scope, as ``spend`` spells it, to its total; of one hour since 1970 if given."""
        if hour is not None:
            return {
                f"{kind}:{name}": total
                for (each, name, at), total in self._hours.items()
                if (each, at) == (kind, hour)
            }
        return {f"{kind}:{name}": t for (each, name), t in self._totals.items() if each == kind}

    def differences(
        self, kind: str, rows: Iterable[Mapping[str, Any]], hour: int | None = None
    ) -> list[str]:
        """Every way in which the answer of ``spend`` is not this sum; empty if it is."""
        wanted, found = self.of(kind, hour), {row["scope"]: row for row in rows}
        problems = [f"{scope}: not in the answer" for scope in wanted if scope not in found]
        problems += [f"{scope}: never spent anything" for scope in found if scope not in wanted]
        for scope, total in wanted.items():
            for name in ("requests", "input_tokens", "output_tokens", "cost_usd"):
                ours, theirs = getattr(total, name), found.get(scope, {}).get(name)
                if theirs is not None and Decimal(str(theirs)) != ours:
                    problems.append(f"{scope} {name}: {theirs}, not {ours}")
        return problems


async def read_topic(bootstrap: str, topic: str, *, isolation: str = "read_committed") -> list[Any]:
    """Every record of a topic as of now, in order within each partition.

    With ``read_uncommitted`` also the records of transactions that were aborted.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, isolation_level=isolation
    )
    await consumer.start()
    try:
        await consumer._client._wait_on_metadata(topic)
        tps = [TopicPartition(topic, n) for n in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        found: dict[Any, list[Any]] = {tp: [] for tp in tps}
        for tp in tps:
            while await consumer.position(tp) < ends[tp]:
                found[tp] += (await consumer.getmany(tp, timeout_ms=200)).get(tp, [])
        return [record for tp in tps for record in found[tp]]
    finally:
        await consumer.stop()


async def events_in(bootstrap: str, topic: str) -> list[Mapping[str, Any]]:
    """The usage events that a topic holds, read without spendwatch."""
    return [
        json.loads(record.value, parse_float=Decimal)
        for record in await read_topic(bootstrap, topic)
    ]
