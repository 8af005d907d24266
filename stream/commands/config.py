"""``spendwatch config``: every key there is, with its meaning and its default."""

import argparse
import sys

from stream.commands.arguments import Subparsers
from stream.config_example import example_config
from stream.exit import ExitCode


def add_parser(subparsers: Subparsers) -> None:
    """The arguments."""
    subparsers.add_parser(
        "config",
        description="Print a configuration file with every key, its meaning and its default, or an "
        "example where the default is empty. It is valid as it stands.",
    )


def run(_arguments: argparse.Namespace) -> int:
    """Print it."""
    sys.stdout.write(example_config())
    return ExitCode.DONE
