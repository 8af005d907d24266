"""Pages: one table record that holds the state of many scopes.

A table write costs ~55 us and recovery reads ~3,600 records a second whatever their size, so the
state of ~50 scopes is one record. Page and stamp are one record and cannot disagree: the stamp is
the offset of the last delta folded in, so a repeat changes nothing. A page is a function of the
prefix of the delta log up to its stamp, so of two versions the higher stamp is right, whoever
wrote it. This file must not know what a scope's state means.
"""

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import cramjam
import msgspec

from stream.exit import RoleRefusedError
from stream.kafka.topics import REBUILD_FROM_DELTAS

PAGE_VERSION = 4

_LEVEL = 1
"""Of zstd: 1,407 bytes a scope come to 386, names and fields being the same from scope to scope."""

_HEADER = struct.Struct(">BI")
"""Version, and how long the page is when it is not compressed."""

_PLAIN = 0x93
"""How a page began before version 4: msgpack's array of three, not compressed."""

MAX_PAGE_BYTES = 128 * 1024 * 1024
"""Of a page that is not compressed, so that no record can ask for all memory. A page of 1,000
scopes with 32 KB each, as rich as they get, is a quarter of it."""

MAX_RECORD_BYTES = 256 * 1024
"""A larger page is split over several records: brokers and compaction like them small."""

_WIDE_INTEGER = 1
"""Ext type of an integer beyond msgpack's 64 bits: two's complement, big end first. Totals over all
time have no bound; 184,468 events of the largest cost pass 2**64 nano-dollars."""


def _wide_integer(code: int, content: memoryview) -> int:
    if code != _WIDE_INTEGER:
        raise ValueError(f"ext type {code}")
    return int.from_bytes(content, "big", signed=True)


def _narrowed(node: Any) -> Any:
    if isinstance(node, int) and not -(2**63) <= node < 2**64:
        content = node.to_bytes(node.bit_length() // 8 + 1, "big", signed=True)
        return msgspec.msgpack.Ext(_WIDE_INTEGER, content)
    if isinstance(node, Mapping):
        return {key: _narrowed(item) for key, item in node.items()}
    if isinstance(node, list | tuple):
        return [_narrowed(item) for item in node]
    return node


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ext_hook=_wide_integer)


class PageError(RoleRefusedError):
    """A page that this program must not use; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class PageKey:
    """Where a page is: the string key of a table record.

    Attributes:
        partition: the delta partition, equal to the changelog's; kept in the key so that a record
            says where it belongs.
        pages: number of pages of the partition when it was written.
        page: which of them; -1 is the partition's own page (watermarks).
        incarnation: of the writer, so that a worker that was thought dead and wakes up cannot
            write over its successor.
        part: of a page that is split: the page's stamp, which part, of how many. The stamp is in
            the key so that parts of two versions are never taken together, and so that the last
            whole version stands until the next one is.
    """

    partition: int
    pages: int
    page: int
    incarnation: str
    part: tuple[int, int, int] | None = None

    def __str__(self) -> str:
        """``<partition>/<pages>/<page>/<incarnation>[/<stamp>.<part>.<parts>]``."""
        text = f"{self.partition}/{self.pages}/{self.page}/{self.incarnation}"
        return text if self.part is None else f"{text}/{'.'.join(map(str, self.part))}"

    @classmethod
    def parse(cls, text: str) -> "PageKey":
        """The key of its string.

        Raises:
            PageError: if it is none.
        """
        try:
            partition, pages, page, incarnation, *rest = text.split("/")
            part = None
            if rest:
                stamp, index, count = rest[0].split(".")
                part = (int(stamp), int(index), int(count))
            return cls(int(partition), int(pages), int(page), incarnation, part)
        except ValueError as error:
            raise PageError(f"{text!r} is not the key of a page") from error


def page_of(scope: str, pages: int) -> int:
    """Which of ``pages`` a scope lives on.

    The upper bits of the hash: the lower ones chose the partition, and would leave most pages of
    a partition empty.
    """
    return (zlib.crc32(scope.encode()) >> 12) % pages


@dataclass(frozen=True, slots=True)
class Page:
    """A decoded page.

    Attributes:
        stamp: offset of the last delta folded in.
        rows: scope, or another key, to its state as plain values.
    """

    stamp: int
    rows: dict[str, Any]


def encode_page(stamp: int, rows: Mapping[str, Any]) -> bytes:
    """A page as the bytes of one record.

    Raises:
        PageError: if it is too large for ``decode_page`` to take back.
    """
    try:
        plain = _encoder.encode([stamp, rows])
    except OverflowError:
        plain = _encoder.encode([stamp, _narrowed(rows)])
    if len(plain) > MAX_PAGE_BYTES:
        raise PageError(
            f"a page of {len(rows)} rows has {len(plain)} bytes, more than {MAX_PAGE_BYTES}:"
            f" raise watch.pages or watch.history_pages, and {REBUILD_FROM_DELTAS}"
        )
    header = _HEADER.pack(PAGE_VERSION, len(plain))
    return header + bytes(cramjam.zstd.compress(plain, level=_LEVEL))


def decode_page(payload: bytes) -> Page:
    """The page of a record's bytes.

    Raises:
        PageError: if the bytes are no page, or one of another version.
    """
    if len(payload) < _HEADER.size:
        raise PageError(f"a changelog record is no page: {len(payload)} bytes")
    version, size = _HEADER.unpack_from(payload)
    if version == _PLAIN:
        version = payload[1]
    if version != PAGE_VERSION:
        raise PageError(
            f"a page of version {version}, this program writes {PAGE_VERSION}:"
            f" {REBUILD_FROM_DELTAS}"
        )
    if size > MAX_PAGE_BYTES:
        raise PageError(f"a changelog record is no page: it claims to hold {size} bytes")
    plain = bytearray(size)
    try:
        written = cramjam.zstd.decompress_into(payload[_HEADER.size :], plain)
        if written != size:
            raise ValueError(f"{written} bytes, not {size}")  # noqa: TRY301  told as the others
        stamp, rows = _decoder.decode(plain)
    except (
        cramjam.DecompressionError,
        msgspec.MsgspecError,
        UnicodeDecodeError,
        ValueError,
        TypeError,
    ) as error:
        raise PageError(f"a changelog record is no page: {error}") from error
    return Page(stamp, rows)


def split_page(key: PageKey, stamp: int, payload: bytes) -> list[tuple[PageKey, bytes]]:
    """A page's bytes as one record, or as parts where they are many.

    Returns:
        Keys with their bytes; all must be durable for the page to be.
    """
    if len(payload) <= MAX_RECORD_BYTES:
        return [(key, payload)]
    count = -(-len(payload) // MAX_RECORD_BYTES)
    return [
        (
            replace(key, part=(stamp, index, count)),
            payload[index * MAX_RECORD_BYTES : (index + 1) * MAX_RECORD_BYTES],
        )
        for index in range(count)
    ]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a partition's records of one table come to.

    Attributes:
        pages: page number (and window start, 0 where there is none) to the winning version.
        keys: the same to the keys of all versions. None of them may be removed before its owner
            has written one of its own: a zombie may remove any of them meanwhile.
    """

    pages: dict[tuple[int, int], Page]
    keys: dict[tuple[int, int], list[Any]]


def recover_pages(records: Iterable[tuple[Any, bytes]], partition: int, pages: int) -> Recovered:
    """The winning version of each page: the one with the highest stamp.

    Args:
        records: table keys with their bytes; a windowed table's keys are ``(key, (start, end))``.
        partition: whose records these should be.
        pages: pages per partition as configured now.

    Raises:
        PageError: if a record belongs elsewhere, or was written with another number of pages.
    """
    best: dict[tuple[int, int], Page] = {}
    keys: dict[tuple[int, int], list[Any]] = {}
    split: dict[tuple[tuple[int, int], str, int], dict[int, bytes]] = {}

    def take(place: tuple[int, int], payload: bytes) -> None:
        page = decode_page(payload)
        if place not in best or best[place].stamp < page.stamp:
            best[place] = page

    for table_key, payload in records:
        text, start = (
            (table_key[0], int(table_key[1][0])) if isinstance(table_key, tuple) else (table_key, 0)
        )
        key = PageKey.parse(text)
        _check_key(key, text, partition, pages)
        place = (key.page, start)
        keys.setdefault(place, []).append(table_key)
        if key.part is None:
            take(place, payload)
            continue
        stamp, index, count = key.part
        parts = split.setdefault((place, key.incarnation, stamp), {})
        parts[index] = payload
        if len(parts) == count:
            take(place, b"".join(parts[number] for number in range(count)))
    return Recovered(best, keys)


def _check_key(key: PageKey, text: str, partition: int, pages: int) -> None:
    if key.partition != partition:
        raise PageError(f"page {text} lies in changelog partition {partition}")
    if key.pages != pages:
        raise PageError(
            f"state was written with {key.pages} pages a partition, the configuration says"
            f" {pages}: set it back, or {REBUILD_FROM_DELTAS}"
        )
