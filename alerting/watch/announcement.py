"""Alerts as they are told: ids, figures, drivers and the one sentence that can be checked.

Called once something is decided; nothing is decided here.
"""

from dataclasses import dataclass, replace

from alerting.alert import SPIKE, Alert, ResolvedReason, Severity, Transition, usd
from alerting.exemplar import DEAREST_CALL_USD, TRACE, Exemplar
from alerting.explain import TOLD_USD, new_normal, why
from alerting.fingerprint import alert_id, fingerprint, transition_id
from alerting.watch.causes import Causes
from alerting.watch.lifecycle import Episode, JudgedWindow
from alerting.words import ENDINGS, band_seconds, duration, moment, money, who
from detectors.budget import Budget, Level
from detectors.scope import Scope
from detectors.spike import COLD_START_SOURCE
from detectors.window import DAY_SECONDS, HOUR_SECONDS, MINUTE_SECONDS, Window

METRIC = "cost_usd"


@dataclass(frozen=True, slots=True)
class News:
    """What is to be told of one rule's episode.

    Attributes:
        rule: the rule's name.
        kind: ``spike`` or ``contributor``.
        scope: whom it is about.
        judged: the window decided on.
        elapsed_seconds: how much of the window the figures span; all of it once it is closed.
        episode: after the window.
        reason: why it ended, if it did.
        decided_at: event time, epoch seconds.
        is_contained: an enforced action holds it down.
        causes: of the episode's excess.
        baseline: which baseline spoke.
        exemplar: the dearest call of the episode's unusual windows that can be looked at.
    """

    rule: str
    kind: str
    scope: Scope
    judged: JudgedWindow
    elapsed_seconds: int
    episode: Episode
    reason: ResolvedReason | None
    decided_at: int
    is_contained: bool
    causes: Causes
    baseline: str
    exemplar: Exemplar | None = None

    def alert(self, transition: Transition) -> Alert:
        """One of the step's transitions as an alert."""
        judged, episode = self.judged, self.episode
        mark = fingerprint(self.rule, self.scope)
        is_over = transition is Transition.RESOLVED
        alert = Alert(
            fingerprint=mark,
            alert_id=alert_id(mark, episode.started_at),
            transition_id=transition_id(mark, judged.window.start_seconds, transition),
            transition=transition,
            rule=self.rule,
            kind=self.kind,
            severity=episode.severity,
            scope=self.scope,
            metric=METRIC,
            window=judged.span,
            observed=judged.observed_nanousd,
            expected=judged.expected_nanousd,
            lower=judged.lower_nanousd,
            upper=judged.upper_nanousd,
            score=judged.score,
            started_at=episode.started_at,
            decided_at=self.decided_at,
            fired_at=episode.fired_at,
            resolved_at=self.decided_at if is_over else None,
            resolved_reason=self.reason if is_over else None,
            is_contained=self.is_contained,
            excess_nanousd=episode.whole.excess_nanousd,
            excess_nanousd_per_hour=judged.excess_nanousd * HOUR_SECONDS // self._elapsed,
            projected_nanousd_per_day=judged.observed_nanousd * DAY_SECONDS // self._elapsed,
            drivers=self.causes.drivers,
            decomposition=self.causes.decomposition,
            changes=self.causes.changes,
            links={} if self.exemplar is None else {TRACE: self.exemplar.url},
        )
        notes = {"summary": self._summary(alert), "baseline": self.baseline}
        if not is_over:
            notes["description"] = self._description(alert)
        if self._told:
            notes[TOLD_USD] = usd(self._told)
        if self.exemplar is not None:
            notes[DEAREST_CALL_USD] = usd(self.exemplar.cost_nanousd)
        return replace(alert, annotations=notes)

    def _summary(self, alert: Alert) -> str:
        episode, name = self.episode, who(self.scope)
        if alert.resolved_reason is ResolvedReason.ABSORBED:
            above = money(episode.whole.excess_nanousd)
            return f"{name}: {new_normal(alert)}; {above} spent above expectation until now"
        if alert.transition is Transition.RESOLVED:
            lasted = max(self.judged.window.end_seconds - episode.started_at, MINUTE_SECONDS)
            ending = ENDINGS[self.reason or ResolvedReason.RECOVERED]
            return (
                f"{name}: {ending} after {duration(lasted)}, "
                f"with {money(episode.whole.excess_nanousd)} spent above expectation"
            )
        return (
            f"{name} spent {self._seen()}; expected {self._usual()}; "
            f"{money(episode.whole.excess_nanousd)} above expectation so far"
        )

    def _description(self, alert: Alert) -> str:
        """The sentence that can be checked: what was expected of when, what was seen, and why."""
        at = moment(self.judged.span.start_seconds)
        figures = f"expected {self._usual()} for {at}, saw {self._seen()}"
        return "; ".join(filter(None, (figures, why(alert))))

    def _seen(self) -> str:
        through = "" if self.kind == SPIKE else " through unusual contributors"
        besides = f" besides {money(self._told)} told of before" if self._told else ""
        return f"{money(self.judged.observed_nanousd)}{through} in {self._so_far}{besides}"

    def _usual(self) -> str:
        judged, whole = self.judged, duration(band_seconds(self.judged.span.size_seconds))
        per = "" if self._so_far == whole else f" in {whole}"
        if self.baseline == COLD_START_SOURCE:
            return f"at most {money(judged.upper_nanousd)}{per} of what has no past yet"
        return f"{money(judged.lower_nanousd)}-{money(judged.upper_nanousd)}{per}"

    @property
    def _told(self) -> int:
        return 0 if self.judged.drifted is None else self.judged.drifted.told_nanousd

    @property
    def _elapsed(self) -> int:
        """How much the figures span: of a span of hours its beginning, too."""
        judged = self.judged
        return self.elapsed_seconds + judged.window.start_seconds - judged.span.start_seconds

    @property
    def _so_far(self) -> str:
        return duration(-(-self._elapsed // MINUTE_SECONDS) * MINUTE_SECONDS)


def level_rule(budget: str, level: str) -> str:
    """The rule's name of a budget's level."""
    return f"{budget}/{level}"


def budget_alert(
    transition: Transition,
    *,
    rule: str,
    scope: Scope,
    budget: Budget,
    level: Level,
    severity: Severity,
    period: Window,
    spent_nanousd: int,
    reason: ResolvedReason | None,
    fired_at: int,
    decided_at: int,
    held: frozenset[str],
) -> Alert:
    """The crossing of a budget's level, a newer figure of it, or its end.

    Args:
        transition: ``fired``, ``updated`` or ``resolved``.
        rule: the budget's name; the alert's rule is ``<budget>/<level>``.
        scope: whose budget.
        budget: the amount and its levels.
        level: the level crossed.
        severity: who hears of it.
        period: the calendar period, epoch seconds.
        spent_nanousd: in the period so far.
        reason: why the crossing is over; ``None`` before.
        fired_at: event time of the crossing, epoch seconds.
        decided_at: event time, epoch seconds.
        held: ids of alerts that an enforced action holds down.
    """
    name = level_rule(rule, level.name)
    mark = fingerprint(name, scope)
    episode = alert_id(mark, period.start_seconds)
    # The window of all updates is the period: only their own time tells them apart.
    told_of = decided_at if transition is Transition.UPDATED else period.start_seconds
    elapsed = max(min(decided_at, period.end_seconds) - period.start_seconds, HOUR_SECONDS)
    excess = max(spent_nanousd - budget.amount_nanousd, 0)
    share = 100 * spent_nanousd // budget.amount_nanousd
    spent = f"{money(spent_nanousd)} of its {money(budget.amount_nanousd)}"
    summary = f"{who(scope)} has spent {spent} for the {budget.period.value} ({share} %)"
    if reason is ResolvedReason.RECOVERED:
        summary = f"{who(scope)}: the {budget.period.value} is over with {spent} spent ({share} %)"
    return Alert(
        fingerprint=mark,
        alert_id=episode,
        transition_id=transition_id(mark, told_of, transition),
        transition=transition,
        rule=name,
        kind="budget",
        severity=severity,
        scope=scope,
        metric=METRIC,
        window=period,
        observed=spent_nanousd,
        expected=budget.amount_nanousd,
        lower=0,
        upper=level.threshold_nanousd,
        score=spent_nanousd / (spent_nanousd + level.threshold_nanousd),
        started_at=period.start_seconds,
        decided_at=decided_at,
        fired_at=fired_at,
        resolved_at=None if reason is None else decided_at,
        resolved_reason=reason,
        is_contained=episode in held,
        excess_nanousd=excess,
        excess_nanousd_per_hour=spent_nanousd * HOUR_SECONDS // elapsed if excess else 0,
        projected_nanousd_per_day=spent_nanousd * DAY_SECONDS // elapsed,
        annotations={"summary": summary},
    )
