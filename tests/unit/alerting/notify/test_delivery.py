"""One receiver's task: patience, order, and what an end in the middle leaves."""

import asyncio
from random import Random

import pytest

from alerting.notify.delivery import ReceiverTask, Surroundings, report_nothing
from alerting.notify.incident_view import Change, IncidentView
from alerting.notify.notification_log import Job, LogEntry, NotificationLog, Record
from alerting.notify.notifier import Notice
from alerting.notify.retry import DeliveryError, FailureReason, RetryConfig
from tests.support.alerts import START
from tests.support.notify import Store, WritingNotifier

RETRY = RetryConfig(first_delay_seconds=1.0, max_delay_seconds=60.0, give_up_after_seconds=600.0)


def a_job(number: int, store: Store, incident: str = "i1", change: Change = Change.FIRED) -> Job:
    notice = Notice(f"n{number}", incident, change, START)
    return Job("oncall", notice, (f"n{number}", f"also-{number}"), store.now)


class Room:
    """A task with its log, store and notifier."""

    def __init__(self, *, is_coalescing: bool = True, group_wait_seconds: float = 0.0) -> None:
        self.store = Store()
        self.log = NotificationLog()
        self.notifier = WritingNotifier(is_coalescing=is_coalescing)
        self.views = {"i1": IncidentView("i1")}
        self.task = ReceiverTask(
            "oncall",
            self.notifier,
            RETRY,
            group_wait_seconds=group_wait_seconds,
            log=self.log,
            views=self.views,
            around=Surroundings(
                self.store.persist,
                self.store.clock,
                self.store.sleep,
                Random(5),
                self.store.report,
            ),
        )

    async def put(self, *jobs: Job) -> None:
        for job in jobs:
            await self.log.put_job(job, self.store.persist)
        self.task.wake()

    async def run(self, *jobs: Job) -> None:
        await self.put(*jobs)
        self.task.start()
        await self.task.drain()
        await self.task.stop(1.0)


async def test_a_delivered_job_leaves_the_outbox_and_the_log_knows_all_it_covered():
    room = Room()
    await room.run(a_job(1, room.store))
    assert room.log.jobs("oncall") == ()
    entry = room.log.entry("oncall", "i1")
    assert entry.told == ("n1", "also-1")
    assert (entry.status, entry.attempts, entry.memory) == ("delivered", 1, {"last": "n1"})
    assert entry.noticed_at == room.store.now
    assert set(room.store.records) == {"log:oncall:i1"}
    assert room.store.outcomes == [("oncall", "delivered")]
    assert room.notifier.is_closed


async def test_the_log_knows_before_the_outbox_forgets():
    room = Room()
    writes: list[tuple[str, bool]] = []

    async def watch(key: str, record: Record | None) -> None:
        writes.append((key, record is None))

    around = Surroundings(watch, room.store.clock, room.store.sleep)
    task = ReceiverTask(
        "oncall",
        room.notifier,
        RETRY,
        group_wait_seconds=0.0,
        log=room.log,
        views={},
        around=around,
    )
    await room.put(a_job(1, room.store))
    task.start()
    await task.drain()
    await task.stop(1.0)
    assert writes[-2:] == [("log:oncall:i1", False), ("outbox:oncall:n1", True)]


async def test_waits_grow_and_success_makes_them_short_again():
    room = Room(is_coalescing=False)
    room.notifier.failures.extend([DeliveryError(FailureReason.SERVER_ERROR)] * 5)
    await room.run(a_job(1, room.store))
    assert len(room.store.slept) == 5
    for wait, ceiling in zip(room.store.slept, (1, 2, 4, 8, 16), strict=True):
        assert ceiling / 2 <= wait <= ceiling


async def test_a_failure_that_stays_is_given_up_when_the_message_is_old():
    room = Room(is_coalescing=False)
    room.notifier.failures.extend([DeliveryError(FailureReason.TIMEOUT)] * 50)
    job = a_job(1, room.store)
    await room.put(job)
    room.task.start()
    await room.task.drain()
    entry = room.log.entry("oncall", "i1")
    assert entry.status == "timeout"
    assert not entry.is_told
    assert room.store.now - job.enqueued_at >= 600
    room.notifier.failures.clear()
    await room.put(a_job(2, room.store))
    await room.task.drain()
    assert room.notifier.told == ["fired"]
    await room.task.stop(1.0)


async def test_a_permanent_failure_drops_the_message_and_the_next_one_is_sent():
    room = Room(is_coalescing=False)
    room.notifier.failures.append(DeliveryError(FailureReason.REJECTED, "400"))
    await room.run(a_job(1, room.store), a_job(2, room.store, change=Change.UPDATED))
    assert room.notifier.told == ["updated"]
    assert room.store.slept == []
    assert room.log.entry("oncall", "i1").told == ("n2", "also-2")


async def test_a_receiver_that_is_gone_is_not_called_again():
    room = Room(is_coalescing=False)
    room.notifier.failures.append(DeliveryError(FailureReason.GONE, "410"))
    await room.run(a_job(1, room.store), a_job(2, room.store, "i2"))
    assert room.task.is_gone
    assert room.notifier.calls == []
    assert room.log.entry("oncall", "i2").status == "gone"


async def test_what_waits_of_one_incident_is_told_together_where_one_message_shows_it():
    room = Room()
    jobs = (a_job(1, room.store), a_job(2, room.store, "i2"), a_job(3, room.store))
    await room.run(*jobs)
    assert [[notice.notice_id for notice in call] for call in room.notifier.calls] == [
        ["n1", "n3"],
        ["n2"],
    ]
    assert room.notifier.views == [room.views["i1"], None]


async def test_each_is_told_alone_in_order_where_not():
    room = Room(is_coalescing=False)
    await room.run(a_job(1, room.store), a_job(2, room.store, "i2"), a_job(3, room.store))
    assert [call[0].notice_id for call in room.notifier.calls] == ["n1", "n2", "n3"]


async def test_quiet_news_is_no_disturbance():
    room = Room()
    await room.run(a_job(1, room.store, change=Change.UPDATED))
    assert room.log.entry("oncall", "i1").noticed_at == 0.0


async def test_a_job_that_the_log_knows_is_only_taken_out():
    room = Room()
    await room.log.put_entry(LogEntry("oncall", "i1", {}, ("n1",)), room.store.persist)
    await room.run(a_job(1, room.store))
    assert room.notifier.calls == []
    assert "outbox:oncall:n1" not in room.store.records


async def test_the_first_message_waits_for_its_group_and_later_ones_do_not():
    room = Room(group_wait_seconds=2.0)
    await room.put(a_job(1, room.store))
    room.task.start()
    await room.task.drain()
    assert room.store.slept == [2.0]
    await room.put(a_job(2, room.store))
    await room.task.drain()
    assert room.store.slept == [2.0]
    await room.task.stop(1.0)


async def test_a_clock_set_back_does_not_lengthen_the_wait():
    room = Room(group_wait_seconds=2.0)
    job = a_job(1, room.store)
    room.store.now -= 5.0
    await room.run(job)
    assert max(room.store.slept) == 2.0


async def test_stopping_does_not_wait_for_a_back_off_and_keeps_the_job():
    room = Room()
    asleep = asyncio.Event()

    async def sleep(seconds: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    around = Surroundings(room.store.persist, room.store.clock, sleep)
    task = ReceiverTask(
        "oncall",
        room.notifier,
        RETRY,
        group_wait_seconds=0.0,
        log=room.log,
        views={},
        around=around,
    )
    room.notifier.failures.append(DeliveryError(FailureReason.TIMEOUT))
    await room.put(a_job(1, room.store))
    task.start()
    await asleep.wait()
    task.wake()  # new work does not cut a back-off short
    await asyncio.sleep(0)
    await task.stop(5.0)
    assert task.task is not None
    assert task.task.done()
    assert "outbox:oncall:n1" in room.store.records


async def test_a_request_in_flight_is_cancelled_after_the_grace_and_its_job_kept():
    room = Room()
    room.notifier.gate.clear()
    await room.put(a_job(1, room.store))
    room.task.start()
    await asyncio.sleep(0)
    await room.task.stop(0.0)
    assert "outbox:oncall:n1" in room.store.records
    assert room.notifier.is_closed


async def test_a_task_that_never_started_can_be_stopped():
    room = Room()
    await room.task.stop(0.0)
    assert room.notifier.is_closed
    assert room.task.task is None


async def test_an_error_that_nobody_expected_ends_the_task():
    room = Room()
    room.notifier.failures.append(ZeroDivisionError())  # type: ignore[arg-type]  on purpose
    await room.put(a_job(1, room.store))
    room.task.start()
    assert room.task.task is not None
    with pytest.raises(ZeroDivisionError):
        await room.task.task
    await room.task.stop(0.0)
    assert room.notifier.is_closed


def test_without_metrics_nothing_is_reported():
    assert report_nothing("oncall", "delivered") is None
