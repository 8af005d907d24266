"""The events of a batch as columns: one pass of Python over the records, arrays from there on.

The pass decodes, looks up the identity of each event, and leaves its parts in lists. What it cannot
take at a glance is read by ``stream/usage/decode.py``, whose word is final, and enters the same
columns. Not here: prices, dedup, lateness.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.ingest.events import (
    AMOUNT,
    AMOUNTS,
    Bools,
    DeadRecord,
    Events,
    InputRecord,
    Ints,
    TraceUrls,
    are_consistent,
)
from stream.ingest.identities import Identities
from stream.ingest.stamps import REFUSED as NO_TIME
from stream.ingest.stamps import seconds_column
from stream.redaction import redact_key
from stream.usage.decode import ARRAY_MAX_EVENTS, PAYLOAD_MAX_BYTES, UNREADABLE, decode
from stream.usage.rejection import LiteralError
from stream.usage.reported import NOT_REPORTED, REFUSED, reported_column
from stream.usage.usage import TAGS_MAX, TEXT_MAX_CHARS, RecordKind, Usage
from stream.usage.wire import ABSENT, NO_LITERAL, KnownWire, other_id

_OUTCOME: Final = RecordKind.OUTCOME.value
_decode_known = msgspec.json.Decoder(KnownWire).decode
_decode_array = msgspec.json.Decoder(list[KnownWire]).decode
_OF_NULL: Final = tuple(
    ABSENT if place < AMOUNT["cache_read_tokens"] else int(name == "requests")
    for place, name in enumerate(AMOUNTS)
)
"""What null stands for in each."""

_amounts_of = attrgetter(*AMOUNTS)


class _OddError(Exception):
    """Nothing is wrong yet; the event has to be read closely."""


_ODD: Final = (*UNREADABLE, LiteralError, TypeError, _OddError)
"""What may be raised before anything of an event is taken; ``TypeError`` for billable units, which
cannot be looked up."""


def read_events(
    identities: Identities, records: Sequence[InputRecord], *, max_events: int
) -> Events:
    """The events of as many of the records as hold ``max_events``; of the first in any case."""
    reading = _Reading(identities, records)
    limit, taken = max_events, 0  # of records, as long as each holds one event
    take = reading.take
    for record in records:
        if taken >= limit and taken:
            break
        payload = record.value or b""
        try:
            take(_decode_known(payload), payload)
        except _ODD:
            size = reading.take_closely(taken, payload, None if taken == 0 else limit - taken)
            if size is None:
                break
            limit -= size - 1
        taken += 1
    return reading.events(taken)


class _Reading:
    """What becomes ``Events``: lists with an element per event, ``AMOUNTS`` in a row."""

    def __init__(self, identities: Identities, records: Sequence[InputRecord]) -> None:
        self._identities = identities
        self._records = records
        self._identity: list[int] = []
        self._stamps: list[str | float] = []
        self._amounts: list[int | None] = []
        self._literals: list[msgspec.Raw] = []
        self._event_ids: list[str] = []
        self._close: list[int] = []  # the events that were read closely
        self._reported: dict[int, int] = {}  # of them
        self._usages: dict[int, Usage] = {}
        self._trace_urls: dict[int, str] = {}
        self._dead: list[DeadRecord] = []
        self._sizes: dict[int, int] = {}  # of records that do not hold one event
        self._unknown_fields = 0

    def take(self, wire: KnownWire, payload: bytes) -> None:
        """Take an event at a glance, or raise one of ``_ODD`` and take nothing.

        Its time, its id, whether its parts fit their wholes, and what it cost are looked at in
        whole columns later.
        """
        if len(payload) > PAYLOAD_MAX_BYTES:
            raise _OddError
        key = self._identities.sent(wire)
        if wire.tags:
            key += self._tag_names(wire.tags)
        identity = self._identities.of_sent.get(key)
        if identity is None:
            identity = self._meet(wire, key)
        event_id = wire.event_id
        if wire.trace_url:
            self._trace_urls[len(self._event_ids)] = wire.trace_url
        self._event_ids.append(other_id(wire) if event_id is None else event_id)
        self._identity.append(identity)
        self._stamps.append(wire.timestamp)
        self._amounts.extend(_amounts_of(wire))
        self._literals.append(wire.cost_usd)

    def _tag_names(self, tags: dict[str, str | None]) -> tuple[str, ...]:
        if len(tags) > TAGS_MAX:
            raise _OddError
        if not self._identities.tags:
            return ()
        names = self._identities.tag_names(tags)
        if names is None:
            raise _OddError
        return names

    def _meet(self, wire: KnownWire, key: tuple[Any, ...]) -> int:
        """The number of an identity that was not met in this spelling."""
        identities = self._identities
        if wire.billable_units is not None:
            raise _OddError
        api_key = wire.api_key
        if api_key and api_key not in identities.api_keys:
            wire.api_key = redact_key(api_key)
            if len(wire.api_key) > TEXT_MAX_CHARS:
                raise _OddError
            if wire.api_key != api_key:  # and nobody keeps what was sent
                key = identities.sent(wire) + key[identities.width :]
                number = identities.of_sent.get(key)
                if number is not None:
                    return number
            identities.api_keys.add(wire.api_key)
        is_outcome = wire.record == _OUTCOME
        if not (wire.outcome if is_outcome else wire.model and not wire.model.isspace()):
            raise _OddError
        return identities.enter(key)

    def take_closely(self, index: int, payload: bytes, room: int | None) -> int | None:
        """Take what a record holds, one by one; how many events that were, refused ones included.

        Args:
            index: of the record.
            payload: its value.
            room: for this many; ``None``, and nothing taken, if there are more.
        """
        before = len(self._event_ids)
        size = None
        if payload.lstrip()[:1] == b"[":
            size = self._take_array(payload, room)
        if size is None:
            found = decode(payload)
            size = len(found.usages) + len(found.rejections)
            if room is not None and size > room:
                return None
            for usage in found.usages:
                self.append(usage)
            offset = self._records[index].offset
            self._dead.extend([DeadRecord(offset, each) for each in found.rejections])
            self._unknown_fields += found.unknown_fields
        self._sizes[index] = len(self._event_ids) - before
        return size

    def _take_array(self, payload: bytes, room: int | None) -> int | None:
        """Take an array of nothing but usual events; ``None``, and nothing taken, if it is not."""
        before = len(self._event_ids)
        try:
            wires = _decode_array(payload)
            if len(wires) > ARRAY_MAX_EVENTS or (room is not None and len(wires) > room):
                return None
            for wire in wires:
                self.take(wire, payload)
            if not self._columns(before).is_odd.any():
                return len(wires)
        except _ODD:
            pass
        for column in (self._identity, self._stamps, self._literals, self._event_ids):
            del column[before:]
        del self._amounts[before * len(AMOUNTS) :]
        while self._trace_urls and next(reversed(self._trace_urls)) >= before:
            self._trace_urls.popitem()
        return None

    def append(self, usage: Usage) -> None:
        """Take an event that was read closely."""
        number = len(self._event_ids)
        self._identity.append(self._identities.of_usage(usage))
        self._stamps.append(usage.timestamp_seconds)
        self._amounts.extend(_amounts_of_usage(usage))
        self._close.append(number)
        self._literals.append(NO_LITERAL)
        self._event_ids.append(usage.event_id)
        if usage.reported_nanousd is not None:
            self._reported[number] = usage.reported_nanousd
        if usage.billable_units:
            self._usages[number] = usage
        if usage.trace_url:
            self._trace_urls[number] = usage.trace_url

    def _columns(self, first: int) -> "_Columns":
        """The columns from one event on."""
        stamps, literals, event_ids = self._stamps, self._literals, self._event_ids
        flat = self._amounts
        if first:
            stamps, literals, event_ids = stamps[first:], literals[first:], event_ids[first:]
            flat = flat[first * len(AMOUNTS) :]
        try:
            table = np.array(flat, np.int64)
        except TypeError:  # a null among them
            sent = np.array(flat, object).reshape(-1, len(AMOUNTS))
            table = np.where(sent == np.array(None), _OF_NULL, sent).astype(np.int64)
        amounts = np.ascontiguousarray(table.reshape(-1, len(AMOUNTS)).T)
        reported, seconds = reported_column(literals), seconds_column(stamps)
        is_odd = ~are_consistent(amounts) | (reported == REFUSED) | (seconds == NO_TIME)
        return _Columns(amounts, reported, seconds, is_odd | _are_odd(event_ids))

    def events(self, taken: int) -> Events:
        """The columns of the records taken."""
        amounts, reported, seconds, is_odd = self._columns(0)
        is_odd[self._close] = False
        sizes = np.ones(taken, np.int64)
        for index, size in self._sizes.items():
            sizes[index] = size
        events = Events(
            taken=taken,
            record=np.repeat(np.arange(taken), sizes),
            identity=np.array(self._identity, np.int64),
            seconds=seconds,
            amounts=amounts,
            reported=reported,
            event_ids=self._event_ids,
            usages=self._usages,
            trace_urls=TraceUrls.of(self._trace_urls, len(self._event_ids)),
            dead=self._dead,
            unknown_fields=self._unknown_fields,
        )
        reported[list(self._reported)] = list(self._reported.values())
        return self._reread(events, np.flatnonzero(is_odd)) if is_odd.any() else events

    def _reread(self, events: Events, odd: NDArray[np.intp]) -> Events:
        """Read events closely that were taken at a glance; each is alone in its record."""
        kept = np.ones(len(events), np.bool_)
        for index in odd.tolist():
            record = self._records[int(events.record[index])]
            found = decode(record.value or b"")
            for usage in found.usages:  # its cost was written as nobody does, or its id or time
                events.event_ids[index] = usage.event_id
                events.seconds[index] = usage.timestamp_seconds
                events.amounts[:, index] = _amounts_of_usage(usage)
                events.reported[index] = (
                    NOT_REPORTED if usage.reported_nanousd is None else usage.reported_nanousd
                )
            kept[index] = bool(found.usages)
            events.dead.extend([DeadRecord(record.offset, each) for each in found.rejections])
        events.dead.sort(key=attrgetter("offset"))
        return events.only(kept)


class _Columns(NamedTuple):
    amounts: Ints
    reported: Ints
    seconds: Ints
    is_odd: Bools


def _are_odd(event_ids: list[str]) -> Bools:
    """Of each id, whether it is other than printable ASCII that does not begin with a blank."""
    # Below "!" are the empty one and those that begin with a blank.
    text = "".join(event_ids)
    if text.isascii() and text.isprintable() and min(event_ids, default="!") >= "!":
        return np.zeros(len(event_ids), np.bool_)
    return np.array(
        [not (each.isascii() and each.isprintable()) or each < "!" for each in event_ids], np.bool_
    )


_rest_of = attrgetter(*AMOUNTS[3:])


def _amounts_of_usage(usage: Usage) -> tuple[int, ...]:
    """The amounts of an event that was read closely, as if they had been read at a glance."""
    read, written, total = usage.input_tokens, usage.output_tokens, ABSENT
    if usage.is_total_only:
        read, written, total = ABSENT, ABSENT, read
    elif not usage.has_usage:
        read, written = ABSENT, ABSENT
    return read, written, total, *_rest_of(usage)
