"""When time alone leads to nothing, so that a backtest need not tick."""

from detectors.scope import Scope
from tests.support.decisions import KEY, Office, agent_signal, key_signal, signal


def test_a_decider_that_holds_nothing_is_idle() -> None:
    office = Office(mode="enforce")
    assert office.decider.is_idle
    office.tell(signal(Scope("user", "ada")))
    assert office.alerts
    assert office.decider.is_idle


def test_one_that_has_a_target_is_not() -> None:
    office = Office(mode="enforce").tell(agent_signal(), key_signal())
    assert not office.decider.is_idle
    office.wait(6)
    assert [action.target for action in office.actions] == [KEY]
    assert not office.decider.is_idle


def test_one_that_suspects_the_feed_is_not_for_then_it_must_say_that_it_is_over() -> None:
    office = Office(mode="enforce", wide_targets=1)
    office.tell(key_signal("key-1"), key_signal("key-2"))
    assert office.decider.ledger.caps.is_suspect
    assert not office.decider.is_idle
