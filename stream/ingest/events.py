"""The events of a batch as columns, and the records they come from.

``stream/ingest/reading.py`` makes them. This file must not know bytes, prices or time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.usage.rejection import Rejection
from stream.usage.usage import Usage
from stream.usage.wire import ABSENT

AMOUNTS: Final = (
    "input_tokens",  # ABSENT where it was not sent; likewise ...
    "output_tokens",
    "total_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "image_input_tokens",
    "requests",
    "retries",
    "tool_calls",
)
"""What is read of every event as a number."""

AMOUNT: Final = {name: place for place, name in enumerate(AMOUNTS)}

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class InputRecord(NamedTuple):
    """One record of an input topic, as far as it is looked at.

    Its names are those of aiokafka's records, which are taken as they are: making another of each
    cost 0.35 us.

    Attributes:
        offset: in its partition.
        timestamp: of the record, epoch milliseconds; -1 if it has none.
        value: the payload; ``None`` for a tombstone, which is refused like any other non-event.
    """

    offset: int
    timestamp: int
    value: bytes | None


class DeadRecord(NamedTuple):
    """A refused event, and the offset of its record."""

    offset: int
    rejection: Rejection


class TraceUrls(NamedTuple):
    """Where events can be looked at.

    Attributes:
        number: per event, into ``texts``; 0 where nothing was sent.
        texts: as sent; the first is empty.
    """

    number: Ints
    texts: list[str]

    @classmethod
    def of(cls, by_event: Mapping[int, str], size: int) -> "TraceUrls":
        """Of so many events those by their index."""
        number = np.zeros(size, np.int64)
        number[list(by_event)] = np.arange(1, len(by_event) + 1)
        return cls(number, ["", *by_event.values()])

    def where(self, chosen: Bools | slice) -> "TraceUrls":
        """Of some of the events."""
        return TraceUrls(self.number[chosen], self.texts)


@dataclass(slots=True)
class Events:
    """The accepted events of some records, in order, repeats included.

    Attributes:
        taken: how many of the records are in it.
        record: per event, the index of its record.
        identity: per event, its number by ``Identities``.
        seconds: per event, when it was, epoch seconds.
        amounts: shape (``AMOUNTS``, events).
        reported: per event, nano-dollars; ``NOT_REPORTED`` where none were.
        event_ids: per event, as sent.
        usages: the events that were read closely, by index.
        trace_urls: where each can be looked at; no part of who is behind it, since no two events
            have the same.
        dead: the refused, in order.
        unknown_fields: fields of accepted events that were ignored.
    """

    taken: int
    record: Ints
    identity: Ints
    seconds: Ints
    amounts: Ints
    reported: Ints
    event_ids: list[str]
    usages: dict[int, Usage]
    trace_urls: TraceUrls
    dead: list[DeadRecord]
    unknown_fields: int

    def __len__(self) -> int:
        return len(self.event_ids)

    def only(self, kept: Bools) -> "Events":
        """Some of the events."""
        place = np.cumsum(kept) - 1
        return replace(
            self,
            record=self.record[kept],
            identity=self.identity[kept],
            seconds=self.seconds[kept],
            amounts=self.amounts[:, kept],
            reported=self.reported[kept],
            event_ids=[self.event_ids[index] for index in np.flatnonzero(kept).tolist()],
            usages={
                int(place[index]): usage for index, usage in self.usages.items() if kept[index]
            },
            trace_urls=self.trace_urls.where(kept),
        )


class Tokens(NamedTuple):
    """Whole counts of events, with what was not sent resolved.

    Attributes:
        input: everything read; a lone total counts as read.
        output: everything written.
        has_usage: whether any was reported.
        is_total_only: whether only a total was.
    """

    input: Ints
    output: Ints
    has_usage: Bools
    is_total_only: Bools


def tokens_of(amounts: Ints) -> Tokens:
    """Of the columns ``AMOUNTS``."""
    read, written, total = amounts[:3]
    has_parts = (read != ABSENT) | (written != ABSENT)
    is_total_only = ~has_parts & (total != ABSENT)
    return Tokens(
        np.where(is_total_only, total, np.maximum(read, 0)),
        np.maximum(written, 0),
        has_parts | is_total_only,
        is_total_only,
    )


def are_consistent(amounts: Ints) -> Bools:
    """Of each event, whether no part is larger than its whole (``UsageEvent`` has the rule)."""
    parts = amounts[AMOUNT["cache_read_tokens"] : AMOUNT["requests"]]
    if not parts.any():
        return np.ones(amounts.shape[1], np.bool_)
    cached, stored, stored_1h, thought, heard, spoken, seen = parts
    tokens = tokens_of(amounts)
    found: Bools = (
        (cached + stored <= tokens.input)
        & (heard + seen <= tokens.input)
        & (stored_1h <= stored)
        & (thought <= tokens.output)
        & (spoken <= tokens.output)
    )
    return found
