"""``spendwatch score``: any series of numbers, judged row by row as it would have been live."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stream.commands.arguments import Subparsers
from stream.commands.progress_bar import progress_bar
from stream.exit import CommandError, ExitCode
from stream.series.reading import SeriesError, SeriesFile
from stream.series.scoring import Summary, score_file

_DESCRIPTION = """\
Judge a series `timestamp,value` row by row, each by the rows before it only.
Writes timestamp,value,expected,lower,upper,score,alert, row for row: empty while warming
up; score is 0 to 1, 0.5 where an alert fires; alert is 1 on that row, once an episode.
"""

_RULES = """\
What it makes of input that is not as it should be:
  header             must name the columns timestamp and value; others are ignored
  timestamp          RFC 3339, YYYY-MM-DD HH:MM:SS, epoch seconds or milliseconds (above 1e11); UTC
                     where no offset is given; anything else is an error
  value              empty, NaN, NA, null or None: the row is not judged (no score), nothing is
                     learned; infinite, beyond 1e100 or no number: an error
  short series       all rows are warming up (50 rows, and a day or 500 rows): no scores, a remark
  constant, zeros    nothing to alert on until a value changes
  time that repeats  rows are judged in the order they stand in, each by its own time of day; a
  or goes back       remark names the first
  irregular times    the interval is the median of the warm-up; seasons go by the clock
  gap over a day     no alert for 30 rows behind it
  negative values    numbers like all others
An error names file, row and line; that file gets no output, the others of a folder do, and the
exit code is 1.
"""


def add_parser(subparsers: Subparsers) -> None:
    """The arguments."""
    parser = subparsers.add_parser(
        "score",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=_DESCRIPTION,
        epilog=_RULES,
    )
    parser.add_argument(
        "series", type=Path, metavar="SERIES", help="a CSV file, or a folder of them at any depth"
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="PATH",
        help="where the scores go: a file (- for stdout), or a folder if SERIES is one",
    )


def run(arguments: argparse.Namespace) -> int:
    """Score the file, or all files of the folder; tell all errors at the end."""
    pairs = _pairs(arguments.series, arguments.output)
    errors = []
    with _progress(pairs) as progress:
        for source, target in pairs:
            try:
                summary = _score(source, target, progress)
            except SeriesError as error:
                errors.append(str(error))
                continue
            finally:
                progress(0)
            for remark in summary.remarks():
                sys.stderr.write(f"{source}: {remark}\n")
    if not errors:
        return ExitCode.DONE
    if arguments.series.is_dir():
        errors.append(f"{len(errors):,} of {len(pairs):,} files have no scores")
    raise CommandError("\nspendwatch: ".join(errors))


def _pairs(series: Path, output: str) -> list[tuple[Path, Path | None]]:
    """Which file goes where; ``None`` is stdout."""
    if not series.is_dir():
        if output == "-":
            return [(series, None)]
        target = Path(output)
        if target.is_dir():
            raise CommandError(f"--output {output} is a folder; name a file", ExitCode.USAGE)
        if target.exists() and series.exists() and target.samefile(series):
            raise CommandError(f"--output {output} is the series itself", ExitCode.USAGE)
        return [(series, target)]
    folder = Path(output)
    if output == "-" or (folder.exists() and not folder.is_dir()):
        raise CommandError(f"--output {output}: {series} is a folder; name one", ExitCode.USAGE)
    if folder.exists() and folder.samefile(series):
        raise CommandError(f"--output {output} is the folder of the series", ExitCode.USAGE)
    ours = folder.resolve()
    sources = sorted(
        path
        for path in series.rglob("*")
        if path.suffix.lower() == ".csv"
        and not path.is_dir()
        and not path.resolve().is_relative_to(ours)
    )
    if not sources:
        raise CommandError(f"{series} holds no .csv file, at any depth")
    return [(source, folder / source.relative_to(series)) for source in sources]


def _score(source: Path, target: Path | None, progress: Callable[[int], None]) -> Summary:
    """One file; its output appears when it is complete, so that half of one is never taken for it.

    Raises:
        SeriesError: it is no series.
        CommandError: the output cannot be written.
    """
    if target is None:
        with SeriesFile(source) as series:
            return score_file(series, sys.stdout, progress)
    special = target.exists() and not target.is_file()  # /dev/null, a pipe: nothing to replace
    part = target if special else target.with_name(f"{target.name}.part")
    try:
        with SeriesFile(source) as series:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("w", encoding="utf-8", newline="") as output:
                    summary = score_file(series, output, progress)
                if not special:
                    part.replace(target)
            finally:
                if not special:  # once it stands in the target's place there is none
                    part.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise CommandError(f"--output {target} cannot be written: {reason}") from None
    return summary


@contextmanager
def _progress(
    pairs: list[tuple[Path, Path | None]],
) -> Iterator[Callable[[int], None]]:
    """What is told the bytes read of a file, 0 behind its end; a bar if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    sizes = [source.stat().st_size if source.exists() else 0 for source, _ in pairs]
    with progress_bar() as bar:
        task = bar.add_task("score", total=sum(sizes) or None)
        done = 0
        left = iter(sizes)

        def told(read_bytes: int) -> None:
            nonlocal done
            if not read_bytes:
                done += next(left, 0)
            bar.update(task, completed=done + read_bytes)

        yield told
