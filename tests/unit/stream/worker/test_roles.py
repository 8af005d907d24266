"""The roles: each has something that runs it."""

from stream.keyed.config import Role
from stream.worker.roles import ROLES


def test_every_role_is_run_by_something():
    assert list(ROLES) == list(Role)
