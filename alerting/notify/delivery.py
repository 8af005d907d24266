"""One task per receiver sends what waits in its outbox, so that a slow one delays nobody else.

At least once, in order of acceptance, with a stable id. A job leaves the outbox only after the
log says what came of it. This file knows no medium and decides nothing about who is told.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from random import Random

import structlog

from alerting.notify.incident_view import QUIET, IncidentView
from alerting.notify.notification_log import Job, LogEntry, NotificationLog, Persist
from alerting.notify.notifier import Memory, Notifier
from alerting.notify.retry import Backoff, DeliveryError, Disposition, RetryConfig

logger = structlog.get_logger(__name__)

DELIVERED = "delivered"
"""The outcome of an attempt that worked; all others are a ``FailureReason``."""

Report = Callable[[str, str], None]
"""Hears of every attempt: receiver, and ``delivered`` or a ``FailureReason``; for metrics."""


def report_nothing(receiver: str, outcome: str) -> None:
    """A report for who has no metrics."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a task takes from outside, so that tests need neither time nor chance.

    Attributes:
        persist: makes a record durable.
        clock: wall clock, epoch seconds.
        sleep: waits, seconds.
        rng: for jitter.
        report: hears of attempts.
    """

    persist: Persist
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    rng: Random = Random()  # noqa: RUF009, S311  jitter is no secret, and one source is fine
    report: Report = report_nothing


class ReceiverTask:
    """Sends to one receiver.

    Args:
        name: the receiver's.
        notifier: how.
        retry: how patiently.
        group_wait_seconds: how long an incident's first message waits for what belongs to it.
        log: shared by all tasks; each writes only its own receiver's records.
        views: the incidents as they are now, read at each attempt.
        around: time, chance and durability.
    """

    def __init__(
        self,
        name: str,
        notifier: Notifier,
        retry: RetryConfig,
        *,
        group_wait_seconds: float,
        log: NotificationLog,
        views: Mapping[str, IncidentView],
        around: Surroundings,
    ) -> None:
        self._name = name
        self._notifier = notifier
        self._retry = retry
        self._group_wait_seconds = group_wait_seconds
        self._log = log
        self._views = views
        self._around = around
        self._backoff = Backoff(retry, around.rng)
        self._failures = 0
        self._wake = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_stopping = False
        self._task: asyncio.Task[None] | None = None
        self.is_gone = False

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """The running task: when it ends by itself something is broken and the worker must end."""
        return self._task

    def start(self) -> None:
        """Begins with whatever the outbox holds. Needs a running loop."""
        self._task = asyncio.create_task(self._run(), name=f"notify-{self._name}")

    def wake(self) -> None:
        """Says that the outbox has grown."""
        self._is_idle.clear()
        self._wake.set()

    async def drain(self) -> None:
        """Returns once the outbox is empty."""
        await self._is_idle.wait()

    async def stop(self, grace_seconds: float) -> None:
        """Lets the request in flight end within ``grace_seconds``, then ends; jobs stay kept.

        What ended the task before is for whoever watches ``task``; it is not raised here.
        """
        self._is_stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=grace_seconds)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._notifier.close()

    async def _run(self) -> None:
        while not self._is_stopping:
            jobs = self._log.jobs(self._name)
            if not jobs:
                self._is_idle.set()
                self._wake.clear()
                await self._wake.wait()
                continue
            together = self._together(jobs)
            wait = self._wait_seconds(together[0])
            if wait > 0:
                await self._pause(wait)
            else:
                await self._attempt(together)

    def _wait_seconds(self, first: Job) -> float:
        """What is left of the wait for an incident's first message: its alerts come in a burst."""
        entry = self._log.entry(self._name, first.notice.incident_id)
        if entry.is_told or not self._notifier.is_coalescing:
            return 0.0
        left = first.enqueued_at + self._group_wait_seconds - self._around.clock()
        return min(left, self._group_wait_seconds)

    def _together(self, jobs: tuple[Job, ...]) -> tuple[Job, ...]:
        """The oldest job, with all of the same incident where one message shows them all."""
        first = jobs[0]
        if not self._notifier.is_coalescing:
            return (first,)
        return tuple(job for job in jobs if job.notice.incident_id == first.notice.incident_id)

    async def _attempt(self, jobs: tuple[Job, ...]) -> None:
        incident_id = jobs[0].notice.incident_id
        entry = self._log.entry(self._name, incident_id)
        fresh = tuple(job for job in jobs if job.notice.notice_id not in entry.told)
        if self.is_gone:
            await self._finish(jobs, replace(entry, status="gone"))
            return
        if not fresh:  # delivered just before the last end
            await self._finish(jobs, entry)
            return
        try:
            await self._notifier.deliver(
                tuple(job.notice for job in fresh),
                self._views.get(incident_id),
                entry.memory,
                lambda memory: self._remember(incident_id, memory),
            )
        except DeliveryError as error:
            await self._fail(jobs, error)
            return
        self._failures = 0
        self._around.report(self._name, DELIVERED)
        await self._finish(jobs, self._told(incident_id, fresh))

    def _told(self, incident_id: str, jobs: tuple[Job, ...]) -> LogEntry:
        entry = self._log.entry(self._name, incident_id)
        covers = tuple(notice_id for job in jobs for notice_id in job.covers)
        entry = replace(entry.with_told(covers), attempts=entry.attempts + 1)
        if any(job.notice.change not in QUIET for job in jobs):
            entry = replace(entry, noticed_at=self._around.clock())
        return entry

    async def _remember(self, incident_id: str, memory: Memory) -> None:
        entry = self._log.entry(self._name, incident_id)
        await self._log.put_entry(replace(entry, memory=dict(memory)), self._around.persist)

    async def _fail(self, jobs: tuple[Job, ...], error: DeliveryError) -> None:
        self._failures += 1
        self._around.report(self._name, error.reason.value)
        oldest = jobs[0]
        age = self._around.clock() - oldest.enqueued_at
        is_given_up = age >= self._retry.give_up_after_seconds
        logger.warning(
            "notification_failed",
            receiver=self._name,
            reason=error.reason.value,
            detail=error.detail,
            failures=self._failures,
            incident_id=oldest.notice.incident_id,
        )
        if error.disposition is Disposition.RETRY and not is_given_up:
            delay = self._backoff.delay_seconds(self._failures, error.retry_after_seconds)
            await self._pause(delay)
            return
        self.is_gone = error.disposition is Disposition.STOP
        self._failures = 0
        given_up = (oldest,) if is_given_up else jobs
        logger.error(
            "notification_given_up",
            receiver=self._name,
            reason=error.reason.value,
            incident_id=oldest.notice.incident_id,
            notices=[job.notice.notice_id for job in given_up],
        )
        entry = self._log.entry(self._name, oldest.notice.incident_id)
        await self._finish(
            given_up,
            replace(entry, status=error.reason.value, attempts=entry.attempts + 1),
        )

    async def _pause(self, delay_seconds: float) -> None:
        """Waits, but not past the order to stop."""
        waiting = asyncio.ensure_future(self._around.sleep(delay_seconds))
        while not waiting.done() and not self._is_stopping:
            self._wake.clear()
            woken = asyncio.ensure_future(self._wake.wait())
            await asyncio.wait({waiting, woken}, return_when=asyncio.FIRST_COMPLETED)
            woken.cancel()
        waiting.cancel()

    async def _finish(self, jobs: tuple[Job, ...], entry: LogEntry) -> None:
        """The log first: between the two, a restart finds the notice told and sends nothing."""
        await self._log.put_entry(entry, self._around.persist)
        for job in jobs:
            await self._log.remove_job(job, self._around.persist)
