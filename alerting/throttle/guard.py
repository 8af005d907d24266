"""Two brakes on automation: so many targets an hour, and doubt when many keys rise at once.

Forty keys that go wrong within minutes are rarely forty culprits: a price changed, or a feed sent
everything twice. This file counts; ``policy.py`` says what follows.
"""

from dataclasses import dataclass, replace

from alerting.alert import Alert, ResolvedReason, Severity, Transition
from alerting.fingerprint import alert_id, fingerprint, transition_id
from alerting.throttle.policy import ThrottleConfig
from detectors.observation import NANOUSD_PER_USD
from detectors.scope import Scope
from detectors.window import HOUR_SECONDS, MINUTE_SECONDS, Window

FEED_SCOPE = Scope("feed", "usage")
FEED_RULE = "feed/many_targets"


@dataclass(frozen=True, slots=True)
class Caps:
    """What the brakes remember.

    Attributes:
        automatic: wall clock and target of each action that automation newly took, last hour.
        onsets: event time and target of each key that newly went wrong, last ``wide_minutes``.
        suspect_since: event time at which the feed came under suspicion, if it is.
        suspect_until: event time at which that ends, unless it goes on.
    """

    automatic: tuple[tuple[float, str], ...] = ()
    onsets: tuple[tuple[int, str], ...] = ()
    suspect_since: int | None = None
    suspect_until: int = 0

    @property
    def is_suspect(self) -> bool:
        """Whether the feed is under suspicion."""
        return self.suspect_since is not None


def _last_hour(caps: Caps, wall_seconds: float) -> tuple[tuple[float, str], ...]:
    return tuple(pair for pair in caps.automatic if wall_seconds - pair[0] < HOUR_SECONDS)


def is_capped(caps: Caps, target: str, config: ThrottleConfig, wall_seconds: float) -> bool:
    """Whether the hour's targets are used up; one that is among them may be acted on again."""
    targets = {name for _, name in _last_hour(caps, wall_seconds)}
    return target not in targets and len(targets) >= config.max_automatic_targets_per_hour


def with_action(caps: Caps, target: str, wall_seconds: float) -> Caps:
    """The caps after automation acted on a target."""
    recent = _last_hour(caps, wall_seconds)
    if any(name == target for _, name in recent):
        return caps
    return replace(caps, automatic=(*recent, (wall_seconds, target)))


def with_onset(caps: Caps, target: str, at_seconds: int, config: ThrottleConfig) -> Caps:
    """The caps after a key went wrong at an event time; suspicion begins or goes on with it."""
    span = int(config.wide_minutes * MINUTE_SECONDS)
    newest = max([at_seconds, *(at for at, _ in caps.onsets)])
    recent = {name: at for at, name in caps.onsets if newest - at < span}
    recent[target] = max(at_seconds, recent.get(target, at_seconds))
    onsets = tuple((at, name) for name, at in recent.items())
    if len(recent) <= config.wide_targets:
        return replace(caps, onsets=onsets)
    since = newest if caps.suspect_since is None else caps.suspect_since
    return replace(caps, onsets=onsets, suspect_since=since, suspect_until=newest + span)


def without(caps: Caps, target: str, config: ThrottleConfig) -> Caps:
    """The caps as if a target had not gone wrong, because something else explains it.

    A suspicion that was told ends with the next tick, if that leaves too few.
    """
    onsets = tuple(pair for pair in caps.onsets if pair[1] != target)
    automatic = tuple(pair for pair in caps.automatic if pair[1] != target)
    caps = replace(caps, onsets=onsets, automatic=automatic)
    if caps.suspect_since is None or len(onsets) > config.wide_targets:
        return caps
    return replace(caps, suspect_until=caps.suspect_since)


def unsuspected(caps: Caps, config: ThrottleConfig) -> Caps:
    """The caps without a suspicion that nobody was told of yet, if too few targets are left."""
    return caps if len(caps.onsets) > config.wide_targets else replace(caps, suspect_since=None)


def feed_alert(
    caps: Caps, config: ThrottleConfig, transition: Transition, at_seconds: int, since: int
) -> Alert:
    """The alert about the feed itself.

    Args:
        caps: after the change.
        config: for what was expected.
        transition: ``fired`` or ``resolved``.
        at_seconds: event time of it.
        since: event time at which the suspicion began.
    """
    identity = fingerprint(FEED_RULE, FEED_SCOPE)
    span = int(config.wide_minutes * MINUTE_SECONDS)
    window = Window(at_seconds - span, at_seconds)
    is_over = transition is Transition.RESOLVED
    count = len({name for at, name in caps.onsets if at > at_seconds - span})
    return Alert(
        fingerprint=identity,
        alert_id=alert_id(identity, since),
        transition_id=transition_id(identity, since, transition),
        transition=transition,
        rule=FEED_RULE,
        kind="feed",
        severity=Severity.CRITICAL,
        scope=FEED_SCOPE,
        metric="anomalous_targets",
        window=window,
        observed=count * NANOUSD_PER_USD,  # every metric is kept in billionths
        expected=0,
        lower=0,
        upper=config.wide_targets * NANOUSD_PER_USD,
        score=0.5 if is_over else 1.0,
        started_at=since,
        decided_at=at_seconds,
        fired_at=since,
        resolved_at=at_seconds if is_over else None,
        resolved_reason=ResolvedReason.RECOVERED if is_over else None,
        annotations={
            "summary": "The burst of many keys at once is over: automatic throttling goes on."
            if is_over
            else f"{count} keys rose within {config.wide_minutes:g} minutes. Suspect the feed or"
            " the prices before the keys. Until it is over, nothing is throttled automatically and"
            " no further one of them is told by itself."
        },
    )
