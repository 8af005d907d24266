"""What judges the scopes of one kind: its rules, its detectors, and what they find in a window.

Built once per kind and shared by all its scopes; holds no state of any.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from alerting.alert import CONTRIBUTOR, SPIKE, Alert, ResolvedReason, Severity, Transition
from alerting.watch.absence_news import absence_alert
from alerting.watch.drift_judgement import judge_drift
from alerting.watch.judgement import (
    NEVER,
    NO_MORE,
    Floors,
    Spend,
    Trigger,
    judge_call_cost,
    judge_contributors,
    judge_spike,
    spike_trigger,
)
from alerting.watch.learning import Learner, Turn
from alerting.watch.lesson import Lesson, of_episode
from alerting.watch.lifecycle import Hysteresis, JudgedWindow
from alerting.watch.ratio_news import ratio_alerts
from alerting.watch.rules import (
    AbsenceRule,
    ContributorRule,
    RatioRule,
    RulesConfig,
    SpikeRule,
    nanousd_of,
)
from alerting.watch.scope_state import Cell, Learned, Track
from alerting.watch.tracking import Finding, Settled, Tracker
from detectors.absence import AbsenceDetector, AbsenceFinding
from detectors.call_cost import CALL_COST_SOURCE, CallCostDetector
from detectors.drift import DRIFT_SOURCE, DriftDetector
from detectors.ratios import RatioDetector, RatioFinding
from detectors.scope import Scope
from detectors.window import HOUR_SECONDS, MINUTE_SECONDS, Window

WARMING_UP = "warming_up"

Teller = Callable[[Scope, Window, Any], list[Alert]]
"""Scope, the window that closed and what was found, to what is told."""


@dataclass(frozen=True, slots=True)
class ScopeJudge:
    """What judges the scopes of one kind.

    Attributes:
        rule: the spike rule.
        floors: its severities.
        learner: what is expected.
        contributor: the rule about the scope's parts, if it fits the kind.
        tellers: say what was found of ratios and of silence, by its type.
        spikes: steps the spike rule's alerts.
        contributors: steps the contributor rule's.
    """

    rule: SpikeRule
    floors: Floors
    learner: Learner
    contributor: ContributorRule | None
    tellers: dict[type[Turn], Teller]
    spikes: Tracker
    contributors: Tracker

    @classmethod
    def of(cls, config: RulesConfig, scope: Scope) -> "ScopeJudge | None":
        """For scopes of that kind; ``None``: no spike rule fits, they are counted only."""
        rule = next((each for each in config.spikes if each.fits(scope)), None)
        if rule is None:
            return None
        expected = rule.ewma_of(scope.kind)
        drift = None
        if rule.drift is not None:
            drift = DriftDetector(
                rule.drift,
                info_usd_per_hour=rule.severity.info_usd_per_hour,
                chance_of_an_hour=config.chance_of_an_hour,
            )
        ratios = config.ratios if config.ratios and config.ratios.fits(scope) else None
        absence = config.absence if config.absence and config.absence.fits(scope) else None
        hysteresis = _hysteresis(config)
        learner = Learner(
            expected,
            rule.seasonal,
            drift,
            config.attribution,
            config.window_seconds,
            ratios=None if ratios is None else _detector_of(ratios, hysteresis),
            absence=None if absence is None else AbsenceDetector(absence),
            call_cost=None if rule.call_cost is None else CallCostDetector(rule.call_cost),
            floors=Floors.of(rule.severity, config.window_seconds),
            chance=config.chance_of_an_hour,
        )
        contributor = config.contributor
        return cls(
            rule=rule,
            floors=Floors.of(rule.severity, config.window_seconds),
            learner=learner,
            contributor=contributor if contributor and contributor.fits(scope) else None,
            tellers=_tellers(ratios, absence),
            spikes=Tracker(hysteresis, learner),
            contributors=Tracker(replace(hysteresis, absorb_after_seconds=None), learner),
        )

    def spike_finding(
        self,
        learned: Learned,
        track: Track | None,
        window: Window,
        cell: Cell,
        *,
        is_closed: bool = False,
    ) -> Finding:
        """The scope against its band, its hours and days against theirs: what is worse.

        Once the window is closed, its calls against what they usually cost, too.
        """
        band, spend = learned.band, cell.spend
        judged = judge_spike(self.floors, band, window, spend)
        baseline = WARMING_UP if band is None else band.source
        drift = self.learner.drift
        if drift is not None and band is not None and learned.through == window.start_seconds:
            is_going_on = bool(track and track.episode and track.episode.is_drift)
            drifted = judge_drift(
                drift, learned.drift, band, window, spend, is_going_on=is_going_on
            )
            if drifted and (not judged.is_anomalous or drifted.is_worse_than(judged)):
                judged, baseline = drifted, DRIFT_SOURCE
        if is_closed:
            is_going_on = track is not None and track.episode is not None
            dear = self._judge_calls(learned, window, spend, is_going_on=is_going_on)
            if dear and (not judged.is_anomalous or dear.is_worse_than(judged)):
                judged, baseline = dear, CALL_COST_SOURCE
        return Finding(
            kind=SPIKE,
            rule=self.rule.name,
            judged=judged,
            requests=cell.requests,
            beside=cell.beside,
            parts=cell.parts or {},
            baseline=baseline,
            exemplar=cell.exemplar,
        )

    def _judge_calls(
        self, learned: Learned, window: Window, spend: Spend, *, is_going_on: bool
    ) -> JudgedWindow | None:
        detector = self.learner.call_cost
        if detector is None or learned.through != window.start_seconds:
            return None
        known = detector.expected(learned.call_cost, window)
        if known is None:
            return None
        cost, calls = spend.cost_nanousd, spend.requests
        if not detector.is_dear(learned.call_cost, known, cost, calls):
            return None
        return judge_call_cost(self.floors, known, window, spend, is_going_on=is_going_on)

    def dear_from(self, learned: Learned | None) -> tuple[int, int]:
        """What a calm scope's window must cost at least, in all and a call, to be dear news."""
        detector = self.learner.call_cost
        if detector is None or learned is None:
            return NEVER, 0
        known = detector.least(learned.call_cost)
        return (NEVER, 0) if known is None else (self.floors.warning_nanousd, known.edge_nanousd)

    def spike_trigger(
        self, learned: Learned, track: Track | None, window: Window, cell: Cell
    ) -> Trigger:
        """From where on in the open window the spike rule may have news."""
        is_told = track is not None and (
            Transition.FIRED in track.told
            or (track.episode is not None and track.episode.fired_at is not None)
        )
        is_critical = track is not None and track.told_severity is Severity.CRITICAL
        band, spend, drift = learned.band, cell.spend, self.learner.drift
        trigger = spike_trigger(
            self.floors, band, window, spend, is_told=is_told, is_critical=is_told and is_critical
        )
        if trigger == NO_MORE or band is None or drift is None:
            return trigger
        left = drift.left(learned.drift, spend.cost_nanousd, to_critical=is_told)
        return trigger.or_from(left + 1) if left < band.edge_nanousd else trigger

    def tell(self, scope: Scope, window: Window, turns: Iterable[Turn]) -> list[Alert]:
        """What was found as a window was learned, in alerts."""
        return [alert for each in turns for alert in self.tellers[type(each)](scope, window, each)]

    def quiet_room(self, learned: Learned | None) -> tuple[int, int]:
        """What a calm scope's windows may cost together before a span of hours can be news.

        Returns:
            Nano-dollars, and the instant up to which that holds, epoch seconds: the close of no
            window before it is news either.
        """
        if learned is None:
            return NEVER, NEVER
        drift, ratios = self.learner.drift, self.learner.ratios
        room, until = (NEVER, NEVER) if drift is None else drift.room(learned.drift)
        due_at = None if ratios is None else ratios.due_at(learned.ratios)
        return room, until if due_at is None else min(until, due_at)

    @property
    def least_news_nanousd(self) -> int:
        """What a window must cost at least before a calm scope can have news, whatever its past."""
        spike, seasonal = self.learner.spike, self.learner.seasonal
        upper = [spike.floor_nanousd]
        if spike.ceiling_nanousd:
            upper.append(spike.ceiling_nanousd)
        if seasonal is not None:
            upper.append(seasonal.floor_nanousd)
        floors = self.floors
        least = min(
            max(floors.info_nanousd, min(upper) + 1),
            floors.warning_nanousd,  # beyond a firm edge, wherever that is
            floors.minute_nanousd,
        )
        if self.contributor is None:
            return least
        return min(least, nanousd_of(self.contributor.min_excess_usd))

    def contributor_finding(
        self, learned: Learned, track: Track | None, window: Window, cell: Cell
    ) -> tuple[Finding, int] | None:
        """The scope's parts, each against its own past; ``None`` if there is no such rule.

        Returns:
            What was found, and how much must be spent at least before there can be more.
        """
        rule = self.contributor
        if rule is None:
            return None
        if track is None and self.learner.windows_learned(learned) < rule.warm_up_windows:
            return None
        parts = (cell.parts or {}).get(rule.dimension, {})
        found = judge_contributors(
            rule, self.learner.attribution, learned.contributors, window, parts
        )
        finding = Finding(
            kind=CONTRIBUTOR,
            rule=rule.name,
            judged=found.judged,
            requests=cell.requests,
            beside=cell.beside,
            parts={rule.dimension: found.parts} if found.parts else {},
            baseline=CONTRIBUTOR,
        )
        return finding, NEVER if track is not None else found.missing_nanousd

    def lesson(
        self, end: int, spike: Settled, parts: Settled, *, is_held: bool, is_drift: bool
    ) -> Lesson:
        """Whether a closed window may be learned, and by whom.

        Contributors are left out while one of them is unusual, until that has lasted as long as
        the scope's own level would need to be absorbed.

        Args:
            end: the window's, epoch seconds.
            spike: what the window did to the spike rule's alert.
            parts: what it did to the contributor rule's.
            is_held: an enforced action held the scope's spend down.
            is_drift: the window was unusual as part of a span of hours. It is no surprise of its
                own: taught as such, hours of it made the firm edges wider and pages rarer. It does
                count in its hour: else a runaway of $5 calls leaked $1,300, not $400 (95 %).
        """
        if is_held:
            return Lesson.HELD
        if spike.reason is ResolvedReason.ABSORBED:
            return Lesson.ABSORB
        if spike.started_at is not None:
            if is_drift:
                return Lesson.DRIFT
            return of_episode(end - spike.started_at, is_loud=spike.is_loud)
        if parts.started_at is not None:
            patience = self.spikes.hysteresis.absorb_after_seconds
            is_young = patience is None or end - parts.started_at < patience
            return Lesson.LEARN_WITHOUT_PARTS if is_young else Lesson.LEARN
        return Lesson.LEARN


def elapsed_seconds(window: Window, cell: Cell) -> int:
    """How much of an open window its figures span: at least a minute, by whole minutes."""
    seen_until = (cell.last_minute + 1) * MINUTE_SECONDS
    return min(max(seen_until - window.start_seconds, MINUTE_SECONDS), window.size_seconds)


def _hysteresis(config: RulesConfig) -> Hysteresis:
    hours = config.absorb_after_hours
    return Hysteresis(
        pending_windows=config.pending_windows,
        resolve_after_windows=config.resolve_after_windows,
        absorb_after_seconds=None if hours is None else int(hours * HOUR_SECONDS),
        absorb_max_nanousd_per_day=nanousd_of(config.absorb_max_usd_per_day),
    )


def _tellers(ratios: RatioRule | None, absence: AbsenceRule | None) -> dict[type[Turn], Teller]:
    """There is a detector where there is a rule, so whatever is found can be told."""
    tellers: dict[type[Turn], Teller] = {}
    if ratios is not None:
        tellers[RatioFinding] = partial(ratio_alerts, ratios)
    if absence is not None:
        tellers[AbsenceFinding] = partial(_absent, absence)
    return tellers


def _absent(rule: AbsenceRule, scope: Scope, _: Window, found: AbsenceFinding) -> list[Alert]:
    return [absence_alert(rule, scope, found)]


def _detector_of(rule: RatioRule, hysteresis: Hysteresis) -> RatioDetector:
    return RatioDetector(
        rule,
        least_usd_per_hour=rule.info_usd_per_hour,
        absorb_after_seconds=hysteresis.absorb_after_seconds,
        absorb_max_nanousd_per_day=hysteresis.absorb_max_nanousd_per_day,
    )
