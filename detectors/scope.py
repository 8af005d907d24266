"""Whom spend is counted against.

A scope's one-string form is its name everywhere: in topics, tables, alerts and on the command line.
This file must not know how scopes are found in an event (``stream/usage/fanout.py`` does).
"""

from dataclasses import dataclass

KINDS = (
    "agent",
    "workflow",
    "api_key",
    "team",
    "user",
    "model",
    "project",
    "department",
    "customer",
    "organization",
)
"""The kinds every installation has. ``tags.<name>`` and combinations ``a+b`` are configured."""

DEFAULT_ENVIRONMENT = "default"

OTHER = "__other__"
"""The name that takes the spend of all names beyond a kind's bound, so that sums stay right."""


def _encode(part: str, reserved: str) -> str:
    for character in reserved:
        part = part.replace(character, f"%{ord(character):02X}")
    return part


def _decode(part: str) -> str:
    return part.replace("%40", "@").replace("%25", "%")


def combine_names(names: list[str]) -> str:
    """The name of a combination's scope: parts joined by ``|``, with ``%`` and ``|`` encoded.

    >>> combine_names(["invoice-bot", "a|b"])
    'invoice-bot|a%7Cb'
    """
    return "|".join(_encode(name, "%|") for name in names)


@dataclass(frozen=True, slots=True)
class Scope:
    """Who spend is counted against: a kind, a name and an environment.

    Attributes:
        kind: one of ``KINDS``, ``tags.<name>`` or a combination such as ``agent+model``.
        name: as reported; a combination's parts are joined by ``combine_names``.
        environment: part of the identity, so that a load test in staging never trains production.

    >>> str(Scope("agent", "invoice-bot"))
    'agent:invoice-bot'
    >>> str(Scope("user", "a@b.example", "staging"))
    'user:a%40b.example@staging'
    >>> Scope.parse("user:a%40b.example@staging") == Scope("user", "a@b.example", "staging")
    True
    """

    kind: str
    name: str
    environment: str = DEFAULT_ENVIRONMENT

    def __str__(self) -> str:
        """``<kind>:<name>``, with ``@<environment>`` when it is not the default."""
        text = f"{self.kind}:{_encode(self.name, '%@')}"
        if self.environment == DEFAULT_ENVIRONMENT:
            return text
        return f"{text}@{_encode(self.environment, '%@')}"

    @classmethod
    def parse(cls, text: str) -> "Scope":
        """The scope of a one-string form.

        Raises:
            ValueError: if ``text`` has no kind or no name.
        """
        kind, colon, rest = text.partition(":")
        name, _, environment = rest.partition("@")
        if not (kind and colon and name):
            raise ValueError(f"not a scope: {text!r}; write <kind>:<name>, for example agent:bot")
        return cls(kind, _decode(name), _decode(environment) or DEFAULT_ENVIRONMENT)

    @property
    def names(self) -> dict[str, str]:
        """The name of each part of a combination by its kind; else its own by its kind.

        >>> Scope("agent+model", combine_names(["a|b", "gpt-4o"])).names
        {'agent': 'a|b', 'model': 'gpt-4o'}
        """
        kinds = self.kind.split("+")
        if len(kinds) == 1:
            return {self.kind: self.name}
        parts = self.name.split("|")  # one only where the name is OTHER
        decoded = (part.replace("%7C", "|").replace("%25", "%") for part in parts)
        return dict(zip(kinds, decoded, strict=False))

    @property
    def is_other(self) -> bool:
        """Whether this is the catch-all beyond a kind's bound; it is counted, never judged."""
        return self.name == OTHER
