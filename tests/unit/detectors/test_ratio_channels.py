"""What each ratio counts, and what a change of it costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.decomposition import Usual
from detectors.observation import BESIDE, COUNTER_INDEX
from detectors.ratio_channels import RATIOS, RatioChannel, Span, output_of

USD = 1_000_000_000
BY_NAME = {channel.name: channel for channel in RATIOS}

ratios = st.floats(0, 1)
spans = st.builds(
    Span,
    hits=st.integers(0, 10**6),
    trials=st.integers(1, 10**6),
    calls=st.just(1),
    cost_nanousd=st.just(USD),
    output_tokens=st.integers(0, 10**6),
)


def beside(**counters: int) -> list[int]:
    row = [0] * len(BESIDE)
    for name, count in counters.items():
        row[BESIDE.index(COUNTER_INDEX[name])] = count
    return row


def span(hits: int, trials: int, output_tokens: int = 0) -> Span:
    return Span(hits, trials, 1, USD, output_tokens)


EVERYTHING = beside(
    retries=1,
    input_tokens=20_000,
    output_tokens=3000,
    cache_read_tokens=4000,
    errors=5,
    refusals=6,
    response_cache_hits=7,
    accepted=10,
    edited=200,
    rejected=3000,
    escalated=40_000,
)


@pytest.mark.parametrize(
    ("name", "hits", "trials"),
    [
        ("accepted", 10, 43_210),
        ("prompt_cache", 4000, 20_000),
        ("response_cache", 7, 100),
        ("errors", 5, 100),
        ("refusals", 6, 100),
        ("retries", 1, 101),
    ],
)
def test_a_ratio_is_what_was_counted_of_all_that_could_have_been(name: str, hits: int, trials: int):
    channel = BY_NAME[name]
    assert EVERYTHING[channel.hit] == hits
    assert channel.trials_of(100, EVERYTHING) == trials
    assert output_of(EVERYTHING) == 3000


@pytest.mark.parametrize("name", ["accepted", "prompt_cache"])
def test_calls_alone_are_no_trials_of_answers_or_of_tokens(name: str):
    assert BY_NAME[name].trials_of(100, beside(errors=5)) == 0


def test_failures_are_bad_if_they_rise_and_all_else_if_it_falls():
    assert {channel.name for channel in RATIOS if channel.rises} == {
        "errors",
        "refusals",
        "retries",
    }


def test_only_tokens_hang_together_call_by_call():
    assert [channel.name for channel in RATIOS if channel.of_tokens] == ["prompt_cache"]


def test_each_has_a_metric_and_a_name_of_its_own():
    assert len({channel.metric for channel in RATIOS}) == len(RATIOS) == len(BY_NAME)
    assert all(channel.metric.endswith("_ratio") for channel in RATIOS)


@pytest.mark.parametrize(
    ("name", "seen", "usual", "lost"),
    [
        ("accepted", span(0, 100), 0.8, 1.0),
        ("accepted", span(20, 100), 0.8, 0.75),
        ("prompt_cache", span(0, 1000), 0.8, 0.72),
        ("prompt_cache", span(0, 1000, 250), 0.8, 0.36),
        ("response_cache", span(0, 100), 0.4, 0.4),
        ("response_cache", span(50, 100), 0.75, 0.5),
        ("errors", span(100, 100), 0.05, 0.95),
        ("refusals", span(100, 100), 0.0, 1.0),
        ("retries", span(300, 400), 0.25, 0.5),
    ],
)
def test_what_is_lost_is_what_would_usually_have_bought_something(
    name: str, seen: Span, usual: float, lost: float
):
    assert BY_NAME[name].lost_share(seen, usual) == pytest.approx(lost)


@pytest.mark.parametrize("channel", RATIOS, ids=lambda channel: channel.name)
@given(seen=spans)
def test_without_a_change_nothing_is_lost(channel: RatioChannel, seen: Span):
    assert channel.lost_share(seen, seen.ratio) == 0.0


@pytest.mark.parametrize("channel", RATIOS, ids=lambda channel: channel.name)
@given(seen=spans, usual=ratios)
def test_a_change_for_the_worse_loses_something_and_never_more_than_all(
    channel: RatioChannel, seen: Span, usual: float
):
    lost = channel.lost_share(seen, usual)
    assert lost <= 1.0
    worse = seen.ratio - usual if channel.rises else usual - seen.ratio
    if abs(worse) > 1e-9 and seen.ratio < 1.0:
        assert (lost > 0.0) is (worse > 0.0)


@given(
    read=st.integers(1, 10**6),
    written=st.integers(0, 10**6),
    cached=st.tuples(ratios, ratios),
)
def test_a_cold_prompt_cache_loses_what_an_excess_is_split_by(
    read: int, written: int, cached: tuple[float, float]
):
    usually, now = (round(read * share) for share in cached)
    lost = BY_NAME["prompt_cache"].lost_share(span(now, read, written), usually / read)
    usual = Usual(0.01)
    state = usual.fresh()
    usual.learn(state, [USD, 100, 0, read, written, usually])
    cost = round(USD / (1.0 - lost))
    found = usual.decompose(state, [cost, 100, 0, read, written, now], cost - USD)
    if found is not None:
        assert found.cache_nanousd == pytest.approx(cost - USD, abs=5)
        assert found.price_nanousd == pytest.approx(0, abs=5)
    else:
        assert lost <= 1e-9


def test_of_nothing_nothing_is_lost():
    assert BY_NAME["accepted"].lost_share(span(5, 10), 0.0) == 0.0
    assert BY_NAME["response_cache"].lost_share(span(10, 10), 0.5) == 0.0
    assert BY_NAME["prompt_cache"].lost_share(span(0, 100, -25), 0.5) == 0.0, "corrected to nothing"


@pytest.mark.parametrize(("hits", "ratio"), [(-1, 0.0), (0, 0.0), (3, 0.75), (4, 1.0), (5, 1.0)])
def test_a_ratio_is_a_share_whatever_was_counted(hits: int, ratio: float):
    assert span(hits, 4).ratio == ratio
