"""One window of one scope, judged by one rule: statistics from the detectors, floors in dollars.

Everything here only grows while a window is open, so an early judgement stays true, but for
``judge_call_cost``, which is for windows that are closed. What follows
from a judgement is ``lifecycle.py``'s; what is remembered, ``scope_watch.py``'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from alerting.alert import Severity
from alerting.watch.lifecycle import JudgedWindow
from alerting.watch.rules import ContributorRule, SeverityFloors, nanousd_of
from detectors.attribution import Attribution
from detectors.call_cost import CallCost
from detectors.detector import State, score_of
from detectors.observation import COST, REQUESTS, Observation, zero_counts
from detectors.scope import OTHER
from detectors.signal import Band
from detectors.window import HOUR_SECONDS, MINUTE_SECONDS, Window

NEVER = 1 << 126
"""A cost that no window reaches: nothing is left to tell of it before it closes."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """From where on judging an open window again can bring something new.

    Attributes:
        cost_nanousd: of the window, however many calls.
        floor_nanousd: of the window, once it has ``calls``.
        calls: in the window.
    """

    cost_nanousd: int
    floor_nanousd: int = NEVER
    calls: int = NEVER

    def is_reached(self, cost_nanousd: int, calls: int) -> bool:
        """Whether a window has to be looked at."""
        if cost_nanousd >= self.cost_nanousd:
            return True
        return calls >= self.calls and cost_nanousd >= self.floor_nanousd

    def or_from(self, cost_nanousd: int) -> "Trigger":
        """The same, and from another cost on, if that is less."""
        if cost_nanousd >= self.cost_nanousd:
            return self
        return Trigger(cost_nanousd, self.floor_nanousd, self.calls)


AT_ONCE = Trigger(0)
NO_MORE = Trigger(NEVER)


def observation_of(window: Window, cost_nanousd: int, requests: int) -> Observation:
    """What detectors are shown of a window."""
    counts = zero_counts()
    counts[COST] = cost_nanousd
    counts[REQUESTS] = requests
    return Observation(window, counts)


@dataclass(frozen=True, slots=True)
class Floors:
    """Excess of one window, in nano-dollars, from which each severity holds.

    Attributes:
        critical_nanousd: pages.
        warning_nanousd: goes to a channel.
        info_nanousd: below it nothing is an alert.
        minute_nanousd: excess of one minute that is critical; minutes know nothing less.
    """

    critical_nanousd: int
    warning_nanousd: int
    info_nanousd: int
    minute_nanousd: int

    @classmethod
    def of(cls, floors: SeverityFloors, window_seconds: int) -> "Floors":
        """The floors of windows of that length."""

        def part(nanousd_per_hour: int, seconds: int = window_seconds) -> int:
            return -(-nanousd_per_hour * seconds // HOUR_SECONDS)

        critical = nanousd_of(floors.critical_usd_per_hour)
        return cls(
            critical_nanousd=part(critical),
            warning_nanousd=part(nanousd_of(floors.warning_usd_per_hour)),
            info_nanousd=part(nanousd_of(floors.info_usd_per_hour)),
            minute_nanousd=part(critical, MINUTE_SECONDS),
        )

    def severity(self, excess_nanousd: int) -> Severity:
        """By the excess of one window; the caller has checked the lowest floor."""
        if excess_nanousd >= self.critical_nanousd:
            return Severity.CRITICAL
        return Severity.WARNING if excess_nanousd >= self.warning_nanousd else Severity.INFO


@dataclass(frozen=True, slots=True)
class Spend:
    """What a window cost so far.

    Attributes:
        cost_nanousd: in all.
        minute_nanousd: in its dearest minute.
        requests: calls.
        minute_calls: in its busiest minute.
    """

    cost_nanousd: int
    minute_nanousd: int
    requests: int
    minute_calls: int


def judge_spike(floors: Floors, band: Band | None, window: Window, spend: Spend) -> JudgedWindow:
    """The scope against its band; calm where there is no band yet.

    Above the band it is unusual, which is information. It is a warning or critical, by its excess,
    only beyond the firm edge; and critical as soon as one minute is, by its dollars or by its calls
    if they cost enough. An excess of one minute that is larger than the window's (the rest of it
    was quiet) is the excess; and so is that of a minute which alone makes the window one, however
    much the window has: it is told as what passed the edge of a minute.
    """
    cost = spend.cost_nanousd
    has_data = bool(cost or spend.requests)
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
    expected, upper = band.expected_nanousd, band.upper_nanousd
    excess = max(cost - expected, 0)
    firm = band.edge_nanousd
    is_unusual = cost > upper and excess >= floors.info_nanousd
    is_firm = cost > firm and excess >= floors.warning_nanousd
    if is_firm and not is_unusual:
        upper = firm
    severity = floors.severity(excess) if is_firm else Severity.INFO
    is_quick = spend.minute_nanousd >= _minute_limit(floors, band, window)
    is_critical_minute = is_quick or _is_busy(floors, band, window, spend)
    if is_critical_minute:
        severity = Severity.CRITICAL
        usual = _minute_share(band, window)
        of_minute = spend.minute_nanousd - usual
        if of_minute > excess or not (is_unusual or is_firm):
            excess, expected = of_minute, cost - of_minute
            most = band.minute_nanousd if is_quick else _most_of_calls(band, spend)
            upper = expected + max(most or 0, usual) - usual
    return JudgedWindow(
        window=window,
        is_anomalous=is_unusual or is_firm or is_critical_minute,
        has_data=has_data,
        observed_nanousd=cost,
        expected_nanousd=expected,
        lower_nanousd=min(band.lower_nanousd, expected),
        upper_nanousd=upper,
        score=score_of(cost - expected, upper - expected),
        excess_nanousd=excess,
        severity=severity,
    )


def judge_call_cost(
    floors: Floors, known: CallCost, window: Window, spend: Spend, *, is_going_on: bool
) -> JudgedWindow | None:
    """A closed window whose calls are dearer than usual; ``None`` if it costs nobody enough.

    What so many calls usually cost is expected, however many they are. It begins with a warning's
    dollars, and goes on with those of information: quiet hours do not end it.
    """
    cost, calls = spend.cost_nanousd, spend.requests
    expected, upper = calls * known.usual_nanousd, calls * known.edge_nanousd
    excess = cost - expected
    least = floors.info_nanousd if is_going_on and known.goes_on else floors.warning_nanousd
    if excess < least:
        return None
    return JudgedWindow(
        window=window,
        is_anomalous=True,
        has_data=True,
        observed_nanousd=cost,
        expected_nanousd=expected,
        lower_nanousd=expected * expected // upper,
        upper_nanousd=upper,
        score=score_of(excess, upper - expected),
        excess_nanousd=excess,
        severity=floors.severity(excess),
    )


def spike_trigger(
    floors: Floors,
    band: Band | None,
    window: Window,
    spend: Spend,
    *,
    is_told: bool,
    is_critical: bool,
) -> Trigger:
    """From where on judging an open window again can bring something new.

    What is spent or called from now on may all be in one minute.
    """
    if band is None or is_critical:
        return NO_MORE
    firm = band.edge_nanousd
    expected = band.expected_nanousd
    if is_told:
        trigger = max(firm + 1, expected + floors.critical_nanousd)
    else:
        trigger = min(
            max(band.upper_nanousd + 1, expected + floors.info_nanousd),
            max(firm + 1, expected + floors.warning_nanousd),
        )
    missing = _minute_limit(floors, band, window) - spend.minute_nanousd
    trigger = min(trigger, spend.cost_nanousd + max(missing, 0))
    if band.minute_calls is None:
        return Trigger(trigger)
    to_floor = _minute_floor(floors, band, window) - spend.minute_nanousd
    to_calls = band.minute_calls + 1 - spend.minute_calls
    return Trigger(
        trigger, spend.cost_nanousd + max(to_floor, 0), spend.requests + max(to_calls, 0)
    )


def _minute_share(band: Band, window: Window) -> int:
    return band.expected_nanousd * MINUTE_SECONDS // window.size_seconds


def _minute_limit(floors: Floors, band: Band, window: Window) -> int:
    """The least cost of a minute that is critical."""
    if band.minute_nanousd is None:
        return NEVER
    return max(band.minute_nanousd + 1, _minute_floor(floors, band, window))


def _minute_floor(floors: Floors, band: Band, window: Window) -> int:
    """The least cost of a minute that anybody is paged for."""
    return _minute_share(band, window) + floors.minute_nanousd


def _is_busy(floors: Floors, band: Band, window: Window, spend: Spend) -> bool:
    """Whether a minute has more calls than chance explains, and one costs enough to page for.

    Both only grow, also if they are not of one minute.
    """
    if band.minute_calls is None or spend.minute_calls <= band.minute_calls:
        return False
    return spend.minute_nanousd >= _minute_floor(floors, band, window)


def _most_of_calls(band: Band, spend: Spend) -> int:
    """What as many calls as a minute has at most by chance would have cost."""
    return spend.minute_nanousd * (band.minute_calls or 0) // spend.minute_calls


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
