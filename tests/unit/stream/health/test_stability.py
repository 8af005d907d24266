"""Since when nobody may read on."""

from stream.health import catalogue
from stream.health.stability import Stability
from stream.kafka.progress import Progress


def shown() -> tuple[float | None, float | None]:
    value = catalogue.REGISTRY.get_sample_value
    labels = {"role": "watch"}
    return (
        value("spendwatch_unstable_records", labels),
        value("spendwatch_unstable_seconds", labels),
    )


def test_a_transaction_that_hangs_shows_by_the_time_it_stands_still():
    steps = [(0, 5, 5), (1, 5, 9), (3, 5, 12), (4, 12, 15), (9, 12, 15), (10, 15, 15)]
    times = iter(float(at) for at, _, _ in steps)
    stability = Stability("watch", lambda: next(times))
    found = []
    for _, stable, end in steps:
        stability.look({0: Progress(5, stable, end), 1: Progress(0, 7, 7)})
        found.append(shown())
    assert found == [(0, 0.0), (4, 0.0), (7, 2.0), (3, 0.0), (3, 5.0), (0, 0.0)]


def test_a_partition_that_is_gone_hangs_no_more():
    stability = Stability("watch", lambda: 0.0)
    stability.look({0: Progress(0, 1, 2)})
    stability.look({})
    assert shown() == (0, 0.0)
