"""When an alert begins, goes on and ends: the state machine of one episode, over judged windows.

Pure: an episode and one judged window in, the next episode and its transitions out. It advances on
closed windows, strictly in order. Stepping it with a window that is still open, and keeping only
what that *announces*, tells early what the close will confirm: an open window's cost only grows,
so whatever it announces stays true and has the same transition id. This file must not know
baselines, budgets or how an alert is worded.
"""

from dataclasses import dataclass, replace
from operator import attrgetter

from alerting.alert import ResolvedReason, Severity, Transition
from detectors.window import DAY_SECONDS, Window

_BEGINNINGS = (Transition.PENDED, Transition.FIRED)


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """How reluctantly alerts begin and end.

    Attributes:
        pending_windows: anomalous windows in a row before the one that fires; 0 fires at the first.
        resolve_after_windows: calm windows in a row after which an alert resolves.
        absorb_after_seconds: age at which a small lasting excess is taken for the new normal;
            ``None``: never.
        absorb_max_nanousd_per_day: the largest average excess a day that may be absorbed.
    """

    pending_windows: int
    resolve_after_windows: int
    absorb_after_seconds: int | None
    absorb_max_nanousd_per_day: int


@dataclass(frozen=True, slots=True)
class Spent:
    """Money over some windows of an episode.

    Attributes:
        windows: how many.
        observed_nanousd: spent in them.
        excess_nanousd: of that, above expectation.
    """

    windows: int = 0
    observed_nanousd: int = 0
    excess_nanousd: int = 0

    def plus(self, more: "Spent") -> "Spent":
        """The sum."""
        return Spent(
            self.windows + more.windows,
            self.observed_nanousd + more.observed_nanousd,
            self.excess_nanousd + more.excess_nanousd,
        )

    def less(self, other: "Spent") -> "Spent":
        """What of it is not in others' windows; of no windows."""
        return Spent(
            0,
            max(self.observed_nanousd - other.observed_nanousd, 0),
            max(self.excess_nanousd - other.excess_nanousd, 0),
        )


NOTHING = Spent()


@dataclass(frozen=True, slots=True)
class Told:
    """What an alert was about that people heard of, once it is over.

    Attributes:
        since_seconds: when it began at the earliest, epoch seconds.
        excess_nanousd: how much was too much.
    """

    since_seconds: int
    excess_nanousd: int


@dataclass(frozen=True, slots=True)
class Drifted:
    """What of a judgement about a span of hours is the window's own.

    Attributes:
        span: the hours that end with the window's.
        cost_nanousd: spent in the window.
        excess_nanousd: of that, above what was expected of it.
        told_nanousd: spent in those hours, too, and told of by an alert that is over; in no figure.
    """

    span: Window
    cost_nanousd: int
    excess_nanousd: int
    told_nanousd: int = 0


@dataclass(frozen=True, slots=True)
class JudgedWindow:
    """One window, as one rule judged it.

    Attributes:
        window: the span.
        is_anomalous: above the band and above the rule's floor in dollars.
        has_data: whether anything was counted in it.
        observed_nanousd: spent.
        expected_nanousd: the band's expectation.
        lower_nanousd: the band's lower edge.
        upper_nanousd: the band's upper edge.
        score: 0-1.
        excess_nanousd: spent above the expectation, never negative.
        severity: by the excess; meaningful where ``is_anomalous``.
        drifted: if the figures are those of a span of hours that ends with it.
    """

    window: Window
    is_anomalous: bool
    has_data: bool
    observed_nanousd: int
    expected_nanousd: int
    lower_nanousd: int
    upper_nanousd: int
    score: float
    excess_nanousd: int
    severity: Severity
    drifted: Drifted | None = None

    @property
    def spent(self) -> Spent:
        """Its part of an episode's money."""
        if self.drifted is not None:
            return Spent(1, self.drifted.cost_nanousd, self.drifted.excess_nanousd)
        return Spent(1, self.observed_nanousd, self.excess_nanousd)

    def is_worse_than(self, other: "JudgedWindow") -> bool:
        """By severity, then by excess; so that what was told early is still so at the close."""
        return (self.severity.rank, self.excess_nanousd) > (
            other.severity.rank,
            other.excess_nanousd,
        )

    @property
    def before(self) -> Spent:
        """What an episode that begins with it had cost already."""
        if self.drifted is None:
            return NOTHING
        return Spent(
            0,
            self.observed_nanousd - self.drifted.cost_nanousd,
            max(self.excess_nanousd - self.drifted.excess_nanousd, 0),
        )

    @property
    def span(self) -> Window:
        """What the figures are of."""
        return self.window if self.drifted is None else self.drifted.span


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert from its first anomalous window on.

    Attributes:
        started_at: start of the first anomalous window.
        fired_at: event time of the decision to fire; ``None`` while pending.
        severity: the highest so far.
        anomalous_windows: anomalous windows in a row while pending.
        calm_windows: calm windows in a row since the last anomalous one.
        has_calm_data: whether anything at all was spent in those calm windows.
        was_held: whether an enforced action held it down at any time.
        spent: from the first to the last anomalous window.
        spent_calm: in the calm windows since; joins ``spent`` if the episode flares up again, and
            is nobody's excess if it does not.
        before: what the dearest span of hours had on top of that: in the hours before the episode,
            which were unusual only together, and beyond its windows' bands, which follow a rise.
        before_from: start of that span or of a dearest one before it, the earliest, epoch seconds;
            ``None``: there is none.
    """

    started_at: int
    fired_at: int | None
    severity: Severity
    anomalous_windows: int = 0
    calm_windows: int = 0
    has_calm_data: bool = False
    was_held: bool = False
    spent: Spent = NOTHING
    spent_calm: Spent = NOTHING
    before: Spent = NOTHING
    before_from: int | None = None

    @property
    def is_drift(self) -> bool:
        """Whether hours were unusual only together in it."""
        return self.before != NOTHING

    @property
    def told(self) -> Told | None:
        """What it was about, as it ends; ``None``: nobody is told of it but who asks."""
        if self.fired_at is None or self.severity is Severity.INFO:
            return None
        since = self.started_at
        if self.before_from is not None:
            since = min(since, self.before_from)
        return Told(since, self.whole.excess_nanousd)

    @property
    def whole(self) -> Spent:
        """All that it cost until its last anomalous window."""
        return self.before.plus(self.spent)


@dataclass(frozen=True, slots=True)
class Step:
    """What one window did to an episode.

    Attributes:
        episode: after the window, also when that was its last; ``None``: there is none.
        transitions: what happened, in order.
        reason: why it ended, if it did.
    """

    episode: Episode | None
    transitions: tuple[Transition, ...] = ()
    reason: ResolvedReason | None = None

    @property
    def continuing(self) -> Episode | None:
        """The episode to keep for the next window."""
        return self.episode if self.reason is None else None


def step(
    hysteresis: Hysteresis,
    episode: Episode | None,
    judged: JudgedWindow,
    *,
    is_held: bool,
    decided_at: int,
) -> Step:
    """The next state after one window.

    Every window of a firing alert, its first included, also yields ``updated``: so the set of
    transitions does not depend on whether something was announced early.

    Args:
        hysteresis: how reluctantly.
        episode: before the window; ``None``: all is calm.
        judged: the window that follows the last one stepped.
        is_held: an enforced action holds the spend down: nothing ends, absence is not judged.
        decided_at: event time of this decision.
    """
    if judged.is_anomalous:
        return _flare(hysteresis, episode, judged, is_held=is_held, decided_at=decided_at)
    if episode is None:
        return Step(None)
    return _calm(hysteresis, episode, judged, is_held=is_held)


def _flare(
    hysteresis: Hysteresis,
    episode: Episode | None,
    judged: JudgedWindow,
    *,
    is_held: bool,
    decided_at: int,
) -> Step:
    transitions: list[Transition] = []
    if episode is None:
        start = judged.window.start_seconds
        episode = Episode(start, None, judged.severity)
        if hysteresis.pending_windows:
            transitions.append(Transition.PENDED)
    anomalous_windows = episode.anomalous_windows + 1
    fired_at = episode.fired_at
    if fired_at is None and anomalous_windows > hysteresis.pending_windows:
        fired_at = decided_at
        transitions.append(Transition.FIRED)
    if fired_at is not None:
        transitions.append(Transition.UPDATED)
    spent = episode.spent.plus(episode.spent_calm)
    before, before_from = episode.before, episode.before_from
    more = judged.before.less(spent)
    if more.excess_nanousd > before.excess_nanousd or (more != NOTHING and before == NOTHING):
        start = judged.span.start_seconds
        before, before_from = more, start if before_from is None else min(before_from, start)
    episode = replace(
        episode,
        fired_at=fired_at,
        severity=max(episode.severity, judged.severity, key=attrgetter("rank")),  # it only rises
        anomalous_windows=anomalous_windows,
        calm_windows=0,
        has_calm_data=False,
        was_held=episode.was_held or is_held,
        spent=spent.plus(judged.spent),
        spent_calm=NOTHING,
        before=before,
        before_from=before_from,
    )
    if not is_held and _is_absorbed(hysteresis, episode, judged.window.end_seconds):
        return Step(episode, (*transitions, Transition.RESOLVED), ResolvedReason.ABSORBED)
    return Step(episode, tuple(transitions))


def _calm(hysteresis: Hysteresis, episode: Episode, judged: JudgedWindow, *, is_held: bool) -> Step:
    if is_held and episode.fired_at is not None:
        held = replace(episode, was_held=True, calm_windows=0, has_calm_data=False)
        return Step(held, (Transition.UPDATED,))
    episode = replace(
        episode,
        calm_windows=episode.calm_windows + 1,
        has_calm_data=episode.has_calm_data or judged.has_data,
        spent_calm=episode.spent_calm.plus(judged.spent),
    )
    if episode.fired_at is None:
        return Step(episode, (Transition.RESOLVED,), ResolvedReason.RECOVERED)
    if episode.calm_windows < hysteresis.resolve_after_windows:
        return Step(episode, (Transition.UPDATED,))
    return Step(episode, (Transition.RESOLVED,), _why_calm(episode))


def _why_calm(episode: Episode) -> ResolvedReason:
    if episode.was_held:
        return ResolvedReason.RELEASED
    return ResolvedReason.RECOVERED if episode.has_calm_data else ResolvedReason.NO_DATA


def _is_absorbed(hysteresis: Hysteresis, episode: Episode, now: int) -> bool:
    age_seconds = now - episode.started_at
    if episode.fired_at is None or hysteresis.absorb_after_seconds is None:
        return False
    allowed = hysteresis.absorb_max_nanousd_per_day * age_seconds
    return (
        age_seconds >= hysteresis.absorb_after_seconds
        and episode.spent.excess_nanousd * DAY_SECONDS <= allowed
    )


def announced(
    done: Step, told: frozenset[Transition], told_severity: Severity | None
) -> tuple[Transition, ...]:
    """The transitions of a step with an open window that may be told before it closes.

    That something began, and that it became critical. Never that it ended or merely goes on.

    Args:
        done: the step.
        told: what was already told of this very window.
        told_severity: the highest severity told of this episode; ``None`` if it was never told.
    """
    if done.episode is None:
        return ()
    begun = tuple(each for each in done.transitions if each in _BEGINNINGS and each not in told)
    if begun:
        return begun
    became_critical = (
        done.episode.severity is Severity.CRITICAL
        and told_severity is not Severity.CRITICAL
        and Transition.UPDATED in done.transitions
    )
    return (Transition.UPDATED,) if became_critical else ()
