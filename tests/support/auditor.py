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

COUNTED = ("requests", "input_tokens", "output_tokens", "cost_usd")
COSTED = ("reported_usd", "computed_usd", "unpriced_requests")
"""What is known as well where every price is."""


@dataclass
class Total:
    """What one scope spent."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    reported_usd: Decimal = Decimal(0)
    computed_usd: Decimal = Decimal(0)
    unpriced_requests: int = 0

    def add(self, other: "Total") -> None:
        """Count another one in."""
        for name in (*COUNTED, *COSTED):
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Auditor:
    """Sums events by field, each ``event_id`` once.

    Guesses (``estimated``) count nothing: whoever sends one sends the final count, too. An outcome
    counts no request, but whoever it names is known from then on. Tokens for a reported cost
    of nothing, rounded, are unpriced: none of the prices is zero.

    Args:
        prices: model -> its price, for events that report no cost.
        is_costed: these are all the prices there are, so that ``COSTED`` can be told as well.
    """

    def __init__(
        self, prices: Mapping[str, Price] | None = None, *, is_costed: bool = False
    ) -> None:
        self._prices = prices or {}
        self._names = COUNTED + (COSTED if is_costed else ())
        self._seen: set[tuple[str, str]] = set()
        self._hours: dict[str, dict[tuple[str, int], Total]] = {}

    def add(self, events: Iterable[Mapping[str, Any]], kinds: Iterable[str]) -> "Auditor":
        """Count events by each of these fields, where they have it."""
        kinds = tuple(kinds)
        for event in events:
            is_outcome = event.get("record") == "outcome"
            identity = (event["event_id"], event["outcome"] if is_outcome else "")
            if identity in self._seen or event.get("estimated"):
                continue
            self._seen.add(identity)
            amount = Total() if is_outcome else self._amount(event)
            hour = int(event["timestamp"]) // 3600
            where = event.get("environment", "default")
            suffix = "" if where == "default" else f"@{where}"
            for kind in kinds:
                if (name := event.get(kind)) is not None:
                    hours = self._hours.setdefault(kind, defaultdict(Total))
                    hours[f"{kind}:{name}{suffix}", hour].add(amount)
        return self

    def _amount(self, event: Mapping[str, Any]) -> Total:
        read, written = event.get("input_tokens", 0), event.get("output_tokens", 0)
        calls = event.get("requests", 1)
        total = Total(calls, read, written)
        reported = event.get("cost_usd")
        if reported is not None:
            total.reported_usd = Decimal(str(reported)).quantize(NANO, ROUND_HALF_EVEN)
        is_failed = event.get("status", "ok") != "ok"
        price = self._prices.get(event["model"])
        has_usage = "input_tokens" in event or "output_tokens" in event
        if price is not None and has_usage:
            exact = (read * price[0] + written * price[1]) / 1_000_000
            total.computed_usd = exact.quantize(NANO, ROUND_HALF_EVEN)
        is_told = reported is not None and (total.reported_usd > 0 or not read + written)
        is_priced = is_told or (reported is None and has_usage and price is not None) or is_failed
        total.cost_usd = total.computed_usd if reported is None else total.reported_usd
        total.unpriced_requests = 0 if is_priced else calls
        return total

    @property
    def events(self) -> int:
        """Distinct calls and outcomes seen."""
        return len(self._seen)

    def requests(self, kind: str) -> int:
        """Calls that all scopes of a kind made."""
        return sum(total.requests for total in self.of(kind).values())

    @property
    def hours(self) -> list[int]:
        """Hours since 1970 in which there was an event."""
        return sorted({hour for hours in self._hours.values() for _, hour in hours})

    def of(self, kind: str, hours: range | None = None) -> dict[str, Total]:
        """Scope, as ``spend`` spells it, to its total; of hours since 1970 if given."""
        found: dict[str, Total] = defaultdict(Total)
        for (scope, hour), total in self._hours.get(kind, {}).items():
            if hours is None or hour in hours:
                found[scope].add(total)
        return dict(found)

    def differences(
        self, kind: str, rows: Iterable[Mapping[str, Any]], hours: range | None = None
    ) -> list[str]:
        """Every way in which the answer of ``spend`` is not this sum; empty if it is."""
        wanted, found = self.of(kind, hours), {row["scope"]: row for row in rows}
        problems = [f"{scope}: not in the answer" for scope in wanted if scope not in found]
        problems += [f"{scope}: never spent anything" for scope in found if scope not in wanted]
        for scope, total in wanted.items():
            for name in self._names:
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
