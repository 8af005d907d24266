"""One series file in, one file of judgements out, row for row and in bounded memory."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TextIO

from detectors.series import SeriesDetector
from stream.series.reading import Row, SeriesFile

HEADER = "timestamp,value,expected,lower,upper,score,alert\n"

_ROWS_A_REPORT = 2_000


@dataclass
class Summary:
    """What was seen of one series.

    Attributes:
        rows: all of them.
        judged: rows with a score.
        alerts: rows on which one fires.
        missing: rows without a value.
        backward: rows that are not later than the row before, and the first of them.
        first_backward: number of that row, from 1; 0 if there is none.
    """

    rows: int = 0
    judged: int = 0
    alerts: int = 0
    missing: int = 0
    backward: int = 0
    first_backward: int = 0

    def remarks(self) -> list[str]:
        """What somebody should know of the file, in sentences; usually nothing."""
        said = []
        if not self.rows:
            said.append("it has no rows")
        elif not self.judged:
            said.append(f"its {self.rows:,} rows are all warming up; none has a score")
        if self.missing:
            said.append(f"values missing in {self.missing:,} rows, which are not judged")
        if self.backward:
            said.append(
                f"{self.backward:,} rows are not later than the row before (first: row"
                f" {self.first_backward:,}); they are judged in the order they stand in"
            )
        return said


def score_rows(rows: Iterable[Row], summary: Summary) -> Iterator[str]:
    """The lines of the output, one for each row, each before the next row is read."""
    step = SeriesDetector().step
    before = float("-inf")
    for row in rows:
        summary.rows += 1
        at, number = row.at_seconds, row.number
        if at <= before:
            summary.backward += 1
            summary.first_backward = summary.first_backward or summary.rows
        before = at
        found = step(at, number)
        if number != number:  # noqa: PLR0124  NaN
            summary.missing += 1
        start = f"{_quoted(row.timestamp)},{_quoted(row.value)}"
        if found is None:
            yield f"{start},,,,,0\n"
            continue
        summary.judged += 1
        summary.alerts += found.is_alert
        yield (
            f"{start},{found.expected:.10g},{found.lower:.10g},{found.upper:.10g},"
            f"{found.score:.10g},{found.is_alert:d}\n"
        )


def score_file(
    series: SeriesFile, output: TextIO, progress: Callable[[int], None] = lambda _: None
) -> Summary:
    """Judge an open file into another.

    Args:
        series: the opened file.
        output: where the rows go.
        progress: told the bytes read so far, now and then.

    Raises:
        SeriesError: a row is not understood; what came before it is written.
    """
    summary = Summary()
    output.write(HEADER)
    for line in score_rows(series, summary):
        output.write(line)
        if summary.rows % _ROWS_A_REPORT == 0:
            progress(series.read_bytes)
    return summary


def _quoted(text: str) -> str:
    """A field of CSV, quoted where it must be."""
    if any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
