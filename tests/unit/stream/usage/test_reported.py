"""Many reported costs at once are what each is alone."""

import random

import msgspec
import pytest

from stream.usage.rejection import LiteralError
from stream.usage.reported import NOT_REPORTED, REFUSED, reported_column
from stream.usage.wire import reported_nanousd


def alone(literal: bytes) -> int:
    try:
        nanousd = reported_nanousd(literal)
    except (LiteralError, UnicodeDecodeError):
        return REFUSED
    return NOT_REPORTED if nanousd is None else nanousd


ODD = (
    b"null", b"true", b"{}", b'""', b'"."', b'"1."', b'".5"', b'"1.2.3"', b"1e-3", b"1.2e-05",
    b'"100000.000000001"', b"100000", b"100001", b"99999.999999999", b"-0", b"-1", b'"1_0"',
    b'"\\u0031"', b'"\xff"', b'" 1"', b"0.0000000005", b"0.0000000015", b"0.00000000150000000001",
    b"0." + b"9" * 27, b"0." + b"9" * 28, b"0." + b"0" * 60 + b"1", b"0." + b"0" * 70 + b"1",
    b'"00012.5"', b'"000012.5"', b'"' + b"1" * 5000 + b'"', b"NaN",
)  # fmt: skip


@pytest.mark.parametrize("repeats", [1, 5])
def test_odd_literals_are_read_as_each_alone(repeats):
    literals = [*ODD, b""] * repeats
    expected = [*(alone(literal) for literal in ODD), NOT_REPORTED] * repeats
    assert reported_column([msgspec.Raw(literal) for literal in literals]).tolist() == expected


def test_ordinary_literals_of_all_lengths_are_read_as_each_alone():
    chance = random.Random(3)
    literals = []
    for _ in range(5000):
        whole = str(chance.randrange(10 ** chance.randrange(1, 7)))
        digits = "".join(chance.choices("0005959", k=chance.randrange(30)))
        literal = f"{whole}.{digits}" if digits else whole
        literals.append((f'"{literal}"' if chance.random() < 0.5 else literal).encode())
    found = reported_column([msgspec.Raw(literal) for literal in literals]).tolist()
    assert found == [alone(literal) for literal in literals]


def test_no_literals_are_no_costs():
    assert reported_column([]).tolist() == []
    assert reported_column([msgspec.Raw()] * 100).tolist() == [NOT_REPORTED] * 100
