"""Many events become one row per scope, minute and lateness."""

import random
from collections import Counter
from collections.abc import Callable

import pytest

from detectors.observation import COUNTERS, zero_counts
from stream.delta import CONTRIBUTOR_DIMENSIONS, Contributor, DeltaRow
from stream.ingest import combine
from stream.usage.fanout import Fanout, FanoutConfig, delta_partition
from stream.usage.price_config import OwnPrice, PricingConfig
from stream.usage.pricing import PriceBook, Priced, PriceSource
from stream.usage.usage import COST_MAX_NANOUSD, EVENTS_MAX, REQUESTS_MAX, TOKENS_MAX, Usage
from tests.support.columns import combined

MINUTE = 28_333_333


def usage(**fields: object) -> Usage:
    at = fields.pop("at", MINUTE * 60)
    return Usage("1", at, **({"has_usage": "input_tokens" in fields} | fields))


def dollars(nanousd: int | None, *, is_unpriced: bool = False) -> Priced:
    return Priced(nanousd, nanousd, nanousd, is_unpriced, PriceSource.OVERRIDE, "", ())


def rows_of(*events: tuple[Usage, int], late: bool = False, kinds=("agent",)) -> list[DeltaRow]:
    return rows_from([(event, dollars(nanousd), late) for event, nanousd in events], kinds)


def rows_from(events: list[tuple[Usage, Priced, bool]], kinds=("agent",)) -> list[DeltaRow]:
    found, _ = combined(Fanout(FanoutConfig(kinds=kinds)), events)
    return [row for rows in found.values() for row in rows]


def counts(row: DeltaRow) -> dict[str, int]:
    return {name: count for name, count in zip(COUNTERS, row.counts, strict=True) if count}


def test_every_counter_is_counted_once():
    event = usage(
        agent="a",
        requests=3,
        input_tokens=100,
        output_tokens=50,
        cache_read_tokens=40,
        cache_write_tokens=30,
        reasoning_tokens=20,
        retries=2,
        tool_calls=5,
        cache_hit=True,
        status="error",
        outcome="edited",
        reported_nanousd=8,
    )
    priced = dollars(7, is_unpriced=True)._replace(computed_nanousd=9)
    (row,) = rows_from([(event, priced, False)])
    assert counts(row) == {
        "requests": 3,
        "input_tokens": 100,
        "output_tokens": 50,
        "cost_nanousd": 7,
        "reported_nanousd": 8,
        "computed_nanousd": 9,
        "unpriced_requests": 3,
        "cache_read_tokens": 40,
        "cache_write_tokens": 30,
        "reasoning_tokens": 20,
        "retries": 2,
        "tool_calls": 5,
        "errors": 3,
        "response_cache_hits": 3,
        "edited": 3,
    }


def test_an_unknown_cost_counts_requests_and_no_dollars():
    (row,) = rows_from([(usage(agent="a"), dollars(None, is_unpriced=True), False)])
    assert counts(row) == {"requests": 1, "unpriced_requests": 1}


def test_a_refusal_and_each_outcome_have_counters_of_their_own():
    (row,) = rows_of((usage(agent="a", status="refused"), 0))
    assert counts(row) == {"requests": 1, "refusals": 1}
    for outcome in ("accepted", "edited", "rejected", "escalated"):
        (row,) = rows_of((usage(agent="a", record="outcome", outcome=outcome), 0))
        assert counts(row) == {outcome: 1}


def test_an_estimate_is_kept_out_of_everything_but_its_own_counters():
    (row,) = rows_of((usage(agent="a", estimated=True, input_tokens=5, requests=2), 9))
    assert counts(row) == {"estimated_requests": 2, "estimated_nanousd": 9}
    assert row.contributors == ()


def test_an_estimate_and_its_final_count_tell_an_outcome_once():
    said = {"agent": "a", "outcome": "accepted"}
    (row,) = rows_of((usage(estimated=True, **said), 9), (usage(**said), 8))
    assert counts(row)["accepted"] == 1
    assert counts(row)["estimated_requests"] == 1
    (alone,) = rows_of((usage(estimated=True, **said), 9))
    assert counts(alone) == {"estimated_requests": 1, "estimated_nanousd": 9}


def test_minutes_and_lateness_are_rows_of_their_own():
    rows = rows_from(
        [
            (usage(agent="a", at=MINUTE * 60 + at), dollars(1), is_late)
            for at, is_late in ((59, False), (60, False), (60, True), (0, False))
        ]
    )
    assert [(row.minute - MINUTE, row.is_late, row.counts[0]) for row in rows] == [
        (0, False, 2),
        (1, False, 1),
        (1, True, 1),
    ]


def test_contributors_are_the_largest_of_each_other_dimension():
    events = [(usage(agent="a", user=f"u{n:02}", model="m"), n) for n in range(20)]
    (row,) = rows_of(*events)
    users = [part for part in row.contributors if part.dimension == "user"]
    assert users == [Contributor("user", f"u{n:02}", n) for n in range(19, 3, -1)]
    assert [part for part in row.contributors if part.dimension != "user"] == [
        Contributor("model", "m", sum(range(20)))
    ]


def test_equal_contributors_are_in_order_of_their_names():
    (row,) = rows_of((usage(agent="a", user="z"), 5), (usage(agent="a", user="b"), 5))
    assert [part.name for part in row.contributors] == ["b", "z"]


def test_a_combination_names_neither_of_its_parts():
    (row,) = rows_of((usage(agent="a", model="m", api_key="k"), 5), kinds=("agent+model",))
    assert [part.dimension for part in row.contributors] == ["api_key"]


def test_contributors_are_those_of_a_plain_sum_whatever_events_rows_share():
    chance = random.Random(7)
    events = [
        (
            usage(
                agent=chance.choice("ab"),
                team=chance.choice("xy"),
                user=chance.choice(["", *(f"u{n}" for n in range(30))]),
                model=chance.choice("mn"),
                at=(MINUTE + chance.randrange(4)) * 60,
            ),
            chance.choice((0, 0, 1, 2, 3)),
        )
        for _ in range(400)
    ]
    rows = rows_of(*events, kinds=("agent", "team", "user", "agent+model"))
    for row in rows:
        kind, _, name = row.scope.partition(":")
        own = kind.split("+")
        expected: list[Contributor] = []
        for dimension in CONTRIBUTOR_DIMENSIONS:
            spent: Counter[str] = Counter()
            for event, nanousd in events:
                is_its = "|".join(getattr(event, part) for part in own) == name
                if is_its and event.timestamp_seconds // 60 == row.minute:
                    spent[getattr(event, dimension)] += nanousd
            known = sorted((-cost, who) for who, cost in spent.items() if who and cost)
            if dimension not in own:
                expected += [Contributor(dimension, who, -cost) for cost, who in known[:16]]
        assert row.contributors == tuple(expected)
    assert len(rows) > 100


def test_rows_of_the_same_events_have_counts_of_their_own():
    first, second = rows_of((usage(agent="a", team="t"), 5), kinds=("agent", "team"))
    assert first.counts == second.counts
    first.counts[0] += 1
    assert first.counts != second.counts


def test_late_rows_and_free_ones_name_nobody():
    assert rows_of((usage(agent="a", user="u"), 5), late=True)[0].contributors == ()
    assert rows_of((usage(agent="a", user="u"), 0))[0].contributors == ()


def test_rows_go_to_the_partition_of_their_scope_in_a_fixed_order():
    names = [f"a{n}" for n in range(40)]
    events = [(usage(agent=name, model="m"), dollars(1), False) for name in reversed(names)]
    found, _ = combined(Fanout(), events, partitions=4)
    assert set(found) == {0, 1, 2, 3}
    for partition, rows in found.items():
        assert [row.scope for row in rows] == sorted(row.scope for row in rows)
        assert {delta_partition(row.scope, 4) for row in rows} == {partition}


def test_nothing_comes_of_no_events():
    assert combined(Fanout(), []) == ({}, zero_counts())


def test_more_events_than_add_up_safely_are_refused(monkeypatch):
    monkeypatch.setattr(combine, "EVENTS_MAX", 2)
    assert rows_of(*[(usage(agent="a"), 1)] * 2)
    with pytest.raises(OverflowError):
        rows_of(*[(usage(agent="a"), 1)] * 3)


def filled(book: PriceBook, *makes: Callable[[int], Usage]) -> Counter[str]:
    """The sum of the rows of a full batch, whose events are made and priced in turn."""
    made = (makes[number % len(makes)](number) for number in range(EVENTS_MAX))
    events = [(event, book.price(event), False) for event in made]
    found, totals = combined(Fanout(FanoutConfig(kinds=("team",))), events)
    ((row,),) = found.values()
    assert all(amount >= 0 for amount in row.counts)
    assert row.counts == totals
    return Counter(counts(row))


def test_as_many_of_the_largest_events_as_are_taken_add_up_exactly():
    book = PriceBook(
        PricingConfig(own_prices=(OwnPrice(model="dear", input_usd_per_million=1_000_000),))
    )
    taken = EVENTS_MAX

    def dearest(number: int) -> Usage:
        return usage(
            team="t",
            user=f"u{number % 50}",
            model="dear",
            has_usage=True,
            input_tokens=100_000,
            reported_nanousd=COST_MAX_NANOUSD,
            requests=REQUESTS_MAX,
        )

    found = filled(book, dearest)
    for name in ("cost_nanousd", "reported_nanousd", "computed_nanousd"):
        assert found[name] == COST_MAX_NANOUSD * taken
    assert found["requests"] == REQUESTS_MAX * taken


def test_tokens_beyond_any_price_are_counted_and_cost_nothing_that_is_known():
    def longest(model: str) -> Callable[[int], Usage]:
        return lambda number: usage(
            team="t",
            user=f"u{number % 50}",
            provider="openai",
            model=model,
            has_usage=True,
            input_tokens=TOKENS_MAX,
            output_tokens=TOKENS_MAX,
        )

    found = filled(PriceBook(), longest("o1-pro"), longest("gpt-4.5-preview"))
    taken = EVENTS_MAX
    assert found == {
        "requests": taken,
        "unpriced_requests": taken,
        "input_tokens": TOKENS_MAX * taken,
        "output_tokens": TOKENS_MAX * taken,
    }


@pytest.mark.parametrize("each", [2**61, 2**62, 2**63 - 1])
def test_a_sum_that_would_not_fit_64_bits_is_an_error_and_never_wraps(each):
    events = [(usage(team="t", user=f"u{n}"), each) for n in range(2**63 // each + 1)]
    with pytest.raises(OverflowError):
        rows_of(*events, kinds=("team",))
