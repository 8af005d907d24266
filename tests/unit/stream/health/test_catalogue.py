"""The catalogue keeps Prometheus's conventions, and what is counted elsewhere comes into it."""

import re
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry, Counter

from alerting.throttle.policy import AlertKind
from stream.health import catalogue
from stream.health.catalogue import SPECS, SUPERVISOR
from stream.health.metric import Spec
from stream.health.vitals import READY, Followed, Vitals, show_lag, unready
from stream.keyed.config import Role

BOUNDED = {"role", "reason", "receiver", "outcome", "severity", "transition", "mode", "topic"}
BOUNDED |= {"result", "kind", "version", "partitioner"}
OWNERS = {SUPERVISOR, *Role}


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_a_metric_is_named_and_labelled_as_prometheus_wants_it(spec: Spec):
    assert re.fullmatch(r"spendwatch_[a-z]+(_[a-z]+)*", spec.name)
    assert spec.name.endswith("_total") == (spec.kind == "counter")
    assert spec.kind != "histogram" or spec.name.endswith("_seconds")
    assert not re.search(r"_(ms|milliseconds|minutes|kb|ratio_percent|nanousd)(_|$)", spec.name)
    assert spec.help.endswith((".", ").", "headline."))
    assert set(spec.labels) <= BOUNDED
    assert spec.owners
    assert set(spec.owners) <= OWNERS


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_a_metric_without_labels_of_the_configuration_starts_at_zero(spec: Spec):
    if set(spec.labels) & {"role", "receiver", "version"}:
        return  # known once there is a process or a receiver
    (family,) = [each for each in catalogue.REGISTRY.collect() if each.name == spec.family]
    assert family.samples


def test_signals_of_every_kind_start_at_zero():
    (family,) = catalogue.SIGNALS.collect()
    kinds = {sample.labels["kind"] for sample in family.samples}
    assert kinds == set(get_args(AlertKind)) - {"forecast"}  # nobody forecasts yet


def test_no_metric_tells_when_it_was_created():
    names = {sample.name for family in catalogue.REGISTRY.collect() for sample in family.samples}
    assert not any(name.endswith("_created") for name in names)


def counter() -> Counter:
    return Counter("followed_total", "", registry=CollectorRegistry())


def value(of: Counter) -> float:
    return next(each.value for each in of.collect()[0].samples)


def test_a_total_that_is_counted_elsewhere_comes_in_by_what_it_grows():
    followed, mine = Followed(), counter()
    for total in (0, 5, 5, 7):
        followed.follow(mine, total)
    assert value(mine) == 7


def test_a_total_that_is_corrected_downwards_is_not_added_again():
    followed, mine = Followed(), counter()
    for total in (5, 2, 4, 6):
        followed.follow(mine, total)
    assert value(mine) == 6


def test_totals_are_followed_apart():
    followed, one, other = Followed(), counter(), counter()
    followed.follow(one, 5)
    followed.follow(other, 3)
    assert (value(one), value(other)) == (5, 3)


def test_a_role_is_starting_until_it_can_be_looked_at():
    vitals = Vitals("watch")
    assert vitals.look(0.0) == unready("starting")
    vitals.watch(lambda: READY)
    assert vitals.look(0.0).is_ready


def sample(name: str, **labels: str) -> float | None:
    return catalogue.REGISTRY.get_sample_value(name, labels)


def test_a_process_tells_its_memory_its_work_and_how_late_its_loop_is():
    Vitals("watch").look(0.25)
    assert (sample("spendwatch_role_resident_memory_bytes", role="watch") or 0) > 10_000_000
    assert (sample("spendwatch_role_cpu_seconds_total", role="watch") or 0) > 0
    assert sample("spendwatch_role_loop_delay_seconds", role="watch") == 0.25


@pytest.mark.parametrize(("lags", "total", "worst"), [([], 0, 0), ([3, 9, 0], 12, 9)])
def test_lag_is_shown_in_all_and_at_its_worst(lags: list[int], total: int, worst: int):
    show_lag("notify", lags)
    assert sample("spendwatch_consumer_lag_records", role="notify") == total
    assert sample("spendwatch_consumer_lag_worst_records", role="notify") == worst
    assert sample("spendwatch_assigned_partitions", role="notify") == len(lags)
