"""A file of ``timestamp,value`` read row by row, and what is wrong with it said by row.

Nothing is repaired and nothing guessed: a row is understood, missing its value, or an error that
names it. What a detector makes of gaps and of time that goes back is its own affair.
"""

import csv
import io
import math
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

MISSING = frozenset({"", "nan", "na", "n/a", "null", "none"})
"""What stands for a value that is not there, in any case."""

LARGEST_VALUE = 1e100
"""Beyond it squares overflow a float."""

MILLISECONDS_ABOVE = 1e11
"""An epoch timestamp above it is in milliseconds (native.md, section 1); as seconds: year 5138."""

_LARGEST_EPOCH_MS = 253_402_300_800_000
"""The year 10000."""

_SHOWN_CHARACTERS = 40

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")


class SeriesError(Exception):
    """A file is no series; the message names it, and the row where there is one."""


class Row(NamedTuple):
    """One row.

    Attributes:
        timestamp: as it is written.
        value: as it is written.
        at_seconds: since 1970, UTC.
        number: the value, NaN if missing.
    """

    timestamp: str
    value: str
    at_seconds: float
    number: float


def seconds_of(text: str) -> float:
    """The instant that a timestamp names; without an offset it is UTC.

    Raises:
        ValueError: it is none of the forms.

    >>> seconds_of("2026-11-25 10:00:00") == seconds_of("2026-11-25T11:00:00+01:00")
    True
    >>> seconds_of("1764064800") == seconds_of("1764064800000")
    True
    """
    if _NUMBER.fullmatch(text):
        epoch = float(text)
        if not abs(epoch) <= _LARGEST_EPOCH_MS:
            raise ValueError(text)
        return epoch / 1000.0 if epoch > MILLISECONDS_ABOVE else epoch
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


class SeriesFile:
    """A context manager over one file; iterating gives its rows.

    Raises:
        SeriesError: on opening, if it cannot be read or has no header; on iterating, at the first
            row that is not understood.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        try:
            self._raw: BinaryIO = self.path.open("rb")
        except OSError as error:
            raise SeriesError(f"{self.path}: {error.strerror or error}") from None
        self._reader = csv.reader(io.TextIOWrapper(self._raw, encoding="utf-8-sig", newline=""))
        with ExitStack() as opened:
            opened.callback(self._raw.close)
            self._at, self._of = self._header()
            opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._raw.close()

    @property
    def read_bytes(self) -> int:
        """How far it was read; for a progress bar."""
        return self._raw.tell()

    def _header(self) -> tuple[int, int]:
        words = self._next()
        if words is None:
            raise SeriesError(
                f"{self.path}: the file is empty; it should begin with timestamp,value"
            )
        names = [word.strip().lower() for word in words]
        if names.count("timestamp") != 1 or names.count("value") != 1:
            raise SeriesError(
                f"{self.path}: the first line is {_shown(','.join(words))}; it should name the"
                " columns timestamp and value, once each"
            )
        return names.index("timestamp"), names.index("value")

    def __iter__(self) -> Iterator[Row]:
        at, of = self._at, self._of
        least = max(at, of) + 1
        number = 0
        while (words := self._next()) is not None:
            if not words:
                continue
            number += 1
            if len(words) < least:
                raise self._wrong(number, f"{_shown(','.join(words))} has no timestamp and value")
            timestamp, value = words[at].strip(), words[of].strip()
            try:
                at_seconds = seconds_of(timestamp)
            except (ValueError, OverflowError):
                raise self._wrong(
                    number,
                    f"the timestamp {_shown(timestamp)} is neither RFC 3339 nor"
                    " YYYY-MM-DD HH:MM:SS nor epoch seconds or milliseconds",
                ) from None
            yield Row(timestamp, value, at_seconds, self._number(number, value))

    def _number(self, number: int, text: str) -> float:
        if text.lower() in MISSING:
            return math.nan
        try:
            value = float(text)
        except ValueError:
            raise self._wrong(number, f"the value {_shown(text)} is no number") from None
        if not abs(value) <= LARGEST_VALUE:
            raise self._wrong(number, f"the value {_shown(text)} is beyond {LARGEST_VALUE:g}")
        return value

    def _wrong(self, number: int, what: str) -> SeriesError:
        return SeriesError(f"{self.path}, row {number} (line {self._reader.line_num}): {what}")

    def _next(self) -> list[str] | None:
        try:
            return next(self._reader, None)
        except UnicodeDecodeError:
            raise SeriesError(f"{self.path}: it is no text in UTF-8") from None
        except csv.Error as error:
            raise SeriesError(f"{self.path}, line {self._reader.line_num}: {error}") from None
        except OSError as error:
            raise SeriesError(f"{self.path}: {error.strerror or error}") from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")
