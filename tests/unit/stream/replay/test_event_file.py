"""Files that hold lines, and those that do not."""

import gzip
from pathlib import Path

import pytest

from stream.replay import event_file
from stream.replay.event_file import EventFile, EventFileError


def lines(path: Path) -> list[bytes]:
    with EventFile(path) as events:
        return list(events.lines())


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.gz.txt"])
def test_lines_are_numbered_as_an_editor_numbers_them(tmp_path: Path, name: str):
    content = b"\xef\xbb\xbf{}\n\n  {1}\r\nlast"
    (tmp_path / name).write_bytes(gzip.compress(content) if "gz" in name else content)

    assert lines(tmp_path / name) == [b"{}", b"", b"{1}", b"last"]


def test_a_line_longer_than_any_event_is_cut_and_the_next_one_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(event_file, "PAYLOAD_MAX_BYTES", 10)
    path = tmp_path / "long"
    path.write_bytes(b"x" * 35 + b"\nnext\n" + b"y" * 10 + b"\n" + b"z" * 11 + b"\n")

    assert lines(path) == [b"x" * 11, b"next", b"y" * 10, b"z" * 11]


def test_how_far_it_has_been_read_ends_at_its_size(tmp_path: Path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"{}\n" * 1000))
    with EventFile(path) as events:
        list(events.lines())

        assert 0 < events.read_bytes == events.size_bytes == path.stat().st_size


def content_of(kind: str) -> bytes:
    zipped = gzip.compress(bytes(range(1, 256)) * 100)
    return {
        "empty": b"",
        "empty_gzip": gzip.compress(b""),
        "binary": b"\x7fELF\x02\x01\x00\x00",
        "utf16": "{}\n".encode("utf-16"),
        "binary_gzip": gzip.compress(b"PK\x00\x00"),
        "cut_gzip": zipped[:60],
        "damaged_gzip": zipped[:10] + b"\xff" * 40,
    }[kind]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("empty", "is empty"),
        ("empty_gzip", "is empty"),
        ("binary", "is a binary file"),
        ("utf16", "not UTF-8"),
        ("binary_gzip", "is a binary file"),
        ("cut_gzip", "breaks off"),
        ("damaged_gzip", "damaged"),
    ],
)
def test_a_file_that_cannot_hold_events_is_refused_in_a_sentence(tmp_path, kind: str, said: str):
    path = tmp_path / kind
    path.write_bytes(content_of(kind))

    with pytest.raises(EventFileError, match=said):
        lines(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    with pytest.raises(EventFileError, match="No such file"):
        lines(tmp_path / "none")
    with pytest.raises(EventFileError, match="Is a directory"):
        lines(tmp_path)
