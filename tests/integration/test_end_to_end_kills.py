"""The whole chain on a real Kafka, killed at every moment that once lost money: totals are exact.

``tests/shows/azure_trace.py`` does the same with a public trace, and more of it.
"""

import random
from collections.abc import Callable

import pytest

from tests.support.auditor import Auditor
from tests.support.survival import ROLES, Trial, settings
from tests.support.trace import KINDS, PRICES, generated
from tests.support.worker import Installation

pytestmark = pytest.mark.kafka


async def test_totals_alerts_and_what_was_learned_survive_kills_at_every_bad_moment(
    install: Callable[..., Installation],
):
    events = generated(3200, seed=11)
    total = sum(t.cost_usd for t in Auditor(PRICES).add(events, KINDS).of("model").values())
    here = install(workers=2, settings=settings(float(total), flush_seconds=1.0))
    await here.create_topics()
    await here.start(*ROLES)
    trial = Trial(here, events, random.Random(5), freeze_seconds=6.0)
    await trial.output_and_commit()
    await trial.signals_and_pages()
    await trial.page_flush()
    await trial.recovery()
    await trial.frozen()
    await trial.forgotten()
    await trial.plainly()
    await trial.plainly()
    assert {step.name: step.differences for step in trial.steps if step.differences} == {}
    assert await trial.differences_on_command() == []
    told = await trial.transitions()
    assert told.repeats > 0, "no kill fell between signals and pages"
    assert told.replayed
    assert told.differences == []
    states = await trial.state_differences()
    assert states.scopes == 10
    assert states.differences == []
