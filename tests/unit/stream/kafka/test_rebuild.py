"""What a rebuild takes away, and that it takes nothing from anybody who still reads."""

from collections.abc import Sequence

import pytest

from stream.kafka.admin import FoundTopic, GroupMember, Kept
from stream.kafka.rebuild import Plan, StillRunningError, carry_out, plan


class Cluster:
    """An administrator of two topics, in whose groups ``readers`` come and go."""

    def __init__(self, readers: Sequence[Sequence[GroupMember]] = ()) -> None:
        self.topics = {"deltas": 2, "a-live-changelog": 2}
        self.readers = list(readers)
        self.done: list[tuple[str, ...]] = []

    async def describe(self, names: list[str]) -> dict[str, FoundTopic]:
        return {n: FoundTopic(self.topics[n], {}, {}) for n in names if n in self.topics}

    async def kept(self, name: str, partitions: int) -> tuple[Kept, ...]:
        return tuple(Kept(10 * number, 100) for number in range(partitions))

    async def members(self, groups: Sequence[str]) -> list[GroupMember]:
        return list(self.readers.pop(0)) if self.readers else []

    async def delete_groups(self, groups: Sequence[str]) -> None:
        self.done.append(("groups", *groups))

    async def delete_topics(self, names: Sequence[str]) -> None:
        self.done.append(("topics", *names))
        for name in names:
            del self.topics[name]


PLAN = Plan("deltas", (Kept(0, 100),), ("a-live-changelog",), ("a",))


async def no_time(seconds: float) -> None:
    """Sleeps not at all."""


async def test_a_plan_says_what_is_counted_anew_and_what_is_lost():
    made = await plan(Cluster(), "deltas", topics=["a-live-changelog", "gone"], groups=["a"])
    assert made.topics == ("a-live-changelog",)
    assert (made.records, made.lost) == (190, 10)
    with pytest.raises(LookupError, match="events"):
        await plan(Cluster(), "events", topics=[], groups=[])


async def test_who_has_just_ended_is_waited_for():
    cluster = Cluster([[GroupMember("a", "worker-1", "10.0.0.7")]] * 3)
    assert await carry_out(cluster, PLAN, (), sleep=no_time) == []
    assert cluster.done == [("groups", "a"), ("topics", "a-live-changelog")]


async def test_nothing_is_taken_from_who_still_reads():
    cluster = Cluster([[GroupMember("a", "worker-1", "10.0.0.7")]] * 1000)
    with pytest.raises(StillRunningError, match=r"worker-1 at 10\.0\.0\.7 in group a"):
        await carry_out(cluster, PLAN, (), sleep=no_time)
    assert cluster.done == []
