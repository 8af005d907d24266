"""What a role says of itself, once a second: is it ready, and what do its gauges show?

A role hands in a function that looks at itself; inner loops measure nothing for it. Beside the
role's own, every process tells of its memory, its CPU and how late its loop wakes up. This file
knows no role and sends nothing.
"""

import os
import resource
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import Counter, Gauge

from stream.health import catalogue

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a role could take over from another now.

    Attributes:
        is_ready: recovered, and near the head of its log.
        detail: what is missing, in a few words; empty if nothing is.
    """

    is_ready: bool
    detail: str = ""


READY = Readiness(is_ready=True)


def unready(detail: str) -> Readiness:
    """Not yet, and why."""
    return Readiness(is_ready=False, detail=detail)


Look = Callable[[], Readiness]
"""Looks at a role, sets its gauges, and says whether it is ready; well under a millisecond."""


def process_name(role: str, number: int) -> str:
    """The name of the first process of a role is the role's."""
    return role if number == 1 else f"{role}-{number}"


def role_and_number(name: str) -> tuple[str, int]:
    """What ``process_name`` was made of."""
    role, _, number = name.partition("-")
    return role, int(number) if number.isdecimal() else 1


@dataclass(slots=True)
class Vitals:
    """What a process looks at once a second.

    Attributes:
        role: whose process it is; empty where nobody asks.
        number: which of the role's processes in this worker, from 1.
    """

    role: str = ""
    number: int = 1
    _look: Look | None = field(default=None, init=False)
    _cpu: "Followed" = field(init=False)

    def __post_init__(self) -> None:
        self._cpu = Followed()

    @property
    def name(self) -> str:
        """Of the process: ``ingest``, ``ingest-2``."""
        return process_name(self.role, self.number)

    def watch(self, look: Look) -> None:
        """Look at the role so, from now on."""
        self._look = look

    def look(self, delay_seconds: float) -> Readiness:
        """Set all gauges and say whether the role is ready.

        Args:
            delay_seconds: how much later than asked the loop woke up.
        """
        used = resource.getrusage(resource.RUSAGE_SELF)
        self._cpu.follow(catalogue.ROLE_CPU.labels(self.name), used.ru_utime + used.ru_stime)
        catalogue.ROLE_MEMORY.labels(self.name).set(_resident_bytes(used.ru_maxrss))
        catalogue.LOOP_DELAY.labels(self.name).set(max(0.0, delay_seconds))
        return unready("starting") if self._look is None else self._look()


def _resident_bytes(peak_kilobytes: int) -> int:
    """Resident memory now; where the system does not say, the most it has been."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123  a pseudo-file, once a second
            return int(statm.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return peak_kilobytes * 1024


class Followed:
    """A total that is counted elsewhere, brought into a counter: only what it has grown by."""

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}

    def follow(self, counter: Counter, total: float) -> None:
        """Bring the counter up to a total; one that has fallen, as a correction may, waits."""
        before = self._seen.get(id(counter), 0.0)
        if total > before:
            self._seen[id(counter)] = total
            counter.inc(total - before)


def show_lag(name: str, lags: list[int]) -> None:
    """Set the gauges about how far behind the partitions of a role's process are."""
    for gauge, value in (
        (catalogue.CONSUMER_LAG, sum(lags)),
        (catalogue.CONSUMER_LAG_WORST, max(lags, default=0)),
        (catalogue.PARTITIONS, len(lags)),
    ):
        _of(gauge, name).set(value)


def show_buffered(role: str, records: int, size_bytes: int) -> None:
    """Set the gauges about what a role has read and not yet worked on."""
    _of(catalogue.BUFFERED, role).set(records)
    _of(catalogue.BUFFERED_BYTES, role).set(size_bytes)


def _of(gauge: Gauge, role: str) -> Gauge:
    return gauge.labels(role)
