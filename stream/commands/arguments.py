"""Arguments that several subcommands share, so that they are spelled the same everywhere."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  argparse exports no name
else:
    Subparsers = object
"""What ``add_parser`` is given."""


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
