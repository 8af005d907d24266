"""From transitions to outboxes: every one goes through ``STAGES`` and says where it ended.

The state of NOTIFY is kept here and nowhere else: incidents as last told, log, outbox, silences,
the backlog of old news. What still fires is offered again by ``tick`` where somebody was never told
of it, or long ago. Sending is ``delivery.py``'s, words are ``render.py``'s. One process owns
it; input may be acknowledged once ``accept`` has returned.
"""

import asyncio
from collections.abc import Mapping, Sequence

from alerting.alert import LATE_AFTER_SECONDS, Alert, Transition
from alerting.notify.backlog import Backlog, backlog_from_json, caught_up, folded, is_added, is_old
from alerting.notify.delivery import ReceiverTask, Surroundings
from alerting.notify.incident_view import Applied, Change, IncidentView, view_from_json
from alerting.notify.inhibit import inhibit
from alerting.notify.notification_log import Job, NotificationLog, Record
from alerting.notify.notifier import Notice, Notifier, notice_id_of
from alerting.notify.offers import Offers
from alerting.notify.render import storm_text
from alerting.notify.route import NotifyConfig
from alerting.notify.stages import (
    HOUR_SECONDS,
    Candidate,
    Context,
    NoticeVerdict,
    Stage,
    Untold,
    drop_already_told,
    drop_superseded,
    group_by_incident,
    limit_outbox,
    limit_rate,
    remind,
    route,
    silence,
)
from alerting.silence import Silence, Silences, SilenceState, silence_from_json
from alerting.throttle.action import ThrottleAction

STAGES: tuple[Stage, ...] = (
    drop_superseded,
    silence,
    route,
    inhibit,
    group_by_incident,
    drop_already_told,
    remind,
    limit_rate,
    limit_outbox,
)
"""The way of every notice; what is left at its end is put into the outbox."""

TOLD = "enqueued"
"""The verdict on what is left."""

INCIDENT, SILENCE, RATE, BACKLOG = "incident", "silence", "rate", "backlog"
"""Prefixes of this module's state keys; the log has its own."""


class Pipeline:
    """NOTIFY without Kafka.

    Order of calls: ``restore`` (at most once), ``start``, then ``accept`` and ``tick`` one after
    the other, ``stop``.

    Args:
        config: receivers and routes.
        notifiers: one per receiver of the configuration, by name.
        around: time, chance and durability.
    """

    def __init__(
        self, config: NotifyConfig, notifiers: Mapping[str, Notifier], around: Surroundings
    ) -> None:
        self._config = config
        self._around = around
        self._log = NotificationLog()
        self._views: dict[str, IncidentView] = {}
        self._silences = Silences()
        self._recent: dict[str, tuple[float, ...]] = {}
        self._backlog = Backlog()
        self._head_at = float("-inf")
        self._grouping = frozenset(
            name for name, notifier in notifiers.items() if notifier.is_coalescing
        )
        self._offers = Offers(config, self._log, self._silences, self._grouping)
        self._tasks = {
            name: ReceiverTask(
                name,
                notifiers[name],
                receiver.retry,
                group_wait_seconds=receiver.group_wait_seconds,
                log=self._log,
                views=self._views,
                around=around,
            )
            for name, receiver in config.receivers.items()
        }

    def restore(self, records: Mapping[str, Record]) -> None:
        """Takes up the state that ``persist`` was given, by key."""
        self._log.restore(records)
        for key, record in records.items():
            prefix, _, name = key.partition(":")
            if prefix == INCIDENT:
                self._views[name] = view_from_json(record)
            elif prefix == SILENCE:
                self._silences.add(silence_from_json(record))
            elif prefix == RATE:
                self._recent[name] = tuple(record["at"])
            elif prefix == BACKLOG:
                self._backlog = backlog_from_json(record)

    def snapshot(self) -> dict[str, Record]:
        """The whole state by key, as ``restore`` takes it."""
        records = self._log.snapshot()
        records |= {f"{INCIDENT}:{name}": view.to_json() for name, view in self._views.items()}
        records |= {f"{SILENCE}:{one.silence_id}": one.to_json() for one in self._silences.list()}
        records |= {f"{RATE}:{name}": {"at": list(at)} for name, at in self._recent.items()}
        if self._backlog.incident_ids:
            records[BACKLOG] = self._backlog.to_json()
        return records

    async def start(self) -> None:
        """Starts the receivers; what waited in the outbox is sent first."""
        for job in self._log.jobs_of_others(self._tasks):
            await self._log.remove_job(job, self._around.persist)
        for task in self._tasks.values():
            task.start()

    async def stop(self, grace_seconds: float = 5.0) -> None:
        """Ends the receivers, all at once; requests in flight have ``grace_seconds``."""
        await asyncio.gather(*(task.stop(grace_seconds) for task in self._tasks.values()))

    async def drain(self) -> None:
        """Returns once every outbox is empty."""
        await asyncio.gather(*(task.drain() for task in self._tasks.values()))

    @property
    def tasks(self) -> "tuple[asyncio.Task[None], ...]":
        """The running tasks, for a supervisor: none of them ends before ``stop``."""
        return tuple(task.task for task in self._tasks.values() if task.task is not None)

    def waiting(self) -> dict[str, list[float]]:
        """Per receiver, when each notice in its outbox was put there; wall clock."""
        return {name: [job.enqueued_at for job in self._log.jobs(name)] for name in self._tasks}

    @property
    def silences(self) -> tuple[Silence, ...]:
        """All silences, expired ones too."""
        return self._silences.list()

    async def add_silence(self, silence_: Silence) -> None:
        """Adds or replaces a silence."""
        await self._around.persist(f"{SILENCE}:{silence_.silence_id}", silence_.to_json())
        self._silences.add(silence_)

    async def expire_silence(self, silence_id: str, now: float) -> Silence:
        """Ends a silence at ``now``.

        Raises:
            KeyError: if there is none with that id.
        """
        silence_ = self._silences.expire(silence_id, now)
        await self._around.persist(f"{SILENCE}:{silence_id}", silence_.to_json())
        return silence_

    async def accept(
        self,
        alerts: Sequence[Alert],
        actions: Sequence[ThrottleAction] = (),
        *,
        is_enforced: bool = False,
        now: float,
    ) -> tuple[NoticeVerdict, ...]:
        """Takes transitions and actions, in the order of their topics.

        Args:
            alerts: as in ``spend.alerts``; repeats are recognised.
            actions: throttle actions of their incidents; may come before or after the alerts.
            is_enforced: whether ``actions`` are of ``throttle.actions``, not of the shadow topic.
            now: wall clock, epoch seconds.

        Returns:
            A verdict per transition and receiver: why (not) told. When it returns, everything that
            is to be told is in the persisted outbox and the input may be acknowledged.
        """
        context = self._context(now)
        views: dict[str, IncidentView] = {}
        candidates: list[Candidate] = []
        backlog, is_head = self._backlog, False
        for alert in alerts:
            incident_id = alert.incident_id or alert.alert_id
            before = views.get(incident_id) or self._view(incident_id)
            if alert.transition is Transition.PENDED:
                context.verdicts.append(_verdict(alert.transition_id, incident_id, Untold.PENDING))
                continue
            after, change = before.with_alert(alert, now)
            if change is None:
                context.verdicts.append(_verdict(alert.transition_id, incident_id, Untold.REPEATED))
                continue
            views[incident_id] = after
            views |= self._left(alert, views, now)
            if is_old(alert, incident_id, backlog, now):
                backlog = backlog.with_alert(incident_id, alert)
                context.verdicts.append(_verdict(alert.transition_id, incident_id, Untold.OLD_NEWS))
                continue
            is_head = is_head or not is_added(alert)
            notice = Notice(alert.transition_id, incident_id, change, alert.decided_at, alert)
            candidates.append(Candidate(notice, after.severity, (alert.transition_id,)))
        for action in actions:
            before = views.get(action.incident_id) or self._view(action.incident_id)
            after, change = before.with_action(Applied(action, is_enforced))
            if after is not before:
                views[action.incident_id] = after
            if change is None or not after.members:
                continue
            notice = Notice(action.action_id, action.incident_id, change, action.decided_at)
            candidates.append(Candidate(notice, after.severity, (action.action_id,)))
        if is_head:
            self._head_at = now
        return await self._tell(context, candidates, views, backlog, is_head=is_head)

    async def tick(self, *, now: float, is_head: bool) -> tuple[NoticeVerdict, ...]:
        """Lets time pass; to be called every minute or so.

        Args:
            now: wall clock, epoch seconds.
            is_head: whether everything in the log has been read: old news is then summed up.

        Returns:
            The verdicts on old news; of what is offered again, only on what was enqueued: why
            somebody was not told was said before.
        """
        verdicts = await self._tell(self._context(now), [], {}, self._backlog, is_head=is_head)
        if is_head or now - self._head_at <= LATE_AFTER_SECONDS:
            offers = list(self._offers.due(self._views, self._backlog.incident_ids, now))
            again = await self._tell(self._context(now), offers, {}, self._backlog, is_head=False)
            verdicts += tuple(verdict for verdict in again if verdict.outcome == TOLD)
        await self._forget(now - self._config.retain_settled_seconds)
        return verdicts

    def _context(self, now: float) -> Context:
        return Context(
            config=self._config,
            log=self._log,
            views=self._views,
            silences=self._silences,
            grouping=self._grouping,
            gone=frozenset(name for name, task in self._tasks.items() if task.is_gone),
            recent=self._recent,
            now=now,
        )

    def _view(self, incident_id: str) -> IncidentView:
        return self._views.get(incident_id) or IncidentView(incident_id)

    def _left(
        self, alert: Alert, views: Mapping[str, IncidentView], now: float
    ) -> dict[str, IncidentView]:
        """The incidents that an alert was in before it was told with its present one."""
        known = {**self._views, **views}
        without = {name: view.without(alert, now) for name, view in known.items()}
        return {name: view for name, view in without.items() if view is not known[name]}

    async def _tell(
        self,
        context: Context,
        candidates: list[Candidate],
        views: Mapping[str, IncidentView],
        backlog: Backlog,
        *,
        is_head: bool,
    ) -> tuple[NoticeVerdict, ...]:
        """Incidents first, so that no message is older than what it tells; then the outbox.

        After an end between the two the input is read again: incidents remember what it changed.
        """
        context.views = {**self._views, **views}
        is_folding = is_head and bool(backlog.incident_ids)
        if is_folding:
            candidates = [*folded(candidates, backlog, context), *candidates]
        for stage in STAGES:
            candidates = stage(candidates, context)
        jobs = [_job(candidate, context) for candidate in candidates]
        jobs += self._storms(context)
        if is_folding:
            for receiver, summary in caught_up(backlog, context):
                jobs.append(Job(receiver, summary, (summary.notice_id,), context.now))
        for incident_id, view in views.items():
            await self._around.persist(f"{INCIDENT}:{incident_id}", view.to_json())
            self._views[incident_id] = view
        for job in jobs:
            await self._log.put_job(job, self._around.persist)
        await self._count(context)
        await self._keep_backlog(Backlog() if is_folding else backlog)
        for receiver in {job.receiver for job in jobs}:
            self._tasks[receiver].wake()
        return tuple(context.verdicts)

    def _storms(self, context: Context) -> list[Job]:
        """One line a receiver and hour, when its number of new incidents is used up."""
        hour = int(context.now // HOUR_SECONDS)
        jobs = []
        for receiver in sorted(context.limited):
            limit = self._config.receivers[receiver].max_incidents_per_hour
            notice_id = notice_id_of("storm", receiver, str(hour))
            at = int(context.now)
            notice = Notice(notice_id, notice_id, Change.STORM, at, None, storm_text(limit), limit)
            if not self._log.is_told(receiver, notice_id, notice_id):
                jobs.append(Job(receiver, notice, (notice_id,), context.now))
        return jobs

    async def _count(self, context: Context) -> None:
        for receiver, begun in context.begun.items():
            if begun:
                kept = [
                    at for at in self._recent.get(receiver, ()) if at > context.now - HOUR_SECONDS
                ]
                self._recent[receiver] = (*kept, *[context.now] * begun)
                record = {"at": list(self._recent[receiver])}
                await self._around.persist(f"{RATE}:{receiver}", record)

    async def _keep_backlog(self, backlog: Backlog) -> None:
        if backlog != self._backlog:
            record = backlog.to_json() if backlog.incident_ids else None
            await self._around.persist(BACKLOG, record)
            self._backlog = backlog

    async def _forget(self, before: float) -> None:
        """Drops incidents and silences that ended long ago and of which nothing waits."""
        busy = {job.notice.incident_id for name in self._tasks for job in self._log.jobs(name)}
        for incident_id, view in tuple(self._views.items()):
            is_old = view.settled_at is not None and view.settled_at < before
            if is_old and incident_id not in busy:
                await self._log.forget_incident(incident_id, self._around.persist)
                await self._around.persist(f"{INCIDENT}:{incident_id}", None)
                del self._views[incident_id]
        for silence_ in self._silences.list():
            if silence_.state(before) is SilenceState.EXPIRED:
                await self._around.persist(f"{SILENCE}:{silence_.silence_id}", None)
                self._silences.forget(silence_.silence_id)


def _verdict(notice_id: str, incident_id: str, reason: Untold) -> NoticeVerdict:
    return NoticeVerdict(notice_id, incident_id, "", reason.value)


def _job(candidate: Candidate, context: Context) -> Job:
    notice = candidate.notice
    context.verdicts.append(
        NoticeVerdict(notice.notice_id, notice.incident_id, candidate.receiver, TOLD)
    )
    return Job(candidate.receiver, notice, candidate.covers, context.now)
