import pytest

from alerting.words import clean, duration, instant, money, who
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
