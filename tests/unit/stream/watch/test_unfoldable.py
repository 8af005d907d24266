"""A delta that ends the process again and again is set aside, aloud, and what follows counts."""

import json
from pathlib import Path

from alerting.alert import Status
from detectors.observation import COST
from stream.watch.unfoldable import FAILURES_BEFORE_BURIAL, RULE, UnfoldableDeltas
from tests.support.timeline import MONDAY
from tests.support.watch_bench import TOPIC, WatchBench, delta, row

BAD = b"not a delta"


async def restarts(bench: WatchBench, count: int) -> None:
    for _ in range(count):
        bench.restart()
        await bench.recovered()
        event = await bench.take(6, BAD)
        assert isinstance(bench.role.failure.exception(), ValueError)
        assert not event.is_acknowledged


async def test_the_first_failures_end_the_process_and_acknowledge_nothing():
    bench = WatchBench()
    await restarts(bench, FAILURES_BEFORE_BURIAL)
    assert bench.buried == []


async def test_after_that_it_is_a_dead_letter_with_an_alert_and_the_next_delta_counts():
    bench = WatchBench()
    await restarts(bench, FAILURES_BEFORE_BURIAL)
    bench.restart()
    await bench.recovered()
    bad = await bench.take(6, BAD)
    await bench.take(8, delta(MONDAY, row(MONDAY, 1.0)))
    await bench.role.flush()
    (dead,) = bench.buried
    record = json.loads(dead.record())
    assert (record["topic"], record["partition"], record["offset"]) == (TOPIC, 0, 6)
    assert (record["reason"], record["size"]) == ("unfoldable_delta", len(BAD))
    assert record["detail"].startswith("ValueError: not a delta")
    assert [alert.status for alert in bench.told if alert.rule == RULE] == [
        Status.FIRING,
        Status.RESOLVED,
    ]
    assert bad.is_acknowledged
    assert bench.totals()[COST] == 1_000_000_000


async def test_a_failure_to_publish_is_not_the_deltas_fault():
    bench = WatchBench()
    await bench.recovered()
    bench.publish_error = OSError("no broker")
    await bench.take_spike()
    assert isinstance(bench.role.failure.exception(), OSError)
    assert not (bench.folder / "unfoldable").exists()


async def test_another_delta_at_the_same_offset_does_not_inherit_the_count():
    bench = WatchBench()
    await restarts(bench, FAILURES_BEFORE_BURIAL)
    bench.restart()
    await bench.recovered()
    await bench.take(6, delta(MONDAY, row(MONDAY, 1.0)))
    assert bench.buried == []
    assert bench.totals()[COST] == 1_000_000_000
    bench.restart()
    await bench.recovered()
    await bench.take(6, BAD + b"!")
    unfoldable = bench.restart()._unfoldable
    assert not unfoldable.is_hopeless(0, 6, BAD + b"!")


async def test_workers_of_one_host_count_in_one_folder_and_lose_nothing_of_each_other(
    tmp_path: Path,
):
    async def bury(*_: object) -> None:
        return None

    one, two = (UnfoldableDeltas(tmp_path / "made" / "late", bury) for _ in range(2))
    one.note(3, 100, BAD, ValueError("a"))
    two.note(4, 100, BAD, ValueError("b"))
    two.note(3, 100, BAD, ValueError("c"))
    one.note(3, 100, BAD, ValueError("d"))
    after = UnfoldableDeltas(tmp_path / "made" / "late", bury)
    assert after.is_hopeless(3, 100, BAD)
    assert not after.is_hopeless(4, 100, BAD)
