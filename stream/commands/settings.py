"""Reads the configuration for a subcommand; a wrong one ends it with every error on stderr."""

import sys
from pathlib import Path

from stream.config import ConfigError, Settings, load
from stream.exit import CommandError


def load_settings(path: Path | None) -> Settings:
    """The settings of ``-c FILE``, or the built-in ones.

    Raises:
        CommandError: with the number of errors, which are on stderr already.
    """
    try:
        return load(path)
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(f"{error.path}: {problem}\n")
        raise CommandError(str(error)) from None
