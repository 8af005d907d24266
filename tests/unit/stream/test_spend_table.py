"""Spend for people: whole numbers at any width."""

import io

import pytest
from rich.console import Console

from stream.spend_table import spend_table


def a_row(scope: str, cost: str = "1.5", **changes):
    return {
        "scope": scope,
        "from": "2026-01-05T00:00:00Z",
        "to": "2026-01-06T00:00:00Z",
        "requests": 1_234_567,
        "input_tokens": 9_876_543_210,
        "output_tokens": 55_000,
        "cost_usd": cost,
        "reported_usd": cost,
        "computed_usd": cost,
        "unpriced_requests": 0,
        **changes,
    }


def printed(rows, width: int = 100) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width)
    console.print(spend_table("agent", rows, width))
    return out.getvalue()


def test_numbers_have_separators_and_a_total_and_the_span_stands_in_the_title():
    out = printed([a_row("agent:a", "12345.678"), a_row("agent:b", "3")])

    assert "agent spend, 2026-01-05 00:00 to 2026-01-06 00:00 UTC" in out
    assert "from" not in out.splitlines()[2]
    for text in ("1,234,567", "9,876,543,210", "12,345.68", "3.00", "12,348.68", "2,469,134"):
        assert text in out


@pytest.mark.parametrize("width", range(40, 170, 5))
def test_nothing_that_is_shown_is_cut_at_any_width(width: int):
    rows = [
        a_row("agent:a-bot-with-a-name-that-goes-on-and-on", "98765.4321", computed_usd="7"),
        a_row("agent:b", unpriced_requests=12, to="2026-01-07T00:00:00Z"),
    ]

    out = printed(rows, width)

    assert "…" not in out
    assert max(map(len, out.splitlines())) <= width
    assert "98,765.43" in out
    shown, _, left_out = out.partition("no room for:")
    whole = {
        "requests": "1,234,567",
        "tokens in": "9,876,543,210",
        "unpriced": " 12",
        "computed": "7.00",
        "from and to": "2026-01-05 00:00 to 2026-01-06 00:00",
    }
    for name, text in whole.items():
        is_left_out = name in " ".join(left_out.split())
        assert (text in shown) != is_left_out, name


def test_columns_that_say_nothing_new_are_left_out():
    out = printed([a_row("agent:a")], 160)

    assert "computed" not in out
    assert "unpriced" not in out
    assert "total" not in out
    assert "no room" not in out


def test_what_has_no_room_is_named():
    rows = [a_row("agent:a", computed_usd="2"), a_row("agent:b", to="2026-02-01T00:00:00Z")]

    assert "no room for: from and to" in printed(rows, 80)
    assert "no room for: tokens out, computed, from and to" in printed(rows, 50)


def test_names_are_text_and_never_markup():
    assert "agent:[red]bot[/red]" in printed([a_row("agent:[red]bot[/red]")])


def test_small_amounts_keep_four_decimals_and_nothing_says_so():
    assert "0.0042" in printed([a_row("agent:a", "0.00421")])
    assert printed([]).strip() == "no agent has spent anything"
