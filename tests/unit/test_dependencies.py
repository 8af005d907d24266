"""What is imported is declared, and what is declared is imported or has its reason."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FOR_OTHERS = {
    "click": "bounded for faust-streaming",
    "prometheus-client": "metrics come next",
    "statsmodels": "forecasts come next; so far only tests/evaluation/refit_profiles.py uses it",
    "tzdata": "the time zones of zoneinfo",
}
"""Declared and imported nowhere, with the reason."""


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return re.sub(r"[._-]+", "-", found[0]).lower()


def _declared(project: str) -> set[str]:
    text = (ROOT / project).read_text(encoding="utf-8")
    return {_name(each) for each in tomllib.loads(text)["project"]["dependencies"]}


def _extras() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {_name(each) for some in project["optional-dependencies"].values() for each in some}


def _imported(*folders: str) -> set[str]:
    modules: set[str] = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules.add(str(node.module))
    tops = {module.partition(".")[0] for module in modules}
    own = {"stream", "alerting", "detectors"}
    outside = tops - sys.stdlib_module_names - own
    known = packages_distributions()
    return {_name(known[module][0]) for module in outside if module != "spendwatch_client"}


def test_the_program_declares_what_it_imports_and_little_else():
    imported = _imported("stream", "alerting", "detectors") | {"spendwatch-client"}

    assert _declared("pyproject.toml") | _extras() == imported | set(FOR_OTHERS)
    assert not _declared("pyproject.toml") & _extras()


def test_the_client_declares_what_it_imports():
    assert _declared("client/pyproject.toml") == _imported("client/src")


@pytest.mark.parametrize("pins", ["constraints.txt", "constraints-demo.txt", "constraints-dev.txt"])
def test_every_declared_dependency_is_pinned(pins: str):
    text = (ROOT / pins).read_text(encoding="utf-8")
    pinned = {_name(line) for line in re.findall(r"^[a-z0-9].*==", text, re.MULTILINE)}

    assert _declared("pyproject.toml") - {"spendwatch-client"} <= pinned
