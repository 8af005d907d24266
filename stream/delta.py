"""The delta: what INGEST says to WATCH.

Columnar on purpose: one message carries thousands of (scope, minute) rows as integer arrays, since
a Faust message costs ~150 us whatever is in it. This file knows bytes and columns, and nothing of
what the counts mean.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise, repeat
from operator import itemgetter
from typing import NamedTuple, Self, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from alerting.exemplar import Exemplar
from detectors.observation import COUNTERS, Counts
from stream.exemplars import NO_EXEMPLARS, Exemplars

CONTRIBUTOR_DIMENSIONS = ("agent", "api_key", "prompt_version", "user", "model")
"""The dimensions in which a row names its largest contributors."""

MAX_CONTRIBUTORS = 16
"""Per row and dimension; what is beyond is the row's cost less their sum."""

LATE = 1
"""Row flag: behind its input partition's watermark, so it counts in totals and in no window.

INGEST decides it per event, from the log alone, so that every replay finds the same rows late.
"""


class Contributor(NamedTuple):
    """A part of one row's cost: who, and how much."""

    dimension: str
    name: str
    cost_nanousd: int


class DeltaRow(NamedTuple):
    """One scope's additive amounts in one minute.

    Attributes:
        scope: the scope's one-string form.
        minute: whole minutes since 1970, UTC.
        is_late: behind the watermark of its input partition.
        counts: one integer per counter, in the order of ``COUNTERS``.
        contributors: the largest per dimension; never late rows'.
        exemplar: the dearest call of those that can be looked at, if there is one; likewise.
    """

    scope: str
    minute: int
    is_late: bool
    counts: Counts
    contributors: tuple[Contributor, ...] = ()
    exemplar: Exemplar | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DeltaRows(Sequence[DeltaRow]):
    """Rows as columns: what both roles work on. One by one only for those who look at a few.

    Attributes:
        names: the strings that the integer columns point into.
        scope: int32, per row, into ``names``.
        minute: int32, per row, epoch minutes.
        flags: uint8, per row, ``LATE``.
        counts: int64, shape (rows, counters), in the order of ``COUNTERS``.
        part_row: int32, per contributor, the row it belongs to; ascending.
        part_dimension: uint8, into ``CONTRIBUTOR_DIMENSIONS``.
        part_name: int32, into ``names``.
        part_cost: int64, nano-dollars.
        exemplars: of the few rows that have one.
    """

    names: list[str]
    scope: NDArray[np.int32]
    minute: NDArray[np.int32]
    flags: NDArray[np.uint8]
    counts: NDArray[np.int64]
    part_row: NDArray[np.int32]
    part_dimension: NDArray[np.uint8]
    part_name: NDArray[np.int32]
    part_cost: NDArray[np.int64]
    exemplars: Exemplars = NO_EXEMPLARS

    @classmethod
    def of(cls, rows: Iterable[DeltaRow]) -> Self:
        """The columns of rows.

        Raises:
            OverflowError: if an amount does not fit 64 bits; INGEST's bounds make that impossible
                for the events of one batch (``stream/usage/usage.py``).
        """
        rows = list(rows)
        size = len(rows)
        scopes = [row.scope for row in rows]
        parts = list(chain.from_iterable([row.contributors for row in rows]))
        part_names = list(map(itemgetter(1), parts))
        names = dict.fromkeys(chain(scopes, part_names))
        number_of = dict(zip(names, range(len(names)), strict=True)).__getitem__
        dimensions = map(_dimension_number.__getitem__, map(itemgetter(0), parts))
        return cls(
            names=list(names),
            scope=np.fromiter(map(number_of, scopes), np.int32, size),
            minute=np.array([row.minute for row in rows], np.int32),
            flags=np.array([LATE if row.is_late else 0 for row in rows], np.uint8),
            counts=np.array([row.counts for row in rows], np.int64).reshape(size, len(COUNTERS)),
            part_row=np.repeat(
                np.arange(size, dtype=np.int32), [len(row.contributors) for row in rows]
            ),
            part_dimension=np.fromiter(dimensions, np.uint8, len(parts)),
            part_name=np.fromiter(map(number_of, part_names), np.int32, len(parts)),
            part_cost=np.fromiter(map(itemgetter(2), parts), np.int64, len(parts)),
            exemplars=Exemplars.of([row.exemplar for row in rows]),
        )

    def followed_by(self, rows: Iterable[DeltaRow]) -> Self:
        """These rows, and then others that name no contributors and have no exemplars."""
        more = type(self).of(rows)
        first = np.int32(len(self.names))  # behind all: a contributor may be called like a scope
        return replace(
            self,
            names=[*self.names, *more.names],
            scope=np.concatenate((self.scope, more.scope + first)),
            minute=np.concatenate((self.minute, more.minute)),
            flags=np.concatenate((self.flags, more.flags)),
            counts=np.concatenate((self.counts, more.counts)),
        )

    @property
    def is_late(self) -> NDArray[np.bool_]:
        """Per row, whether INGEST found it late."""
        return (self.flags & LATE).astype(np.bool_)

    def __len__(self) -> int:
        return len(self.scope)

    def __iter__(self) -> Iterator[DeltaRow]:
        """The rows, one at a time, in the order written."""
        names = self.names.__getitem__
        contributors = contributors_of(
            map(CONTRIBUTOR_DIMENSIONS.__getitem__, self.part_dimension.tolist()),
            map(names, self.part_name.tolist()),
            self.part_cost.tolist(),
        )
        ends = np.searchsorted(self.part_row, np.arange(len(self) + 1)).tolist()
        exemplars = map(self.exemplars.by_row().get, range(len(self)))
        for scope, minute, is_late, amounts, (start, end), exemplar in zip(
            map(names, self.scope.tolist()),
            self.minute.tolist(),
            self.is_late.tolist(),
            self.counts.tolist(),
            pairwise(ends),
            exemplars,
            strict=True,
        ):
            yield DeltaRow(scope, minute, is_late, amounts, contributors[start:end], exemplar)

    @overload
    def __getitem__(self, index: int) -> DeltaRow: ...
    @overload
    def __getitem__(self, index: slice) -> "DeltaRows": ...
    def __getitem__(self, index: int | slice) -> "DeltaRow | DeltaRows":
        chosen = range(len(self))[index]
        if isinstance(chosen, int):
            return next(iter(self.take(np.array([chosen]))))
        return self.take(np.array(chosen, np.intp))

    def take(self, chosen: NDArray[np.integer]) -> "DeltaRows":
        """Some rows, in the order of ``chosen``, with the names they need and no others."""
        starts = np.searchsorted(self.part_row, chosen)
        sizes = np.searchsorted(self.part_row, chosen, side="right") - starts
        first = np.cumsum(sizes) - sizes  # of each row's parts among those taken
        parts = np.arange(sizes.sum()) + np.repeat(starts - first, sizes)
        pointers = np.concatenate((self.scope[chosen], self.part_name[parts]))
        kept, inverse = np.unique(pointers, return_inverse=True)
        places: NDArray[np.int32] = inverse.astype(np.int32)
        return DeltaRows(
            names=[self.names[number] for number in kept.tolist()],
            scope=places[: len(chosen)],
            minute=self.minute[chosen],
            flags=self.flags[chosen],
            counts=self.counts[chosen],
            part_row=np.repeat(np.arange(len(chosen), dtype=np.int32), sizes),
            part_dimension=self.part_dimension[parts],
            part_name=places[len(chosen) :],
            part_cost=self.part_cost[parts],
            exemplars=self.exemplars.take(chosen),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # equal to a list, which has none


class Promise(NamedTuple):
    """What one delta says of its input partition's time.

    Attributes:
        source: ``topic/partition`` of the input.
        watermark_seconds: see ``Delta``.
        is_idle: see ``Delta``.
    """

    source: str
    watermark_seconds: int | None
    is_idle: bool


class Delta(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One message of ``spend.deltas``: part of what one transaction of INGEST read.

    Attributes:
        version: of this layout; readers refuse others.
        topic: the input topic.
        partition: the input partition.
        first_offset: first input offset the transaction covers.
        next_offset: first input offset after it; equal to ``first_offset`` when only time passes.
        watermark_seconds: event time before which the input partition promises no more than late
            rows; ``None`` before its first event.
        is_idle: INGEST's verdict that the input partition is silent; it is left out of the minimum.
        names: the strings that the integer columns point into.
        scope: int32 array, per row, into ``names``.
        minute: int32 array, per row, epoch minutes.
        flags: uint8 array, per row, ``LATE``.
        columns: counter name -> int64 array, per row; a counter that is zero in all rows is left
            out.
        contributor_row: int32 array, per contributor, the row it belongs to; ascending.
        contributor_dimension: uint8 array, into ``CONTRIBUTOR_DIMENSIONS``.
        contributor_name: int32 array, into ``names``.
        contributor_cost: int64 array, nano-dollars.
        exemplar_row: int32 array, per exemplar, the row it is of; ascending, none twice. Readers of
            before 2026-12 pass over this and the next two, and find none in deltas of before.
        exemplar_cost: int64 array, nano-dollars.
        exemplar_url: per exemplar.
    """

    version: int
    topic: str
    partition: int
    first_offset: int
    next_offset: int
    watermark_seconds: int | None
    is_idle: bool
    names: list[str] = []
    scope: bytes = b""
    minute: bytes = b""
    flags: bytes = b""
    columns: dict[str, bytes] = {}
    contributor_row: bytes = b""
    contributor_dimension: bytes = b""
    contributor_name: bytes = b""
    contributor_cost: bytes = b""
    exemplar_row: bytes = b""
    exemplar_cost: bytes = b""
    exemplar_url: list[str] = []

    @property
    def promise(self) -> Promise:
        """What it says of its input's time."""
        return Promise(f"{self.topic}/{self.partition}", self.watermark_seconds, self.is_idle)

    def rows(self) -> DeltaRows:
        """What it counts, without an object per row.

        Raises:
            ValueError: if the columns do not fit together; nothing of it may be counted then.
        """
        scope = np.frombuffer(self.scope, np.int32)
        counts = np.zeros((len(scope), len(COUNTERS)), np.int64)
        for index, name in enumerate(COUNTERS):
            if name in self.columns:
                counts[:, index] = np.frombuffer(self.columns[name], np.int64)
        rows = DeltaRows(
            names=self.names,
            scope=scope,
            minute=np.frombuffer(self.minute, np.int32),
            flags=np.frombuffer(self.flags, np.uint8),
            counts=counts,
            part_row=np.frombuffer(self.contributor_row, np.int32),
            part_dimension=np.frombuffer(self.contributor_dimension, np.uint8),
            part_name=np.frombuffer(self.contributor_name, np.int32),
            part_cost=np.frombuffer(self.contributor_cost, np.int64),
            exemplars=Exemplars(
                np.frombuffer(self.exemplar_row, np.int32),
                np.frombuffer(self.exemplar_cost, np.int64),
                self.exemplar_url,
            ),
        )
        _check(rows)
        return rows


def _check(rows: DeltaRows) -> None:
    """Refuse columns that do not fit together: numpy would broadcast or count from the end."""
    names, size, parts = len(rows.names), len(rows), len(rows.part_row)
    columns: tuple[tuple[NDArray[np.integer], int, int | None], ...] = (
        (rows.scope, size, names),
        (rows.minute, size, None),
        (rows.flags, size, None),
        (rows.part_row, parts, size),
        (rows.part_dimension, parts, len(CONTRIBUTOR_DIMENSIONS)),
        (rows.part_name, parts, names),
        (rows.part_cost, parts, None),
    )
    for column, length, end in columns:
        if len(column) != length:
            raise ValueError(f"a delta's column has {len(column)} values instead of {length}")
        if end is not None and length and not 0 <= column.min() <= column.max() < end:
            raise ValueError(f"a delta's column points beyond {end}")
    if (np.diff(rows.part_row) < 0).any():
        raise ValueError("a delta's contributors are not in the order of its rows")
    rows.exemplars.check(size)


def contributors_of(
    dimensions: Iterable[str], names: Iterable[str], costs: Iterable[int]
) -> tuple[Contributor, ...]:
    """Many contributors from their columns.

    A row names a dozen, so this is the innermost loop of both roles: without a Python call for
    each they cost 0.17 instead of 0.31 us.
    """
    return tuple(
        map(tuple.__new__, repeat(Contributor), zip(dimensions, names, costs, strict=True))
    )


DELTA_VERSION = 1

_dimension_number = {name: number for number, name in enumerate(CONTRIBUTOR_DIMENSIONS)}
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Delta)


NO_ROWS = DeltaRows.of(())


def encode_delta(
    rows: DeltaRows,
    *,
    topic: str,
    partition: int,
    first_offset: int,
    next_offset: int,
    watermark_seconds: int | None,
    is_idle: bool,
) -> bytes:
    """Rows as one message."""
    used = np.flatnonzero(rows.counts.any(axis=0)).tolist()
    return _encoder.encode(
        Delta(
            version=DELTA_VERSION,
            topic=topic,
            partition=partition,
            first_offset=first_offset,
            next_offset=next_offset,
            watermark_seconds=watermark_seconds,
            is_idle=is_idle,
            names=rows.names,
            scope=rows.scope.tobytes(),
            minute=rows.minute.tobytes(),
            flags=rows.flags.tobytes(),
            columns={COUNTERS[index]: rows.counts[:, index].tobytes() for index in used},
            contributor_row=rows.part_row.tobytes(),
            contributor_dimension=rows.part_dimension.tobytes(),
            contributor_name=rows.part_name.tobytes(),
            contributor_cost=rows.part_cost.tobytes(),
            exemplar_row=rows.exemplars.row.tobytes(),
            exemplar_cost=rows.exemplars.cost.tobytes(),
            exemplar_url=rows.exemplars.url,
        )
    )


def decode_delta(payload: bytes) -> Delta:
    """The delta of a message's bytes.

    Raises:
        ValueError: if the bytes are no delta, or one of another version.
    """
    try:
        delta = _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a delta: {error}") from error
    if delta.version != DELTA_VERSION:
        raise ValueError(f"delta of version {delta.version}; this program reads {DELTA_VERSION}")
    return delta
