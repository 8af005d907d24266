"""Every example in a docstring is run: a wrong one misleads more than none."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "stream": ROOT / "stream",
    "alerting": ROOT / "alerting",
    "detectors": ROOT / "detectors",
    "deploy": ROOT / "deploy",
    "spendwatch_client": ROOT / "client" / "src" / "spendwatch_client",
}
MODULES = [
    each.name
    for package, folder in FOLDERS.items()
    for each in pkgutil.walk_packages([str(folder)], f"{package}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_file_with_an_example_is_looked_at():
    files = {
        ".".join((package, *path.relative_to(folder).with_suffix("").parts))
        for package, folder in FOLDERS.items()
        for path in folder.rglob("*.py")
        if ">>> " in path.read_text(encoding="utf-8")
    }

    assert len(files) > 20
    assert files <= set(MODULES)
