"""A role reports for as long as somebody listens, and a look that fails ends nothing."""

import asyncio
import socket

import pytest
from structlog.testing import capture_logs

from stream.health.frame import Frame, read_frame
from stream.health.vitals import READY, Readiness, Vitals
from stream.worker import reporting
from stream.worker.reporting import report


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "REPORT_SECONDS", 0.0)


async def listening(
    vitals: Vitals,
) -> tuple["asyncio.Task[None]", asyncio.StreamReader, asyncio.StreamWriter]:
    ours, theirs = socket.socketpair()
    task = asyncio.create_task(report(vitals, theirs.detach()))
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    return task, reader, writer


async def test_a_role_reports_again_and_again():
    vitals = Vitals("decide")
    vitals.watch(lambda: READY)
    task, reader, writer = await listening(vitals)
    frames = [await read_frame(reader) for _ in range(3)]
    assert all(isinstance(frame, Frame) and frame.is_ready for frame in frames)
    assert "spendwatch_alerts_total" in frames[0].families
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    writer.close()


async def test_a_look_that_fails_is_said_and_the_next_one_reports():
    vitals, tries = Vitals("decide"), []

    def look() -> Readiness:
        tries.append(1)
        if len(tries) == 1:
            raise ZeroDivisionError
        return READY

    vitals.watch(look)
    with capture_logs() as logs:
        task, reader, writer = await listening(vitals)
        assert (await read_frame(reader)).is_ready
    assert [line["event"] for line in logs] == ["role_look_failed"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    writer.close()


async def test_reporting_ends_quietly_when_nobody_listens():
    vitals = Vitals("decide")
    vitals.watch(lambda: READY)
    with capture_logs() as logs:
        task, _, writer = await listening(vitals)
        writer.close()
        async with asyncio.timeout(5):
            await task
    assert {line["event"] for line in logs} <= {"role_reports_to_nobody"}
