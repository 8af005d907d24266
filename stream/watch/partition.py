"""One delta partition in the hands of one worker, from assignment to revocation.

The highest offset applied, the page cache, the dirty sets and the unacknowledged messages are one
object: a guard that outlives its assignment skips money, unless it was nobody else's meanwhile.
Everything here is a function of the delta log and the configuration; this file must not read a
clock or talk to Kafka.
"""

from operator import itemgetter
from typing import Any

import numpy as np

from alerting.alert import Alert
from alerting.watch.part_names import NameBook
from alerting.watch.row_groups import Bools, Ints, fits
from alerting.watch.scope_watch import ScopeState, ScopeWatch
from alerting.watch.tally import FEW, Tally
from detectors.scope import Scope
from detectors.window import DAY_SECONDS, HOUR_SECONDS
from stream.delta import CONTRIBUTOR_DIMENSIONS, DeltaRow, DeltaRows, Promise
from stream.watch.bounds import Bounds
from stream.watch.budgeted import fold_budgeted
from stream.watch.config import WatchRoleConfig
from stream.watch.event_time import EventTime
from stream.watch.flush import DAYS, HOURS, LIVE, OWN_PAGE, PROFILE, TABLES, Flush, PageKeys
from stream.watch.history import History
from stream.watch.live_pages import LivePages
from stream.watch.pages import recover_pages
from stream.watch.profile_pages import ProfilePages
from stream.watch.resumed import resumed
from stream.watch.roster import UNKNOWN, Roster
from stream.watch.sift import Sifted, sift
from stream.watch.spend import Spend, check_kept, spans, spend_in_span, spend_since_the_start
from stream.watch.watermark import WatermarkPolicy, WatermarkVector


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
        book: NameBook | None = None,
        few: int = FEW,
    ) -> None:
        """An empty partition; ``restore`` fills it.

        Args:
            partition: its number.
            incarnation: of this writer in this assignment, unique.
            config: pages and retention.
            policy: whom the watermark waits for.
            watch: the chain that judges one scope.
            bounds: names per kind before ``__other__``.
            book: numbers the names of contributors; one for all partitions of a process.
            few: rows of a delta that are folded one by one.
        """
        self.partition = partition
        self.applied = -1
        self.unacknowledged: list[Any] = []
        self._time = EventTime(policy)
        self._watch = watch
        self._keys = PageKeys(partition, incarnation, config)
        self._roster = Roster(bounds, config.pages, config.history_pages)
        self._few = few
        self._tally = Tally(watch, CONTRIBUTOR_DIMENSIONS, book or NameBook(), few=few)
        self._scopes: dict[str, ScopeState] = {}
        pages = config.history_pages
        self._hours = History(HOUR_SECONDS, config.keep_hours, pages, self._roster)
        self._days = History(DAY_SECONDS, config.keep_days, pages, self._roster)
        self._histories = {HOURS: self._hours, DAYS: self._days}
        self._live = LivePages(config.pages)
        self._profiles = ProfilePages(config.pages)
        self._highest_taken_over = -1
        self._held: frozenset[str] = frozenset()

    @property
    def vector(self) -> WatermarkVector:
        """What each input promised."""
        return self._time.vector

    @property
    def scopes(self) -> dict[str, ScopeState]:
        """The scopes and what is known of each; whoever looks, sees all that was counted."""
        self._tally.settle_all()
        return self._scopes

    @property
    def scope_count(self) -> int:
        """How many scopes there are, without looking at any."""
        return len(self._scopes)

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
            table: recover_pages(
                records[table].items(), self.partition, self._keys.page_count(table)
            )
            for table in TABLES
        }
        self._keys.take_over(recovered)
        snapshots: dict[str, list[Any]] = {}
        profiles = {
            scope: row
            for page in recovered[PROFILE].pages.values()
            for scope, row in page.rows.items()
        }
        for (number, _), page in recovered[LIVE].pages.items():
            if number == OWN_PAGE:
                self.applied = page.stamp
                self._time.restore(page.rows["watermark"], page.rows["newest_at"])
                snapshots = page.rows["histories"]
                continue
            self._live.take_over(number, page.stamp)
            self._profiles.touch(number)
            for text, row in page.rows.items():
                self._enter(text, resumed(self._watch, text, row, profiles.get(text)))
        self._profiles.take_over([number for number, _ in recovered[PROFILE].pages])
        for table, history in self._histories.items():
            history.restore(recovered[table].pages, snapshots.get(table))
        self._highest_taken_over = max(
            self.highest_stamp, *(each.highest_stamp for each in self._histories.values())
        )
        if self.vector.current is not None:  # a zombie may have written what was removed
            self._expire(self.vector.current)

    def renew(self, incarnation: str) -> None:
        """Write all pages anew under keys of an incarnation, as those that are restored."""
        self.unacknowledged = []  # they come again
        self._keys.renew(incarnation)
        self._profiles.take_over(self._keys.written(PROFILE))
        for page in (*self._keys.written(LIVE), *self._roster.members):
            self._touch_page(page)
        for history in self._histories.values():
            history.rewrite()

    @property
    def highest_stamp(self) -> int:
        """The furthest delta that any page holds."""
        return max(self.applied, self._live.highest_stamp)

    def _enter(self, text: str, state: ScopeState) -> int:
        self._scopes[text] = state
        number = self._roster.enter(text, state.scope)
        self._tally.enter(number, state)
        return number

    # -- folding -----------------------------------------------------------------------------

    def fold(self, offset: int, promise: Promise, rows: DeltaRows) -> list[Alert]:
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
        if len(rows):
            self._time.note(rows)
            told: list[tuple[int, list[Alert]]] = []
            is_single = self._fold_ordinary(offset, rows, told)
            if is_single.any():
                self._fold_singly(offset, promise, rows, is_single, told)
            for _, each in sorted(told, key=itemgetter(0)):
                alerts += each
        self._advance(promise, alerts)
        self.applied = offset
        return alerts

    def pass_over(self, offset: int) -> None:
        """Leave a delta out: it was set aside, and what comes after it counts."""
        self.applied = max(self.applied, offset)

    def _fold_ordinary(
        self, offset: int, rows: DeltaRows, told: list[tuple[int, list[Alert]]]
    ) -> Bools:
        """Count the rows that bring no news, and say which rows have to be looked at singly.

        While pages taken over may hold a delta already, each row asks its own page. Of a few rows
        each is looked at anyway: that is as quick, and nothing waits in columns.
        """
        if len(rows) <= self._few or offset <= self._highest_taken_over or not fits(rows.counts):
            return np.ones(len(rows), np.bool_)
        number = self._roster.numbers(rows)
        sifted = sift(rows, number, self._tally, self._time.watermark, self._watch.window_seconds)
        told += self._count(rows, sifted)
        return sifted.is_single

    def _count(self, rows: DeltaRows, sifted: Sifted) -> list[tuple[int, list[Alert]]]:
        """Count the ordinary ones; news is of budgets alone, by row."""
        groups = sifted.groups
        if not len(groups):
            return []
        for mine in groups.turns():
            for history in (self._hours, self._days):
                history.add(mine.number, mine.start, mine.counts)
        self._tally.count(groups, sifted.parts, self._time.watermark)
        self._touch(groups.number)
        return fold_budgeted(self._watch, self._tally, self._time, rows, sifted)

    def _fold_singly(
        self,
        offset: int,
        promise: Promise,
        rows: DeltaRows,
        is_single: Bools,
        told: list[tuple[int, list[Alert]]],
    ) -> None:
        newest_at = self._time.newest_of(rows)
        front = self._time.front(promise.watermark_seconds)
        places = np.flatnonzero(is_single)
        single = rows if is_single.all() else rows.take(places)
        names = {single.names[pointer] for pointer in set(single.scope.tolist())}
        known = {self._roster.admitted.get(self._roster.admit(name), UNKNOWN) for name in names}
        self._tally.settle(np.array(sorted(known - {UNKNOWN}), np.int64))
        for place, row in zip(places.tolist(), single, strict=True):
            told.append((place, self._fold_one(offset, row, front=front, newest_at=newest_at)))

    def _fold_one(
        self, offset: int, row: DeltaRow, *, front: int | None, newest_at: int
    ) -> list[Alert]:
        text = self._roster.admit(row.scope)
        number = self._roster.number(text)
        for history in (self._hours, self._days):
            history.fold(
                offset,
                number,
                row.minute,
                row.counts,
                watermark_seconds=self.vector.current,
                front_seconds=front,
            )
        if self._live.holds(self._roster.page[number], offset):
            return []
        return self._fold_row(text, number, row, newest_at)

    def _fold_row(self, text: str, number: int, row: DeltaRow, newest_at: int) -> list[Alert]:
        if text in self._scopes:
            self._tally.settle_one(number)  # a name beyond the bound was not known before
        else:
            state = self._watch.fresh(Scope.parse(text), row.minute)
            self._watch.set_held(state, self._held)
            self._enter(text, state)
        alerts = self._watch.fold(
            self._scopes[text],
            row.minute,
            row.counts,
            row.contributors,
            row.exemplar,
            is_late=row.is_late,
            watermark_seconds=self._time.watermark,
            newest_at=newest_at,
        )
        self._tally.changed(number)
        self._touch(number)
        return alerts

    def _advance(self, promise: Promise, alerts: list[Alert]) -> None:
        before = self.vector.current
        watermark = self.vector.observe(
            promise.source, promise.watermark_seconds, is_idle=promise.is_idle
        )
        if watermark is None or watermark == before:
            return
        due, on_paper = self._tally.advance(watermark)
        if len(on_paper):
            self._touch(on_paper)
        texts = self._roster.texts
        if due:
            self._tally.settle(np.array([number for _, number in due], np.int64))
        for _, text, number in sorted((at, texts[number], number) for at, number in due):
            alerts += self._watch.advance(self._scopes[text], watermark)
            self._tally.changed(number)
            self._touch(number)
        if before is None or before // HOUR_SECONDS != watermark // HOUR_SECONDS:
            self._expire(watermark)

    def _expire(self, watermark: int) -> None:
        for table, history in self._histories.items():
            for page, start in history.expire(watermark):
                self._keys.remove(table, page, start)

    def _touch(self, number: int | Ints) -> None:
        self._touch_page(self._roster.page[number])

    def _touch_page(self, page: int | Ints) -> None:
        self._live.touch(page)
        self._profiles.touch(page)

    def _has_learned(self, page: int) -> bool:
        return any(self._scopes[text].has_learned for text in self._roster.members[page])

    def hold(self, alert_ids: frozenset[str]) -> None:
        """Say which alerts an enforced throttle action holds down."""
        if alert_ids == self._held:
            return
        self._tally.settle_all()
        self._held = alert_ids
        for text, state in self._scopes.items():
            self._watch.set_held(state, alert_ids)
            self._tally.changed(self._roster.number(text))  # held, each of its windows counts

    # -- flushing ----------------------------------------------------------------------------

    def begin_flush(self, *, with_profiles: bool, turn: int = 0, turns: int = 1) -> Flush:
        """What has to be written for everything up to now to be durable.

        Args:
            with_profiles: whether this flush also writes changed profile pages.
            turn: which share of them: those whose number modulo ``turns`` is ``turn``.
            turns: into how many shares they are divided, not to be written all at once.
        """
        self._tally.settle_all()
        keys, flush = self._keys, self._keys.begin(self.applied)
        members, scopes = self._roster.members, self._scopes
        for page in self._live.due():
            rows = {text: self._watch.live_snapshot(scopes[text]) for text in members[page]}
            keys.write(flush, 1, LIVE, page, rows, stamp=self._live.stamp(page))
        for page in self._profiles.due(turn, turns, self._has_learned) if with_profiles else ():
            rows = {text: self._watch.profile_snapshot(scopes[text]) for text in members[page]}
            flush.profiles.update((text, row[0]) for text, row in rows.items())
            keys.write(flush, 2, PROFILE, page, rows)
        for table, history in self._histories.items():
            for (page, start), each in history.pages(only_dirty=True):
                window = (start, start + history.window_seconds)
                content = each.content.to_rows()
                keys.write(flush, 1, table, page, content, window=window, stamp=each.stamp)
        time = {
            "watermark": self.vector.snapshot(),
            "newest_at": self._time.newest_at,
            "histories": {name: each.snapshot() for name, each in self._histories.items()},
        }
        keys.write(flush, 3, LIVE, OWN_PAGE, time)
        return flush

    def finish_flush(self, flush: Flush) -> list[Any]:
        """Note that a flush is durable, and return the messages that may be acknowledged.

        Always a strict prefix: everything up to the flush's stamp. What earlier incarnations wrote
        of the same pages is removed at the next flush.
        """
        self._keys.finish(flush)
        self._live.written(flush.stamp)
        for text, through in flush.profiles.items():
            self._watch.profile_durable(self._scopes[text], through)
        self._profiles.written(page for table, page, _ in flush.places if table == PROFILE)
        for each in self._histories.values():
            each.written(flush.stamp)
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
            return spend_since_the_start(self._tally, self._roster.admitted, kind)
        for history, start, end in spans(span, self._hours, self._days):
            check_kept(history, start, end, self.vector.current, self._tally.first_minute)
        return spend_in_span(span, self._hours, self._days, kind)
