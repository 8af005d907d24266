"""What a metric is, and how one is declared: on Prometheus's client, and in a list beside it.

Prometheus's client does not know whose process exposes a metric, nor can it write the page of the
documentation; the list does. This file knows no metric of spendwatch and measures nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series each, and nobody reads them

Owners = str | tuple[str, ...]
"""Whose processes expose a metric: a role, several, or the supervisor."""

Join = Callable[[Iterable[float]], float]
"""``sum``, ``min`` or ``max``."""

_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)
_Known = dict[str, Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class Spec:
    """One metric.

    Attributes:
        name: as Prometheus knows it.
        kind: ``counter``, ``gauge`` or ``histogram``.
        help: a sentence.
        owners: whose processes expose it: roles, or the supervisor.
        labels: their names.
        join: what several processes of a role make of their values.
    """

    name: str
    kind: str
    help: str
    owners: tuple[str, ...]
    labels: tuple[str, ...]
    join: Join = sum

    @property
    def family(self) -> str:
        """Its name in the exposition's model, which leaves ``_total`` to the samples."""
        return self.name.removesuffix("_total") if self.kind == "counter" else self.name


class Metrics:
    """Metrics as they are declared, one after the other.

    Labels are given by name, each with the values that it can have, or ``None`` if they are known
    only later. What is known starts at zero, so that a rate sees the first increase.

    Attributes:
        registry: of this process; a role's process exposes only what is its own.
        specs: by name, in the order of their declaration.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.specs: dict[str, Spec] = {}

    def counter(
        self, name: str, owners: Owners, text: str, **known: Sequence[str] | None
    ) -> Counter:
        """Declare what only grows."""
        spec = self._listed(name, "counter", owners, text, known)
        return _begun(Counter(name, text, spec.labels, registry=self.registry), known)

    def gauge(
        self,
        name: str,
        owners: Owners,
        text: str,
        *,
        join: Join = sum,
        **known: Sequence[str] | None,
    ) -> Gauge:
        """Declare what goes up and down."""
        spec = self._listed(name, "gauge", owners, text, known, join=join)
        return _begun(Gauge(name, text, spec.labels, registry=self.registry), known)

    def histogram(
        self, name: str, owners: Owners, buckets: tuple[float, ...], text: str
    ) -> Histogram:
        """Declare a distribution, by the upper bounds of its buckets."""
        self._listed(name, "histogram", owners, text, {})
        return Histogram(name, text, buckets=buckets, registry=self.registry)

    def _listed(
        self, name: str, kind: str, owners: Owners, text: str, known: _Known, *, join: Join = sum
    ) -> Spec:
        whose = owners if isinstance(owners, tuple) else (str(owners),)
        self.specs[name] = Spec(name, kind, text, whose, tuple(known), join)
        return self.specs[name]

    def table(self, abbreviated: dict[tuple[str, ...], str]) -> Iterator[str]:
        """The lines of the table in the documentation, a row for each metric.

        Args:
            abbreviated: owners that have a shorter name together.
        """
        yield "| metric | type | labels | exposed by | what it says |"
        yield "|---|---|---|---|---|"
        for spec in self.specs.values():
            labels = ", ".join(spec.labels)
            owners = abbreviated.get(spec.owners) or ", ".join(spec.owners)
            yield f"| `{spec.name}` | {spec.kind} | {labels} | {owners} | {spec.help} |"


def _begun(metric: _Metric, known: _Known) -> _Metric:
    values = [each for each in known.values() if each is not None]
    if known and len(values) == len(known):
        for each in product(*values):
            metric.labels(*each)
    return metric
