"""Killed anywhere, WATCH goes on as if nothing had been: no money lost, nothing told otherwise.

The changelogs here are dictionaries: what a broker keeps of a compacted topic. A flush is cut at
any point of any step, any part of that step being durable.
"""

import random
from collections.abc import Iterable
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from alerting.alert import Alert
from stream.watch.flush import TABLES, Flush, Write
from stream.watch.partition import DeltaPartition
from tests.support.deltas import LogEntry, delta_logs, known, new_partition

PLANS = st.lists(
    st.sampled_from(["go", "go", "go", "flush", "profiles", "cut", "cut with profiles", "kill"]),
    min_size=8,
    max_size=40,
)


class Cluster:
    """What outlives a worker: the changelogs, the committed offset, and what people were told."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Any, bytes]] = {table: {} for table in TABLES}
        self.committed = 0
        self.told: dict[str, Alert] = {}
        self.incarnations = 0

    def write(self, writes: Iterable[Write]) -> None:
        for table, key, value in writes:
            if value is None:
                self.tables[table].pop(key, None)
            else:
                self.tables[table][key] = value

    def take_over(self) -> DeltaPartition:
        self.incarnations += 1
        partition = new_partition(str(self.incarnations))
        partition.restore({table: dict(records) for table, records in self.tables.items()})
        return partition

    def fold(self, partition: DeltaPartition, offset: int, entry: LogEntry) -> None:
        alerts = partition.fold(offset, entry.promise, entry.rows)
        partition.unacknowledged.append(offset)
        for alert in alerts:  # what is told again is told in the same words
            assert self.told.setdefault(alert.transition_id, alert) == alert

    def fold_some(
        self, partition: DeltaPartition, start: int, log: list[LogEntry], chance: random.Random
    ) -> int:
        end = min(len(log), start + chance.choice([1, 2, 10]))
        for offset in range(start, end):
            self.fold(partition, offset, log[offset])
        return end

    def flush(self, partition: DeltaPartition, *, with_profiles: bool) -> None:
        flush = partition.begin_flush(with_profiles=with_profiles)
        for step in flush.steps:
            self.write(step)
        acknowledged = partition.finish_flush(flush)
        assert acknowledged == sorted(acknowledged)
        self.committed = max(self.committed, flush.stamp + 1)

    def cut(self, flush: Flush, chance: random.Random) -> None:
        """Some steps in full, a part of the next: of each changelog the first so many records."""
        whole = chance.randrange(len(flush.steps))
        for step in flush.steps[:whole]:
            self.write(step)
        for table in TABLES:
            mine = [each for each in flush.steps[whole] if each[0] == table]
            self.write(mine[: chance.randint(0, len(mine))])


def uninterrupted(log: list[LogEntry]) -> tuple[DeltaPartition, dict[str, Alert]]:
    partition, told = new_partition(), []
    for offset, entry in enumerate(log):
        told += partition.fold(offset, entry.promise, entry.rows)
    by_id = {alert.transition_id: alert for alert in told}
    assert len(by_id) == len(told), "something was told twice without any restart"
    return partition, by_id


@settings(max_examples=100)
@given(delta_logs(), PLANS, st.integers(0, 1 << 20))
def test_a_worker_killed_anywhere_goes_on_as_if_it_had_not_been(
    log: list[LogEntry], plan: list[str], seed: int
) -> None:
    whole, told = uninterrupted(log)
    cluster, chance = Cluster(), random.Random(seed)
    partition, position, step = cluster.take_over(), 0, 0
    while position < len(log):
        position = cluster.fold_some(partition, position, log, chance)
        action = plan[step % len(plan)] if step < 3 * len(plan) else "go"
        step += 1
        if action in ("flush", "profiles"):
            cluster.flush(partition, with_profiles=action == "profiles")
        elif action != "go":
            if action != "kill":
                flush = partition.begin_flush(with_profiles=action == "cut with profiles")
                cluster.cut(flush, chance)
            partition = cluster.take_over()
            # Offsets are committed a while after they are acknowledged; fetched ones come twice.
            position = max(0, cluster.committed - chance.choice([0, 0, 1, 5]))
    event(f"told: {min(len(told), 3)}, incarnations: {min(cluster.incarnations, 5)}")
    assert cluster.told == told
    assert known(partition) == known(whole)


@settings(max_examples=100)
@given(delta_logs(), PLANS, st.integers(0, 1 << 20))
def test_a_worker_that_was_thought_dead_and_writes_on_costs_nothing(
    log: list[LogEntry], plan: list[str], seed: int
) -> None:
    """Stopped anywhere in a flush, it goes on with it behind its successors' pages.

    One in a run: of two, the second may remove what the first has meanwhile written anew.
    """
    whole, told = uninterrupted(log)
    cluster, chance = Cluster(), random.Random(seed)
    partition, position = cluster.take_over(), 0
    asleep: list[Write] | None = None
    for step in range(len(log)):
        position = cluster.fold_some(partition, position, log, chance)
        action = plan[step % len(plan)]
        if position == len(log) or action in ("flush", "profiles"):
            cluster.flush(partition, with_profiles=action == "profiles")
        elif action == "go" and asleep:
            taken = chance.randint(0, len(asleep))
            cluster.write(asleep[:taken])
            asleep = asleep[taken:] if chance.randrange(2) else []
        elif action != "go":
            steps = partition.begin_flush(with_profiles=False).steps
            stopped = chance.randint(0, len(steps))
            for each in steps[:stopped]:
                cluster.write(each)
            if asleep is None:
                asleep = [write for each in steps[stopped:] for write in each]
            partition, position = cluster.take_over(), cluster.committed
    cluster.write(asleep or [])
    partition = cluster.take_over()
    for offset in range(cluster.committed, len(log)):
        cluster.fold(partition, offset, log[offset])
    assert cluster.told == told
    assert known(partition) == known(whole)
