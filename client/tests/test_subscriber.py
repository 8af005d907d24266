"""What goes on whatever reading does; reading itself is tested with a real Kafka."""

import asyncio
import json

import pytest

from spendwatch_client import ThrottleSubscriber, subscriber

START = 1_790_000_000.0


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    for name in ("_FIRST_RETRY_SECONDS", "_MOST_RETRY_SECONDS", "_TICK_SECONDS"):
        monkeypatch.setattr(subscriber, name, 0.0)


class Clock:
    now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def made(clock, monkeypatch, read, **settings):
    """A subscriber that reads by ``read``, and sends no acks."""
    found = ThrottleSubscriber("127.0.0.1:9", enforcer="gw-1", clock=clock, **settings)
    monkeypatch.setattr(found, "_read", read)
    monkeypatch.setattr(found._acks, "keep_sending", asyncio.Event().wait)
    return found


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0)


@pytest.mark.parametrize("error", [RecursionError("too deep"), ValueError("odd"), OSError("away")])
async def test_reading_goes_on_after_any_error_and_says_so(clock, monkeypatch, caplog, error):
    tries = []

    async def read():
        tries.append(1)
        raise error

    async with made(clock, monkeypatch, read):
        await until(lambda: len(tries) > 3)
    assert ("throttle_feed_lost" in caplog.text) is isinstance(error, OSError)
    assert ("throttle_read_failed" in caplog.text) is not isinstance(error, OSError)
    assert str(error) in caplog.text


async def test_staleness_is_told_while_reading_hangs(clock, monkeypatch, caplog):
    hang = asyncio.Event()
    async with made(clock, monkeypatch, hang.wait) as found:
        found._complete_at = clock.now
        found.ready.set()
        clock.now += 16
        await until(lambda: "throttle_feed_stale seconds_behind=16" in caplog.text)


async def test_a_lease_lapses_at_the_gateway_while_reading_hangs(clock, monkeypatch):
    told = []

    async def enforce(lease):
        told.append((lease.mode, lease.action_id))

    hang = asyncio.Event()
    async with made(clock, monkeypatch, hang.wait, enforce=enforce) as found:
        record = {
            "action_id": "a-1",
            "target": {"kind": "api_key", "name": "key-7"},
            "mode": "block",
            "expires_at": "2026-09-21T14:28:20Z",
            "sequence": 1,
        }
        found.state.apply_action(None, json.dumps(record).encode())
        for _ in range(20):
            await asyncio.sleep(0)
        assert told == []
        found.ready.set()
        await until(lambda: told == [("block", "a-1")])
        clock.now += 900
        await until(lambda: told == [("block", "a-1"), ("release", "")])
        assert [ack["action_id"] for ack in found._acks.waiting] == ["a-1"]


async def test_a_lapse_without_a_release_is_said_loudly_and_once(clock, monkeypatch, caplog):
    hang = asyncio.Event()
    async with made(clock, monkeypatch, hang.wait) as found:
        found.state.apply_action(
            None,
            json.dumps(
                {
                    "action_id": "a-1",
                    "target": {"kind": "api_key", "name": "key-7"},
                    "mode": "block",
                    "expires_at": "2026-09-21T15:00:00Z",
                    "sequence": 1,
                }
            ).encode(),
        )
        (lease,) = found.state.leases()
        clock.now = lease.expires_at - 1
        found._complete_at = clock.now
        found.ready.set()
        looks = 0
        look = found._lapses.look

        def counted(*given):
            nonlocal looks
            looks += 1
            return look(*given)

        monkeypatch.setattr(found._lapses, "look", counted)
        await until(lambda: looks > 1)
        assert found.state.counts["lapsed"] == 0
        clock.now += 2
        await until(lambda: found.state.counts["lapsed"] == 1)
        seen = looks
        await until(lambda: looks > seen + 2)
    said = [record for record in caplog.records if "throttle_protection_lapsed" in record.message]
    assert [record.levelname for record in said] == ["ERROR"]
    assert "targets=1 first_action_id=a-1" in said[0].message
