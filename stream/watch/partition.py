"""One delta partition in the hands of one worker, from assignment to revocation.

The highest offset applied, the page cache, the dirty sets and the unacknowledged messages are one
object: a guard that outlives its assignment skips money. Everything here is a function of the
delta log and the configuration; this file must not read a clock or talk to Kafka.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from alerting.alert import Alert
from alerting.watch.scope_watch import ScopeState, ScopeWatch
from detectors.scope import DEFAULT_ENVIRONMENT, OTHER, Scope
from detectors.window import DAY_SECONDS, HOUR_SECONDS
from stream.delta import DeltaRow, Promise
from stream.watch.bounds import Bounds
from stream.watch.config import WatchRoleConfig
from stream.watch.history import History
from stream.watch.pages import PageKey, encode_page, page_of, recover_pages, split_page
from stream.watch.spend import Spend, check_kept, spans, spend_in_span, spend_since_the_start
from stream.watch.watermark import WatermarkPolicy, WatermarkVector

LIVE, PROFILE, HOURS, DAYS = "live", "profile", "spend_hour", "spend_day"
TABLES = (LIVE, PROFILE, HOURS, DAYS)

OWN_PAGE = -1
"""Number of the partition's own page: its watermarks, written after all others of a flush."""

BEFORE_ALL = -(2**53)
"""An instant before every event: where there is no watermark yet."""

Write = tuple[str, Any, bytes | None]
"""Table, key and value of one changelog record; ``None`` removes."""


@dataclass(slots=True)
class Flush:
    """One flush: what is written, step by step, and what becomes true once it is durable.

    Attributes:
        stamp: the prefix of the delta log that the pages hold.
        steps: all of a step must be acknowledged before the next. First what earlier incarnations
            left of the own page goes, so that it never outlives the pages it speaks of; then come
            live state and history; then profiles, since a window must not be judged again by what
            was learned of it; last the own page, so that a replay never starts with a watermark
            that is ahead of its pages.
        profiles: scope to how far (epoch seconds) its profile among them has learned.
        places: (table, page, window start) to the keys it is now written under.
    """

    stamp: int
    steps: tuple[list[Write], ...]
    profiles: dict[str, int]
    places: dict[tuple[str, int, int], list[Any]]


class DeltaPartition:
    """The state of the scopes of one delta partition."""

    def __init__(
        self,
        partition: int,
        *,
        incarnation: str,
        config: WatchRoleConfig,
        policy: WatermarkPolicy,
        watch: ScopeWatch,
        bounds: Bounds,
    ) -> None:
        """An empty partition; ``restore`` fills it.

        Args:
            partition: its number.
            incarnation: of this writer in this assignment, unique.
            config: pages and retention.
            policy: whom the watermark waits for.
            watch: the chain that judges one scope.
            bounds: names per kind before ``__other__``.
        """
        self.partition = partition
        self.incarnation = incarnation
        self.applied = -1
        self.scopes: dict[str, ScopeState] = {}
        self.unacknowledged: list[Any] = []
        self.vector = WatermarkVector(policy)
        self._config = config
        self._policy = policy
        self._watch = watch
        self._bounds = bounds
        self._hours = History(HOUR_SECONDS, config.keep_hours, config.history_pages)
        self._days = History(DAY_SECONDS, config.keep_days, config.history_pages)
        self._histories = {HOURS: self._hours, DAYS: self._days}
        self._stamps: dict[int, int] = {}
        self._members: defaultdict[int, list[str]] = defaultdict(list)
        self._names: defaultdict[str, int] = defaultdict(int)
        self._others: defaultdict[str, int] = defaultdict(int)
        self._dirty: set[int] = set()
        self._dirty_profiles: set[int] = set()
        self._due: list[tuple[int, str]] = []
        self._due_of: dict[str, int] = {}
        self._newest_at = BEFORE_ALL
        self._losers: list[tuple[str, Any]] = []
        self._keys: dict[tuple[str, int, int], list[Any]] = {}
        self._held: frozenset[str] = frozenset()

    # -- restoring ---------------------------------------------------------------------------

    def restore(self, records: dict[str, dict[Any, bytes]]) -> None:
        """Take over from the tables.

        What is taken over is written anew under this incarnation's keys at its first flush, before
        anything is acknowledged: a third worker that was thought dead may still remove what a
        second one wrote.

        Args:
            records: table name to its records of this partition.

        Raises:
            PageError: if a record is no page of this partition and configuration.
        """
        recovered = {
            table: recover_pages(records[table].items(), self.partition, self._page_count(table))
            for table in TABLES
        }
        for table, each in recovered.items():
            self._keys.update(((table, *place), keys) for place, keys in each.keys.items())
        snapshots: dict[str, list[Any]] = {}
        profiles = {
            scope: row
            for page in recovered[PROFILE].pages.values()
            for scope, row in page.rows.items()
        }
        for (number, _), page in recovered[LIVE].pages.items():
            if number == OWN_PAGE:
                self.applied = page.stamp
                self.vector = WatermarkVector.restore(self._policy, page.rows["watermark"])
                self._newest_at = page.rows["newest_at"]
                snapshots = page.rows["histories"]
                continue
            self._stamps[number] = page.stamp
            self._dirty.add(number)
            for text, row in page.rows.items():
                state = self._watch.restore(Scope.parse(text), row, profiles.get(text))
                self._enter(text, state)
                self._schedule(text, state)
        self._dirty_profiles.update(number for number, _ in recovered[PROFILE].pages)
        for table, history in self._histories.items():
            history.restore(recovered[table].pages, snapshots.get(table))
        if self.vector.current is not None:
            self._expire(self.vector.current)  # a zombie may have written what was removed

    @property
    def highest_stamp(self) -> int:
        """The furthest delta that any page holds."""
        return max([self.applied, *self._stamps.values()])

    def _page_count(self, table: str) -> int:
        return self._config.pages if table in (LIVE, PROFILE) else self._config.history_pages

    def _enter(self, text: str, state: ScopeState) -> None:
        self.scopes[text] = state
        self._members[page_of(text, self._config.pages)].append(text)
        kind = state.scope.kind
        if not state.scope.is_other:
            self._names[kind] += 1
        elif state.scope.environment != DEFAULT_ENVIRONMENT:  # that one is always admitted
            self._others[kind] += 1

    # -- folding -----------------------------------------------------------------------------

    def fold(self, offset: int, promise: Promise, rows: Sequence[DeltaRow]) -> list[Alert]:
        """Take one delta, and return what it made happen, in order.

        A delta that was already applied changes nothing: messages fetched before a seek come
        twice.

        Args:
            offset: its offset in the delta partition.
            promise: what it says of its input's time; it holds for what comes after the rows.
            rows: what it counts.
        """
        if offset <= self.applied:
            return []
        alerts: list[Alert] = []
        watermark = BEFORE_ALL if self.vector.current is None else self.vector.current
        on_time = (row.minute * 60 for row in rows if not row.is_late)
        self._newest_at = max(self._newest_at, max(on_time, default=BEFORE_ALL))
        newest_at = self._newest_at
        if newest_at == BEFORE_ALL:
            newest_at = max((row.minute * 60 for row in rows), default=BEFORE_ALL)
        front = self._front(promise)
        for row in rows:
            text = self._admit(row.scope)
            page = page_of(text, self._config.pages)
            for history in (self._hours, self._days):
                history.fold(
                    offset,
                    text,
                    row.minute,
                    row.counts,
                    watermark_seconds=self.vector.current,
                    front_seconds=front,
                )
            if offset <= self._stamps.get(page, -1):
                continue
            state = self.scopes.get(text)
            if state is None:
                state = self._watch.fresh(Scope.parse(text), row.minute)
                self._watch.set_held(state, self._held)
                self._enter(text, state)
            alerts += self._watch.fold(
                state,
                row.minute,
                row.counts,
                row.contributors,
                is_late=row.is_late,
                watermark_seconds=watermark,
                newest_at=newest_at,
            )
            self._touch(text, state, page)
        self._advance(promise, alerts)
        self.applied = offset
        return alerts

    def pass_over(self, offset: int) -> None:
        """Leave a delta out: it was set aside, and what comes after it counts."""
        self.applied = max(self.applied, offset)

    def _front(self, promise: Promise) -> int | None:
        """How far event time has come, in whoever's word; ``None`` before anybody's.

        An input may be behind the others by days, or jump over some: the watermark alone, as it
        was before a delta, would leave money out that the delta itself is about.
        """
        known = (self.vector.furthest, promise.watermark_seconds)
        front = max(self._newest_at, *(BEFORE_ALL if at is None else at for at in known))
        return None if front == BEFORE_ALL else front

    def _admit(self, text: str) -> str:
        """The scope that takes a row: its own, or beyond the bound its environment's other.

        Environments are as many as producers please, so their others have the same bound, and
        beyond it one other takes all: what is kept is bounded and still adds up to the total.
        """
        if text in self.scopes:
            return text
        kind, _, rest = text.partition(":")
        bound = self._bounds.of(kind)
        if self._names[kind] < bound:
            return text
        other = f"{kind}:{OTHER}"
        _, at, environment = rest.partition("@")
        of_environment = f"{other}{at}{environment}"
        if of_environment in self.scopes or self._others[kind] < bound:
            return of_environment
        return other

    def _advance(self, promise: Promise, alerts: list[Alert]) -> None:
        before = self.vector.current
        watermark = self.vector.observe(
            promise.source, promise.watermark_seconds, is_idle=promise.is_idle
        )
        if watermark is None or watermark == before:
            return
        while self._due and self._due[0][0] <= watermark:
            due_at, text = heappop(self._due)
            if self._due_of.get(text) != due_at:
                continue  # it was rescheduled since
            del self._due_of[text]
            state = self.scopes[text]
            alerts += self._watch.advance(state, watermark)
            self._touch(text, state, page_of(text, self._config.pages))
        if before is None or before // HOUR_SECONDS != watermark // HOUR_SECONDS:
            self._expire(watermark)

    def _expire(self, watermark: int) -> None:
        for table, history in self._histories.items():
            for page, start in history.expire(watermark):
                self._losers += [(table, key) for key in self._keys.pop((table, page, start), [])]

    def _touch(self, text: str, state: ScopeState, page: int) -> None:
        self._dirty.add(page)
        self._dirty_profiles.add(page)
        self._schedule(text, state)

    def _schedule(self, text: str, state: ScopeState) -> None:
        due_at = self._watch.due_at(state)
        if due_at is None:
            self._due_of.pop(text, None)
        elif self._due_of.get(text) != due_at:
            self._due_of[text] = due_at
            heappush(self._due, (due_at, text))

    def hold(self, alert_ids: frozenset[str]) -> None:
        """Say which alerts an enforced throttle action holds down."""
        if alert_ids == self._held:
            return
        self._held = alert_ids
        for text, state in self.scopes.items():
            self._watch.set_held(state, alert_ids)
            self._schedule(text, state)  # while it is held, each of its windows counts

    # -- flushing ----------------------------------------------------------------------------

    def _key(self, table: str, page: int) -> PageKey:
        return PageKey(self.partition, self._page_count(table), page, self.incarnation)

    def begin_flush(self, *, with_profiles: bool, turn: int = 0, turns: int = 1) -> Flush:
        """What has to be written for everything up to now to be durable.

        Args:
            with_profiles: whether this flush also writes changed profile pages.
            turn: which share of them, so that they are not all written at once: those whose
                number modulo ``turns`` is ``turn``.
            turns: into how many shares they are divided.
        """
        removals: dict[bool, list[Write]] = {True: [], False: []}
        for table, key in self._losers:
            removals[table == LIVE and PageKey.parse(key).page == OWN_PAGE].append(
                (table, key, None)
            )
        pages, learned, own = removals[False], list[Write](), list[Write]()
        places: dict[tuple[str, int, int], list[Any]] = {}

        def write(
            step: list[Write],
            table: str,
            page: int,
            rows: dict[str, Any],
            *,
            window: int = 0,
            stamp: int = -1,
        ) -> None:
            # A page that outlived its flush may be ahead of the partition: its stamp stands.
            stamp = max(stamp, self.applied)
            keys = places[table, page, window] = []
            payload = encode_page(stamp, rows)
            for part, piece in split_page(self._key(table, page), stamp, payload):
                key: Any = str(part)
                if window:
                    key = (key, (window, window + self._histories[table].window_seconds))
                keys.append(key)
                step.append((table, key, piece))

        for page in sorted(self._dirty):
            members = self._members[page]
            rows = {text: self._watch.live_snapshot(self.scopes[text]) for text in members}
            write(pages, LIVE, page, rows, stamp=self._stamps.get(page, -1))
        profiles: dict[str, int] = {}
        shared = {page for page in self._dirty_profiles if with_profiles and page % turns == turn}
        for page in sorted(shared):
            members = self._members[page]
            rows = {text: self._watch.profile_snapshot(self.scopes[text]) for text in members}
            profiles.update((text, row[0]) for text, row in rows.items())
            write(learned, PROFILE, page, rows)
        for table, history in self._histories.items():
            for (page, start), each in history.pages.items():
                if each.is_dirty:
                    write(pages, table, page, each.counts, window=start, stamp=each.stamp)
        time = {
            "watermark": self.vector.snapshot(),
            "newest_at": self._newest_at,
            "histories": {name: each.snapshot() for name, each in self._histories.items()},
        }
        write(own, LIVE, OWN_PAGE, time)
        return Flush(self.applied, (removals[True], pages, learned, own), profiles, places)

    def finish_flush(self, flush: Flush) -> list[Any]:
        """Note that a flush is durable, and return the messages that may be acknowledged.

        Always a strict prefix: everything up to the flush's stamp. What earlier incarnations wrote
        of the same pages is removed at the next flush.
        """
        self._losers.clear()
        for place, keys in flush.places.items():
            before = self._keys.get(place, [])
            self._losers += [(place[0], each) for each in before if each not in keys]
            self._keys[place] = keys
        for page in self._dirty:
            self._stamps[page] = max(flush.stamp, self._stamps.get(page, -1))
        self._dirty.clear()
        for text, through in flush.profiles.items():
            self._watch.profile_durable(self.scopes[text], through)
        written = (place[1] for place in flush.places if place[0] == PROFILE)
        self._dirty_profiles.difference_update(written)
        for history in self._histories.values():
            for each in history.pages.values():
                if each.is_dirty:
                    each.stamp = max(flush.stamp, each.stamp)
                    each.is_dirty = False
        acknowledged, self.unacknowledged = self.unacknowledged, []
        return acknowledged

    # -- asking ------------------------------------------------------------------------------

    def spend(self, kind: str, span: tuple[int, int] | None) -> dict[str, Spend]:
        """What the scopes of a kind spent.

        Args:
            kind: the kind asked for.
            span: whole hours ``[from, to)`` in epoch seconds; ``None`` for everything since the
                beginning.

        Raises:
            SpanError: if the tables do not hold the span in full.
        """
        if span is None:
            return spend_since_the_start(self.scopes, kind)
        first_minute = min((state.first_minute for state in self.scopes.values()), default=None)
        for history, start, end in spans(span, self._hours, self._days):
            check_kept(history, start, end, self.vector.current, first_minute)
        return spend_in_span(span, self._hours, self._days, kind)
