"""The watermark waits for the partitions that there are, whatever the configuration says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from stream.config import Settings
from stream.derived_settings import watermark_policy
from stream.kafka.admin import FoundTopic, TopicMissingError
from stream.kafka.connection import ConnectionConfig
from stream.worker import input_partitions as module
from stream.worker.input_partitions import input_partitions

SETTINGS = Settings.model_validate({"topics": {"usage_events_partitions": 4}})


class Admin:
    """Knows the topic from the so-manieth question on."""

    def __init__(self, partitions: int, knows_from: int) -> None:
        self._partitions = partitions
        self._knows_from = knows_from
        self.asked = 0

    async def describe(self, names: list[str]) -> dict[str, FoundTopic]:
        self.asked += 1
        if self.asked < self._knows_from:
            return {}
        return {name: FoundTopic(self._partitions, {}, {}) for name in names}


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch):
    def has(partitions: int, knows_from: int = 1) -> Admin:
        admin = Admin(partitions, knows_from)

        @asynccontextmanager
        async def connect(_: ConnectionConfig) -> AsyncIterator[Admin]:
            yield admin

        monkeypatch.setattr(module, "connect_admin", connect)
        monkeypatch.setattr(module, "_SETTLE_SECONDS", 0)
        return admin

    return has


@pytest.mark.parametrize("partitions", [1, 12])
async def test_the_broker_knows_better_than_the_configuration_and_that_is_said(broker, partitions):
    broker(partitions)
    with capture_logs() as logs:
        assert await input_partitions(SETTINGS) == partitions
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("input_partitions_differ", "warning")
    assert (line["found"], line["configured"]) == (partitions, 4)
    assert f"topics.usage_events_partitions: {partitions}" in line["fix"]


async def test_the_same_number_is_not_worth_a_word(broker):
    broker(4)
    with capture_logs() as logs:
        assert await input_partitions(SETTINGS) == 4
    assert logs == []


async def test_a_topic_made_a_moment_ago_is_waited_for(broker):
    admin = broker(4, knows_from=3)
    assert await input_partitions(SETTINGS) == 4
    assert admin.asked == 3


async def test_a_missing_topic_is_an_error_with_the_fix(broker):
    broker(4, knows_from=10**6)
    with pytest.raises(TopicMissingError, match=r"usage\.events; run: spendwatch topics create"):
        await input_partitions(SETTINGS)


def test_the_watermark_waits_for_as_many_as_it_is_told():
    assert watermark_policy(SETTINGS, 12).inputs == 12
