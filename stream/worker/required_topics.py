"""Which topics a worker with given settings needs: the catalogue, and its roles' changelogs.

Apart from the configuration, since tables belong to the roles, and reading a file must not need
them.
"""

from stream.config import Settings
from stream.kafka.topics import Topic, catalogue
from stream.keyed.config import STATE_TABLE
from stream.watch.flush import TABLES


def topics_of(settings: Settings) -> tuple[Topic, ...]:
    """Every topic that a worker with these settings needs."""
    owners = (settings.decide_role.group, settings.notify_role.group)
    return catalogue(
        settings.topics,
        dedup_horizon_seconds=settings.ingest.dedup_horizon_seconds,
        is_rekeyed=settings.ingest.rekey,
        changelogs={settings.watch.group: TABLES},
        owner_changelogs=dict.fromkeys(owners, (STATE_TABLE,)),
    )
