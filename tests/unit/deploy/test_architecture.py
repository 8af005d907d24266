"""ARCHITECTURE.md names the file and the function of every step; here they are looked up."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "ARCHITECTURE.md").read_text()

STEPS = re.findall(r"^\| (.+?) \| (`[^|]*\.py`) \| (`.*`) \|$", TEXT, re.MULTILINE)
"""(step, files, functions), as the table of the path has them."""

FILES = sorted(set(re.findall(r"`((?:alerting|client|detectors|stream|tests)/[\w/]+\.py)`", TEXT)))


@cache
def names_in(path: Path) -> frozenset[str]:
    """What a module defines at its top, and of its classes ``Class.method``."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node]
        for each in targets:
            name = getattr(each, "id", None) or getattr(each, "name", None)
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                name = each.target.id
            if name:
                found.add(name)
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return frozenset(found)


def missing(files: str, functions: str) -> list[str]:
    paths = [ROOT / name for name in re.findall(r"`([^`]+)`", files)]
    folder = paths[0].parent  # a further file without a folder stands beside the first one
    paths = [path if path.exists() else folder / path.name for path in paths]
    known = frozenset().union(*(names_in(path) for path in paths))
    owner, absent = "", []
    for name in re.findall(r"`([^`]+)`", functions):
        owner = name.partition(".")[0] if "." in name else owner
        if name not in known and f"{owner}.{name}" not in known:
            absent.append(name)
    return absent


def test_the_path_has_its_steps():
    assert len(STEPS) == TEXT.split("## The path of one event")[1].split("\n\n")[1].count("\n") - 1


@pytest.mark.parametrize(("step", "files", "functions"), STEPS)
def test_a_step_names_functions_that_exist(step: str, files: str, functions: str):
    assert missing(files, functions) == [], step


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_named_exists(name: str):
    assert (ROOT / name).is_file()


def test_a_function_that_is_gone_is_noticed():
    assert missing("`alerting/root.py`", "`root_of`, `Decider.on_signal`") == ["Decider.on_signal"]
