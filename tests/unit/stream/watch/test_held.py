"""Which alerts are held, as the topic of enforced actions says."""

import msgspec
import pytest

from alerting.throttle.action import Mode, ThrottleAction, action_to_json
from stream.watch.held import HeldAlerts
from tests.support.alerts import START, an_action

KEY = b"api_key:key-7"


class Bench:
    """Held alerts under a clock to turn."""

    def __init__(self) -> None:
        self.now = START + 100.0
        self.held = HeldAlerts(lambda: self.now)

    def say(self, action: ThrottleAction, key: bytes = KEY) -> frozenset[str]:
        self.held.apply(key, msgspec.json.encode(action_to_json(action)))
        return self.held.alert_ids


@pytest.mark.parametrize("mode", [Mode.THROTTLE, Mode.REQUIRE_APPROVAL, Mode.BLOCK])
def test_an_action_in_force_holds_its_alerts_until_it_lapses(mode: Mode):
    bench = Bench()
    action = an_action(mode, alert_ids=("one", "two"))
    assert bench.say(action) == {"one", "two"}
    bench.now = action.expires_at
    assert bench.held.alert_ids == frozenset()


def test_a_release_holds_nothing():
    bench = Bench()
    bench.say(an_action(alert_ids=("one",)))
    assert bench.say(an_action(Mode.RELEASE, sequence=2, alert_ids=("one",))) == frozenset()


def test_an_older_action_does_not_undo_a_newer_one():
    bench = Bench()
    bench.say(an_action(Mode.RELEASE, sequence=3, alert_ids=("one",)))
    assert bench.say(an_action(sequence=2, alert_ids=("one",))) == frozenset()


def test_targets_are_told_apart():
    bench = Bench()
    bench.say(an_action(alert_ids=("one",)))
    assert bench.say(an_action(alert_ids=("two",)), b"api_key:other") == {"one", "two"}


def test_a_null_forgets_the_target():
    bench = Bench()
    bench.say(an_action(alert_ids=("one",)))
    bench.held.apply(KEY, None)
    bench.held.apply(b"never there", None)
    assert bench.held.alert_ids == frozenset()


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"[]", b"null", b"\xff", b'{"target": "x"}', b"[" * 5000]
)
def test_what_does_not_read_is_not_an_action_and_harms_nothing(value: bytes):
    bench = Bench()
    bench.say(an_action(alert_ids=("one",)))
    bench.held.apply(KEY, value)
    bench.held.apply(None, value)
    assert bench.held.alert_ids == {"one"}
