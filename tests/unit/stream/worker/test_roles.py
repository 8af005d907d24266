"""The roles: each has something that runs it."""

import pytest

from stream.health.vitals import process_name, role_and_number
from stream.keyed.config import Role
from stream.worker.roles import ROLES


def test_every_role_is_run_by_something():
    assert list(ROLES) == list(Role)


@pytest.mark.parametrize(
    ("name", "parts"), [("ingest", ("ingest", 1)), ("ingest-2", ("ingest", 2))]
)
def test_a_process_is_named_after_its_role_with_a_number_if_it_is_not_the_first(
    name: str, parts: tuple[str, int]
):
    assert role_and_number(name) == parts
    assert process_name(*parts) == name
