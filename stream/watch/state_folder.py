"""Where WATCH keeps the little that must outlive its process and that Kafka cannot hold.

Never a temporary folder: systemd's ``PrivateTmp`` gives each start a fresh one, and a count of
failures that begins anew at every start never ends. This file must not make the folder: most
workers never need it.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from stream.exit import RoleRefusedError


class StateFolderError(RoleRefusedError):
    """There is no folder to write to; the text names the fix."""


def state_folder(configured: Path | None, group: str, environment: Mapping[str, str]) -> Path:
    """A folder of the consumer group's own, which need not exist yet.

    Args:
        configured: ``watch.state_folder``; otherwise the first of ``$STATE_DIRECTORY`` (systemd,
            ``StateDirectory=``), ``$XDG_STATE_HOME/spendwatch`` and ``~/.local/state/spendwatch``.
        group: consumer group.
        environment: the process's variables.

    Raises:
        StateFolderError: it could not be written to.
    """
    folder = _root(configured, environment) / group
    nearest = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        raise StateFolderError(
            f"{folder} cannot be written to: set watch.state_folder to a folder that can, and that"
            " outlives a restart"
        )
    return folder


def _root(configured: Path | None, environment: Mapping[str, str]) -> Path:
    if configured is not None:
        return configured
    if given := environment.get("STATE_DIRECTORY", ""):
        return Path(given.split(":")[0])  # systemd joins several by colons
    if given := environment.get("XDG_STATE_HOME", ""):
        return Path(given) / "spendwatch"
    if home := environment.get("HOME", ""):
        return Path(home) / ".local" / "state" / "spendwatch"
    raise StateFolderError(
        "neither $STATE_DIRECTORY nor $XDG_STATE_HOME nor $HOME is set: set watch.state_folder to"
        " a folder that can be written to and that outlives a restart"
    )
