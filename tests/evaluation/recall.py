"""Injected incidents against what the chain told of them: found, when, and dollars stopped.

A minute of an incident of some hours comes in six rows, as a worker's deltas do. What is spent
until the first page has leaked; the rest would have been stopped by whoever was paged or by the
throttle.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from alerting.alert import Alert, Severity, Status
from alerting.watch.rules import RulesConfig
from alerting.watch.scope_watch import ScopeWatch
from detectors.observation import COST, NANOUSD_PER_USD, REQUESTS
from detectors.window import MINUTE_SECONDS
from tests.evaluation.incidents import Injected, Kind
from tests.evaluation.minutes import DAY_MINUTES, CallShape, Minutes
from tests.evaluation.scope_run import MONDAY, ContributorPart, ScopeRun

HISTORY_DAYS = 14
ROWS_A_MINUTE = 6
SHORT_MINUTES = 360
"""A longer incident comes in whole minutes."""
WINDOW_MINUTES = 5
SATURDAY = 5
TRIES = 5
OWN = ("agent", "invoice-bot")
"""Who spends on the key what is usual there."""


@dataclass(frozen=True, slots=True)
class Hit:
    """The first word of some severity, or a worse one.

    Attributes:
        seconds: since the incident began.
        usd: its excess until then.
    """

    seconds: float
    usd: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """One incident and what was told of it.

    Attributes:
        kind: of it.
        usd: its whole excess.
        beyond_usd: of it, what five-minute windows held beyond the 99.9th percentile of history's.
        beyond_after: seconds from its begin to the first such window.
        beyond_from_usd: excess until then.
        hits: by severity, where there were any.
    """

    kind: Kind
    usd: float
    beyond_usd: float
    beyond_after: float
    beyond_from_usd: float
    hits: dict[Severity, Hit]

    @property
    def leaked_usd(self) -> float:
        """Until the first page; all of it, if there was none."""
        page = self.hits.get(Severity.CRITICAL)
        return self.usd if page is None else min(page.usd, self.usd)

    @property
    def loud(self) -> Hit | None:
        """The first word that people hear."""
        return self.hits.get(Severity.WARNING)

    @property
    def is_owed(self) -> bool:
        """Whether it is one that must be found."""
        return self.beyond_usd >= 50

    @property
    def is_in_time(self) -> bool:
        """Within ten minutes or $25 of going beyond what the scope has known."""
        hit = self.loud
        return hit is not None and (
            hit.seconds - self.beyond_after <= 600 or hit.usd - self.beyond_from_usd <= 25
        )


Source = Callable[[np.random.Generator, int], Minutes]
"""Randomness and a number of minutes to the usual spend of a scope, from Monday on."""


def outcomes(
    source: Source,
    kinds: Iterable[Kind],
    config: RulesConfig,
    *,
    seed: Sequence[int],
    history_days: int = HISTORY_DAYS,
    least_usd: float = 0.0,
) -> list[Outcome]:
    """One incident of each kind, all on the same background; fewer where none can begin."""
    draw = np.random.default_rng(seed)
    plans = sorted((_onset(draw, kind, history_days), number) for number, kind in enumerate(kinds))
    kinds = tuple(kinds)
    lengths = [int(draw.integers(kind.minutes[0], kind.minutes[1] + 1)) for kind in kinds]
    most = max(begin + lengths[number] for begin, number in plans)
    usual = source(draw, most + DAY_MINUTES)
    history = usual.between(MONDAY, MONDAY + history_days * DAY_MINUTES)
    call = CallShape.of(history)
    pace = float(history[REQUESTS].sum()) / len(history)
    watch = ScopeWatch(config, is_durable=False)
    runs = {scope: ScopeRun(watch, f"{scope}:one") for scope in {kind.scope for kind in kinds}}
    reached, found = MONDAY, []
    for begin, number in plans:
        kind, start = kinds[number], MONDAY + begin
        if kind.is_unborn:
            run = ScopeRun(watch, "agent:newborn")
        else:
            for scope, each in runs.items():
                each.minutes(usual.between(reached, start), part=_part(scope))
            reached, run = start, runs[kind.scope]
        if not run.is_calm:
            continue
        during = usual.between(start, start + lengths[number])
        if len(during) < lengths[number]:
            continue
        injected = kind.change(draw, during, call, pace)
        if kind.costs and injected.excess_usd.sum() < least_usd:
            continue
        found.append(_outcome(kind, run.fork(), injected, history, watch))
    return found


def _part(scope: str) -> ContributorPart | None:
    return OWN if scope == "api_key" else None


def _onset(draw: np.random.Generator, kind: Kind, history_days: int) -> int:
    """Minutes after Monday."""
    if kind.is_on_saturday:
        return (math.ceil((history_days - SATURDAY) / 7) * 7 + SATURDAY) * DAY_MINUTES
    return history_days * DAY_MINUTES + int(draw.integers(0, DAY_MINUTES))


def _outcome(
    kind: Kind,
    run: ScopeRun,
    injected: Injected,
    history: Minutes,
    watch: ScopeWatch,
) -> Outcome:
    strangers = [ScopeRun(watch, f"agent:stranger-{n}") for n in range(len(injected.strangers))]
    start = injected.minutes.first * MINUTE_SECONDS
    hits: dict[Severity, Hit] = {}
    beyond = _beyond(history, injected)
    known = {alert.alert_id for alert in run.told}
    for at, excess, told in _live(run, strangers, injected):
        _note(hits, told, known, Hit(at - start, excess))
        if Severity.CRITICAL in hits:
            break
    return Outcome(kind, float(injected.excess_usd.sum()), *beyond, hits)


def _note(hits: dict[Severity, Hit], told: Iterable[Alert], known: set[str], hit: Hit) -> None:
    for alert in told:
        if alert.status is Status.FIRING and alert.alert_id not in known:
            for severity in Severity:
                if severity.rank <= alert.severity.rank:
                    hits.setdefault(severity, hit)


def _live(run: ScopeRun, strangers: Sequence[ScopeRun], injected: Injected):
    """Seconds, excess so far and what was told then, row by row."""
    excess = np.cumsum(injected.excess_usd)
    before = np.concatenate([[0.0], excess])
    parts_a_minute = ROWS_A_MINUTE if len(injected.minutes) <= SHORT_MINUTES else 1
    step = MINUTE_SECONDS // parts_a_minute
    columns = [_split(each, parts_a_minute) for each in (injected.minutes, *injected.strangers)]
    first = injected.minutes.first
    everybody = (run, *strangers)
    is_key = bool(strangers)
    for minute in range(len(injected.minutes)):
        for part in range(parts_a_minute):
            at = (first + minute) * MINUTE_SECONDS + (part + 1) * step - 1
            told: list[Alert] = []
            for number, each in enumerate(everybody):
                counts = columns[number](minute, part)
                if counts is None:
                    told += each.reach(at)
                    continue
                parts = ()
                if number == 0 and is_key:
                    parts = _who(columns, minute, part, counts[COST])
                told += each.row(at, counts, parts)
            share = (part + 1) / parts_a_minute
            spent = before[minute] + share * (before[minute + 1] - before[minute])
            if told:
                yield at, float(spent), told


def _who(columns, minute, part, cost):
    """The parts of a key's row."""
    rows = [each(minute, part) for each in columns[1:]]
    others = [
        ("agent", f"stranger-{number}", row[COST])
        for number, row in enumerate(rows)
        if row is not None
    ]
    own = cost - sum(each[2] for each in others)
    return [(*OWN, own), *others] if own > 0 else others


def _split(minutes: Minutes, parts_a_minute: int):
    """A function of minute and part to that part's counts, ``None`` without any calls."""
    rows = dict(minutes.rows())

    def of(minute: int, part: int):
        counts = rows.get(minutes.first + minute)
        if counts is None:
            return None
        one = [
            amount * (part + 1) // parts_a_minute - amount * part // parts_a_minute
            for amount in counts
        ]
        return one if any(one) else None

    return of


def _beyond(history: Minutes, injected: Injected) -> tuple[float, float, float]:
    """Dollars beyond the 99.9th percentile of windows, and when and after what they begin."""
    usual = np.quantile(_windows(history[COST] / NANOUSD_PER_USD), 0.999)
    changed = _windows(injected.minutes[COST] / NANOUSD_PER_USD)
    over = np.maximum(changed - usual, 0)
    if not over.any():
        return 0.0, math.inf, math.inf
    first = int(np.argmax(over > 0))
    until = float(injected.excess_usd[: first * WINDOW_MINUTES].sum())
    return float(over.sum()), first * WINDOW_MINUTES * MINUTE_SECONDS, until


def _windows(usd):
    whole = len(usd) // WINDOW_MINUTES * WINDOW_MINUTES
    return usd[:whole].reshape(-1, WINDOW_MINUTES).sum(axis=1)
