"""How a metric is declared: in Prometheus's registry, in the list, at zero where it can be."""

import pytest

from stream.health.metric import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def test_every_combination_of_known_labels_starts_at_zero():
    metrics = Metrics()
    metrics.counter("a_total", "ingest", "A.", kind=("x", "y"), where=("here",))
    assert samples(metrics) == {("a_total", "x", "here"): 0, ("a_total", "y", "here"): 0}


def test_a_label_that_is_known_later_starts_with_its_first_value():
    metrics = Metrics()
    gauge = metrics.gauge("a_bytes", "ingest", "A.", role=None, kind=("x",))
    assert samples(metrics) == {}
    gauge.labels("r", "x").set(3)
    assert samples(metrics) == {("a_bytes", "r", "x"): 3}


def test_a_distribution_has_its_buckets():
    metrics = Metrics()
    metrics.histogram("a_seconds", "ingest", (0.5, 1.0), "A.").observe(0.7)
    found = samples(metrics)
    assert [found["a_seconds_bucket", bound] for bound in ("0.5", "1.0", "+Inf")] == [0, 1, 1]


@pytest.mark.parametrize(
    ("owners", "wanted"), [("ingest", ("ingest",)), (("watch", "decide"), ("watch", "decide"))]
)
def test_what_is_declared_is_listed_in_its_order(owners: str | tuple[str, ...], wanted: object):
    metrics = Metrics()
    metrics.counter("b_total", owners, "B.", kind=("x",))
    metrics.gauge("a", owners, "A.")
    b, a = metrics.specs.values()
    assert (b.name, b.kind, b.help, b.owners, b.labels) == (
        "b_total",
        "counter",
        "B.",
        wanted,
        ("kind",),
    )
    assert (b.family, a.family) == ("b", "a")


def test_the_table_has_a_row_for_each_and_calls_several_owners_by_one_name():
    metrics = Metrics()
    metrics.counter("b_total", ("watch", "decide"), "B.", kind=None)
    metrics.gauge("a", "ingest", "A.")
    _, _, *rows = metrics.table({("watch", "decide"): "both"})
    assert rows == [
        "| `b_total` | counter | kind | both | B. |",
        "| `a` | gauge |  | ingest | A. |",
    ]
