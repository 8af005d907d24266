"""What an action on some keys holds down of an alert."""

import pytest

from alerting.throttle.hold import held_share, is_held
from detectors.scope import Scope
from tests.support.decisions import KEY, TEAM, agent_signal, drivers, key_signal, signal

HELD = {str(KEY)}


UNALARMING = 1.0
"""Dollars between the expected and the upper edge of ``signal()``; they need not be held."""


def test_a_targets_own_alert_is_held():
    assert held_share(key_signal(), HELD) == 1.0
    assert held_share(key_signal("key-8"), HELD) == 0.0


@pytest.mark.parametrize(
    ("parts", "share"),
    [
        ([("key-7", 19, 20), ("__other__", 0, 0)], 1.0),
        ([("key-7", 9.5, 10), ("key-8", 9.5, 10)], 0.5),
        ([("key-7", 25, 26), ("__other__", -6, 0)], 1.0),
        ([("key-7", -1, 0), ("key-8", 20, 20)], 0.0),
        ([("key-8", 19, 20)], 0.0),
    ],
)
def test_an_agents_share_is_what_goes_through_held_keys(parts, share):
    alert = signal(excess=19.0 + UNALARMING, drivers=drivers(api_key=parts))
    assert held_share(alert, HELD) == share


def test_what_is_barely_over_by_a_held_keys_doing_is_held():
    parts = drivers(api_key=[("key-7", 2.0, 3.0), ("key-8", 2.5, 5.0)])
    alert = signal(observed=7.1, expected=2.6, upper=7.0, drivers=parts)
    assert held_share(alert, HELD) == 1.0
    assert held_share(signal(observed=9.0, expected=2.6, upper=7.0, drivers=parts), HELD) == 1.0
    assert held_share(signal(observed=11.6, expected=2.6, upper=7.0, drivers=parts), HELD) < 0.5
    budget = signal(observed=7.1, expected=2.6, upper=7.0, drivers=parts, kind="budget")
    assert held_share(budget, HELD) < 0.5


def test_what_names_no_keys_is_held_by_its_agents():
    team = signal(TEAM, drivers=drivers(agent=[("invoice-bot", 18, 20), ("b", 1, 1)]))
    assert held_share(team, HELD) == 0.0
    assert held_share(team, HELD, [team, agent_signal()]) == 1.0
    alike = signal(TEAM, excess=25.0, drivers=team.drivers)
    assert held_share(alike, HELD, [alike, agent_signal()]) == 18 / 24
    assert held_share(team, HELD, [agent_signal(key="key-8")]) == 0.0


def test_an_agent_that_names_no_keys_is_held_as_far_as_the_key_names_it():
    assert held_share(signal(), HELD, [key_signal()]) == 1.0
    assert held_share(signal(excess=38.0 + UNALARMING), HELD, [key_signal()]) == 0.5
    assert held_share(signal(), HELD, [key_signal("key-8")]) == 0.0
    staging = signal(Scope("agent", "invoice-bot", "staging"))
    assert held_share(staging, HELD, [key_signal()]) == 0.0


def test_without_an_excess_nothing_is_held():
    assert held_share(signal(excess=0.0, drivers=agent_signal().drivers), HELD) == 0.0


@pytest.mark.parametrize(("excess", "held"), [(15.2, True), (15.1, False)])
def test_four_fifths_are_held(excess, held):
    parts = drivers(api_key=[("key-7", excess, 20)])
    assert is_held(signal(excess=19.0 + UNALARMING, drivers=parts), HELD) is held
