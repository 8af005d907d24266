"""The events of a batch as columns: one pass of Python over the records, arrays from there on.

The pass decodes, looks up the identity of each event, and leaves its amounts in one flat list. What
it cannot take at a glance is read by ``stream/usage/decode.py``, whose word is final, and enters
the same columns. Not here: prices, dedup, time.
"""

import re
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
    are_consistent,
)
from stream.ingest.identities import Identities
from stream.redaction import redact_key
from stream.usage.decode import ARRAY_MAX_EVENTS, PAYLOAD_MAX_BYTES, UNREADABLE, decode
from stream.usage.literals import epoch_seconds_of
from stream.usage.rejection import LiteralError
from stream.usage.reported import NOT_REPORTED, REFUSED, reported_column
from stream.usage.usage import TAGS_MAX, TEXT_MAX_CHARS, RecordKind, Usage
from stream.usage.wire import ABSENT, NO_LITERAL, KnownWire, other_id


class _Minutes(dict[str, int]):
    """``2026-01-31T12:00`` -> epoch seconds."""

    def __missing__(self, minute: str) -> int:
        seconds = epoch_seconds_of(f"{minute}:00Z")
        if len(self) < _MINUTES_MAX:
            self[minute] = seconds
        return seconds


class _Seconds(dict[str, int]):
    """``:07.250Z``, what a time in UTC has behind its minute -> whole seconds; -1 for all else."""

    def __missing__(self, tail: str) -> int:
        parts = _TAIL.fullmatch(tail)
        seconds = -1 if parts is None else int(parts[1])
        if len(self) < _SECONDS_MAX:
            self[tail] = seconds
        return seconds


_OUTCOME: Final = RecordKind.OUTCOME.value
_TAIL = re.compile(r":([0-5][0-9])(?:\.[0-9]{1,18})?(?:[Zz]|[+-]00:00)")
_MINUTES_MAX = 10_000
_SECONDS_MAX = 100_000
"""60,000 are all that milliseconds have; some 10 MB."""

_minutes = _Minutes()
_seconds = _Seconds()
_decode_known = msgspec.json.Decoder(KnownWire).decode
_decode_array = msgspec.json.Decoder(list[KnownWire]).decode
_amounts_of = attrgetter(*AMOUNTS)
_OF_NULL: Final = tuple(
    ABSENT if place < AMOUNT["cache_read_tokens"] else int(name == "requests")
    for place, name in enumerate(AMOUNTS)
)
"""What null stands for in each."""


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
        self._seconds: list[int] = []
        self._amounts: list[int | None] = []
        self._literals: list[msgspec.Raw] = []
        self._event_ids: list[str] = []
        self._reported: dict[int, int] = {}  # of events that were read closely
        self._usages: dict[int, Usage] = {}
        self._dead: list[DeadRecord] = []
        self._sizes: dict[int, int] = {}  # of records that do not hold one event
        self._unknown_fields = 0

    def take(self, wire: KnownWire, payload: bytes) -> None:
        """Take an event at a glance, or raise one of ``_ODD`` and take nothing.

        Whether its parts fit their wholes, and what it cost, is looked at in whole columns later.
        """
        stamp = wire.timestamp
        if type(stamp) is str and (seconds := _seconds[stamp[16:]]) >= 0:
            seconds += _minutes[stamp[:16]]
        else:
            seconds = epoch_seconds_of(stamp)
        event_id = wire.event_id
        if event_id is None:
            event_id = other_id(wire)
        # Below "!" are the empty one and those that begin with a blank.
        if not (event_id.isascii() and event_id.isprintable()) or event_id < "!":
            raise _OddError
        if len(payload) > PAYLOAD_MAX_BYTES:
            raise _OddError
        key = self._identities.sent(wire)
        if wire.tags:
            key += self._tag_names(wire.tags)
        identity = self._identities.of_sent.get(key)
        if identity is None:
            identity = self._meet(wire, key)
        self._identity.append(identity)
        self._seconds.append(seconds)
        self._amounts.extend(_amounts_of(wire))
        self._literals.append(wire.cost_usd)
        self._event_ids.append(event_id)

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
        for column in (self._identity, self._seconds, self._literals, self._event_ids):
            del column[before:]
        del self._amounts[before * len(AMOUNTS) :]
        return None

    def append(self, usage: Usage) -> None:
        """Take an event that was read closely."""
        number = len(self._event_ids)
        self._identity.append(self._identities.of_usage(usage))
        self._seconds.append(usage.timestamp_seconds)
        self._amounts.extend(_amounts_of_usage(usage))
        self._literals.append(NO_LITERAL)
        self._event_ids.append(usage.event_id)
        if usage.reported_nanousd is not None:
            self._reported[number] = usage.reported_nanousd
        if usage.billable_units:
            self._usages[number] = usage

    def _columns(self, first: int) -> "_Columns":
        """The columns from one event on."""
        flat = self._amounts[first * len(AMOUNTS) :] if first else self._amounts
        try:
            table = np.array(flat, np.int64)
        except TypeError:  # a null among them
            sent = np.array(flat, object).reshape(-1, len(AMOUNTS))
            table = np.where(sent == np.array(None), _OF_NULL, sent).astype(np.int64)
        amounts = np.ascontiguousarray(table.reshape(-1, len(AMOUNTS)).T)
        reported = reported_column(self._literals[first:] if first else self._literals)
        return _Columns(amounts, reported, ~are_consistent(amounts) | (reported == REFUSED))

    def events(self, taken: int) -> Events:
        """The columns of the records taken."""
        amounts, reported, is_odd = self._columns(0)
        sizes = np.ones(taken, np.int64)
        for index, size in self._sizes.items():
            sizes[index] = size
        events = Events(
            taken=taken,
            record=np.repeat(np.arange(taken), sizes),
            identity=np.array(self._identity, np.int64),
            seconds=np.array(self._seconds, np.int64),
            amounts=amounts,
            reported=reported,
            event_ids=self._event_ids,
            usages=self._usages,
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
            for usage in found.usages:  # its cost was written as nobody does, for example
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
    is_odd: Bools


_rest_of = attrgetter(*AMOUNTS[3:])


def _amounts_of_usage(usage: Usage) -> tuple[int, ...]:
    """The amounts of an event that was read closely, as if they had been read at a glance."""
    read, written, total = usage.input_tokens, usage.output_tokens, ABSENT
    if usage.is_total_only:
        read, written, total = ABSENT, ABSENT, read
    elif not usage.has_usage:
        read, written = ABSENT, ABSENT
    return read, written, total, *_rest_of(usage)
