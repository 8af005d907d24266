"""Whatever is added comes out again, once, in whatever order."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from detectors.observation import COUNTERS, add_counts, zero_counts
from detectors.scope import Scope
from stream.delta import DeltaRow
from stream.usage.fanout import Fanout, FanoutConfig
from stream.usage.pricing import PriceBook
from stream.usage.usage import Usage
from tests.support.columns import combined
from tests.support.one_by_one import count_event, rows_of

names = st.sampled_from(["", "a", "b", "c|d", "e@f"])
usages = st.builds(
    Usage,
    event_id=st.just("1"),
    timestamp_seconds=st.integers(1_790_000_000, 1_790_000_200),
    model=st.sampled_from(["gpt-4o", "gpt-4o-mini", "no-such-model"]),
    has_usage=st.booleans(),
    input_tokens=st.integers(0, 10**12),
    output_tokens=st.integers(0, 1000),
    reported_nanousd=st.one_of(st.none(), st.integers(0, 10**14)),
    requests=st.integers(1, 5),
    agent=names,
    team=names,
    user=names,
    api_key=names,
    environment=st.sampled_from(["default", "staging"]),
    status=st.sampled_from(["ok", "error", "refused"]),
    outcome=st.sampled_from(["", "accepted", "edited"]),
    estimated=st.booleans(),
).map(lambda usage: usage if usage.has_usage else replace(usage, input_tokens=0, output_tokens=0))
batches = st.lists(st.tuples(usages, st.booleans()), max_size=30)

FANOUT = Fanout(FanoutConfig(kinds=("agent", "team", "model", "agent+team")))
BOOK = PriceBook()


def drained(batch: list[tuple[Usage, bool]], partitions: int = 3) -> dict[int, list[DeltaRow]]:
    events = [(usage, BOOK.price(usage), is_late) for usage, is_late in batch]
    rows, _ = combined(FANOUT, events, partitions)
    return {number: list(each) for number, each in rows.items()}


@settings(max_examples=150)
@given(batches)
def test_the_sum_of_windows_is_the_sum_of_events_in_every_kind(batch):
    rows = [row for part in drained(batch).values() for row in part]
    assert len({(row.scope, row.minute, row.is_late) for row in rows}) == len(rows)
    for kind, fields in (
        ("agent", ["agent"]),
        ("model", ["model"]),
        ("agent+team", ["agent", "team"]),
    ):
        from_events, from_rows = zero_counts(), zero_counts()
        for usage, _ in batch:
            if all(getattr(usage, field) for field in fields):
                count_event(from_events, usage, BOOK.price(usage))
        for row in rows:
            if Scope.parse(row.scope).kind == kind:
                add_counts(from_rows, row.counts)
        assert dict(zip(COUNTERS, from_rows, strict=True)) == dict(
            zip(COUNTERS, from_events, strict=True)
        )


@settings(max_examples=150)
@given(batches, st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(batch, chance):
    shuffled = list(batch)
    chance.shuffle(shuffled)
    assert drained(shuffled) == drained(batch)


@settings(max_examples=100)
@given(batches, st.integers(0, 30))
def test_where_batches_are_cut_does_not_matter_to_the_totals(batch, cut):
    whole = {row[:3]: row.counts for row in drained(batch, 1).get(0, [])}
    pieces: dict[tuple[object, ...], list[int]] = {}
    for part in (batch[:cut], batch[cut:]):
        for row in drained(part, 1).get(0, []):
            add_counts(pieces.setdefault(row[:3], zero_counts()), row.counts)
    assert pieces == whole


@settings(max_examples=100)
@given(batches)
def test_contributors_never_exceed_their_row(batch):
    for rows in drained(batch).values():
        for row in rows:
            cost = row.counts[COUNTERS.index("cost_nanousd")]
            for dimension in ("agent", "api_key", "user", "model"):
                named = [
                    part.cost_nanousd for part in row.contributors if part.dimension == dimension
                ]
                assert sum(named) <= cost
                assert all(amount > 0 for amount in named)


@settings(max_examples=150)
@given(batches)
def test_rows_are_those_of_a_plain_sum(batch):
    events = [(usage, BOOK.price(usage), is_late) for usage, is_late in batch]
    assert drained(batch) == rows_of(FANOUT, events, 3)
