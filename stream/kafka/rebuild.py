"""Takes away what was counted, so that the workers count it anew from a log that is still there.

State has its home in topics and consumer groups; its form and its partitions are fixed when they
are made. To change them is to make them anew, offline. ``Plan`` says what goes and what a log no
longer holds; nothing is done before somebody agreed. This file must not print.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from stream.kafka.admin import GroupMember, KafkaAdmin, Kept
from stream.kafka.topic_check import Finding, repair_topics
from stream.kafka.topics import Topic

_TRIES = 40
_PAUSE_SECONDS = 0.5
"""20 s in all: a static member that ended stays in its group until its session is over."""

_Sleep = Callable[[float], Awaitable[None]]


class StillRunningError(Exception):
    """Somebody is a member of a group whose state is to go; the text names them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rebuild takes away, and what it counts instead.

    Attributes:
        source: the topic that is read again.
        kept: its partitions, as far as they are kept.
        topics: to be deleted and made anew; those that there are not are left out.
        groups: consumer groups to be deleted.
    """

    source: str
    kept: tuple[Kept, ...]
    topics: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def records(self) -> int:
        """How many records are counted anew."""
        return sum(each.end - each.first for each in self.kept)

    @property
    def lost(self) -> int:
        """How many records were counted once and are not kept: what they came to is lost."""
        return sum(each.first for each in self.kept)


async def plan(
    admin: KafkaAdmin, source: str, *, topics: Sequence[str], groups: Sequence[str]
) -> Plan:
    """What there is to take away.

    Raises:
        LookupError: there is no such source.
    """
    found = await admin.describe([source, *topics])
    if source not in found:
        raise LookupError(source)
    return Plan(
        source,
        await admin.kept(source, found[source].partitions),
        tuple(name for name in topics if name in found),
        tuple(groups),
    )


async def carry_out(
    admin: KafkaAdmin, plan: Plan, catalogue: Sequence[Topic], *, sleep: _Sleep = asyncio.sleep
) -> list[Finding]:
    """Delete and make anew. Repeating it after a failure is harmless.

    Args:
        admin: of the cluster.
        plan: what to do.
        catalogue: every topic as it has to be.
        sleep: between two looks at what the brokers have done.

    Returns:
        What is still wrong with the topics.

    Raises:
        StillRunningError: a group has members, after waiting for those that have just ended;
            nothing was deleted.
        AdminRefusedError: the broker will not.
    """
    await _until_empty(admin, plan.groups, sleep)
    await admin.delete_groups(plan.groups)
    await admin.delete_topics(plan.topics)
    for _ in range(_TRIES):
        if not await admin.describe(list(plan.topics)):
            break
        await sleep(_PAUSE_SECONDS)
    _, left = await repair_topics(admin, catalogue)
    return left


async def _until_empty(admin: KafkaAdmin, groups: Sequence[str], sleep: _Sleep) -> None:
    for _ in range(_TRIES):
        members = await admin.members(groups)
        if not members:
            return
        await sleep(_PAUSE_SECONDS)
    raise StillRunningError(_named(members))


def _named(members: Sequence[GroupMember]) -> str:
    return ", ".join(f"{each.client_id} at {each.host} in group {each.group}" for each in members)
