"""The roles: each has something that runs it."""

from stream.role_config import Role
from stream.roles import ROLES


def test_every_role_is_run_by_something():
    assert list(ROLES) == list(Role)
