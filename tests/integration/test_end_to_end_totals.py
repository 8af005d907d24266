"""The whole chain on a real Kafka: hostile input, more names than there is room for, a replay."""

import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from stream.simulation.events import Plan, simulate
from stream.simulation.incident import make_episodes
from stream.simulation.organization import make_organization
from stream.usage.rejection import RejectReason
from tests.support.auditor import Auditor, read_topic
from tests.support.survival import ROLES, replay_of
from tests.support.worker import Installation, Json, until

pytestmark = pytest.mark.kafka

START = 1_767_607_200
"""2026-01-05 10:00 UTC, a Monday: long ago, as old traces are."""


def good(number: int, **fields: Any) -> Json:
    return {
        "event_id": f"good-{number}",
        "timestamp": START + number // 10,
        "model": "gpt-4o",
        "agent": f"agent-{number % 7}",
        "input_tokens": 100 + number % 900,
        "output_tokens": number % 50,
        "cost_usd": f"0.{number % 1000:03d}",
        **fields,
    }


def with_literal(number: int, name: str, literal: str) -> bytes:
    """An event with a value that ``json.dumps`` would not write."""
    event = json.dumps(good(number, **{name: "HERE"}) | {"event_id": f"bad-{number}"})
    return event.replace('"HERE"', literal).encode()


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "no JSON": lambda n: b"no JSON at all %d" % n,
    "cut": lambda n: json.dumps(good(n)).encode()[:-10],
    "a number": lambda n: b"%d" % n,
    "null": lambda _: b"null",
    "a string": lambda n: b'"usage %d"' % n,
    "two values": lambda n: with_literal(n, "step", '"x"') * 2,
    "wrong type": lambda n: with_literal(n, "input_tokens", "[1]"),
    "an object for a name": lambda n: with_literal(n, "agent", '{"name": "x"}'),
    "NaN": lambda n: with_literal(n, "cost_usd", "NaN"),
    "infinite": lambda n: with_literal(n, "cost_usd", '"Infinity"'),
    "10^30 tokens": lambda n: with_literal(n, "input_tokens", "1" + "0" * 30),
    "1_0": lambda n: with_literal(n, "cost_usd", '"1_0"'),
    "1_0 tokens": lambda n: with_literal(n, "input_tokens", '"1_0"'),
    "1e400": lambda n: with_literal(n, "cost_usd", '"1e400"'),
    "1e400 as a number": lambda n: with_literal(n, "cost_usd", "1e400"),
    "negative": lambda n: with_literal(n, "output_tokens", "-1"),
    "negative money": lambda n: with_literal(n, "cost_usd", '"-0.5"'),
    "a fortune": lambda n: with_literal(n, "cost_usd", '"100000.01"'),
    "the year 1970": lambda n: with_literal(n, "timestamp", "0"),
    "the year 3000": lambda n: with_literal(n, "timestamp", '"3000-01-01T00:00:00Z"'),
    "no such day": lambda n: with_literal(n, "timestamp", '"2026-02-30T00:00:00Z"'),
    "no time": lambda n: json.dumps({"event_id": f"bad-{n}", "model": "gpt-4o"}).encode(),
    "no id": lambda _: json.dumps({"timestamp": START, "model": "gpt-4o"}).encode(),
    "an empty id": lambda n: json.dumps(good(n, event_id="")).encode(),
    "a long id": lambda n: json.dumps(good(n, event_id="x" * 201)).encode(),
    "no model": lambda n: json.dumps({"event_id": f"bad-{n}", "timestamp": START}).encode(),
    "deep": lambda _: b"[" * 20_000,
    "deep inside": lambda n: with_literal(n, "tags", '{"a":' * 5_000 + "1" + "}" * 5_000),
    "not UTF-8": lambda n: with_literal(n, "agent", '"X"').replace(b"X", b"\xff\xfe"),
    "zeroes": lambda n: b"\x00" * (n % 50 + 1),
    "empty": lambda _: b"",
}


async def send(
    here: Installation, payloads: list[bytes], partitions: list[int] | None = None
) -> list[tuple[int, int]]:
    """Payloads in order, to these partitions or to all in turn; where each of them went."""
    async with AIOKafkaProducer(bootstrap_servers=here.bootstrap, acks="all", linger_ms=5) as to:
        sent = [
            await to.send(
                here.topics.usage_events,
                payload,
                partition=number % 4 if partitions is None else partitions[number],
            )
            for number, payload in enumerate(payloads)
        ]
        return [((await each).partition, (await each).offset) for each in sent]


async def test_of_hostile_and_good_records_every_good_one_counts_and_every_bad_one_is_accounted_for(
    install: Callable[..., Installation],
):
    chance = random.Random(3)
    kinds = list(HOSTILE.values())
    bad = [kinds[number % len(kinds)](number) for number in range(5000)]
    events = [good(number) for number in range(5000)]
    for number in range(0, 5000, 50):
        events[number]["agent"] = "<!channel>"  # a name like any other
        events[number + 1]["agent"] = "\ud800"  # half a character, which nobody can print
    payloads = [(payload, True) for payload in bad]
    payloads += [(json.dumps(event).encode(), False) for event in events]
    for number in range(1, 5000, 50):
        events[number]["agent"] = "\ufffd"
    chance.shuffle(payloads)
    neighbours = [good(number) for number in range(5000, 5004)]
    array = b"[" + b",".join(
        [json.dumps(neighbours[0]).encode(), b'{"event_id": 1}', b"7"]
        + [json.dumps(event).encode() for event in neighbours[1:]]
    )
    payloads.append((array + b"]", True))
    here = install()
    await here.create_topics()
    await here.start(*ROLES)
    places = await send(here, [payload for payload, _ in payloads])
    # Some come again, where a producer that keys by event_id sends them.
    again = chance.sample([n for n, (_, is_bad) in enumerate(payloads) if not is_bad], 200)
    await send(here, [payloads[n][0] for n in again], [places[n][0] for n in again])
    auditor = Auditor().add(events + neighbours, ("agent", "model"))
    await here.reached(auditor.events)
    await here.stable()
    for kind in ("agent", "model"):
        assert auditor.differences(kind, await here.spend_on_command(kind)) == []

    letters = [
        json.loads(record.value)
        for record in await read_topic(here.bootstrap, here.topics.dead_letter)
    ]
    wanted = [place for place, (_, is_bad) in zip(places, payloads, strict=True) if is_bad]
    wanted.append(wanted[-1])  # the array had two bad elements
    found = [(letter["partition"], letter["offset"]) for letter in letters]
    assert sorted(found) == sorted(wanted)
    assert {letter["topic"] for letter in letters} == {here.topics.usage_events}
    assert {letter["reason"] for letter in letters} <= set(RejectReason)
    assert all(letter["detail"] for letter in letters)
    assert sorted(each["index"] for each in letters if each["index"] is not None) == [1, 2]
    assert await here.stop() == [0], "it was never in danger"


async def test_fifty_thousand_names_in_a_room_for_a_thousand_add_up(
    install: Callable[..., Installation],
):
    here = install(workers=2, settings={"fanout": {"kinds": ["agent", "model"], "max_names": 1000}})
    await here.create_topics()
    await here.start(*ROLES)
    events = [good(n, agent=f"agent-{n % 50_000}", cost_usd="0.001") for n in range(52_000)]
    arrays = [events[at : at + 500] for at in range(0, len(events), 500)]
    await send(here, [json.dumps(array).encode() for array in arrays])
    await here.reached(52_000)
    await here.stable(quiet=2.0)
    (model,) = await here.spend_on_command("model")
    agents = await here.spend_on_command("agent")
    assert Decimal(model["cost_usd"]) == 52
    for name in ("requests", "input_tokens", "output_tokens"):
        assert sum(row[name] for row in agents) == model[name]
    assert sum(Decimal(row["cost_usd"]) for row in agents) == 52
    names = [row["scope"] for row in agents if row["scope"] != "agent:__other__"]
    assert 900 <= len(names) <= 1000
    assert len(set(names)) == len(names) == len(agents) - 1


def episodes() -> list[Json]:
    """Five days of three agents with ten incidents; late events, and some that come twice."""
    days, start = 5.0, START - START % 86_400
    organization = make_organization(3, 3)
    incidents = make_episodes(
        10, seed=3, agents=organization, since=start, until=start + days * 86_400
    )
    plan = Plan(
        start=start,
        days=days,
        seed=3,
        agents=3,
        incidents=incidents,
        late_share=0.02,
        repeat_share=0.02,
    )
    return list(simulate(plan))


async def test_a_worker_and_a_replay_of_the_same_events_tell_the_same_transitions(
    install: Callable[..., Installation],
):
    events = episodes()
    # Poured in, a second is a day of the events: nobody is idle, and nobody too far behind.
    here = install(
        workers=2,
        settings={
            "ingest": {"idle_after_seconds": 3600},
            "watch": {"max_silence_messages": 100_000, "max_skew_seconds": 30 * 86_400},
        },
    )
    wanted = {a.transition_id: a for a in replay_of(here, events).result.signals}
    assert len({a.alert_id for a in wanted.values() if a.kind == "spike"}) >= 10
    await here.create_topics()
    await here.start(*ROLES)
    await here.publish(events)
    await here.reached(len({event["event_id"] for event in events}))

    async def is_told() -> bool:
        records = await read_topic(here.bootstrap, here.topics.signals)
        return len(records) >= len(wanted)

    await until(is_told, 90, here.logs)
    told = [
        json.loads(record.value)["transition_id"]
        for record in await read_topic(here.bootstrap, here.topics.signals)
    ]
    assert sorted(told) == sorted(wanted)
