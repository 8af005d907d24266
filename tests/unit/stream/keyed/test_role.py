"""One owner, one thing at a time; a failure ends it and acknowledges nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from faust.types import TP

from stream.keyed.role import KeyedRole
from stream.keyed.state import KeyedState
from tests.support.faust_fakes import Broker, Event, FakeApp, FakeTable, Message

TOPICS = ("signals", "commands")


class Logic:
    """A session that takes notes."""

    def __init__(self, notes: list[str], error: BaseException | None = None) -> None:
        self.notes = notes
        self.error = error
        self.gate = asyncio.Event()
        self.gate.set()

    async def handle(self, topic: str, value: bytes | None) -> None:
        self.notes.append(f"begin {topic} {value!r}")
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.notes.append(f"end {topic} {value!r}")

    async def tick(self) -> None:
        self.notes.append("tick")

    async def leave(self) -> None:
        self.notes.append("leave")

    async def close(self) -> None:
        self.notes.append("close")


class Bench:
    """A role over fakes."""

    def __init__(self, ends: dict[TP, int] | None = None) -> None:
        self.broker = Broker()
        self.app = FakeApp({TP(topic, 0): 0 for topic in TOPICS} if ends is None else ends)
        self.table = FakeTable("state", self.broker)
        self.logic = Logic(self.broker.notes)
        self.states: list[KeyedState] = []
        self.role = KeyedRole(self.app, self.table, TOPICS, self._open, session_seconds=8)

    async def _open(self, state: KeyedState) -> Logic:
        self.states.append(state)
        self.broker.note("open")
        return self.logic

    @property
    def notes(self) -> list[str]:
        """What happened, but for the claims of the state."""
        return [note for note in self.broker.notes if "~claim" not in note]

    def event(self, offset: int, topic: str = "signals", generation: int = 1) -> Event:
        return Event(Message(topic, 0, offset, generation, b"x"), self.broker)


async def a_bench(**settings: Any) -> Bench:
    bench = Bench(**settings)
    await bench.role.on_recovered()
    return bench


async def test_the_state_is_claimed_before_anything_is_decided():
    bench = await a_bench()
    assert [note.partition("/")[0] for note in bench.broker.notes] == ["state ~claim", "open"]


async def test_a_record_is_acknowledged_when_the_session_is_done_with_it():
    bench = await a_bench()
    await bench.role.take(bench.event(4))
    assert bench.notes == ["open", "tick", "begin signals b'x'", "end signals b'x'", "ack 0/4"]


async def test_one_thing_at_a_time():
    bench = await a_bench()
    bench.logic.gate.clear()
    taking = [asyncio.create_task(bench.role.take(bench.event(n, TOPICS[n]))) for n in range(2)]
    closing = asyncio.create_task(bench.role.close())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert bench.notes == ["open", "tick", "begin signals b'x'"]
    bench.logic.gate.set()
    await asyncio.gather(*taking, closing)
    assert bench.notes[-5:] == [
        "begin commands b'x'",
        "end commands b'x'",
        "ack 0/1",
        "leave",
        "close",
    ]


async def test_a_failure_ends_the_role_and_nothing_more_is_handled_or_acknowledged():
    bench = await a_bench()
    bench.logic.error = RuntimeError("no disk")
    await bench.role.take(bench.event(4))
    await bench.role.take(bench.event(5))
    with pytest.raises(RuntimeError, match="no disk"):
        bench.role.failure.result()
    assert bench.notes == ["open", "tick", "begin signals b'x'"]
    await bench.role.on_recovered()
    assert bench.notes == ["open", "tick", "begin signals b'x'"], "it does not begin anew"


async def test_who_was_frozen_past_its_session_says_nothing_until_it_knows_whether_it_was_replaced(
    monkeypatch: pytest.MonkeyPatch,
):
    real, ahead = asyncio.sleep, 0.0
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def sleep(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(loop, "time", lambda: began + ahead)
    bench = await a_bench()
    ticking = asyncio.create_task(bench.role.tick_for_ever())
    while "tick" not in bench.notes:
        await real(0)
    ahead += 60.0
    before = len(bench.notes)
    taking = asyncio.create_task(bench.role.take(bench.event(4)))
    woken = ahead
    while ahead < woken + 4.0:
        await real(0)
    assert bench.notes[before:] == [], "its leases wait, and so does the record"
    bench.app.consumer_generation_id = 2
    await bench.role.on_revoked()
    await taking
    assert bench.notes[before:] == ["close"], "it had been replaced"
    await bench.role.on_recovered()
    await bench.role.take(bench.event(5, generation=2))
    assert bench.notes[-1] == "ack 0/5"
    ticking.cancel()


async def test_who_was_frozen_and_not_replaced_goes_on_with_the_record_it_held_back(
    monkeypatch: pytest.MonkeyPatch,
):
    real, now = asyncio.sleep, 1000.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    bench = await a_bench()
    now += 5.0
    await bench.role.take(bench.event(4))
    assert now >= 1010.0
    assert bench.notes[-1] == "ack 0/4"
    now += 5.0
    await bench.role.close()
    assert bench.notes[-1] == "close", "frozen again: nothing is said at the end"
    assert "leave" not in bench.notes


async def taking_over_frozen(
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Bench, "asyncio.Task[None]", Callable[[], Awaitable[None]]]:
    """A role that stood still for 5 s as it took over; the last returned lets 8 s pass."""
    now = 1000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    bench = Bench()
    now += 5.0
    taking_over = asyncio.create_task(bench.role.on_recovered())
    await asyncio.sleep(0)

    async def wait() -> None:
        nonlocal now
        for _ in range(8):
            now += 1.0
            await asyncio.sleep(0)

    return bench, taking_over, wait


async def test_who_was_frozen_as_it_took_over_does_not_read_what_is_out_there_yet(
    monkeypatch: pytest.MonkeyPatch,
):
    bench, taking_over, wait = await taking_over_frozen(monkeypatch)
    assert bench.notes == []
    await wait()
    await taking_over
    assert bench.notes == ["open"]


async def test_who_waited_while_the_topics_moved_on_opens_nothing_on_the_table_of_before(
    monkeypatch: pytest.MonkeyPatch,
):
    bench, taking_over, wait = await taking_over_frozen(monkeypatch)
    bench.app.rebalancing_count += 1  # its members and their generation are not known yet
    await wait()
    await taking_over
    assert bench.broker.notes == [], "nothing was claimed either"


async def test_who_waited_for_its_own_session_while_the_topics_moved_on_opens_nothing_either():
    bench = await a_bench()
    bench.logic.gate.clear()
    handling = asyncio.create_task(bench.role.take(bench.event(4)))
    await asyncio.sleep(0)
    taking_over = asyncio.create_task(bench.role.on_recovered())
    await asyncio.sleep(0)
    bench.app.rebalancing_count += 1
    bench.logic.gate.set()
    await asyncio.gather(handling, taking_over)
    assert bench.notes.count("open") == 1


async def test_a_look_again_and_again_tells_waiting_from_standing_still(
    monkeypatch: pytest.MonkeyPatch,
):
    now = 1000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    bench = await a_bench()
    looking = asyncio.create_task(bench.role.standstill.look_for_ever())
    for _ in range(60):
        now += 1.0
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    before = now
    await bench.role.take(bench.event(4))
    assert now == before, "it was awake all the time"
    assert bench.notes[-1] == "ack 0/4"
    looking.cancel()


async def test_records_of_another_generation_are_not_handled():
    bench = await a_bench()
    await bench.role.take(bench.event(4, generation=0))
    assert bench.notes == ["open"]


async def test_there_is_no_session_without_all_topics():
    bench = await a_bench(ends={TP("signals", 0): 0})
    await bench.role.take(bench.event(4))
    assert bench.notes == []


async def test_a_revocation_closes_the_session_and_the_next_one_begins_with_its_state():
    bench = await a_bench()
    await bench.states[0].put({"a": 1})
    await bench.role.on_revoked()
    await bench.role.take(bench.event(4))
    assert bench.notes[-1] == "close"
    bench.app.consumer_generation_id = 2
    await bench.role.on_recovered()
    await bench.role.take(bench.event(4, generation=2))
    assert bench.notes[-1] == "ack 0/4"
    assert bench.states[1].values == {"a": 1}


async def test_an_assignment_on_top_of_another_closes_the_first():
    bench = await a_bench()
    await bench.role.on_recovered()
    assert bench.notes == ["open", "close", "open"]


async def test_a_session_that_does_not_open_ends_the_role():
    bench = Bench()

    async def fail(_: KeyedState) -> Any:
        raise ValueError("bad state")

    bench.role._open = fail
    await bench.role.on_recovered()
    with pytest.raises(ValueError, match="bad state"):
        bench.role.failure.result()


@pytest.mark.parametrize("rebalancing", [False, True])
async def test_ticks_come_while_the_topics_are_ours(
    monkeypatch: pytest.MonkeyPatch,
    rebalancing: bool,  # noqa: FBT001  pytest names it
):
    monkeypatch.setattr("stream.keyed.role.TICK_SECONDS", 0.0)
    bench = await a_bench()
    bench.app.rebalancing = rebalancing
    ticking = asyncio.create_task(bench.role.tick_for_ever())
    for _ in range(20):
        await asyncio.sleep(0)
    ticking.cancel()
    assert ("tick" in bench.notes) is not rebalancing
