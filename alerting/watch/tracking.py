"""One rule's alert about one scope, from judged window to what is told of it.

Keeps the ``Track``: what the state machine says, what was told early, who spent. Nothing is judged
here and nothing is learned.
"""

from dataclasses import dataclass, replace

import msgspec

from alerting.alert import REMEMBERED, Alert, ResolvedReason, Severity, Transition
from alerting.exemplar import Exemplar, dearer
from alerting.fingerprint import alert_id, fingerprint
from alerting.watch.announcement import News
from alerting.watch.causes import causes_of
from alerting.watch.learning import Learner
from alerting.watch.lifecycle import Episode, Hysteresis, JudgedWindow, Told, announced, step
from alerting.watch.scope_state import Learned, ScopeState, Track
from detectors.attribution import Parts, by_dimension
from detectors.scope import Scope
from detectors.window import Window

RECENT_WINDOWS = 36
"""Windows of a lasting alert that are remembered, to become the level if it is absorbed."""

MOST_PARTS = 256
"""Contributors kept per episode; the smallest beyond are part of the rest."""

_BEGINNINGS = frozenset({Transition.PENDED, Transition.FIRED})


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's judgement of one window, with what is needed to tell it.

    Attributes:
        kind: ``spike`` or ``contributor``; names the track.
        rule: the rule's name.
        judged: the judgement.
        requests: calls in the window.
        beside: the counters ``BESIDE`` of it.
        parts: who spent in it, of those the rule is about.
        baseline: which baseline spoke.
        exemplar: the window's dearest call, where the rule is about all of its calls.
    """

    kind: str
    rule: str
    judged: JudgedWindow
    requests: int
    beside: list[int]
    parts: Parts
    baseline: str
    exemplar: Exemplar | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What a closed window did to a track.

    Attributes:
        alerts: what to tell.
        reason: why the episode ended, if it did.
        started_at: of the episode, if it goes on.
        is_loud: whether people were told of it.
        recent: cost and calls of its last windows, flat, oldest first, this one included.
        told: what people were told of, if it ended and is not the new normal.
    """

    alerts: list[Alert]
    reason: ResolvedReason | None = None
    started_at: int | None = None
    is_loud: bool = False
    recent: tuple[int, ...] = ()
    told: Told | None = None


CALM = Settled([])


class Tracker:
    """Steps the tracks of scopes; holds configuration, no state."""

    def __init__(self, hysteresis: Hysteresis, learner: Learner) -> None:
        """From configuration.

        Args:
            hysteresis: how reluctantly alerts begin and end.
            learner: knows what was usual.
        """
        self.hysteresis = hysteresis
        self.learner = learner

    @staticmethod
    def is_held(state: ScopeState, rule: str, track: Track | None, window: Window) -> bool:
        """Whether an enforced action holds down the alert that ``window`` belongs to."""
        if track is None or not state.held:
            return False
        started_at = window.start_seconds if track.episode is None else track.episode.started_at
        return alert_id(fingerprint(rule, state.scope), started_at) in state.held

    def announce(
        self,
        state: ScopeState,
        learned: Learned,
        finding: Finding,
        *,
        at: int,
        elapsed_seconds: int,
    ) -> list[Alert]:
        """Tell early what the close of the open window will confirm.

        Args:
            state: the scope's.
            learned: what is known of its contributors.
            finding: about its open window, anomalous.
            at: event time of this decision.
            elapsed_seconds: how much of the window the figures span, at most.
        """
        track = state.tracks.get(finding.kind) or Track()
        is_held = self.is_held(state, finding.rule, track, finding.judged.window)
        done = step(self.hysteresis, track.episode, finding.judged, is_held=is_held, decided_at=at)
        transitions = announced(done, track.told, track.told_severity)
        if not transitions or done.episode is None:
            return []
        state.tracks[finding.kind] = track
        track.told |= set(transitions)
        track.told_severity = done.episode.severity
        if Transition.FIRED in transitions:
            track.told_at = at
        parts = _sum(track.parts, track.parts_calm, finding.parts)
        return self._tell(
            state,
            learned,
            finding,
            done.episode,
            transitions,
            reason=done.reason,
            parts=parts,
            amounts=_added(track.amounts, track.amounts_calm, _amounts(finding)),
            exemplar=dearer(track.exemplar, finding.exemplar),
            at=at,
            elapsed_seconds=elapsed_seconds,
            is_held=is_held,
        )

    def settle(self, state: ScopeState, learned: Learned, finding: Finding) -> Settled:
        """Step with a window that is closed, and tell what was not told early.

        What was told is true, even if the configuration has changed since: the window counts as
        anomalous.
        """
        track = state.tracks.get(finding.kind) or Track()
        if track.told & _BEGINNINGS and not finding.judged.is_anomalous:
            finding = replace(finding, judged=replace(finding.judged, is_anomalous=True))
        is_held = self.is_held(state, finding.rule, track, finding.judged.window)
        at = finding.judged.window.end_seconds
        fired_at = track.told_at if Transition.FIRED in track.told else at
        done = step(
            self.hysteresis, track.episode, finding.judged, is_held=is_held, decided_at=fired_at
        )
        if done.episode is None:
            return CALM
        transitions = tuple(each for each in done.transitions if each not in track.told)
        _account(track, finding, done.episode)
        alerts = self._tell(
            state,
            learned,
            finding,
            done.episode,
            transitions,
            reason=done.reason,
            parts=track.parts,
            amounts=track.amounts,
            exemplar=track.exemplar,
            at=at,
            elapsed_seconds=finding.judged.window.size_seconds,
            is_held=is_held,
        )
        if done.continuing is None:
            state.tracks.pop(finding.kind, None)
            recent = tuple(x for pair in track.recent for x in pair)
            is_over = done.reason is not ResolvedReason.ABSORBED
            told = done.episode.told if is_over else None
            return Settled(alerts, done.reason, recent=recent, told=told)
        state.tracks[finding.kind] = track
        is_loud = done.continuing.severity is not Severity.INFO
        return Settled(alerts, started_at=done.continuing.started_at, is_loud=is_loud)

    def _tell(
        self,
        state: ScopeState,
        learned: Learned,
        finding: Finding,
        episode: Episode,
        transitions: tuple[Transition, ...],
        *,
        reason: ResolvedReason | None,
        parts: Parts,
        amounts: list[int],
        exemplar: Exemplar | None,
        at: int,
        elapsed_seconds: int,
        is_held: bool,
    ) -> list[Alert]:
        if not transitions:
            return []
        causes = causes_of(
            self.learner,
            state,
            learned,
            episode,
            finding.judged.window,
            kind=finding.kind,
            parts=parts,
            amounts=amounts,
        )
        news = News(
            rule=finding.rule,
            kind=finding.kind,
            scope=state.scope,
            judged=finding.judged,
            elapsed_seconds=elapsed_seconds,
            episode=episode,
            reason=reason,
            decided_at=at,
            is_contained=is_held,
            causes=causes,
            baseline=finding.baseline,
            exemplar=exemplar,
        )
        alerts = [news.alert(each) for each in transitions]
        if state.scope.kind != "api_key":
            return alerts
        silent = self._silent(learned, parts, state.scope)
        return [
            replace(alert, annotations={**alert.annotations, REMEMBERED: silent})
            for alert in alerts
        ]

    def _silent(self, learned: Learned, parts: Parts, key: Scope) -> str:
        """The agents and users a key remembers that spent nothing: they may be protected."""
        names = [
            str(Scope(kind, name, key.environment))
            for kind in ("agent", "user")
            for name in self.learner.attribution.remembered(learned.contributors, kind)
            if name not in parts.get(kind, {})
        ]
        return msgspec.json.encode(names).decode()


def _account(track: Track, finding: Finding, episode: Episode) -> None:
    """Move a track over a closed window."""
    track.episode = episode
    track.told = frozenset()
    track.told_severity = episode.severity
    if finding.judged.is_anomalous:
        track.parts = _largest(_sum(track.parts, track.parts_calm, finding.parts))
        track.parts_calm = {}
        track.amounts = _added(track.amounts, track.amounts_calm, _amounts(finding))
        track.amounts_calm = []
        track.exemplar = dearer(track.exemplar, finding.exemplar)
    elif episode.spent_calm.windows:
        track.parts_calm = _largest(_sum(track.parts_calm, finding.parts))
        track.amounts_calm = _added(track.amounts_calm, _amounts(finding))
    track.recent.append((finding.judged.spent.observed_nanousd, finding.requests))
    del track.recent[:-RECENT_WINDOWS]


def _amounts(finding: Finding) -> list[int]:
    return [finding.requests, *finding.beside]


def _added(*each: list[int]) -> list[int]:
    """The sums of lists as long as each other; an empty one is nothing."""
    return [sum(column) for column in zip(*filter(None, each), strict=True)]


def _sum(*each: Parts) -> Parts:
    total: Parts = {}
    for parts in each:
        for dimension, names in parts.items():
            into = total.setdefault(dimension, {})
            for name, cost in names.items():
                into[name] = into.get(name, 0) + cost
    return total


def _largest(parts: Parts) -> Parts:
    if sum(map(len, parts.values())) <= MOST_PARTS:
        return parts
    ranked = sorted((-cost, each, name) for each in parts for name, cost in parts[each].items())
    return by_dimension((each, name, -cost) for cost, each, name in ranked[:MOST_PARTS])
