import pytest

from stream.ingest.stamps import REFUSED, seconds_column
from stream.usage.literals import epoch_seconds_of
from stream.usage.rejection import LiteralError

MANY = 100
PLAIN = [f"2026-01-31T12:{n // 30:02d}:{n % 60:02d}.{n:03d}Z" for n in range(MANY)]


def one_by_one(stamps: list[str | float]) -> list[int]:
    found = []
    for stamp in stamps:
        try:
            found.append(epoch_seconds_of(stamp))
        except LiteralError:
            found.append(REFUSED)
    return found


@pytest.mark.parametrize(
    "stamps",
    [
        PLAIN,
        PLAIN[:3],
        [],
        [each[:19] + "Z" for each in PLAIN],
        [each[:19] + ".Z" for each in PLAIN],
        [each[:-1] + "0" * 15 + "Z" for each in PLAIN],
        [each[:-1] + "0" * 16 + "Z" for each in PLAIN],
        [each[:-1] + "+00:00" for each in PLAIN],
        [each.lower() for each in PLAIN],
        [each.replace("T", " ") for each in PLAIN],
        [f"2026-01-{1 + n % 28:02d}T{n % 24:02d}:00:00Z" for n in range(MANY)],
        [f"2026-02-29T12:00:{n % 60:02d}Z" for n in range(MANY)],
        [f"1999-12-31T23:59:{n % 60:02d}Z" for n in range(MANY)],
        [f"2099-12-31T23:59:{n % 60:02d}Z" for n in range(MANY)],
        [1_700_000_000 + n for n in range(MANY)],
        [1_700_000_000_500.5 + n for n in range(MANY)],
        [*PLAIN, 1_700_000_000, -1, 1e300],
    ],
)
def test_a_column_is_read_as_its_times_are_one_by_one(stamps: list[str | float]):
    assert seconds_column(stamps).tolist() == one_by_one(stamps)


@pytest.mark.parametrize(
    "odd",
    [
        "2026-01-31T12:00:60.000Z",
        "2026-01-31T12:00:61.000Z",
        "2026-01-31T12:00:7x.000Z",
        "2026-01-31T12:00:/0.000Z",
        "2026-01-31T12:00:0:.000Z",
        "2026-01-31T12:00:00,000Z",
        "2026-01-31T12:00:00.0x0Z",
        "2026-01-31T12:00:00.000z",
        "2026-01-31T12:00:00.000z0",
        "2026-01-31T12:00-00.000Z",
        "2026-01-32T12:00:00.000Z",
        "2026-01-31T24:00:00.000Z",
        "2026-01-31X12:00:00.000Z",
        "2026-01-31T12:00:00.00\u0660Z",
        "2026-01-31T14:00:00+02:00",
        "",
    ],
)
@pytest.mark.parametrize("place", [0, 7, MANY - 1])
def test_one_among_many_that_is_written_otherwise_is_read_as_it_would_be_alone(
    odd: str, place: int
):
    stamps = [*PLAIN[:place], odd, *PLAIN[place + 1 :]]
    assert seconds_column(stamps).tolist() == one_by_one(stamps)


def test_times_whose_characters_only_together_are_a_table_are_not_taken_for_one():
    stamps: list[str | float] = [*PLAIN[:-2], PLAIN[-2] + "2", PLAIN[-1][1:]]
    assert seconds_column(stamps).tolist() == one_by_one(stamps)
