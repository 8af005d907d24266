"""What a gateway is told to enforce, in virtual time: nobody waits for a lease here."""

import asyncio
import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from spendwatch_client import Mode, ThrottleState
from spendwatch_client.reconciler import Reconciler

START = 1_790_000_000.0
KEY = ("api_key", "key-7", "default")


def action(sequence, mode="block", name="key-7", expires_at=START + 900, **changes):
    record = {
        "action_id": f"{name}-{sequence}",
        "target": {"kind": "api_key", "name": name, "environment": "default"},
        "mode": mode,
        "admit_ratio": 0.0,
        "reason": "a test",
        "expires_at": datetime.fromtimestamp(expires_at, UTC).isoformat(),
        "on_lapse": "admit",
        "sequence": sequence,
    }
    return json.dumps(record | changes).encode()


class Gateway:
    """A gateway with an admin API that can break or hang, on a clock of its own."""

    def __init__(self) -> None:
        self.now = START
        self.state = ThrottleState()
        self.calls = []
        self.results = []
        self.error = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.busy = self.most_busy = 0
        self.reconciler = self.restarted()

    def restarted(self, enforce_seconds=60.0):
        return Reconciler(
            self.state,
            self.enforce,
            enforce_seconds=enforce_seconds,
            told=lambda lease, error: self.results.append((lease.action_id, error)),
            clock=lambda: self.now,
        )

    async def enforce(self, lease):
        self.calls.append((lease.target[1], lease.mode, lease.action_id))
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            await self.answers.wait()
        finally:
            self.busy -= 1
        if self.error is not None:
            raise self.error

    def put(self, *values):
        for value in values:
            self.state.apply_action(None, value)

    def pause(self):
        self.state.apply_control(b'{"paused": true}')

    def resume(self):
        self.state.apply_control(b'{"paused": false}')

    async def settle(self):
        """Look, and let everything that can run now run."""
        self.reconciler.look()
        for _ in range(20):
            await asyncio.sleep(0)

    async def told(self):
        """What it is told now."""
        self.calls.clear()
        await self.settle()
        return list(self.calls)

    async def told_at(self, seconds):
        """What it is told this long after the start, looking each second until then."""
        self.calls.clear()
        while self.now < START + seconds:
            self.now += 1.0
            await self.settle()
        return list(self.calls)


@pytest.fixture
async def gateway():
    made = Gateway()
    yield made
    await made.reconciler.stop()


BLOCKED = ("key-7", Mode.BLOCK, "key-7-1")
LET_GO = ("key-7", Mode.RELEASE, "")


async def test_an_action_is_told_once(gateway):
    gateway.put(action(1))
    assert await gateway.told() == [BLOCKED]
    gateway.put(action(1))
    assert await gateway.told() == []
    assert gateway.results == [("key-7-1", "")]


async def test_a_renewal_is_told_with_its_new_end(gateway):
    gateway.put(action(1))
    await gateway.settle()
    gateway.put(action(2, expires_at=START + 1200))
    assert await gateway.told() == [("key-7", Mode.BLOCK, "key-7-2")]
    assert await gateway.told_at(1199) == []
    assert await gateway.told_at(1200) == [LET_GO]


async def test_a_lease_that_lapses_is_let_go_without_a_word_from_anybody(gateway):
    gateway.put(action(1))
    await gateway.settle()
    assert await gateway.told_at(899) == []
    assert await gateway.told_at(900) == [LET_GO]
    assert await gateway.told_at(5_000) == []


async def test_a_lease_that_holds_is_not_let_go_at_its_end(gateway):
    gateway.put(action(1, on_lapse="hold"))
    await gateway.settle()
    assert await gateway.told_at(5_000) == []


async def test_pause_lets_go_and_resume_tells_the_live_leases_again(gateway):
    gateway.put(
        action(1),
        action(1, name="key-8", expires_at=START + 100),
        action(1, "release", name="key-9"),
    )
    await gateway.settle()
    gateway.pause()
    assert sorted(await gateway.told()) == [LET_GO, ("key-8", Mode.RELEASE, "")]
    assert await gateway.told_at(200) == []
    gateway.resume()
    assert await gateway.told() == [BLOCKED]


async def test_an_action_that_comes_during_a_pause_waits_for_its_end(gateway):
    gateway.put(action(1, "release"))
    await gateway.settle()
    gateway.pause()
    gateway.put(action(2))
    assert await gateway.told() == []
    gateway.resume()
    assert await gateway.told() == [("key-7", Mode.BLOCK, "key-7-2")]


async def test_a_release_is_told_also_during_a_pause(gateway):
    gateway.put(action(1))
    await gateway.settle()
    gateway.pause()
    await gateway.settle()
    gateway.put(action(2, "release"))
    assert await gateway.told() == [("key-7", Mode.RELEASE, "key-7-2")]
    gateway.resume()
    assert await gateway.told() == []


@pytest.mark.parametrize("later", [action(2, "melt"), action(2, expires_at=START - 1)])
async def test_a_newer_action_that_enforces_nothing_lets_go(gateway, later):
    gateway.put(action(1))
    await gateway.settle()
    gateway.put(later)
    assert await gateway.told() == [LET_GO]


async def test_an_action_that_is_gone_lets_go(gateway):
    gateway.put(action(1))
    await gateway.settle()
    gateway.state.apply_action(b"api_key:key-7", None)
    assert await gateway.told() == [LET_GO]
    assert await gateway.told() == []
    gateway.put(action(2))
    assert await gateway.told() == [("key-7", Mode.BLOCK, "key-7-2")]


async def test_what_a_topic_made_anew_no_longer_holds_is_let_go(gateway):
    gateway.put(action(9))
    await gateway.settle()
    gateway.state.adopt_actions(ThrottleState())
    assert await gateway.told() == [LET_GO]


async def test_after_a_restart_every_target_is_told_once_old_releases_too(gateway):
    gateway.put(
        action(1),
        action(2, "release", name="key-8", expires_at=START - 5_000),
        action(3, name="key-9", expires_at=START - 5_000),
    )
    await gateway.settle()
    gateway.reconciler = gateway.restarted()
    assert sorted(await gateway.told()) == [
        BLOCKED,
        ("key-8", Mode.RELEASE, "key-8-2"),
        ("key-9", Mode.RELEASE, ""),
    ]
    assert await gateway.told() == []


async def test_a_release_missed_for_longer_than_its_lease_still_arrives(gateway):
    gateway.put(action(1))
    await gateway.settle()
    fresh = ThrottleState()
    fresh.apply_action(None, action(2, "release", expires_at=START - 1))
    gateway.state.adopt_actions(fresh)
    assert await gateway.told() == [("key-7", Mode.RELEASE, "key-7-2")]


async def test_a_failed_release_is_tried_for_ever_ever_more_rarely(gateway):
    gateway.put(action(1))
    await gateway.settle()
    gateway.error = OSError("the admin API is away")
    gateway.put(action(2, "release"))
    moments = [second for second in range(1, 4_001) if await gateway.told_at(second)]
    gaps = [b - a for a, b in pairwise(moments)]
    assert gaps[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(gaps[7:]) == {60}
    assert gateway.results[1:] == [("key-7-2", "OSError: the admin API is away")] * len(moments)
    gateway.error = None
    assert await gateway.told_at(4_060) == [("key-7", Mode.RELEASE, "key-7-2")]
    assert await gateway.told_at(8_000) == []
    assert gateway.results[-1] == ("key-7-2", "")


async def test_a_block_that_failed_is_let_go_at_its_end_since_it_may_have_worked(gateway):
    gateway.error = OSError("no answer")
    gateway.put(action(1, "release"))
    gateway.put(action(2))
    await gateway.told_at(890)
    assert set(gateway.calls) == {("key-7", Mode.BLOCK, "key-7-2")}
    gateway.error = None
    assert await gateway.told_at(901) == [LET_GO]


async def test_something_else_is_tried_at_once_although_the_last_thing_failed(gateway):
    gateway.error = OSError("no answer")
    gateway.put(action(1))
    await gateway.told_at(40)
    gateway.put(action(2, "release"))
    assert await gateway.told() == [("key-7", Mode.RELEASE, "key-7-2")]


async def test_a_clock_that_is_set_back_does_not_put_off_a_retry(gateway):
    gateway.error = OSError("no answer")
    gateway.put(action(1, "release"))
    await gateway.settle()
    gateway.now -= 86_400.0
    assert await gateway.told() == [("key-7", Mode.RELEASE, "key-7-1")]


async def test_one_target_is_never_told_two_things_at_a_time(gateway):
    gateway.answers.clear()
    gateway.put(action(1))
    assert await gateway.told() == [BLOCKED]
    gateway.pause()
    assert await gateway.told() == []
    gateway.answers.set()
    assert await gateway.told() == [LET_GO]
    assert gateway.most_busy == 1


async def test_a_pause_is_told_when_the_call_before_it_ends_with_nobody_looking(gateway):
    gateway.answers.clear()
    gateway.put(action(1))
    await gateway.settle()
    gateway.pause()
    gateway.answers.set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert gateway.calls == [BLOCKED, LET_GO]


async def test_many_targets_are_told_at_a_time_and_those_let_go_come_first(gateway):
    gateway.answers.clear()
    gateway.put(*(action(1, name=f"block-{n}") for n in range(100)))
    gateway.put(*(action(1, "release", name=f"free-{n}") for n in range(100)))
    await gateway.settle()
    assert gateway.most_busy == 32
    gateway.answers.set()
    for _ in range(100):
        await asyncio.sleep(0)
    assert [mode for _, mode, _ in gateway.calls] == [Mode.RELEASE] * 100 + [Mode.BLOCK] * 100
    assert gateway.most_busy == 32


async def test_a_call_that_hangs_is_given_up_and_counts_as_failed(gateway):
    gateway.reconciler = gateway.restarted(enforce_seconds=0.01)
    gateway.answers.clear()
    gateway.put(action(1))
    await gateway.settle()
    async with asyncio.timeout(5):
        while not gateway.results:  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.005)
    assert gateway.results == [("key-7-1", "TimeoutError: no answer within 0.01 s")]


async def test_a_callback_that_cancels_itself_is_called_again_later_not_at_once(gateway):
    gateway.error = asyncio.CancelledError()
    gateway.put(action(1))
    assert await gateway.told() == [BLOCKED]
    assert await gateway.told() == []
    assert await gateway.told_at(1) == [BLOCKED]


async def test_stopping_breaks_off_calls_and_begins_none(gateway):
    gateway.answers.clear()
    gateway.put(*(action(1, name=f"key-{n}") for n in range(40)))
    await gateway.settle()
    await gateway.reconciler.stop()
    gateway.answers.set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(gateway.calls) == 32
    assert gateway.busy == 0


async def test_a_lease_made_by_the_client_says_why(gateway):
    gateway.put(action(1))
    reasons = [gateway.reconciler.wanted(KEY, START + 900).reason]
    gateway.pause()
    reasons.append(gateway.reconciler.wanted(KEY, START).reason)
    gateway.resume()
    gateway.put(action(2, "melt"))
    reasons.append(gateway.reconciler.wanted(KEY, START).reason)
    gateway.state.apply_action(b"api_key:key-7", None)
    reasons.append(gateway.reconciler.wanted(KEY, START).reason)
    assert reasons == [
        "the lease of key-7-1 has run out",
        "throttling is paused",
        "mode 'melt' is not known to this client",
        "the action is gone",
    ]
