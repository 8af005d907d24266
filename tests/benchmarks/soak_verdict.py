"""Is a long run flat? Judged from its samples; nothing here measures.

What has to grow is let grow first: ids of counted events fill their table until the horizon is
full, and the horizon of a soak is a quarter of it. After that nothing may grow. So memory is fitted
over the last two-thirds, and lag and latency of the last third are held against the first.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ROLES = ("ingest", "watch", "decide", "notify")

LAG_RECORDS = {"ingest": 20_000, "watch": 500, "decide": 200, "notify": 200}
"""Of the worst partition: above it the rule SpendwatchLag fires (deploy/prometheus/rules.yml)."""

GROWTH_PER_HOUR = 0.10
"""Of a role's mean: what it may grow by in an hour, by the line fitted to it."""

NOISE_BYTES = 8 * 2**20
"""What a fitted line may rise in all: the allocator takes and keeps memory in such steps."""

SLOWER = 1.5
NOISE_SECONDS = 0.25
"""The p99 of the last third may be so many times that of the first, and this much more."""

DEDUP_SLACK_SECONDS = 180.0
"""Ids leave a minute at a time, behind a watermark that is a minute late."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one look found.

    Attributes:
        seconds: since the first look.
        events: counted since the process started.
        memory_bytes: role to its resident memory, and ``supervisor``.
        lag_records: role to the lag of its worst partition.
        dedup_ids: remembered, all partitions.
        watermark_age_seconds: of WATCH's partition that is furthest behind.
    """

    seconds: float
    events: int
    memory_bytes: dict[str, int]
    lag_records: dict[str, int]
    dedup_ids: int
    watermark_age_seconds: float


@dataclass(frozen=True, slots=True)
class Journey:
    """One event that had to be answered.

    Attributes:
        seconds: when it was sent, since the first look.
        took_seconds: until it was answered.
    """

    seconds: float
    took_seconds: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is flat or not.

    Attributes:
        what: it is.
        is_flat: whether it keeps its bound.
        detail: figures and bound, in words.
    """

    what: str
    is_flat: bool
    detail: str

    def line(self) -> str:
        """As it is printed."""
        return f"{'flat' if self.is_flat else 'NOT FLAT':<9}{self.what:<34}{self.detail}"


def memory_finding(role: str, samples: Sequence[Sample]) -> Finding:
    """Resident memory of one role over the last two-thirds."""
    later = _after(samples, 1 / 3)
    seconds = [sample.seconds for sample in later]
    sizes = [float(sample.memory_bytes[role]) for sample in later]
    slope = statistics.linear_regression(seconds, sizes).slope
    span, mean = seconds[-1] - seconds[0], statistics.fmean(sizes)
    rise, bound = slope * span, max(NOISE_BYTES, GROWTH_PER_HOUR * mean * span / 3600)
    detail = (
        f"{_mib(mean)} on average, rose by {_mib(rise)} in {span / 60:.1f} min, bound "
        f"{_mib(bound)}; {_mib(slope * 3600)} an hour"
    )
    return Finding(f"memory of {role}", rise <= bound, detail)


def lag_finding(role: str, samples: Sequence[Sample]) -> Finding:
    """Lag of one role: does it still keep up in the last third?"""
    first, last = (
        [sample.lag_records[role] for sample in part]
        for part in (_before(samples, 1 / 3), _after(samples, 2 / 3))
    )
    middle, bound = statistics.median(last), LAG_RECORDS[role]
    detail = (
        f"median {middle:,.0f} records in the last third, {statistics.median(first):,.0f} in the "
        f"first, at most {max(first + last):,}; bound {bound:,}"
    )
    return Finding(f"lag of {role}", middle <= bound, detail)


def latency_finding(what: str, journeys: Sequence[Journey], seconds: float) -> Finding:
    """Latency of the last third against the first, of a run of so many seconds."""
    first = [each.took_seconds for each in journeys if each.seconds < seconds / 3]
    last = [each.took_seconds for each in journeys if each.seconds >= seconds * 2 / 3]
    if not first or not last:
        return Finding(what, False, f"{len(first)} in the first third, {len(last)} in the last")  # noqa: FBT003 -- a field
    before, after = p99(first), p99(last)
    bound = SLOWER * before + NOISE_SECONDS
    middles = [statistics.median(part) for part in (first, last)]
    detail = (
        f"p99 {before:.2f} s of {len(first)} in the first third, {after:.2f} s of {len(last)} in "
        f"the last, bound {bound:.2f} s; p50 {middles[0]:.2f} and {middles[1]:.2f} s"
    )
    return Finding(what, after <= bound, detail)


def dedup_finding(samples: Sequence[Sample], horizon_seconds: float) -> Finding:
    """Ids fill until the horizon is full, and no further."""
    span = samples[-1].seconds - samples[0].seconds
    rate = (samples[-1].events - samples[0].events) / span
    bound = rate * (horizon_seconds + DEDUP_SLACK_SECONDS)
    most = max(sample.dedup_ids for sample in samples)
    fill = "is full at" if span > horizon_seconds else "would be full at"
    detail = (
        f"at most {most:,} ids, {samples[-1].dedup_ids:,} at the end; the horizon {fill} "
        f"{horizon_seconds / 60:.1f} min, bound {bound:,.0f}"
    )
    return Finding("ids of counted events", most <= bound, detail)


def findings(
    samples: Sequence[Sample], latencies: dict[str, Sequence[Journey]], horizon_seconds: float
) -> list[Finding]:
    """Everything there is to judge.

    Args:
        samples: at least four, in order.
        latencies: what was answered, to its journeys.
        horizon_seconds: ``ingest.dedup_horizon_seconds`` of the run.
    """
    seconds = samples[-1].seconds
    return [
        *[memory_finding(role, samples) for role in samples[0].memory_bytes],
        *[lag_finding(role, samples) for role in ROLES],
        dedup_finding(samples, horizon_seconds),
        *[latency_finding(what, each, seconds) for what, each in latencies.items()],
    ]


def p99(values: Sequence[float]) -> float:
    """The smallest value that 99 % do not exceed.

    >>> p99(range(1, 201)), p99([3.0])
    (198, 3.0)
    """
    return sorted(values)[max(0, math.ceil(len(values) * 0.99) - 1)]


def _part(samples: Sequence[Sample], is_in: Callable[[float], bool]) -> list[Sample]:
    first, end = samples[0].seconds, samples[-1].seconds
    return [sample for sample in samples if is_in((sample.seconds - first) / (end - first))]


def _before(samples: Sequence[Sample], share: float) -> list[Sample]:
    return _part(samples, lambda at: at <= share)


def _after(samples: Sequence[Sample], share: float) -> list[Sample]:
    return _part(samples, lambda at: at >= share)


def _mib(size: float) -> str:
    return f"{size / 2**20:,.1f} MiB"
