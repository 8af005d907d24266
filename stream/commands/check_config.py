"""``spendwatch check-config FILE``: every error of a configuration at once."""

import argparse
import sys
from pathlib import Path

from stream.commands.arguments import Subparsers
from stream.commands.settings import load_settings
from stream.config import errors_in_words, secret_problems
from stream.exit import CommandError, ExitCode


def add_parser(subparsers: Subparsers) -> None:
    """The arguments."""
    parser = subparsers.add_parser(
        "check-config",
        description="Report every error of a configuration file at once: line, key, value, fix. "
        "Exit code 1 if there is one. Secrets that are not here are told, and are no error: they "
        "may be elsewhere. One that is here and is wrong is an error.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="configuration in YAML")


def run(arguments: argparse.Namespace) -> int:
    """Check the file."""
    settings = load_settings(arguments.file)
    problems = secret_problems(settings)
    for problem in problems:
        note = "note: " if problem.is_absent else ""
        sys.stderr.write(f"{arguments.file}: {note}{problem}\n")
    if wrong := sum(not problem.is_absent for problem in problems):
        raise CommandError(f"{arguments.file}: {errors_in_words(wrong)}")
    sys.stdout.write(f"{arguments.file}: ok\n")
    return ExitCode.DONE
