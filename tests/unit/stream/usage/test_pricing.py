"""Dollars worked out by hand, and the rules for which dollars count."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from stream.usage.price_config import CostBasis, OwnPrice, PricingConfig
from stream.usage.pricing import (
    PriceBook,
    PriceCaveat,
    PriceSource,
    rounded_half_even,
    token_classes,
)
from stream.usage.usage import COST_MAX_NANOUSD, TOKENS_MAX, Usage

NOVEMBER_2026 = 1_794_000_000
JANUARY_2025 = 1_735_700_000


def call(provider: str = "openai", model: str = "gpt-4o", **fields: object) -> Usage:
    at = fields.pop("at", NOVEMBER_2026)
    has_usage = fields.pop("has_usage", True)
    return Usage("1", at, provider=provider, model=model, has_usage=has_usage, **fields)


def own(*prices: OwnPrice, basis: CostBasis = CostBasis.REPORTED) -> PriceBook:
    return PriceBook(PricingConfig(own_prices=prices, cost_basis=basis))


@pytest.mark.parametrize(
    ("usage", "nanousd"),
    [
        # gpt-4o, $2.50 in, $1.25 cached, $10 out: 3784 x 2500 + 1024 x 1250 + 10 x 10000
        (call(input_tokens=4808, cache_read_tokens=1024, output_tokens=10), 10_840_000),
        # gpt-4o-mini, $0.15 in, $0.60 out: 4808 x 150 + 10 x 600
        (call(model="gpt-4o-mini", input_tokens=4808, output_tokens=10), 727_200),
        # claude-opus-4-1, $15 in, $1.50 read, $18.75 written, $30 for an hour, $75 out:
        # 1000 x 15000 + 2000 x 1500 + 300 x 18750 + 100 x 30000 + 50 x 75000
        (
            call(
                "anthropic",
                "claude-opus-4-1",
                input_tokens=3400,
                cache_read_tokens=2000,
                cache_write_tokens=400,
                cache_write_1h_tokens=100,
                output_tokens=50,
                reasoning_tokens=20,
            ),
            30_375_000,
        ),
        # gemini-2.5-pro at the step: 200000 x 1250 + 1 x 10000, and above it for all tokens
        (call("google", "gemini-2.5-pro", input_tokens=200_000, output_tokens=1), 250_010_000),
        (call("google", "gemini-2.5-pro", input_tokens=200_001, output_tokens=1), 500_017_500),
        # two requests in one event: 200000 each on average is not above the step
        (
            call("google", "gemini-2.5-pro", input_tokens=400_000, output_tokens=1, requests=2),
            500_010_000,
        ),
        (
            call("google", "gemini-2.5-pro", input_tokens=400_001, output_tokens=0, requests=2),
            1_000_002_500,
        ),
        # web searches at $10 a thousand
        (call(input_tokens=4, billable_units={"web_search": Decimal(3)}), 30_010_000),
        # a total alone, at the input rate
        (call(input_tokens=100, is_total_only=True), 250_000),
        # batch, half price from 2026-10-14
        (call(input_tokens=100, output_tokens=10, service_tier="batch"), 175_000),
    ],
)
def test_computed_dollars_are_the_ones_worked_out_by_hand(usage, nanousd):
    priced = PriceBook().price(usage)
    assert priced.computed_nanousd == nanousd
    assert priced.cost_nanousd == nanousd
    assert not priced.is_unpriced


def test_an_event_is_rounded_once_and_half_to_even():
    book = own(OwnPrice(model="m", input_usd_per_million="0.0005", output_usd_per_million="0.0005"))
    cents = [
        book.price(call(model="m", input_tokens=read, output_tokens=written)).computed_nanousd
        for read, written in ((1, 0), (1, 1), (3, 0), (2, 1), (3, 2))
    ]
    assert cents == [0, 1, 2, 2, 2]  # 0.5, 1.0, 1.5, 1.5, 2.5 nano-dollars


def test_half_even_on_whole_numbers():
    assert [rounded_half_even(n, 4) for n in range(12)] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 3]


def test_an_unknown_model_is_unpriced_and_never_zero():
    priced = PriceBook().price(call(model="no-such-model", input_tokens=5))
    assert priced.cost_nanousd is None
    assert priced.is_unpriced
    assert priced.source is PriceSource.UNKNOWN_MODEL


def test_an_unknown_model_with_a_reported_cost_counts_as_reported():
    priced = PriceBook().price(call(model="no-such-model", input_tokens=5, reported_nanousd=7))
    assert (priced.cost_nanousd, priced.is_unpriced) == (7, False)


@pytest.mark.parametrize(
    ("status", "cost", "is_unpriced"),
    [("ok", None, True), ("error", 0, False), ("refused", 0, False)],
)
def test_absent_usage_is_unpriced_if_ok_and_free_if_it_failed(status, cost, is_unpriced):
    priced = PriceBook().price(call(has_usage=False, status=status))
    assert (priced.cost_nanousd, priced.is_unpriced) == (cost, is_unpriced)


def test_absent_usage_with_a_reported_cost_counts_as_reported():
    assert PriceBook().price(call(has_usage=False, reported_nanousd=9)).cost_nanousd == 9


def test_a_failed_call_that_used_tokens_costs_them():
    assert PriceBook().price(call(input_tokens=4, status="error")).cost_nanousd == 10_000


@pytest.mark.parametrize(
    ("basis", "cost"),
    [(CostBasis.REPORTED, 1), (CostBasis.COMPUTED, 10_000), (CostBasis.MAX, 10_000)],
)
def test_the_basis_says_which_cost_counts_and_both_are_kept(basis, cost):
    priced = own(basis=basis).price(call(input_tokens=4, reported_nanousd=1))
    assert priced.cost_nanousd == cost
    assert (priced.reported_nanousd, priced.computed_nanousd) == (1, 10_000)
    dearer = own(basis=CostBasis.MAX).price(call(input_tokens=4, reported_nanousd=10_001))
    assert dearer.cost_nanousd == 10_001


def test_a_reported_zero_for_tokens_is_no_cost():
    usage = call(input_tokens=4, reported_nanousd=0)
    priced = PriceBook().price(usage)
    assert (priced.cost_nanousd, priced.is_unpriced) == (None, True)
    assert PriceCaveat.REPORTED_ZERO in priced.caveats
    assert own(basis=CostBasis.MAX).price(usage).cost_nanousd == 10_000
    unknown = call(model="no-such-model", input_tokens=4, reported_nanousd=0)
    assert own(basis=CostBasis.MAX).price(unknown).is_unpriced


@pytest.mark.parametrize(
    "usage",
    [
        call("openrouter", "deepseek/deepseek-r1:free", input_tokens=4, reported_nanousd=0),
        call(model="my-llama", input_tokens=4, reported_nanousd=0),
        call(input_tokens=4, reported_nanousd=0, cache_hit=True),
        call(input_tokens=4, reported_nanousd=0, status="error"),
        call(input_tokens=0, reported_nanousd=0),
    ],
)
def test_a_reported_zero_is_believed_where_it_can_be(usage):
    priced = own(OwnPrice(model="my-llama", free=True)).price(usage)
    assert (priced.cost_nanousd, priced.is_unpriced) == (0, False)


def test_a_response_cache_hit_computes_to_nothing():
    priced = PriceBook().price(call(input_tokens=4000, cache_hit=True))
    assert (priced.cost_nanousd, priced.source) == (0, PriceSource.NOT_BILLED)


def test_a_model_listed_without_any_price_is_not_free():
    assert PriceBook().price(call("github-copilot", "gpt-4o", input_tokens=4)).is_unpriced


def test_what_has_no_price_makes_the_call_unpriced_and_the_rest_still_counts():
    image = PriceBook().price(call(input_tokens=4, billable_units={"image": Decimal(1)}))
    assert (image.cost_nanousd, image.is_unpriced) == (10_000, True)
    assert image.caveats == (PriceCaveat.PARTLY_UNPRICED,)
    told = PriceBook().price(
        call(input_tokens=4, billable_units={"image": Decimal(1)}, reported_nanousd=5)
    )
    assert (told.cost_nanousd, told.is_unpriced) == (5, False)
    half = own(OwnPrice(model="m", input_usd_per_million=1))
    assert half.price(call(model="m", input_tokens=1, output_tokens=1)).is_unpriced
    assert not half.price(call(model="m", input_tokens=1)).is_unpriced


def test_a_tier_that_the_list_does_not_price_is_said_and_not_invented():
    before = PriceBook().price(call(input_tokens=4, service_tier="batch", at=JANUARY_2025))
    assert before.cost_nanousd == 10_000
    assert before.caveats == (PriceCaveat.STANDARD_TIER,)
    assert PriceBook().price(call(input_tokens=4, service_tier="standard")).caveats == ()
    odd = PriceBook().price(call(input_tokens=4, service_tier="reserved"))
    assert odd.caveats == (PriceCaveat.STANDARD_TIER,)


def test_a_total_alone_is_flagged():
    priced = PriceBook().price(call(input_tokens=4, is_total_only=True))
    assert priced.caveats == (PriceCaveat.TOTAL_ONLY,)


def test_own_prices_come_before_the_list_and_follow_their_dates():
    book = own(
        OwnPrice(
            provider="OpenAI", model="GPT-4o*", from_date="2026-01-01", input_usd_per_million=1
        ),
        OwnPrice(model="gpt-4o", from_date="2026-06-01", input_usd_per_million="2"),
        OwnPrice(model="gpt-4o", from_date="2026-06-01", input_usd_per_million="3"),
    )
    dates = {1_767_139_200: 2500, 1_767_225_600: 1000, 1_780_185_600: 1000, 1_780_272_000: 3000}
    for at, nanousd in dates.items():  # 2025-12-31, 2026-01-01, 2026-05-31, 2026-06-01
        assert book.price(call(input_tokens=1, at=at)).cost_nanousd == nanousd
    told = book.price(call(input_tokens=1))
    assert (told.source, told.price_date) == (PriceSource.OVERRIDE, "2026-06-01")
    assert book.price(call("azure", "gpt-4o-mini", input_tokens=1)).source is PriceSource.UNDATED


def test_own_prices_cover_cache_classes_tiers_and_pieces():
    book = own(
        OwnPrice(
            model="m",
            input_usd_per_million=10,
            output_usd_per_million=20,
            cache_read_usd_per_million=1,
            cache_write_usd_per_million=12,
            usd_per_unit={"minute": "0.006"},
        ),
        OwnPrice(model="m", service_tier="batch", input_usd_per_million=5),
    )
    usage = call(
        model="m",
        input_tokens=100,
        cache_read_tokens=50,
        cache_write_tokens=20,
        cache_write_1h_tokens=5,
        output_tokens=7,
        billable_units={"minute": Decimal("0.5")},
    )
    # 30 x 10000 + 50 x 1000 + 15 x 12000 + 5 x 12000 (as cache_write) + 7 x 20000 + 0.003 dollars
    assert book.price(usage).cost_nanousd == 730_000 + 3_000_000
    assert book.price(call(model="m", input_tokens=1, service_tier="batch")).cost_nanousd == 5000
    flex = book.price(call(model="m", input_tokens=1, service_tier="flex"))
    assert (flex.cost_nanousd, flex.caveats) == (10_000, (PriceCaveat.STANDARD_TIER,))


def test_a_rate_written_without_quotes_is_still_exact():
    price = OwnPrice.model_validate({"model": "m", "input_usd_per_million": 0.15})
    assert price.input_usd_per_million == Decimal("0.15")


@pytest.mark.parametrize("rate", ["-1", "NaN", "1e7", "free"])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValidationError):
        OwnPrice.model_validate({"model": "m", "input_usd_per_million": rate})


def test_classes_are_disjoint_and_add_up_even_where_they_overlap():
    usage = call(
        input_tokens=100,
        cache_read_tokens=30,
        cache_write_tokens=40,
        cache_write_1h_tokens=25,
        audio_input_tokens=60,
        image_input_tokens=25,
        output_tokens=10,
        reasoning_tokens=8,
        audio_output_tokens=6,
    )
    classes = token_classes(usage)
    assert classes == (0, 0, 0, 15, 60, 25, 0, 4, 6)
    assert sum(classes) == 110


def test_the_cache_of_prices_is_bounded_and_changes_nothing(monkeypatch):
    monkeypatch.setattr("stream.usage.pricing.PRICES_CACHED", 2)
    book = PriceBook()
    for _ in range(2):
        for name in ("gpt-4o", "x1", "x2", "gpt-4o", "x3"):
            known = book.price(call(model=name, input_tokens=4)).cost_nanousd
            assert known == (10_000 if name == "gpt-4o" else None)
    assert len(book._prices) <= 2
    assert len(book._models) <= 2


@pytest.mark.parametrize(
    ("usage", "book"),
    [
        (call(model="o1-pro", input_tokens=TOKENS_MAX, output_tokens=TOKENS_MAX), PriceBook()),
        (
            call(model="m", input_tokens=100_001),
            own(OwnPrice(model="m", input_usd_per_million=1_000_000)),
        ),
        (
            call(model="m", billable_units={"image": Decimal(10**9)}),
            own(OwnPrice(model="m", usd_per_unit={"image": 1_000_000})),
        ),
    ],
)
def test_a_computed_cost_above_the_bound_is_not_believed(usage, book):
    priced = book.price(usage)
    assert (priced.cost_nanousd, priced.computed_nanousd) == (None, None)
    assert priced.is_unpriced
    assert priced.caveats == (PriceCaveat.ABOVE_BOUND,)


def test_a_computed_cost_at_the_bound_is_believed():
    book = own(OwnPrice(model="m", input_usd_per_million=1_000_000))
    priced = book.price(call(model="m", input_tokens=100_000))
    assert (priced.cost_nanousd, priced.is_unpriced) == (COST_MAX_NANOUSD, False)
    assert priced.caveats == ()


@pytest.mark.parametrize("basis", CostBasis)
def test_a_reported_cost_counts_where_the_computed_one_is_above_the_bound(basis):
    book = own(OwnPrice(model="m", input_usd_per_million=1_000_000), basis=basis)
    priced = book.price(call(model="m", input_tokens=TOKENS_MAX, reported_nanousd=7))
    assert (priced.cost_nanousd, priced.computed_nanousd, priced.is_unpriced) == (7, None, False)
    assert priced.caveats == (PriceCaveat.ABOVE_BOUND,)
