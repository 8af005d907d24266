"""The state of DECIDE, key by key."""

import pytest

from alerting.decide.decider import Decider
from alerting.decide.incident import IncidentConfig
from alerting.decide.ledger import Ledger
from alerting.throttle.lease import TargetState
from alerting.throttle.policy import ThrottleConfig
from tests.support.decisions import Office, agent_signal, key_signal, plain


def test_every_key_survives_msgpack_with_sums_beyond_64_bits():
    office = Office(mode="enforce")
    office.tell(agent_signal(excess=1e12), key_signal()).wait(6).order("throttle_pause")
    kinds = {key.partition(":")[0] for key in office.table}
    assert kinds == {"incident", "target", "alert", "caps", "control"}
    office.restart()


def test_the_table_of_changes_is_the_snapshot():
    office = Office(mode="enforce").tell(agent_signal(), key_signal()).wait(400).ack()
    restored = Decider(IncidentConfig(), ThrottleConfig(), office.decider.snapshot())
    assert plain(restored.snapshot()) == plain(office.decider.snapshot())
    assert set(office.table) | {"caps", "control"} == set(office.decider.snapshot())


def test_an_unknown_key_is_refused():
    with pytest.raises(ValueError, match="unknown key in the state of DECIDE: 'x:y'"):
        Ledger.restored({"x:y": {}})


def test_a_blank_target_is_not_kept():
    ledger = Ledger()
    ledger.put_target(TargetState("api_key:k"))
    assert ledger.targets == {}
    office = Office().tell(agent_signal())
    assert "target:api_key:key-7" in office.table
    office.tell(agent_signal(minutes=5, transition=agent_signal().transition.RESOLVED))
    assert "target:api_key:key-7" not in office.table
