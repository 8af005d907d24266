"""The example configuration: valid, complete, and the file in deploy/ is the present one."""

import itertools
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from stream.config import Settings, load
from stream.config_example import example_config
from stream.config_file.problem import fields_of, model_of

SHIPPED = Path(__file__).parents[3] / "deploy" / "config.example.yaml"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load(SHIPPED)


def test_the_shipped_file_is_what_the_models_say_now():
    assert SHIPPED.read_text() == example_config(), "run: make config-example"


def test_it_loads_and_changes_only_what_is_empty_by_default(settings: Settings):
    ours, defaults = settings.model_dump(), Settings().model_dump()
    changed = {
        (part, key)
        for part in defaults
        for key in defaults[part]
        if ours[part][key] != defaults[part][key]
    }

    assert changed == {
        ("pricing", "own_prices"),
        ("fanout", "max_names_by_kind"),
        ("rules", "budgets"),
        ("notify", "receivers"),
        ("notify", "route"),
    }


def _models_in(annotation: Any) -> set[type[BaseModel]]:
    found = {model} if (model := model_of(annotation)) else set()
    return found.union(*(_models_in(each) for each in get_args(annotation)))


def _reachable(root: type[BaseModel]) -> set[type[BaseModel]]:
    found: set[type[BaseModel]] = set()
    todo = [root]
    while todo:
        model = todo.pop()
        if model not in found:
            found.add(model)
            for field in model.model_fields.values():
                todo.extend(_models_in(field.annotation))
    return found


def _key_sets(data: Any) -> set[frozenset[str]]:
    if isinstance(data, dict):
        return {frozenset(data)}.union(*(_key_sets(each) for each in data.values()))
    if isinstance(data, list):
        return set().union(*(_key_sets(each) for each in data))
    return set()


def test_every_key_of_every_model_is_in_it():
    written = _key_sets(yaml.safe_load(SHIPPED.read_text()))

    missing = {
        model.__name__
        for model in _reachable(Settings)
        if frozenset(fields_of(model)) not in written
    }
    assert missing == set()


def test_every_key_stands_below_its_description():
    lines = SHIPPED.read_text().splitlines()
    undescribed = [
        line
        for above, line in itertools.pairwise(lines)
        if line.strip()
        and not line.lstrip().startswith("#")
        and not above.lstrip().startswith("#")
        and line.strip() not in {"on-call:", "finance:"}
    ]

    assert undescribed == []


def test_no_line_is_wider_than_a_screen():
    assert [line for line in SHIPPED.read_text().splitlines() if len(line) > 100] == []
