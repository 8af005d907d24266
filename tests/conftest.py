"""What every test shares: one real Kafka broker for the session, and names that do not collide.

A test that asks for a broker, or is marked ``kafka``, is skipped where no broker can be started
(one line in the summary says so) and fails there when ``REQUIRE_KAFKA=1``.
"""

import os
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.kafka import KafkaBroker, missing

# How long an example takes is the machine's business, and others use it, too.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

_BROKER_FIXTURES = {"kafka", "start_kafka"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whatever asks for a broker, so that ``-m 'not kafka'`` means what it says."""
    for item in items:
        if _BROKER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("kafka")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip from one place: pytest folds all such skips into one line of the summary."""
    if item.get_closest_marker("kafka") is None or (reason := missing()) is None:
        return
    if os.environ.get("REQUIRE_KAFKA") == "1":
        pytest.fail(f"REQUIRE_KAFKA=1, and {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """The session's broker. Shared: never stop it, and put ``topic_prefix`` before your names."""
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    yield broker.start()
    broker.close()


@pytest.fixture
def start_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., KafkaBroker]]:
    """Start brokers of one's own, to stop, kill and restart at will; ended with the test."""
    brokers: list[KafkaBroker] = []

    def start(**settings: Any) -> KafkaBroker:
        brokers.append(KafkaBroker(tmp_path_factory.mktemp("kafka"), **settings))
        return brokers[-1].start()

    yield start
    for broker in brokers:
        broker.close()


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """A prefix for topics, groups and app ids that no other test has, readable in broker logs."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:40]
    return f"{name.strip('-')}-{secrets.token_hex(4)}-"
