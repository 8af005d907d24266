"""A reference to a secret, so that the secret itself stands in no configuration, log or repr.

Receivers need tokens and URLs that open doors. Configuration names where they are (``env:NAME``,
``file:PATH``); the value is read once at start and handed only to the library that sends. Nothing
here may print, compare or serialise a value.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

MASK = "**********"

Value = TypeVar("Value")

_ENV = "env:"
_FILE = "file:"


class SecretError(ValueError):
    """A secret cannot be had; the message names the reference and the fix, never a value."""


class AbsentSecretError(SecretError):
    """Nothing is where the reference leads; on another machine there may be."""


@dataclass(frozen=True, slots=True)
class SecretProblem:
    """Why a secret of a configuration cannot be used here and now.

    Attributes:
        key: where the configuration names it, from the part that was asked.
        message: the reference, what is wrong and the fix; never a value.
        is_absent: whether it is merely not here: on the machine it is meant for it may be.
    """

    key: str
    message: str
    is_absent: bool

    def __str__(self) -> str:
        """As it is told."""
        return f"{self.key}: {self.message}"

    def below(self, prefix: str) -> "SecretProblem":
        """The same problem, told from a part further up."""
        return SecretProblem(f"{prefix}.{self.key}", self.message, self.is_absent)


def problems_of(readings: Mapping[str, Callable[[], object]]) -> list[SecretProblem]:
    """Every secret that cannot be used, found by reading each.

    Args:
        readings: key -> what reads the secret and raises ``SecretError`` if it cannot be used.
    """
    problems = []
    for key, read in readings.items():
        try:
            read()
        except SecretError as error:
            problems.append(SecretProblem(key, str(error), isinstance(error, AbsentSecretError)))
    return problems


class Secret:
    """Where a secret is: ``env:NAME`` or ``file:PATH``.

    Anything else is a literal. A literal is accepted when it is parsed, for an error there would
    print it, and refused by ``reveal`` unless the caller allows it.

    >>> Secret("env:SLACK_BOT_TOKEN")
    Secret('env:SLACK_BOT_TOKEN')
    >>> print(Secret("xoxb-pasted-here"))
    **********
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def is_literal(self) -> bool:
        """Whether the value itself was written down instead of a reference to it."""
        return not self._text.startswith((_ENV, _FILE))

    @property
    def reference(self) -> str:
        """The reference, or a mask where there is none."""
        return MASK if self.is_literal else self._text

    def __str__(self) -> str:
        return self.reference

    def __repr__(self) -> str:
        return f"Secret({self.reference!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def reveal(
        self, *, allow_literal: bool = False, environ: Mapping[str, str] | None = None
    ) -> str:
        """The value, without surrounding white space.

        Args:
            allow_literal: whether a value written down directly is fine here (a plain URL).
            environ: the environment; the process's own by default.

        Raises:
            AbsentSecretError: if it is not set, not readable or empty.
            SecretError: if it is a literal and may not be.
        """
        if self.is_literal:
            if not allow_literal:
                raise SecretError("a secret was written down; write env:NAME or file:PATH instead")
            return self._text.strip()
        if self._text.startswith(_ENV):
            name = self._text.removeprefix(_ENV)
            value = (os.environ if environ is None else environ).get(name, "").strip()
            fix = f"set the environment variable {name}"
        else:
            path = Path(self._text.removeprefix(_FILE))
            fix = f"put the secret into the file {path} and let this user read it"
            try:
                value = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                name = type(error).__name__
                raise AbsentSecretError(f"{self._text}: {name}; {fix}") from None
        if not value:
            raise AbsentSecretError(f"{self._text}: empty; {fix}")
        return value

    def read(
        self,
        parse: Callable[[str], Value],
        *,
        allow_literal: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> Value:
        """The value as ``parse`` understands it.

        Args:
            parse: raises ``ValueError`` with a clause that does not show what it was given.
            allow_literal: as in ``reveal``.
            environ: likewise.

        Raises:
            SecretError: if it cannot be had, or is not what it should be.
        """
        value = self.reveal(allow_literal=allow_literal, environ=environ)
        try:
            return parse(value)
        except ValueError as error:
            raise SecretError(f"{self.reference}: {error}") from None

    @classmethod
    def _parse(cls, value: object) -> "Secret":
        return value if isinstance(value, Secret) else cls(str(value))

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Parses whatever is given, without an error that would show it; writes the reference."""
        return core_schema.no_info_plain_validator_function(
            cls._parse,
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda secret: secret.reference, return_schema=core_schema.str_schema()
            ),
        )
