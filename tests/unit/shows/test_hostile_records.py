"""What the hostile run sends: reproducible, of every kind, and counted as it stands for events."""

import json

import pytest

from stream.usage.decode import decode
from tests.shows.hostile_records import GOOD_EVERY, SHAPES, START, Sent, records
from tests.support.neighbours import NEIGHBOURS

COUNT = 2_000


def made(seed: int) -> tuple[list[bytes], Sent]:
    sent = Sent()
    return list(records(COUNT, seed, sent)), sent


def test_a_seed_gives_the_same_records_and_another_seed_others():
    first, _ = made(7)
    assert made(7)[0] == first
    assert made(8)[0] != first


def test_of_every_record_comes_what_it_stands_for():
    _, sent = made(7)
    assert sent.problems == []
    assert sent.records == COUNT
    assert sent.accepted > COUNT / 5
    assert sent.refused > COUNT / 5
    assert sent.good.events == COUNT / GOOD_EVERY


def test_a_record_that_vanishes_is_a_problem(monkeypatch: pytest.MonkeyPatch):
    empty = decode(b"[]")
    monkeypatch.setattr("tests.shows.hostile_records.decode", lambda _: empty)
    sent = Sent()
    sent.count(b"{}")
    assert sent.problems == ["0 of 1 events: b'{}'"]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_shape_of_our_own_is_taken_as_long_as_nothing_is_spoiled(shape: dict[str, object]):
    event = {"event_id": "a", "timestamp": START, "model": "gpt-4o", **shape}
    assert len(decode(json.dumps(event).encode()).usages) == 1


def test_of_neighbours_those_count_whose_id_time_and_model_mean_the_same():
    taken = {
        make.__name__ for make in NEIGHBOURS if decode(json.dumps(make("a", START)).encode()).usages
    }
    assert taken == {"_anthropic"}
