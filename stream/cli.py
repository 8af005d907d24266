"""The command ``spendwatch``: finds the subcommand, runs it, and turns its end into an exit code.

Nothing is done here itself. ``stream/commands/__init__.py`` says what a subcommand looks like.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn, Protocol, cast

from stream.commands.arguments import Subparsers
from stream.exit import CommandError, ExitCode

COMMANDS = {
    "config": "print every key with its meaning and default",
    "check-config": "report every error of a configuration file at once",
    "topics": "create, check and repair the topics",
    "rebuild": "count anew, after a change of partitions or of the form of state",
    "worker": "read events, keep what was spent, decide and tell",
    "spend": "what was spent, asked of the running workers or of a file",
    "backtest": "what would have been told and done about a file of events",
    "score": "judge any series of numbers, row by row",
    "throttle": "hold keys, let them go, pause everything",
    "silence": "hide messages about some alerts for a while",
    "simulate": "events of a made-up organization, for demos and tests",
}
"""Subcommand -> its line in ``--help``, in the order of a first day with spendwatch."""


class _Parser(argparse.ArgumentParser):
    """Quotes what was typed, as argparse does, but never a key."""

    def error(self, message: str) -> NoReturn:
        from stream.redaction import redact_text  # noqa: PLC0415  it imports much

        super().error(redact_text(message))


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser; only the chosen subcommand's module is imported for it."""
    parser: argparse.ArgumentParser = _Parser(
        prog="spendwatch", description="The circuit breaker for AI spend."
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, summary in COMMANDS.items():
        if name == chosen:
            _module(name).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    return parser


class _Command(Protocol):
    """A module of ``stream.commands``."""

    def add_parser(self, subparsers: Subparsers, /) -> None:
        """Add the subcommand's own parser."""

    def run(self, arguments: argparse.Namespace, /) -> int:
        """Do the work; the exit code."""


def _module(command: str) -> _Command:
    module = importlib.import_module(f"stream.commands.{command.replace('-', '_')}")
    return cast("_Command", module)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """What the words after ``spendwatch`` ask for; a wrong line ends the process with its usage."""
    chosen = next((word for word in words if not word.startswith("-")), None)
    parser = _parser(chosen)
    arguments = parser.parse_args(words)
    if arguments.command is None and not arguments.version:
        parser.error("a COMMAND is needed; spendwatch --help lists them")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Args:
        argv: the words after ``spendwatch``; those of the process if None.

    Returns:
        The exit code, see ``stream.exit.ExitCode``.
    """
    arguments = parse(sys.argv[1:] if argv is None else list(argv))
    if arguments.version:
        sys.stdout.write(f"spendwatch {version('spendwatch')}\n")
        return ExitCode.DONE
    try:
        code = int(_module(arguments.command).run(arguments))
        sys.stdout.flush()
    except CommandError as error:
        sys.stderr.write(f"spendwatch: {error}\n")
        return error.code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader has left (`spendwatch spend | head`); Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    return code
