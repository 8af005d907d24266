"""A table of results: printed for people, written as Markdown beside."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Table:
    """Rows under a head.

    Attributes:
        title: what it shows.
        head: of each column.
        rows: cells as text, as many as there are heads.
        notes: sentences below it.
        data: figures for a plot, as plain data by the plot's name.
    """

    title: str
    head: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """For a terminal."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]

        def line(cells: Sequence[str]) -> str:
            rest = (f"{cell:>{width}}" for cell, width in zip(cells[1:], widths[1:], strict=True))
            return "  ".join([f"{cells[0]:{widths[0]}}", *rest])

        return "\n".join([self.title, line(self.head), *map(line, self.rows), *self.notes, ""])

    def markdown(self) -> str:
        """For a file."""
        rule = ["---", *["---:"] * (len(self.head) - 1)]
        lines = ["| " + " | ".join(cells) + " |" for cells in (self.head, rule, *self.rows)]
        return "\n".join([f"## {self.title}", "", *lines, "", *self.notes, ""])


def share(part: float, whole: float) -> str:
    """As per cent."""
    return f"{part / whole:.0%}" if whole else "-"
