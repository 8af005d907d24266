"""Which alerts a silence is about, in Alertmanager's notation.

``agent=batch``, ``kind="agent"``, ``name=~"invoice-.*"``, ``severity!=critical``,
``labels.team!~"pay|fin"``. This file only compares; what follows from a match is its caller's.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from alerting.alert import Alert
from detectors.scope import KINDS

FIELDS = ("kind", "name", "rule", "severity", "environment")
"""What can be matched besides scope kinds and labels; three of them are the scope's."""

MAX_PATTERN_CHARACTERS = 512
"""Longer patterns are refused: nobody reviews them and a regular expression can be slow."""

_LABEL_PREFIX = "labels."
_LABEL = re.compile(r"labels\..+")
_TAG = re.compile(r"tags\..+")
_TEXT = re.compile(r"^\s*([A-Za-z0-9_.+\-]+)\s*(=~|!~|!=|=)\s*(.*?)\s*$", re.DOTALL)


class Operator(StrEnum):
    """How an alert's value is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCH = "=~"
    NO_MATCH = "!~"


class MatcherError(ValueError):
    """Text that is no matcher; the message says why and shows one that is."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One comparison.

    Attributes:
        name: one of ``FIELDS``, a scope kind such as ``agent``, or ``labels.<name>``. A scope
            kind reads as the alert's own name of that kind, else as its label.
        operator: how.
        value: with what; for ``=~`` and ``!~`` a regular expression that must match the whole
            value, as in Alertmanager. A label that an alert does not have reads as empty.

    Raises:
        MatcherError: for an unknown field or a pattern that does not compile.
    """

    name: str
    operator: Operator
    value: str
    _pattern: re.Pattern[str] | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (self.name in FIELDS or _LABEL.fullmatch(self.name) or _is_kind(self.name)):
            raise MatcherError(
                f"unknown field {self.name!r}: write one of {', '.join(FIELDS)}, a scope kind such"
                " as agent, or labels.<name>"
            )
        if self.operator in {Operator.EQUAL, Operator.NOT_EQUAL}:
            return
        if len(self.value) > MAX_PATTERN_CHARACTERS:
            raise MatcherError(f"pattern longer than {MAX_PATTERN_CHARACTERS} characters")
        try:
            pattern = re.compile(self.value)
        except re.error as error:
            raise MatcherError(f"pattern {self.value!r} does not compile: {error}") from error
        object.__setattr__(self, "_pattern", pattern)

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.name}{self.operator.value}"{escaped}"'

    def is_match(self, alert: Alert) -> bool:
        """Whether the alert's value satisfies the comparison."""
        return self._is_true_of(_value_of(alert, self.name))

    @property
    def matches_empty(self) -> bool:
        """Whether it would be satisfied by no value at all, and so by alerts nobody meant."""
        return self._is_true_of("")

    def _is_true_of(self, value: str) -> bool:
        if self._pattern is None:
            return (value == self.value) == (self.operator is Operator.EQUAL)
        found = self._pattern.fullmatch(value) is not None
        return found == (self.operator is Operator.MATCH)


def parse_matcher(text: str) -> Matcher:
    r"""The matcher of its text; quotes around the value may be left out.

    >>> str(parse_matcher('name =~ invoice-.*'))
    'name=~"invoice-.*"'

    Raises:
        MatcherError: if the text is no matcher.
    """
    found = _TEXT.match(text)
    if found is None:
        raise MatcherError(f'not a matcher: {text!r}; write for example name=~"invoice-.*"')
    name, operator, value = found.groups()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
    return Matcher(name, Operator(operator), value)


def _value_of(alert: Alert, name: str) -> str:
    scope = alert.scope
    own = {
        **scope.names,
        scope.kind: scope.name,
        "kind": scope.kind,
        "name": scope.name,
        "environment": scope.environment,
        "rule": alert.rule,
        "severity": alert.severity.value,
    }
    return own[name] if name in own else alert.labels.get(name.removeprefix(_LABEL_PREFIX), "")


def _is_kind(name: str) -> bool:
    return all(part in KINDS or _TAG.fullmatch(part) for part in name.split("+"))
