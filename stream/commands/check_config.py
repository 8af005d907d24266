"""``spendwatch check-config FILE``: every error of a configuration at once."""

import argparse
import sys
from pathlib import Path

from stream.commands.arguments import Subparsers
from stream.commands.exit import ExitCode
from stream.commands.settings import load_settings
from stream.config import missing_secrets


def add_parser(subparsers: Subparsers) -> None:
    """The arguments."""
    parser = subparsers.add_parser(
        "check-config",
        description="Report every error of a configuration file at once: line, key, value, fix. "
        "Exit code 1 if there is one. Secrets that cannot be had here are told, and are no error: "
        "they may be elsewhere.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="configuration in YAML")


def run(arguments: argparse.Namespace) -> int:
    """Check the file."""
    settings = load_settings(arguments.file)
    for sentence in missing_secrets(settings):
        sys.stderr.write(f"{arguments.file}: note: {sentence}\n")
    sys.stdout.write(f"{arguments.file}: ok\n")
    return ExitCode.DONE
