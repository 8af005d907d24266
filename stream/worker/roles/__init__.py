"""What runs each of ``stream.keyed.config.Role``, from the configuration; imported when asked for.

A role's libraries are more than half of its start: with those of all four a process took 2.2 s of
CPU before its first line (2026-12-01), and a worker is five of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module

from stream.config import Settings
from stream.health.vitals import Vitals
from stream.keyed.config import Role

Run = Callable[[Settings, asyncio.Event, Vitals], Awaitable[None]]
"""Runs a role until told to stop; each in a process of its own."""


def run_of(role: Role) -> Run:
    """What runs a role: ``run`` of the module that is named like it."""
    run: Run = import_module(f"{__name__}.{role.value}").run
    return run
