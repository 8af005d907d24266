"""Installations of spendwatch on the session's broker, ended with the test whatever happens."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.kafka import KafkaBroker
from tests.support.worker import Installation


@pytest.fixture(autouse=True)
def blamed() -> Iterator[None]:
    """A connection that a test left open fails that test, not whichever runs as it is collected."""
    yield
    gc.collect()


@pytest.fixture
def install(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path
) -> Iterator[Callable[..., Installation]]:
    """Make an installation; sessions of three seconds, so that a dead worker is soon missed."""
    made: list[Installation] = []

    def make(**settings: Any) -> Installation:
        place = tmp_path / str(len(made))
        made.append(
            Installation(
                place,
                kafka.bootstrap,
                f"{topic_prefix}{len(made)}-",
                **({"session_seconds": 3.0} | settings),
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.kill()
