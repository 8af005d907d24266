"""How a program ends: the exit codes that scripts may rely on, and the errors that carry one."""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the number means, in every subcommand."""

    DONE = 0
    WRONG_INPUT = 1
    """Input or configuration is wrong."""
    USAGE = 2
    """The command line itself (argparse ends with it)."""
    UNREACHABLE = 3
    """A service that is needed does not answer, or refuses."""
    DIFFERENT = 4
    """A comparison found differences."""
    INTERRUPTED = 130
    """Ctrl-C, as shells count it."""


class CommandError(Exception):
    """A command cannot go on; ``stream/cli.py`` prints the sentence on stderr and ends.

    Args:
        message: what is wrong and what to do, in a sentence, without secrets.
        code: how the process ends.
    """

    def __init__(self, message: str, code: ExitCode = ExitCode.WRONG_INPUT) -> None:
        super().__init__(message)
        self.code = code


class RoleRefusedError(Exception):
    """A role cannot go on, and another start would change nothing; the text names the fix."""

    code: ClassVar[ExitCode] = ExitCode.WRONG_INPUT
