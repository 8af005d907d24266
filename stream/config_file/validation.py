"""Validates a configuration to the last error, though pydantic stops at the first layer.

pydantic checks a model as a whole only when all its fields are right, so one wrong field would
hide every contradiction above it. Here the file is validated again and again, each time without
what was found wrong. This file must not know which settings exist: the root model is an argument.
"""

import copy
import re
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from alerting.contradiction import PROBLEMS
from alerting.secret import Secret
from stream.config_file.document import Document, KeyPath
from stream.config_file.problem import (
    ALLOW_LITERAL,
    ConfigProblem,
    annotation_at,
    close_match,
    explain,
    is_secret,
    model_at,
)

Root = TypeVar("Root", bound=BaseModel)


def written_secrets(root: type[BaseModel], document: Document) -> list[ConfigProblem]:
    """Secrets that were written into the file instead of a reference to them."""
    problems = []
    for path, line in document.lines.items():
        annotation, owner = annotation_at(root, path)
        text = _value_at(document.data, path)
        if owner is None or not is_secret(annotation) or not isinstance(text, str | int | float):
            continue
        if Secret(str(text)).is_literal and owner.json_schema_extra != ALLOW_LITERAL:
            problems.append(
                ConfigProblem(
                    path,
                    line,
                    "(not shown)",
                    "a secret must not be in the file",
                    "put it into an environment variable or a file, and write env:NAME or "
                    "file:/path here; treat the written one as leaked",
                )
            )
    return problems


def _value_at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data


class _Items(list[Any]):
    """A list that knows where its items stood in the file, though some have been taken out."""

    def __init__(self, items: list[Any]) -> None:
        super().__init__(items)
        self.origin = list(range(len(items)))


def _trackable(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _trackable(value) for key, value in data.items()}
    if isinstance(data, list):
        return _Items([_trackable(value) for value in data])
    return copy.copy(data)


@dataclass(slots=True)
class Validation(Generic[Root]):
    """Every error of one file.

    What depends on something that was found wrong is not judged: a receiver that does not read is
    one error, and that a route names it is none.

    Attributes:
        root: the model of the whole file.
        document: the file.
        problems: what was found, one a place.
    """

    root: type[Root]
    document: Document
    problems: dict[KeyPath, ConfigProblem] = field(default_factory=dict)
    _removed: set[KeyPath] = field(default_factory=set)
    _unsure: dict[KeyPath, set[str | int]] = field(default_factory=dict)

    def run(self) -> Root | None:
        """The settings of what is right; None if too little is left to say."""
        data = _trackable(self.document.data)
        while True:
            try:
                return self.root.model_validate(data)
            except ValidationError as failure:
                errors = failure.errors(include_url=False)
                places = [self._take(each, data) for each in errors if not _follows(each, errors)]
            if not sum(self._remove(data, place) for place in places):
                return None

    def _take(self, error: ErrorDetails, data: Any) -> KeyPath:
        """Note an error; the path of what has to go for the next round to see more."""
        path = _path_in_file(error["loc"], data)
        several = error.get("ctx", {}).get(PROBLEMS)
        if error["type"] == "missing":
            if path not in self._removed and not self._is_misspelt(path, data):
                self._note(explain(error, path, self.root, self.document))
            return path[:-1]
        if several is not None:
            for below, message in several:
                if not self._is_doubtful(path, message):
                    place = _below(path, below, data)
                    self._note(ConfigProblem(place, self.document.line(place), "", message))
            return _below(path, several[0][0], data)
        if not self._is_doubtful(path, error["msg"]):
            self._note(explain(error, path, self.root, self.document))
        return path

    def _is_doubtful(self, path: KeyPath, message: str) -> bool:
        """Whether an error may only be there because something was taken out."""
        return any(
            isinstance(name, int) or re.search(rf"\b{re.escape(name)}\b", message)
            for name in self._unsure.get(path, ())
        )

    def _is_misspelt(self, path: KeyPath, data: Any) -> bool:
        """Whether a required key is there under a name that is reported as unknown anyway."""
        holder = data
        for part in path[:-1]:
            holder = _child(holder, part)
        unknown = [
            key for key in holder or () if annotation_at(self.root, (*path[:-1], key))[0] is None
        ]
        return any(close_match(key, [str(path[-1])]) for key in unknown)

    def _note(self, problem: ConfigProblem) -> None:
        known = self.problems.get(problem.path)
        if known is None:
            self.problems[problem.path] = problem
        elif problem.message not in known.message:
            # The alternatives of one value: it is one error, and each says what it would take.
            message = f"{known.message}, or {problem.message}"
            self.problems[problem.path] = ConfigProblem(
                known.path, known.line, known.value, message, known.fix
            )

    def _remove(self, data: Any, path: KeyPath) -> bool:
        """Take something out; False if it is not there (any more), or is the whole file."""
        if not path:
            return False
        holder = data
        for part in path[:-1]:
            holder = _child(holder, part)
        last = path[-1]
        if isinstance(holder, _Items) and last in holder.origin:
            position = holder.origin.index(int(last))
            del holder[position], holder.origin[position]
        elif isinstance(holder, dict) and last in holder:
            del holder[last]
        else:
            return False
        self._removed.add(path)
        self._doubt_around(path)
        return True

    def _doubt_around(self, path: KeyPath) -> None:
        """Errors of what is around a removed value are not believed if they speak of it."""
        name = path[-1]
        parent = model_at(self.root, path[:-1])
        if parent is not None and isinstance(name, str):
            name = close_match(name, parent) or name
        for length in range(len(path) - 1, -1, -1):
            self._unsure.setdefault(path[:length], set()).add(name)
            if model_at(self.root, path[:length]) is not None:
                break
        for above in range(length):
            # Models further up speak of it by its whole key; `name` alone may be another's there.
            words = takewhile(lambda part: isinstance(part, str), path[above:])
            self._unsure.setdefault(path[:above], set()).add(".".join(map(str, words)))


def _child(holder: Any, part: str | int) -> Any:
    """The value at one step of a path as the file has it; None if it was taken out."""
    if isinstance(holder, _Items):
        return holder[holder.origin.index(int(part))] if part in holder.origin else None
    return holder.get(part) if isinstance(holder, dict) else None


def _follows(error: ErrorDetails, errors: list[ErrorDetails]) -> bool:
    """Whether a list is too short only because its items are wrong; pydantic says both."""
    size = len(error["loc"])
    return error["type"] == "too_short" and any(
        len(each["loc"]) > size and each["loc"][:size] == error["loc"] for each in errors
    )


def _below(path: KeyPath, below: KeyPath, data: Any) -> KeyPath:
    """A path that a model gave for a part of itself, with the file's positions."""
    for part in path:
        data = _child(data, part)
    told: list[str | int] = []
    for part in below:
        is_moved = isinstance(data, _Items) and isinstance(part, int) and part < len(data)
        told.append(data.origin[part] if is_moved else part)
        data = data[part] if is_moved else data.get(part) if isinstance(data, dict) else None
    return (*path, *told)


def _path_in_file(loc: tuple[int | str, ...], data: Any) -> KeyPath:
    """Pydantic's location without the names of union members, and with the file's positions."""
    path: list[int | str] = []
    for index, part in enumerate(loc):
        if isinstance(data, _Items) and isinstance(part, int) and part < len(data):
            path.append(data.origin[part])
            data = data[part]
        elif isinstance(data, dict) and part in data:
            path.append(part)
            data = data[part]
        elif index == len(loc) - 1 and isinstance(data, dict) and part != "[key]":
            path.append(part)
    return tuple(path)
