import pytest

from alerting.words import clean, duration, instant, money, quantity, who
from detectors.ratio_channels import RATIOS
from detectors.scope import Scope


@pytest.mark.parametrize(
    ("nanousd", "text"),
    [
        (0, "$0.00"),
        (1, "$0.000000001"),
        (12_345_678, "$0.01"),
        (4_250_000, "$0.0042"),
        (9_999_999, "$0.01"),
        (995_000_000, "$1.00"),
        (999_994_000_000, "$999.99"),
        (999_999_000_000, "$1,000"),
        (17_020_500_000_000, "$17,020"),
        (-1_500_000_000, "-$1.50"),
    ],
)
def test_money_is_written_as_people_do(nanousd: int, text: str):
    assert money(nanousd) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (86400, "1 day"),
        (172_800, "2 days"),
    ],
)
def test_spans_are_said_as_people_do(seconds: int, text: str):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("nano", "metric", "text"),
    [
        (310_000_000, "accepted_ratio", "31 % accepted"),
        (4_000_000, "error_ratio", "0.4 % failed"),
        (0, "prompt_cache_read_ratio", "0 % read from the prompt cache"),
        (1_000_000_000, "response_cache_hit_ratio", "100 % answered from the cache"),
        (250_000_000, "retry_ratio", "25 % tried again"),
        (250_000_000, "tool_miss_ratio", "25 % tool miss"),
        (1_500_000_000, "cost_per_call_usd", "$1.50"),
        (2_500_000_000, "new_agents", "2.5 new agents"),
    ],
)
def test_a_metric_is_said_in_its_own_words(nano: int, metric: str, text: str):
    assert quantity(nano, metric) == text


def test_every_ratio_that_is_judged_has_words_of_its_own():
    said = {quantity(500_000_000, channel.metric) for channel in RATIOS}
    assert len(said) == len(RATIOS)
    assert not any("ratio" in each or "hit" in each for each in said)


def test_an_instant_is_utc_to_the_minute():
    assert instant(1_795_341_659.9) == "2026-11-22 10:00 UTC"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a\nb\tc", "a b c"),
        ("\u202egpj.exe\u2066", "gpj.exe"),
        ("\u2028x\x00", "x"),
        ("bot" * 100, ("bot" * 100)[:79] + "…"),
        ("é 漢字 🤖", "é 漢字 🤖"),
    ],
)
def test_a_name_stays_on_one_line_and_cannot_turn_the_text_around(name: str, text: str):
    assert clean(name) == text


def test_a_scope_is_said_in_words():
    assert who(Scope("api_key", "key-7")) == "key key-7"
    assert who(Scope("agent", "bot", "staging")) == "agent bot (staging)"
    assert who(Scope("agent", "__other__")) == "agent all others"
