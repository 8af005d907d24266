"""The dearest call of each row that can be looked at."""

import json
from collections import Counter
from typing import Any

import pytest

from alerting.exemplar import Exemplar
from detectors.observation import NANOUSD_PER_USD
from stream.delta import DeltaRow
from stream.ingest import exemplars
from stream.ingest.config import IngestConfig
from stream.ingest.events import InputRecord
from stream.ingest.exemplars import EXEMPLARS_MAX, LOOKS_MAX_PER_GROUP
from stream.ingest.identities import Identities
from stream.ingest.partition import InputPartition
from stream.usage.fanout import Fanout, FanoutConfig
from stream.usage.pricing import PriceBook
from stream.usage.trace_url import Refusal, refusal

START = 1_700_000_040


def event(number: int, usd: str = "0.5", url: object = "", **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "timestamp": START,
        "model": "gpt-4o",
        "agent": "bot",
        "cost_usd": usd,
        "trace_url": url,
    } | fields


def at(number: object) -> str:
    return f"https://t.example/{number}"


def rows_of(*payloads: object, kinds: tuple[str, ...] = ("agent",)) -> list[DeltaRow]:
    """A record for each payload."""
    identities = Identities(Fanout(FanoutConfig(kinds=kinds)), 3)
    config = IngestConfig(allowed_lateness_seconds=60)
    records = [
        InputRecord(offset, -1, json.dumps(payload).encode())
        for offset, payload in enumerate(payloads)
    ]
    batch = InputPartition(PriceBook(), identities, config=config).process(records)
    assert batch.taken == len(records)
    assert batch.dead == []
    return [row for rows in batch.rows.values() for row in rows]


def shown(*payloads: object, kinds: tuple[str, ...] = ("agent",)) -> dict[str, str]:
    """By scope."""
    return {row.scope: row.exemplar.url for row in rows_of(*payloads, kinds=kinds) if row.exemplar}


def test_the_dearest_call_of_each_scope_and_minute_is_its_exemplar():
    rows = rows_of(
        event(1, "0.5", at(1)),
        event(2, "0.7", at(2), model="gpt-4o-mini"),
        event(3, "0.9"),
        event(4, "0.6", at(4), agent="other"),
        event(5, "0.1", at(5), timestamp=START + 60),
        kinds=("agent", "model"),
    )
    found = {(row.scope, row.minute - START // 60): row.exemplar for row in rows}
    tenth = NANOUSD_PER_USD // 10
    assert found == {
        ("agent:bot", 0): Exemplar(7 * tenth, at(2)),
        ("agent:bot", 1): Exemplar(tenth, at(5)),
        ("agent:other", 0): Exemplar(6 * tenth, at(4)),
        ("model:gpt-4o", 0): Exemplar(6 * tenth, at(4)),
        ("model:gpt-4o", 1): Exemplar(tenth, at(5)),
        ("model:gpt-4o-mini", 0): Exemplar(7 * tenth, at(2)),
    }


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_of_equally_dear_calls_the_first_by_its_url_is_taken(order: tuple[int, ...]):
    alike = [event(number, "0.5", at(number)) for number in order]
    assert shown(*alike) == {"agent:bot": at(1)}
    of_users = [event(number, "0.5", at(number), user=f"u{number % 2}") for number in order]
    assert shown(*of_users, kinds=("agent", "user")) == {
        "agent:bot": at(1),
        "user:u0": at(2),
        "user:u1": at(1),
    }


def test_late_calls_free_ones_estimates_and_outcomes_are_no_exemplars():
    late = event(2, "0.9", at(2), timestamp=START - 3600)
    rows = rows_of(event(1, "0.5"), event(9, "0.5", timestamp=START + 60), late)
    assert [row.exemplar for row in rows] == [None, None, None]
    assert shown(event(1, "0", at(1), status="error")) == {}
    assert shown(event(1, "0.5", at(1), estimated=True)) == {}
    outcome = event(1, "0.5", at(1), record="outcome", outcome="accepted")
    assert shown(event(2, "0.1", at(2)), outcome) == {"agent:bot": at(2)}


def test_the_final_count_of_an_estimate_is_one():
    estimate = event(1, "0.5", at("guess"), estimated=True)
    assert shown(estimate, event(1, "0.4", at("final"))) == {"agent:bot": at("final")}


def test_a_url_that_may_not_be_shown_counts_as_not_sent():
    assert shown(
        event(1, "0.9", "https://t.example/?token=x"),
        event(2, "0.8", "nothing"),
        event(3, "0.7", at(3)),
        event(4, "0.6", at(4)),
    ) == {"agent:bot": at(3)}
    assert shown(event(1, "0.9", "https://me:pass@t.example/")) == {}


def test_what_stands_for_several_requests_is_no_call_that_can_be_looked_at():
    several = event(1, "0.9", at(1), requests=2)
    assert shown(several, event(2, "0.1", at(2))) == {"agent:bot": at(2)}
    assert shown(several) == {}


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    found = Counter[str]()

    def counting(url: str) -> Refusal | None:
        found[url] += 1
        return refusal(url)

    monkeypatch.setattr(exemplars, "refusal", counting)
    return found


def door(number: object) -> str:
    return f"{at(number)}?token=x"


def test_of_a_feed_only_those_are_looked_at_that_send_what_may_not_be_shown(
    looked_at: Counter[str],
):
    good = [event(number, f"0.{number}", at(number), agent="good") for number in range(10, 40)]
    bad = [event(number, "0.9", door(number), agent="bad") for number in range(40, 45)]
    last = event(70, "0.1", at(70), agent="bad")
    assert shown(*good, *bad, last, kinds=("agent", "model")) == {
        "agent:good": at(39),
        "agent:bad": at(70),
        "model:gpt-4o": at(39),
    }
    assert looked_at == Counter([at(39), at(70), *(door(number) for number in range(40, 45))])


def test_of_calls_that_are_alike_the_few_dearest_are_looked_at_and_then_others(
    looked_at: Counter[str],
):
    bad = [
        event(number, f"0.{number}", door(number), agent="bad")
        for number in range(20, 20 + LOOKS_MAX_PER_GROUP)
    ]
    enough = event(1, "0.1", at(1), agent="bad")
    good = event(2, "0.05", at(2), agent="good")
    assert shown(*bad, enough, good, kinds=("agent", "model")) == {
        "agent:good": at(2),
        "model:gpt-4o": at(2),
    }
    assert looked_at == Counter([at(2), *(each["trace_url"] for each in bad)])
    assert shown(*bad[1:], enough, good, kinds=("model",)) == {"model:gpt-4o": at(1)}


def test_of_equally_dear_calls_the_first_by_their_urls_are_looked_at():
    bad = [event(n, "0.5", door(n)) for n in range(10, 10 + LOOKS_MAX_PER_GROUP - 1)]
    assert shown(event(1, "0.5", at(99)), *bad, event(2, "0.5", at(98))) == {"agent:bot": at(98)}
    assert shown(event(1, "0.5", at(99)), *bad, event(2, "0.5", door(98))) == {}


def test_a_batch_looks_at_so_many_and_shows_no_more(
    looked_at: Counter[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(exemplars, "LOOKS_MAX", 10)
    calls = [
        event(number, f"0.{number}", door(number), agent=f"a{number % 5}")
        for number in range(10, 60)
    ]
    good = [event(number, "0.9", at(number), agent=f"b{number}") for number in range(5)]
    assert shown(*calls, *good) == {f"agent:b{number}": at(number) for number in range(5)}
    assert looked_at.total() == 10
    looked_at.clear()
    monkeypatch.setattr(exemplars, "LOOKS_MAX", 3)
    assert len(shown(*good)) == 3


def test_a_row_whose_calls_are_all_refused_is_given_up(
    looked_at: Counter[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(exemplars, "ROUNDS_MAX", 3)
    bad = [event(n, f"0.{n}", door(n), agent=f"a{n}") for n in range(10, 20)]
    assert shown(*bad, event(1, "0.01", at(1), agent="good"), kinds=("model",)) == {}
    assert looked_at.total() == 3


def test_one_url_of_many_calls_is_looked_at_once(looked_at: Counter[str]):
    calls = [
        event(number, f"0.{number}", door("x"), agent=f"a{number % 2}") for number in range(50)
    ]
    assert shown(*calls) == {}
    assert looked_at == {door("x"): 1}


def test_events_however_they_are_read_keep_their_own():
    odd_cost = event(3, "00000000.3", at(3), agent="c")
    unknown_field = event(4, "0.4", at(4), agent="d", unknown=1)
    units = event(5, "0.5", at(5), agent="e", billable_units={"image": 1})
    assert shown(event(1, "0.1", at(1), agent="a"), odd_cost, unknown_field, units) == {
        "agent:a": at(1),
        "agent:c": at(3),
        "agent:d": at(4),
        "agent:e": at(5),
    }


def test_an_array_that_is_read_twice_has_each_once():
    array = [event(2, "0.2", at(2), agent="b"), event(3, "0.3", at(3), agent="c", unknown=1)]
    first, last = event(1, "0.1", at(1), agent="a"), event(4, "0.4", agent="d")
    assert shown(first, array, last) == {
        "agent:a": at(1),
        "agent:b": at(2),
        "agent:c": at(3),
    }


def test_a_repeat_leaves_the_others_theirs():
    again = event(1, "0.1", at("again"), agent="a")
    found = shown(event(1, "0.1", at(1), agent="a"), again, event(2, "0.2", at(2), agent="b"))
    assert found == {"agent:a": at(1), "agent:b": at(2)}


def test_a_batch_has_so_many_of_the_rows_that_cost_most():
    calls = [
        event(number, f"0.{1000 + number}", at(number), agent=f"a{number}", team="t")
        for number in range(EXEMPLARS_MAX + 50)
    ]
    found = shown(*calls, kinds=("agent", "team"))
    assert len(found) == EXEMPLARS_MAX
    assert found["team:t"] == at(EXEMPLARS_MAX + 49), "it spends what all spend"
    assert set(found) == {"team:t", *(f"agent:a{51 + n}" for n in range(EXEMPLARS_MAX - 1))}
