"""Spend for people: a table that fits a terminal and cuts nothing off.

Where the terminal is narrow, columns that say least are left out and named below the table; the
numbers that are there are whole. ``--json`` is exact and is not made here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_SCOPE_CHARACTERS = 24
"""A narrower terminal than leaves this to the scopes loses columns; longer scopes are wrapped."""

_GAP = 3
"""Between two columns."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Column:
    """One column, its cells ready; where there is no room, those of the least ``keep`` go."""

    title: str
    cells: tuple[str, ...]
    keep: int
    footer: str = ""

    @property
    def width(self) -> int:
        words = self.title.split()
        return max(map(len, (*words, *self.cells, self.footer)))


def dollars(amounts: Sequence[Decimal]) -> list[str]:
    """Amounts with the same number of decimals, so that they line up: two, or four for small ones.

    >>> dollars([Decimal("1234.5"), Decimal("3")]), dollars([Decimal("0.00042"), Decimal("2.5")])
    (['1,234.50', '3.00'], ['0.0004', '2.5000'])
    >>> dollars([Decimal("0.000001")])
    ['<0.0001']
    """
    is_small = any(0 < abs(amount) < 1 for amount in amounts)
    places = 4 if is_small else 2
    least = Decimal(1).scaleb(-places)
    return [
        f"<{least}" if 0 < amount < least / 2 else f"{amount:,.{places}f}" for amount in amounts
    ]


def spend_table(kind: str, rows: Sequence[Row], width: int) -> RenderableType:
    """What to print.

    Args:
        kind: the scope kind asked for.
        rows: as ``stream.watch.queries.spend_row`` makes them.
        width: of the terminal, in characters.
    """
    if not rows:
        return Text(f"no {kind} has spent anything")
    first, last = min(row["from"] for row in rows), max(row["to"] for row in rows)
    title = f"{kind} spend, {_minute(first)} to {_minute(last)} UTC"
    columns = [
        _counts("requests", "requests", rows, keep=4),
        _counts("tokens in", "input_tokens", rows, keep=3),
        _counts("tokens out", "output_tokens", rows, keep=3),
        _usd("cost $", "cost_usd", rows, keep=6),
    ]
    if any(row["unpriced_requests"] for row in rows):
        columns.append(_counts("unpriced requests", "unpriced_requests", rows, keep=5))
    columns += [
        _usd(f"{name} $", f"{name}_usd", rows, keep=2)
        for name in ("reported", "computed")
        if any(Decimal(row[f"{name}_usd"]) != Decimal(row["cost_usd"]) for row in rows)
    ]
    if len({(row["from"], row["to"]) for row in rows}) > 1:
        spans = tuple(f"{_minute(row['from'])} to {_minute(row['to'])}" for row in rows)
        columns.append(_Column("from and to", spans, keep=1))
    return _fitted(title, tuple(row["scope"] for row in rows), columns, width)


def _fitted(
    title: str, scopes: Sequence[str], columns: Sequence[_Column], width: int
) -> RenderableType:
    shown, dropped = list(columns), []
    for_scopes = min(_SCOPE_CHARACTERS, max(map(len, scopes)))
    while len(shown) > 1 and for_scopes > _left(width, shown):
        least = min(reversed(shown), key=lambda column: column.keep)
        shown.remove(least)
        dropped.append(least.title.removesuffix(" $"))
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        show_footer=len(scopes) > 1,
    )
    # Widths are fixed: left to itself rich cuts the last columns and says nothing.
    table.add_column("scope", "total", overflow="fold", max_width=max(8, _left(width, shown)))
    for column in shown:
        table.add_column(column.title, column.footer, justify="right", width=column.width)
    for index, scope in enumerate(scopes):
        # Producers choose these names: they are text, never markup.
        table.add_row(Text(scope), *(column.cells[index] for column in shown))
    if not dropped:
        return table
    left_out = ", ".join(reversed(dropped))
    return Group(table, Text(f"no room for: {left_out}; a wider terminal or --json has them"))


def _left(width: int, columns: Sequence[_Column]) -> int:
    """What the columns leave to the scopes."""
    return width - sum(column.width + _GAP for column in columns)


def _counts(title: str, name: str, rows: Sequence[Row], *, keep: int) -> _Column:
    counts = [int(row[name]) for row in rows]
    return _Column(title, tuple(f"{count:,}" for count in counts), keep, f"{sum(counts):,}")


def _usd(title: str, name: str, rows: Sequence[Row], *, keep: int) -> _Column:
    amounts = [Decimal(row[name]) for row in rows]
    *cells, total = dollars([*amounts, sum(amounts, Decimal(0))])
    return _Column(title, tuple(cells), keep, total)


def _minute(instant: str) -> str:
    """RFC 3339 in UTC, to the minute."""
    return instant[:16].replace("T", " ")
