"""The roles: each has something that runs it."""

import subprocess
import sys
from inspect import iscoroutinefunction

import pytest

from stream.health.vitals import process_name, role_and_number
from stream.keyed.config import Role
from stream.worker.roles import run_of


@pytest.mark.parametrize("role", Role)
def test_every_role_is_run_by_something_of_its_own(role: Role):
    run = run_of(role)
    assert iscoroutinefunction(run)
    assert run.__module__ == f"stream.worker.roles.{role.value}"


@pytest.mark.parametrize(
    ("role", "strangers"),
    [
        (Role.INGEST, {"faust", "scipy", "slack_sdk", "stream.watch.role", "stream.notify"}),
        (Role.DECIDE, {"scipy", "slack_sdk", "stream.watch.role", "stream.ingest.worker"}),
    ],
)
def test_a_process_loads_nothing_of_the_other_roles(role: Role, strangers: set[str]):
    program = (
        "import sys, stream.worker.process, stream.worker.roles as roles\n"
        f"from stream.keyed.config import Role\nroles.run_of(Role({role.value!r}))\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert not strangers & set(done.stdout.split())


@pytest.mark.parametrize(
    ("name", "parts"), [("ingest", ("ingest", 1)), ("ingest-2", ("ingest", 2))]
)
def test_a_process_is_named_after_its_role_with_a_number_if_it_is_not_the_first(
    name: str, parts: tuple[str, int]
):
    assert role_and_number(name) == parts
    assert process_name(*parts) == name
