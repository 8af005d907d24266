"""Labelled incidents: what really went wrong in a file of events, and when.

One JSON object a line, ``{"scope": "agent:invoice-bot", "start": …, "end": …}``, with an optional
``name`` and further scopes in ``also``. A scope may have ``*`` for any characters. This file must
not know what was found.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from detectors.window import rfc3339

_KEYS = frozenset({"scope", "start", "end", "name", "also"})


class LabelError(Exception):
    """A file that holds no labels; the text names the line and the fix."""


@dataclass(frozen=True, slots=True)
class Label:
    """One labelled incident.

    Attributes:
        scopes: in one-string form, ``*`` for any characters; the first is the one to name it by.
        start: epoch seconds.
        end: epoch seconds.
        name: what it was; may be empty.
    """

    scopes: tuple[str, ...]
    start: int
    end: int
    name: str = ""

    def means(self, scopes: Iterable[str]) -> bool:
        """Whether one of some scopes is meant."""
        wanted = [
            re.compile(".*".join(map(re.escape, mine.split("*"))), re.DOTALL)
            for mine in self.scopes
        ]
        return any(each.fullmatch(scope) for scope in scopes for each in wanted)


def label_to_json(label: Label) -> dict[str, Any]:
    """The form in the file."""
    return {
        "name": label.name,
        "scope": label.scopes[0],
        "also": list(label.scopes[1:]),
        "start": rfc3339(label.start),
        "end": rfc3339(label.end),
    }


def read_labels(path: Path) -> Sequence[Label]:
    """The labels of a file, by their beginning; blank lines are none.

    Raises:
        LabelError: it cannot be read, or a line is no label.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise LabelError(f"{path} cannot be read: it is not UTF-8 text") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LabelError(f"{path} cannot be read: {reason}") from None
    labels = [
        _label(line, f"{path}, line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    return sorted(labels, key=lambda label: (label.start, label.end, label.scopes))


def _label(line: str, where: str) -> Label:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise LabelError(
            f'{where}: no JSON object such as {{"scope": "agent:invoice-bot", '
            '"start": "2026-01-05T10:00:00Z", "end": "2026-01-05T11:00:00Z"}'
        )
    unknown = sorted(set(row) - _KEYS)
    if unknown:
        raise LabelError(f"{where}: unknown key {unknown[0]}; there are {', '.join(sorted(_KEYS))}")
    scopes = [row.get("scope"), *_list(row.get("also", []), where)]
    if not all(isinstance(scope, str) and ":" in scope for scope in scopes):
        raise LabelError(f"{where}: a scope is written kind:name, such as agent:invoice-bot")
    start, end = (_instant(row.get(key), f"{where}: {key}") for key in ("start", "end"))
    if end <= start:
        raise LabelError(f"{where}: end is not after start")
    return Label(tuple(scopes), start, end, str(row.get("name", "")))


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise LabelError(f"{where}: also is a list of scopes")
    return value


def _instant(value: Any, where: str) -> int:
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise LabelError(f"{where} is no RFC 3339 time such as 2026-01-05T10:00:00Z") from None
    return int(instant.replace(tzinfo=instant.tzinfo or UTC).timestamp())
