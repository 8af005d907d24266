"""A YAML file as plain data that remembers its lines, so that an error can name one.

YAML as people mean it: ``no`` is a word, ``12:30`` is not 750 and ``0123`` keeps its zero (YAML
1.2's core schema, https://yaml.org/spec/1.2.2/#103-core-schema, less octal and hexadecimal). This
file must not know what the keys mean.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Key = str | int
KeyPath = tuple[Key, ...]

_MAX_DEPTH = 50
_MAX_VALUES = 100_000
"""Nobody writes configuration beyond these; a file that refers to itself (``&x [*x]``) is there."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's idea of what a plain word is."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  PyYAML's own class attribute


for _tag, _pattern, _first in (
    ("bool", r"(true|True|TRUE|false|False|FALSE)\Z", "tTfF"),
    ("null", r"(~|null|Null|NULL|)\Z", ["~", "n", "N", ""]),
    ("int", r"[-+]?(0|[1-9][0-9]*)\Z", "-+0123456789"),
    (
        "float",
        r"[-+]?((0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+|(0|[1-9][0-9]*)(?=[eE]))([eE][-+]?[0-9]+)?\Z",
        "-+.0123456789",
    ),
    ("merge", r"<<\Z", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


@dataclass(frozen=True, slots=True)
class DocumentError:
    """Something wrong with the file as YAML.

    Attributes:
        path: where, as far as it is known.
        line: from 1; None if not known.
        message: what, and the fix.
    """

    path: KeyPath
    line: int | None
    message: str


@dataclass(slots=True)
class Document:
    """Plain data, and the lines it stands on.

    Attributes:
        data: dicts, lists and scalars; ``{}`` for an empty file.
        lines: path -> line, from 1, of its key (of its value in a list).
        errors: syntax errors and repeated keys.
    """

    data: Any = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    errors: list[DocumentError] = field(default_factory=list)

    def line(self, path: KeyPath) -> int | None:
        """The line of a path, or of the nearest thing around it that is in the file."""
        for length in range(len(path), 0, -1):
            if (line := self.lines.get(path[:length])) is not None:
                return line
        return None


def read_document(path: Path) -> Document:
    """Read a YAML file; what is wrong with it is in ``errors``.

    Raises:
        OSError: the file cannot be read.
    """
    document = Document()
    try:
        text = path.read_text(encoding="utf-8")
        loader = _Loader(text)
    except UnicodeDecodeError:
        document.errors.append(DocumentError((), None, "the file is not UTF-8 text"))
        return document
    except yaml.YAMLError as error:
        document.errors.append(_syntax_error(error))
        return document
    try:
        node = loader.get_single_node()
        if node is not None:
            document.data = _plain(loader, node, (), document)
    except yaml.YAMLError as error:
        document.errors.append(_syntax_error(error))
    finally:
        loader.dispose()
    if document.data is None:
        document.data = {}
    return document


def _syntax_error(error: yaml.YAMLError) -> DocumentError:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    hint = "; indent with spaces" if "\\t" in str(said) else ""
    return DocumentError((), None if mark is None else mark.line + 1, f"not YAML: {said}{hint}")


def _plain(loader: _Loader, node: yaml.Node, path: KeyPath, document: Document) -> Any:
    if len(path) > _MAX_DEPTH or len(document.lines) > _MAX_VALUES:
        said = "nested too deeply, or too long"
        raise yaml.constructor.ConstructorError(None, None, said, node.start_mark)
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, path, document)
    if isinstance(node, yaml.SequenceNode):
        values = []
        for index, each in enumerate(node.value):
            document.lines[(*path, index)] = each.start_mark.line + 1
            values.append(_plain(loader, each, (*path, index), document))
        return values
    return loader.construct_object(node)


def _mapping(
    loader: _Loader, node: yaml.MappingNode, path: KeyPath, document: Document
) -> dict[str, Any]:
    first: dict[str, int] = {}
    own = []
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = str(key_node.value)
        if not isinstance(key_node, yaml.ScalarNode):
            document.errors.append(DocumentError(path, line, "a key must be a word; quote it"))
        elif key in first:
            message = f"the key is already on line {first[key]}; remove one of them"
            document.errors.append(DocumentError((*path, key), line, message))
        else:
            first[key] = line
            own.append((key_node, value_node))
    node.value = own
    loader.flatten_mapping(node)  # merged keys come first, so that the mapping's own ones win
    merged = {str(key_node.value): (key_node, value_node) for key_node, value_node in node.value}
    found: dict[str, Any] = {}
    for key, (key_node, value_node) in merged.items():
        document.lines[(*path, key)] = first.get(key, key_node.start_mark.line + 1)
        found[key] = _plain(loader, value_node, (*path, key), document)
    return found
