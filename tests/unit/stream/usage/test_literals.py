"""Numbers, times and names as producers really write them."""

from decimal import Decimal

import pytest

from stream.usage.literals import decimal_of, epoch_seconds_of, nanousd_of, safe_text
from stream.usage.rejection import LiteralError
from stream.usage.usage import COST_MAX_NANOUSD


@pytest.mark.parametrize(
    "written",
    [
        "1_0",
        "NaN",
        "Infinity",
        "-1",
        "+1",
        "",
        " 1",
        "1 ",
        "0x10",
        "1.",
        ".5",
        "1e4000",
        "٣",
        "1,5",
    ],
)
def test_what_is_no_plain_decimal_is_refused(written):
    with pytest.raises(LiteralError):
        decimal_of(written)


@pytest.mark.parametrize(
    ("written", "nanousd"),
    [
        ("0.1234567890123456789", 123_456_789),
        ("0.0000000005", 0),
        ("0.0000000015", 2),
        ("0.00000000050000000001", 1),
        ("1e-05", 10_000),
        ("-0.0", 0),
        ("100000", COST_MAX_NANOUSD),
        ("99999.9999999999999999", COST_MAX_NANOUSD),
    ],
)
def test_dollars_are_rounded_half_even_once(written, nanousd):
    assert nanousd_of(decimal_of(written)) == nanousd


@pytest.mark.parametrize("dollars", ["100000.000000001", "1e400", "1e999", "NaN", "-1e-30"])
def test_dollars_beyond_the_bound_are_refused(dollars):
    with pytest.raises(LiteralError):
        nanousd_of(Decimal(dollars))


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        ("2023-11-14T22:13:20Z", 1_700_000_000),
        ("2023-11-14t22:13:20.999999999z", 1_700_000_000),
        ("2023-11-14 23:13:20+01:00", 1_700_000_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800),
        (1_700_000_000, 1_700_000_000),
        (1_700_000_000.9, 1_700_000_000),
        (1_700_000_000_999, 1_700_000_000),
        ("2000-01-01T00:00:00Z", 946_684_800),
        ("2099-12-31T23:59:59Z", 4_102_444_799),
    ],
)
def test_event_time_is_whole_seconds(stamp, seconds):
    assert epoch_seconds_of(stamp) == seconds


@pytest.mark.parametrize(
    "stamp",
    [
        "2023-11-14T22:13:20",  # no zone
        "2023-11-14",
        "20231114T221320Z",
        "1700000000",
        "2023-02-30T00:00:00Z",
        "2023-11-14T24:00:00Z",
        "2023-11-14T22:13:61Z",
        "2023-11-14T22:13:20+25:00",
        "1999-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:00",
        0,
        -1,
        99_999_999_999,
        10**400,
        float("inf"),
        float("nan"),
    ],
)
def test_a_time_that_is_none_or_out_of_bounds_is_refused(stamp):
    with pytest.raises(LiteralError):
        epoch_seconds_of(stamp)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("<!channel>", "<!channel>"),
        ("a\x00b", "a\ufffdb"),
        ("a\u202eb", "a\ufffdb"),
        ("\t\n ", ""),
        ("Jürgen\u00a0K", "Jürgen\u00a0K"),
    ],
)
def test_a_name_is_kept_as_spelled_but_for_what_cannot_be_printed(sent, kept):
    assert safe_text(sent) == kept
