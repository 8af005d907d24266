"""Cached rates are the price list's own dollars, on every model it has."""

from datetime import UTC, datetime

import genai_prices
import pytest
from genai_prices.data import providers

from stream.usage.price_list import find_model, is_clocked, price_at
from stream.usage.pricing import PriceBook, rounded_half_even
from stream.usage.usage import Usage

INSTANTS = (1_704_067_200, 1_751_900_000, 1_767_225_600 + 17 * 3600, 1_790_000_000)
SHAPES = (
    {"input_tokens": 4808, "output_tokens": 10},
    {"input_tokens": 199_999, "output_tokens": 777, "cache_read_tokens": 100_001},
    {
        "input_tokens": 1_300_001,
        "output_tokens": 7,
        "cache_read_tokens": 3,
        "cache_write_tokens": 900_000,
        "cache_write_1h_tokens": 50_001,
        "reasoning_tokens": 5,
    },
    {
        "input_tokens": 300_000,
        "audio_input_tokens": 1_001,
        "image_input_tokens": 2_003,
        "output_tokens": 99,
        "audio_output_tokens": 33,
    },
)
GENAI_NAMES = {
    "reasoning_tokens": "output_reasoning_tokens",
    "audio_input_tokens": "input_audio_tokens",
    "audio_output_tokens": "output_audio_tokens",
    "image_input_tokens": "input_image_tokens",
}


def test_cached_rates_equal_calc_price_on_every_model_and_date():
    compared = pairs = 0
    for provider in providers:
        for model in provider.models:
            for seconds in INSTANTS:
                price = price_at(model, seconds, "")
                if price is None:
                    continue
                pairs += 1
                for shape in (SHAPES[pairs % len(SHAPES)], SHAPES[(pairs + 1) % len(SHAPES)]):
                    usage = Usage("1", seconds, has_usage=True, **shape)
                    sent = {GENAI_NAMES.get(name, name): count for name, count in shape.items()}
                    exact = model.calc_price(
                        genai_prices.Usage(**sent),
                        provider,
                        genai_request_timestamp=datetime.fromtimestamp(seconds, UTC),
                    ).total_price
                    book = PriceBook()
                    book._models = {("", ""): model}
                    nanousd = book.price(usage).computed_nanousd
                    numerator, denominator = (exact * 10**9).as_integer_ratio()
                    assert nanousd == rounded_half_even(numerator, denominator), model.id
                    compared += 1
    assert compared > 10_000


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o"),
        ("", "gpt-4o-mini"),
        ("anthropic", "claude-sonnet-4-5"),
        ("", "claude-3-5-haiku-latest"),
        ("google", "gemini-2.5-pro"),
        ("azure", "gpt-4o"),
        ("aws", "anthropic.claude-3-5-sonnet-20240620-v1:0"),
        ("deepseek", "deepseek-chat"),
        ("mistral", "mistral-large-latest"),
        ("OpenAI", "GPT-4O"),
    ],
)
@pytest.mark.parametrize("seconds", INSTANTS)
def test_a_model_is_found_where_the_public_function_finds_it(provider, model, seconds):
    exact = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=123_457, output_tokens=89, cache_read_tokens=11),
        model,
        provider_id=provider or None,
        genai_request_timestamp=datetime.fromtimestamp(seconds, UTC),
    ).total_price
    usage = Usage(
        "1",
        seconds,
        provider=provider,
        model=model,
        has_usage=True,
        input_tokens=123_457,
        output_tokens=89,
        cache_read_tokens=11,
    )
    numerator, denominator = (exact * 10**9).as_integer_ratio()
    assert PriceBook().price(usage).computed_nanousd == rounded_half_even(numerator, denominator)


def test_a_provider_that_nobody_knows_has_no_prices():
    assert find_model("my-gateway", "gpt-4o") is None
    assert find_model("", "no-such-model") is None
    assert find_model("", "vendor/no-such-model") is None
    assert find_model("litellm", "openai/gpt-4o") is find_model("openai", "gpt-4o")


def test_a_price_that_began_on_a_day_says_so_and_others_say_nothing():
    dates = {
        price.price_date
        for provider in providers
        for model in provider.models
        if (price := price_at(model, 1_790_000_000, "")) is not None
    }
    assert "" in dates
    assert any(date.startswith("20") for date in dates)
    undated = find_model("openai", "gpt-4o-mini")
    assert undated is not None
    assert price_at(undated, 1_790_000_000, "").price_date == ""


def test_a_clocked_price_follows_the_hour_whatever_was_asked_before():
    clocked = [
        (provider, model)
        for provider in providers
        for model in provider.models
        if is_clocked(model) and price_at(model, INSTANTS[0], "") is not None
    ]
    assert clocked
    changes = 0
    for provider, model in clocked:
        book = PriceBook()
        day = [
            book.price(
                Usage(
                    "1",
                    1_735_689_600 + hour * 3600,
                    provider=provider.id,
                    model=model.id,
                    has_usage=True,
                    input_tokens=10**6,
                )
            ).computed_nanousd
            for hour in range(24)
        ]
        changes += len(set(day)) > 1
    assert changes


def test_a_step_holds_only_above_its_threshold():
    for provider in providers:
        for model in provider.models:
            price = price_at(model, 1_790_000_000, "")
            if price is None or not price.steps or is_clocked(model):
                continue
            below, above = price.card_of(price.steps[0]), price.card_of(price.steps[0] + 1)
            assert below is price.cards[0]
            assert above is price.cards[1]
            return
    pytest.fail("the list has no tiered price any more")


def test_prices_are_read_from_the_package_and_never_fetched():
    assert genai_prices.data_snapshot._custom_snapshot is None
    assert PriceBook().price_list == f"genai-prices {genai_prices.__version__}"
