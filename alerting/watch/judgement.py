"""One window of one scope, judged by one rule: statistics from the detectors, floors in dollars.

Everything here only grows while a window is open, so an early judgement stays true. What follows
from a judgement is ``lifecycle.py``'s; what is remembered, ``scope_watch.py``'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from alerting.alert import Severity
from alerting.watch.lifecycle import JudgedWindow
from alerting.watch.rules import ContributorRule, SeverityFloors, nanousd_of
from detectors.attribution import Attribution
from detectors.detector import Detector, State
from detectors.observation import COST, REQUESTS, Observation, zero_counts
from detectors.scope import OTHER
from detectors.signal import Band
from detectors.window import HOUR_SECONDS, Window

NEVER = 1 << 126
"""A cost that no window reaches: nothing is left to tell of it before it closes."""


def observation_of(window: Window, cost_nanousd: int, requests: int) -> Observation:
    """What detectors are shown of a window."""
    counts = zero_counts()
    counts[COST] = cost_nanousd
    counts[REQUESTS] = requests
    return Observation(window, counts)


@dataclass(frozen=True, slots=True)
class Floors:
    """Excess of one window, in nano-dollars, from which each severity holds."""

    critical_nanousd: int
    warning_nanousd: int
    info_nanousd: int

    @classmethod
    def of(cls, floors: SeverityFloors, window_seconds: int) -> "Floors":
        """The floors of windows of that length."""

        def per_window(usd_per_hour: int) -> int:
            return -(-usd_per_hour * window_seconds // HOUR_SECONDS)

        return cls(
            critical_nanousd=per_window(nanousd_of(floors.critical_usd_per_hour)),
            warning_nanousd=per_window(nanousd_of(floors.warning_usd_per_hour)),
            info_nanousd=per_window(nanousd_of(floors.info_usd_per_hour)),
        )

    def severity(self, excess_nanousd: int) -> Severity:
        """By the excess of one window; the caller has checked the lowest floor."""
        if excess_nanousd >= self.critical_nanousd:
            return Severity.CRITICAL
        return Severity.WARNING if excess_nanousd >= self.warning_nanousd else Severity.INFO


def judge_spike(
    detector: Detector, floors: Floors, band: Band | None, seen: Observation
) -> JudgedWindow:
    """The scope against its band; calm where there is no band yet."""
    window, cost = seen.window, seen.cost_nanousd
    has_data = bool(cost or seen.requests)
    if band is None:
        return JudgedWindow(
            window=window,
            is_anomalous=False,
            has_data=has_data,
            observed_nanousd=cost,
            expected_nanousd=cost,
            lower_nanousd=0,
            upper_nanousd=cost,
            score=0.0,
            excess_nanousd=0,
            severity=Severity.INFO,
        )
    verdict = detector.judge(band, seen)
    excess = max(verdict.excess_nanousd, 0)
    return JudgedWindow(
        window=window,
        is_anomalous=verdict.is_anomalous and excess >= floors.info_nanousd,
        has_data=has_data,
        observed_nanousd=cost,
        expected_nanousd=band.expected_nanousd,
        lower_nanousd=band.lower_nanousd,
        upper_nanousd=band.upper_nanousd,
        score=verdict.score,
        excess_nanousd=excess,
        severity=floors.severity(excess),
    )


def spike_trigger(floors: Floors, band: Band | None, *, is_told: bool, is_critical: bool) -> int:
    """The cost from which judging an open window again can bring something new."""
    if band is None or is_critical:
        return NEVER
    floor = floors.critical_nanousd if is_told else floors.info_nanousd
    return max(band.upper_nanousd + 1, band.expected_nanousd + floor)


@dataclass(frozen=True, slots=True)
class JudgedContributors:
    """The judgement about a scope's parts.

    Attributes:
        judged: with the figures of the unusual parts alone.
        parts: the unusual parts, name to nano-dollars.
        missing_nanousd: what must be spent at least before another part can become unusual.
    """

    judged: JudgedWindow
    parts: dict[str, int]
    missing_nanousd: int


def judge_contributors(
    rule: ContributorRule,
    attribution: Attribution,
    learned: State,
    window: Window,
    parts: Mapping[str, int],
) -> JudgedContributors:
    """Each part of the rule's dimension, name to nano-dollars, against its own past.

    A part is unusual above ``ratio`` times its expectation and above its expectation plus the
    floor; one never seen before, above the floor.
    """
    floor = nanousd_of(rule.min_excess_usd)
    unusual: dict[str, int] = {}
    observed = expected = upper = 0
    missing = floor
    for name, cost in parts.items():
        if name == OTHER:
            continue
        usual = attribution.expected_nanousd(learned, rule.dimension, name)
        limit = max(int(usual * rule.ratio), usual + floor)
        if cost < limit:
            missing = min(missing, limit - cost)
            continue
        unusual[name] = cost
        observed += cost
        expected += usual
        upper += limit
    excess = observed - expected
    width = max(upper - expected, 1)
    return JudgedContributors(
        JudgedWindow(
            window=window,
            is_anomalous=bool(unusual),
            has_data=bool(unusual),
            observed_nanousd=observed,
            expected_nanousd=expected,
            lower_nanousd=0,
            upper_nanousd=upper,
            score=excess / (excess + width) if unusual else 0.0,
            excess_nanousd=excess,
            severity=Severity.INFO,
        ),
        unusual,
        missing,
    )
