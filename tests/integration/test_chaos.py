"""A short form of ``make chaos``: one fault after another, and everything is exact."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.trial import Plan, Trial, say
from tests.support.kafka import KafkaBroker

pytestmark = pytest.mark.kafka

FAULTS = (
    "a receiver fails",
    "kill -9 between signals and pages",
    "WATCH sleeps past its session",
    "kill -9 in a transaction",
    "the broker stops and starts",
    "kill -9 in a page flush",
)


async def test_money_alerts_actions_and_deliveries_are_exact_while_everything_goes_wrong(
    start_kafka: Callable[..., KafkaBroker], tmp_path: Path
):
    plan = Plan(seed=7, kills=len(FAULTS), others=0, minutes=1.5, kinds=FAULTS)
    report = await Trial(plan, start_kafka(), tmp_path, say).run()
    assert report.is_clean, report.table()
    assert report.faults.total() >= 3, report.table()
    assert report.figures["targets acted on"] == 1
    assert report.figures["messages in Slack"] > 1
