"""How a role's process ends, by what ended the role."""

import asyncio

import pytest
from structlog.testing import capture_logs

from stream.config import Settings
from stream.health.vitals import Vitals
from stream.ingest.positions import PositionLostError
from stream.kafka.admin import BrokerUnreachableError, TopicMissingError
from stream.worker import process as role_process


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (BrokerUnreachableError("no broker"), 3),
        (TopicMissingError("run: spendwatch topics create"), 3),
        (PositionLostError("decide"), 1),
        (ZeroDivisionError(), 1),
    ],
)
async def test_a_service_that_is_missing_ends_with_3_and_a_fault_with_1(
    error: Exception | None, code: int
):
    async def role(_: Settings, __: asyncio.Event, ___: Vitals) -> None:
        if error is not None:
            raise error

    with capture_logs() as logs:
        assert await role_process._main(role, "ingest", None) == code
    assert [log["log_level"] for log in logs] == (["error"] if error else [])
    assert all("exc_info" not in log for log in logs) or isinstance(error, ZeroDivisionError)
