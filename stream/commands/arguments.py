"""Arguments that several subcommands share, so that they are spelled the same everywhere."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  argparse exports no name
else:
    Subparsers = object
"""What ``add_parser`` is given."""

_NUMBER = r"([0-9]{1,6}(?:\.[0-9]{1,3})?)"
_DURATION = re.compile("".join(rf"(?:{_NUMBER}{unit})?" for unit in "dhms"))
_UNIT_SECONDS = (86_400, 3_600, 60, 1)
_LONGEST_DAYS = 365


def add_config(parser: argparse.ArgumentParser) -> None:
    """``-c/--config FILE``; read it with ``stream.commands.settings.load_settings``."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help="configuration in YAML; without it the built-in defaults",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``, for commands that print a table."""
    parser.add_argument(
        "--json", action="store_true", help="print JSON on stdout instead of a table"
    )


PIPE_WIDTH = 160
"""Characters of a table's line where there is no terminal to fit."""


def duration(text: str) -> float:
    """Seconds of ``90s``, ``30m``, ``2h``, ``1d``, or several of them as in ``1h30m``.

    >>> duration("1h30m")
    5400.0
    """
    parts = _DURATION.fullmatch(text.strip().lower())
    seconds = 0.0
    for amount, unit in zip(parts.groups() if parts else (), _UNIT_SECONDS, strict=False):
        seconds += float(amount or 0) * unit
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 30m, 2h or 1h30m")
    if seconds > _LONGEST_DAYS * _UNIT_SECONDS[0]:
        raise argparse.ArgumentTypeError(f"{text!r} is too long; write at most {_LONGEST_DAYS}d")
    return seconds


def number(least: float, most: float) -> Callable[[str], float]:
    """What reads a number within bounds; ``nan`` is in none.

    >>> number(0, 1)("0.25")
    0.25
    """

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least:g} to {most:g}")
        return value

    return read
