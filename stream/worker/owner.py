"""What DECIDE and NOTIFY have in common when they are started: one owner of its topics."""

import socket

from stream.config import Settings
from stream.keyed.config import OwnerConfig
from stream.keyed.role import KeyedRoleSettings
from stream.worker.datadir import datadir


def owner_settings(
    settings: Settings, owner: OwnerConfig, topics: tuple[str, ...]
) -> KeyedRoleSettings:
    """Of a role that reads those topics alone in its group."""
    return KeyedRoleSettings(
        connection=settings.kafka,
        group=owner,
        topics=topics,
        instance_id=owner.instance_id or f"{socket.gethostname()}-{settings.watch.port}",
        datadir=datadir(owner.group),
    )
