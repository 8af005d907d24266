"""Log lines are constant event names, and every one of them is in deploy/LOGS.md."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "deploy" / "LOGS.md").read_text()
SOURCES = sorted(
    path for part in ("stream", "alerting", "client/src") for path in (ROOT / part).rglob("*.py")
)
LEVELS = {"exception": "error"} | {
    level: level for level in ("debug", "info", "warning", "error", "critical")
}
LOGGERS = ("_log", "self._log", "logger")

TABLE = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", TEXT, re.MULTILINE))


def calls_of(source: str) -> list[tuple[str, ast.expr]]:
    """Level and first argument of every call of a logger; ``say`` stands for one chosen before."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in LEVELS:
            if ast.unparse(called.value) in LOGGERS:
                found.append((LEVELS[called.attr], node.args[0]))
        elif isinstance(called, ast.Name) and called.id == "say" and "_log" in source:
            found.append(("info", node.args[0]))
    return found


def names_of(argument: ast.expr) -> list[str]:
    """The event names that an argument may be; an ``if`` may choose between two."""
    if isinstance(argument, ast.IfExp):
        return names_of(argument.body) + names_of(argument.orelse)
    assert isinstance(argument, ast.Constant), ast.unparse(argument)
    return [str(argument.value).partition(" ")[0]]


def events() -> dict[str, set[str]]:
    """Every event name, with its levels."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in SOURCES:
        for level, argument in calls_of(path.read_text()):
            for name in names_of(argument):
                found[name].add(level)
    return dict(found)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_event_name_is_a_constant_in_snake_case(path: Path):
    for _, argument in calls_of(path.read_text()):
        assert all(re.fullmatch(r"[a-z][a-z_]*", name) for name in names_of(argument))


def test_every_event_is_in_the_table_with_its_level_and_nothing_else_is():
    assert {name: {level} for name, level in TABLE.items()} == events()


@pytest.mark.parametrize("text", ["f'lost {x}'", "name", "'a' + b"])
def test_a_name_that_is_put_together_is_noticed(text: str):
    ((_, argument),) = calls_of(f"_log.info({text})")
    with pytest.raises(AssertionError):
        names_of(argument)
