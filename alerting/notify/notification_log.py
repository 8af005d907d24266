"""What has been told to whom, and what still has to be: the state that survives kill -9.

Plain records by key, so that any store keeps them: ``log:<receiver>:<incident>`` (what a receiver
was told and must remember), ``outbox:<receiver>:<notice>`` (accepted, not yet delivered). The log
decides nothing; the pipeline asks it. Written by one process only, which owns the partition.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from alerting.alert import alert_from_json, alert_to_json
from alerting.notify.incident_view import Change
from alerting.notify.notifier import Memory, Notice

Record = dict[str, Any]
"""JSON types only."""

Persist = Callable[[str, Record | None], Awaitable[None]]
"""Makes one record durable under its key, or removes it (``None``); returns once it is."""

MAX_TOLD = 256
"""Notice ids remembered per receiver and incident: more than any batch that can be read again."""

LOG = "log"
OUTBOX = "outbox"


@dataclass(frozen=True, slots=True)
class Job:
    """A notice on its way to a receiver.

    Attributes:
        receiver: its name in the configuration.
        notice: what to tell.
        covers: ids of all transitions this tells of, its own among them.
        enqueued_at: wall clock, epoch seconds.
    """

    receiver: str
    notice: Notice
    covers: tuple[str, ...]
    enqueued_at: float

    @property
    def key(self) -> str:
        """Its key in the state."""
        return f"{OUTBOX}:{self.receiver}:{self.notice.notice_id}"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What one receiver was told of one incident.

    Attributes:
        receiver: its name in the configuration.
        incident_id: of what.
        memory: what the notifier must find again (channel and ts of the message).
        told: the last notice ids told, oldest first, at most ``MAX_TOLD``.
        attempts: requests made in all, failed ones too.
        status: ``sending``, ``delivered``, or why the last notice was given up.
        noticed_at: wall clock of the last time somebody was disturbed, epoch seconds.
    """

    receiver: str
    incident_id: str
    memory: Memory
    told: tuple[str, ...] = ()
    attempts: int = 0
    status: str = "sending"
    noticed_at: float = 0.0

    @property
    def key(self) -> str:
        """Its key in the state."""
        return f"{LOG}:{self.receiver}:{self.incident_id}"

    @property
    def is_told(self) -> bool:
        """Whether anything has reached the receiver."""
        return bool(self.told)

    def with_told(self, notice_ids: tuple[str, ...]) -> "LogEntry":
        """After these were delivered."""
        fresh = tuple(notice for notice in notice_ids if notice not in self.told)
        return replace(self, told=(*self.told, *fresh)[-MAX_TOLD:], status="delivered")


class NotificationLog:
    """The entries and the outbox in memory; every change is handed out for keeping."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, LogEntry]] = {}  # incident, then receiver
        self._jobs: dict[str, Job] = {}

    def entry(self, receiver: str, incident_id: str) -> LogEntry:
        """What the receiver was told of the incident; an empty entry at first."""
        known = self._entries.get(incident_id, {}).get(receiver)
        return known or LogEntry(receiver, incident_id, {})

    def receivers_told(self, incident_id: str) -> tuple[str, ...]:
        """Receivers that heard of the incident or soon will, in a fixed order."""
        entries = self._entries.get(incident_id, {}).values()
        told = {entry.receiver for entry in entries if entry.is_told}
        told.update(
            job.receiver for job in self._jobs.values() if job.notice.incident_id == incident_id
        )
        return tuple(sorted(told))

    def is_told(self, receiver: str, incident_id: str, notice_id: str) -> bool:
        """Whether this notice has been delivered to the receiver or waits in its outbox."""
        return notice_id in self.entry(receiver, incident_id).told or any(
            notice_id in job.covers for job in self._jobs.values() if job.receiver == receiver
        )

    def jobs(self, receiver: str) -> tuple[Job, ...]:
        """The receiver's outbox, oldest first."""
        return tuple(job for job in self._jobs.values() if job.receiver == receiver)

    def jobs_of_others(self, receivers: Collection[str]) -> tuple[Job, ...]:
        """Jobs for receivers that are no longer configured."""
        return tuple(job for job in self._jobs.values() if job.receiver not in receivers)

    def count_jobs(self, receiver: str) -> int:
        """How many wait for the receiver."""
        return sum(job.receiver == receiver for job in self._jobs.values())

    async def put_job(self, job: Job, persist: Persist) -> None:
        """Keeps a job; it is acceptable to acknowledge its input afterwards."""
        await persist(job.key, job_to_json(job))
        self._jobs[job.key] = job

    async def remove_job(self, job: Job, persist: Persist) -> None:
        """Forgets a job that is done."""
        await persist(job.key, None)
        self._jobs.pop(job.key, None)

    async def put_entry(self, entry: LogEntry, persist: Persist) -> None:
        """Keeps an entry."""
        await persist(entry.key, entry_to_json(entry))
        self._entries.setdefault(entry.incident_id, {})[entry.receiver] = entry

    async def forget_incident(self, incident_id: str, persist: Persist) -> None:
        """Removes all entries of an incident nobody will hear of again."""
        for entry in tuple(self._entries.get(incident_id, {}).values()):
            await persist(entry.key, None)
        self._entries.pop(incident_id, None)

    def snapshot(self) -> dict[str, Record]:
        """Everything, by key."""
        records = {
            entry.key: entry_to_json(entry)
            for entries in self._entries.values()
            for entry in entries.values()
        }
        return records | {job.key: job_to_json(job) for job in self._jobs.values()}

    def restore(self, records: Mapping[str, Record]) -> None:
        """Replaces everything by what was kept; keys of other parts are passed over."""
        self._entries = {}
        for key, record in records.items():
            if key.startswith(f"{LOG}:"):
                entry = entry_from_json(record)
                self._entries.setdefault(entry.incident_id, {})[entry.receiver] = entry
        jobs = [
            job_from_json(record) for key, record in records.items() if key.startswith(f"{OUTBOX}:")
        ]
        self._jobs = {job.key: job for job in sorted(jobs, key=lambda job: job.enqueued_at)}


def job_to_json(job: Job) -> Record:
    """A plain record."""
    notice = job.notice
    return {
        "receiver": job.receiver,
        "notice_id": notice.notice_id,
        "incident_id": notice.incident_id,
        "change": notice.change.value,
        "at": notice.at,
        "alert": None if notice.alert is None else alert_to_json(notice.alert),
        "text": notice.text,
        "count": notice.count,
        "covers": list(job.covers),
        "enqueued_at": job.enqueued_at,
    }


def job_from_json(record: Mapping[str, Any]) -> Job:
    """The job of a plain record.

    Raises:
        KeyError: if a field is missing.
        ValueError: if a field does not read.
    """
    alert = record["alert"]
    notice = Notice(
        notice_id=record["notice_id"],
        incident_id=record["incident_id"],
        change=Change(record["change"]),
        at=record["at"],
        alert=None if alert is None else alert_from_json(alert),
        text=record["text"],
        count=record["count"],
    )
    return Job(record["receiver"], notice, tuple(record["covers"]), record["enqueued_at"])


def entry_to_json(entry: LogEntry) -> Record:
    """A plain record."""
    return {
        "receiver": entry.receiver,
        "incident_id": entry.incident_id,
        "memory": dict(entry.memory),
        "told": list(entry.told),
        "attempts": entry.attempts,
        "status": entry.status,
        "noticed_at": entry.noticed_at,
    }


def entry_from_json(record: Mapping[str, Any]) -> LogEntry:
    """The entry of a plain record.

    Raises:
        KeyError: if a field is missing.
    """
    return LogEntry(
        receiver=record["receiver"],
        incident_id=record["incident_id"],
        memory=dict(record["memory"]),
        told=tuple(record["told"]),
        attempts=record["attempts"],
        status=record["status"],
        noticed_at=record["noticed_at"],
    )
