"""The elements of an array, whatever they hold."""

import pytest

from stream.usage.array_split import split_array


@pytest.mark.parametrize(
    ("sent", "elements"),
    [
        (b"[]", [b""]),
        (b" [ 1 , 2 ]\n", [b"1", b"2"]),
        (b"[,]", [b"", b""]),
        (b'["a,b]", {"c": [1, 2]}]', [b'"a,b]"', b'{"c": [1, 2]}']),
        (rb'["\"", "\\", "\\\",", 1]', [rb'"\""', rb'"\\"', rb'"\\\","', b"1"]),
        (b'["\xff,\xfe", 1]', [b'"\xff,\xfe"', b"1"]),
        (b"[[1, 2}, 3]", [b"[1, 2}", b"3"]),
    ],
)
def test_elements_are_told_apart_by_brackets_and_strings(sent, elements):
    assert split_array(sent, 9) == elements


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"[",
        b"]",
        b"1",
        b"{}",
        b"[1",
        b"[1]]",
        b"[1],[2]",
        b'["]',
        b'["a", "]',
        b"[[1]",
        b"[1] 2]",
    ],
)
def test_what_is_left_open_or_goes_on_is_no_array(sent):
    assert split_array(sent, 9) is None


def test_the_rest_stays_in_the_last_of_the_most():
    assert split_array(b"[1,2,3,4]", 2) == [b"1", b"2,3,4"]


@pytest.mark.parametrize("piece", [b"[", b",", b'"', b"\\", b"[],", b'"",', b"[]", b'\\"'])
def test_eight_hostile_megabytes_end(piece):
    found = split_array(b"[" + piece * (8 * 1024 * 1024 // len(piece)) + b"]", 20_001)
    assert found is None or len(found) in {1, 20_001}
