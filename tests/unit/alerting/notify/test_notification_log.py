import json

from alerting.notify.incident_view import Change
from alerting.notify.notification_log import MAX_TOLD, Job, LogEntry, NotificationLog
from alerting.notify.notifier import Notice
from tests.support.alerts import START, an_alert
from tests.support.notify import Store


def a_job(receiver: str = "oncall", number: int = 1, at: float = 5.0) -> Job:
    notice = Notice(f"n{number}", "i1", Change.FIRED, START, an_alert(), "text", 3)
    return Job(receiver, notice, (f"n{number}", f"c{number}"), at)


async def test_what_was_told_is_known_by_every_id_it_covered():
    log, store = NotificationLog(), Store()
    await log.put_job(a_job(), store.persist)
    assert log.is_told("oncall", "i1", "n1")
    assert log.is_told("oncall", "i1", "c1")
    assert not log.is_told("other", "i1", "n1")
    assert log.receivers_told("i1") == ("oncall",)
    await log.put_entry(log.entry("oncall", "i1").with_told(("n1", "c1")), store.persist)
    await log.remove_job(a_job(), store.persist)
    assert log.is_told("oncall", "i1", "c1")
    assert log.receivers_told("i1") == ("oncall",)
    assert log.receivers_told("i2") == ()


async def test_an_entry_without_success_is_not_told():
    log, store = NotificationLog(), Store()
    await log.put_entry(LogEntry("oncall", "i1", {"posting": "5"}), store.persist)
    assert log.receivers_told("i1") == ()


def test_ids_told_are_bounded_and_not_repeated():
    entry = LogEntry("oncall", "i1", {}).with_told(tuple(f"n{n}" for n in range(MAX_TOLD + 5)))
    assert len(entry.told) == MAX_TOLD
    assert entry.told[-1] == f"n{MAX_TOLD + 4}"
    assert entry.with_told((entry.told[-1],)).told == entry.told


async def test_everything_survives_a_round_trip_through_json():
    log, store = NotificationLog(), Store()
    await log.put_job(a_job(number=2, at=7.0), store.persist)
    await log.put_job(a_job(number=1, at=6.0), store.persist)
    entry = LogEntry("oncall", "i1", {"ts": "1.2"}, ("n0",), 3, "timeout", 99.5)
    await log.put_entry(entry, store.persist)
    assert log.snapshot() == store.records
    again = NotificationLog()
    again.restore({**json.loads(json.dumps(store.records)), "incident:i1": {}})
    assert again.entry("oncall", "i1") == entry
    assert again.snapshot() == store.records
    assert [job.notice.notice_id for job in again.jobs("oncall")] == ["n1", "n2"]
    assert again.jobs("oncall")[0] == a_job(number=1, at=6.0)


async def test_forgetting_an_incident_forgets_every_receiver_s_entry():
    log, store = NotificationLog(), Store()
    for receiver in ("a", "b"):
        await log.put_entry(LogEntry(receiver, "i1", {}, ("n",)), store.persist)
    await log.put_entry(LogEntry("a", "i2", {}, ("n",)), store.persist)
    await log.forget_incident("i1", store.persist)
    await log.forget_incident("i1", store.persist)
    assert set(store.records) == {"log:a:i2"}
    assert log.snapshot() == store.records


async def test_jobs_are_counted_by_receiver_and_those_of_strangers_found():
    log, store = NotificationLog(), Store()
    await log.put_job(a_job("a"), store.persist)
    await log.put_job(a_job("b"), store.persist)
    assert log.count_jobs("a") == 1
    assert [job.receiver for job in log.jobs_of_others({"a"})] == ["b"]
