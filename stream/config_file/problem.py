"""Configuration errors as an operator needs them: where, what, and what to write instead.

pydantic says what it expected of a Python object; this file turns that into a line of the file, a
key in words, a value (never a secret) and a fix. It must not know which settings exist.
"""

import difflib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from alerting.secret import Secret
from stream.config_file.document import Document, KeyPath

ALLOW_LITERAL = {"allow_literal": True}
"""``json_schema_extra`` of a ``Secret`` field that may also be written down directly."""

_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One error.

    Attributes:
        path: keys and list positions from the root; empty for the file as a whole.
        line: in the file, from 1; None if the file as a whole is meant.
        value: what was written, shortened; empty if nothing was, or if it may be a secret.
        message: what is wrong with it.
        fix: what to write instead; empty if the message says it.
    """

    path: KeyPath
    line: int | None
    value: str
    message: str
    fix: str = ""

    @property
    def key(self) -> str:
        """The path in words.

        >>> ConfigProblem(("rules", "budgets", 0, "zone"), 3, "", "").key
        'rules.budgets[0].zone'
        """
        words = ""
        for part in self.path:
            words += f"[{part}]" if isinstance(part, int) else f".{part}" if words else part
        return words

    def __str__(self) -> str:
        """One line of output, without the file's name."""
        where = "" if self.line is None else f"line {self.line}: "
        shown = f" = {self.value}" if self.value else ""
        name = f"{self.key}{shown}: " if self.path else ""
        return f"{where}{name}{self.message}" + (f" ({self.fix})" if self.fix else "")


def model_of(annotation: Any) -> type[BaseModel] | None:
    """The model that a mapping at a place with this annotation is read as, if any."""
    for each in _members(annotation):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def _members(annotation: Any) -> Iterator[Any]:
    """The annotation's alternatives, without ``Annotated`` and ``Optional`` around them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for each in get_args(annotation):
            yield from _members(each)
    else:
        yield annotation


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys of a model as they are written in a file."""
    return {each.alias or name: each for name, each in model.model_fields.items()}


def annotation_at(root: type[BaseModel], path: KeyPath) -> tuple[Any, FieldInfo | None]:
    """What should stand at a path: its annotation, and the field it belongs to.

    Returns:
        ``(None, None)`` where nothing should.
    """
    annotation: Any = root
    field: FieldInfo | None = None
    for part in path:
        step = _step(annotation, part)
        if step is None:
            return None, None
        annotation, found = step
        field = found or field
    return annotation, field


def _step(annotation: Any, part: str | int) -> tuple[Any, FieldInfo | None] | None:
    for each in _members(annotation):
        origin, arguments = get_origin(each), get_args(each)
        if isinstance(each, type) and origin is None and issubclass(each, BaseModel):
            if (found := fields_of(each).get(str(part))) is not None:
                return found.annotation, found
        elif origin in (dict, Mapping, typing.Mapping) and isinstance(part, str):
            return arguments[1], None
        elif origin in (tuple, list, frozenset, set) and isinstance(part, int):
            return arguments[0], None
    return None


def explain(
    error: ErrorDetails, path: KeyPath, root: type[BaseModel], document: Document
) -> ConfigProblem:
    """One pydantic error as a problem.

    Args:
        error: from ``ValidationError.errors()``.
        path: its place in the file.
        root: the model of the whole file.
        document: the file.
    """
    kind = error["type"]
    line = document.line(path)
    annotation, field = annotation_at(root, path)
    if kind == "extra_forbidden":
        parent = model_at(root, path[:-1]) or root
        message, fix = "unknown key", _did_you_mean(str(path[-1]), parent)
    elif kind == "missing":
        message, fix = "is required", _described(field)
    else:
        # A whole part that contradicts itself says so itself; its description would not help.
        message = _sentence(error)
        fix = "" if model_of(annotation) else _described(field)
    return ConfigProblem(path, line, _shown(error.get("input"), annotation), message, fix)


def _sentence(error: ErrorDetails) -> str:
    text = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = text.replace("Input should be", "should be").replace("a valid ", "a ")
    text = text.replace("tuple", "list").replace("a dictionary", "keys and values")
    text = text.replace("Tuple", "list").replace("String should", "should")
    if error["type"] == "string_type":
        return "should be text; put it in quotes"
    return text[:1].lower() + text[1:]


def _described(field: FieldInfo | None) -> str:
    return "" if field is None or not field.description else field.description.rstrip(".")


def model_at(root: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """The model that a mapping at a path is read as, if any."""
    return model_of(annotation_at(root, path)[0])


def close_match(word: str, known: type[BaseModel] | list[str]) -> str | None:
    """The key that was probably meant by a word, itself included."""
    names = known if isinstance(known, list) else list(fields_of(known))
    return next(iter(difflib.get_close_matches(word, names, n=1, cutoff=0.6)), None)


def _did_you_mean(word: str, model: type[BaseModel]) -> str:
    if (close := close_match(word, model)) is not None:
        return f"did you mean {close}?"
    return "there are: " + ", ".join(fields_of(model))


def is_secret(annotation: Any) -> bool:
    """Whether the place holds a reference to a secret."""
    return Secret in _members(annotation)


def _shown(value: Any, annotation: Any) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    # An unknown key may be a misspelt password; a known one that is no secret is safe to show.
    if annotation is None or is_secret(annotation):
        return "(not shown)"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
