"""Pages: where a scope lives, what a record is, and which of many is right."""

import struct
import zlib

import cramjam
import msgspec
import pytest

from stream.usage.fanout import delta_partition
from stream.watch import pages as module
from stream.watch.pages import (
    PageError,
    PageKey,
    decode_page,
    encode_page,
    page_of,
    recover_pages,
)


def key(page: int, incarnation: str, *, partition: int = 2, pages: int = 8) -> str:
    return str(PageKey(partition, pages, page, incarnation))


def squeezed(content: bytes, *, size: int | None = None) -> bytes:
    """A page's bytes around any content."""
    header = struct.pack(">BI", module.PAGE_VERSION, len(content) if size is None else size)
    return header + bytes(cramjam.zstd.compress(content, level=1))


def test_a_key_names_partition_pages_page_and_writer():
    assert key(3, "abc") == "2/8/3/abc"
    assert PageKey.parse("2/8/3/abc") == PageKey(2, 8, 3, "abc")
    assert PageKey.parse(key(-1, "abc")).page == -1


@pytest.mark.parametrize("text", ["", "1/2/3", "1/2/x/abc", "1/2/3/4/5"])
def test_what_is_no_key_is_refused(text: str):
    with pytest.raises(PageError, match="not the key of a page"):
        PageKey.parse(text)


def test_a_page_comes_back_with_its_stamp():
    page = decode_page(encode_page(41, {"agent:a": [1, 2.5, None, "x", [3]]}))
    assert page.stamp == 41
    assert page.rows == {"agent:a": [1, 2.5, None, "x", [3]]}


@pytest.mark.parametrize("total", [2**63, 2**64, 92_234 * 10**17, -(2**63) - 1, 10**40])
def test_a_total_beyond_64_bits_comes_back_exactly(total: int):
    rows = {"agent:a": [[total, -1], {"all": total}, "x"], "agent:b": [1, (2, None)]}
    assert decode_page(encode_page(7, rows)).rows == {**rows, "agent:b": [1, [2, None]]}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x04\x00\x00\x00\x07",
        b"\x04\x00\x00\x00\x07plain text",
        encode_page(7, {"agent:a": 1})[:-1],
        encode_page(7, {"agent:a": 1}) + b"x",
        squeezed(b"\xc1"),
        squeezed(b"\x01"),
        squeezed(b"\x91\x01"),
    ],
)
def test_bytes_that_are_no_page_are_refused(payload: bytes):
    with pytest.raises(PageError, match="no page"):
        decode_page(payload)


@pytest.mark.parametrize("claimed", [0, 1000, module.MAX_PAGE_BYTES + 1, 2**32 - 1])
def test_a_page_that_holds_more_or_less_than_it_says_is_refused(claimed: int):
    content = msgspec.msgpack.encode([7, {"agent:a": "x" * 100_000}])
    with pytest.raises(PageError, match="no page"):
        decode_page(squeezed(content, size=claimed))


def test_a_page_that_could_not_be_read_again_is_not_written(monkeypatch: pytest.MonkeyPatch):
    rows = {"agent:a": "x" * 1000}
    monkeypatch.setattr(module, "MAX_PAGE_BYTES", 2000)
    assert decode_page(encode_page(7, rows)).rows == rows
    monkeypatch.setattr(module, "MAX_PAGE_BYTES", 1000)
    with pytest.raises(PageError, match=r"of 1 rows.*raise watch\.pages"):
        encode_page(7, rows)


@pytest.mark.parametrize("payload", [msgspec.msgpack.encode([3, 1, {"a": 1}]), b"\x03\0\0\0\0"])
def test_a_page_of_another_version_is_refused_with_the_fix(payload: bytes):
    with pytest.raises(PageError, match=r"version 3.*stop the workers"):
        decode_page(payload)


def test_names_that_many_scopes_share_are_hardly_written_twice():
    rows = {f"agent:a{n}": [n, {"model": {"gpt-5.5-2026-04-23": n}}] for n in range(100)}
    assert len(encode_page(1, rows)) < len(msgspec.msgpack.encode(rows)) / 4


def test_the_highest_stamp_of_a_page_wins_whatever_the_order_and_all_keys_are_known():
    records = [
        (key(0, "old"), encode_page(5, {"old": 1})),
        (key(0, "new"), encode_page(9, {"new": 1})),
        (key(0, "zombie"), encode_page(7, {"zombie": 1})),
        (key(1, "old"), encode_page(3, {"only": 1})),
    ]
    for order in (records, records[::-1]):
        recovered = recover_pages(order, 2, 8)
        assert {place: page.rows for place, page in recovered.pages.items()} == {
            (0, 0): {"new": 1},
            (1, 0): {"only": 1},
        }
        assert {place: sorted(keys) for place, keys in recovered.keys.items()} == {
            (0, 0): [key(0, "new"), key(0, "old"), key(0, "zombie")],
            (1, 0): [key(1, "old")],
        }


def test_windows_of_one_page_are_pages_of_their_own():
    records = [
        ((key(0, "a"), (3600.0, 7199.9)), encode_page(5, {"x": 1})),
        ((key(0, "a"), (7200.0, 10799.9)), encode_page(6, {"y": 1})),
    ]
    recovered = recover_pages(records, 2, 8)
    assert {place: page.stamp for place, page in recovered.pages.items()} == {
        (0, 3600): 5,
        (0, 7200): 6,
    }


def test_another_number_of_pages_is_refused_with_the_fix():
    with pytest.raises(PageError, match=r"with 8 pages.*says 16.*set it back, or stop the workers"):
        recover_pages([(key(0, "a"), encode_page(1, {}))], 2, 16)


def test_a_page_in_another_partition_is_refused():
    with pytest.raises(PageError, match=r"2/8/0/a lies in changelog partition 3"):
        recover_pages([(key(0, "a"), encode_page(1, {}))], 3, 8)


def test_scopes_of_one_partition_spread_over_all_of_its_pages():
    scopes = [f"agent:bot-{number}" for number in range(20_000)]
    mine = [scope for scope in scopes if delta_partition(scope, 16) == 5]
    sizes = [0] * 64
    for scope in mine:
        sizes[page_of(scope, 64)] += 1
    assert min(sizes) > 0
    assert max(sizes) < 4 * len(mine) / 64


def test_the_place_of_a_scope_is_fixed_for_ever():
    assert page_of("agent:invoice-bot", 64) == (zlib.crc32(b"agent:invoice-bot") >> 12) % 64 == 52
