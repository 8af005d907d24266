"""What an action on some keys holds down of an alert."""

import pytest

from alerting.throttle.hold import held_share, is_held
from detectors.scope import Scope
from tests.support.decisions import KEY, TEAM, agent_signal, drivers, key_signal, signal

HELD = {str(KEY)}


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
    assert held_share(signal(excess=19.0, drivers=drivers(api_key=parts)), HELD) == share


def test_what_names_no_keys_is_held_by_its_agents():
    team = signal(TEAM, drivers=drivers(agent=[("invoice-bot", 18, 20), ("b", 1, 1)]))
    assert held_share(team, HELD) == 0.0
    assert held_share(team, HELD, [team, agent_signal()]) == pytest.approx(18 / 19)
    assert held_share(team, HELD, [agent_signal(key="key-8")]) == 0.0


def test_an_agent_that_names_no_keys_is_held_as_far_as_the_key_names_it():
    assert held_share(signal(), HELD, [key_signal()]) == 1.0
    assert held_share(signal(excess=38.0), HELD, [key_signal()]) == 0.5
    assert held_share(signal(), HELD, [key_signal("key-8")]) == 0.0
    staging = signal(Scope("agent", "invoice-bot", "staging"))
    assert held_share(staging, HELD, [key_signal()]) == 0.0


def test_without_an_excess_nothing_is_held():
    assert held_share(signal(excess=0.0, drivers=agent_signal().drivers), HELD) == 0.0


@pytest.mark.parametrize(("excess", "held"), [(15.2, True), (15.1, False)])
def test_four_fifths_are_held(excess, held):
    parts = drivers(api_key=[("key-7", excess, 20)])
    assert is_held(signal(excess=19.0, drivers=parts), HELD) is held
