"""What a bench found, one row at a time, and the table of all rows.

The table keeps rows of earlier runs for parts that this run left out, each with date and commit.
This file must not measure.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PARTS = "abcdefghij"


@dataclass(frozen=True, slots=True)
class Row:
    """One number, beside the one that is required.

    Attributes:
        part: a letter of ``PARTS``.
        what: measured.
        reached: the number; the median where it was measured several times.
        unit: of it.
        at_least: required; ``None`` if nothing is.
        at_most: likewise, where less is better.
        detail: conditions and spread, in words.
        data: more numbers, for plots.
    """

    part: str
    what: str
    reached: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    detail: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def required(self) -> str:
        """As the table has it."""
        if self.at_least is not None:
            return f"≥ {number(self.at_least)}"
        return "" if self.at_most is None else f"≤ {number(self.at_most)}"

    @property
    def is_met(self) -> bool | None:
        """Whether what is required was reached; ``None`` if nothing is."""
        if self.at_least is not None:
            return self.reached >= self.at_least
        return None if self.at_most is None else self.reached <= self.at_most

    def line(self) -> str:
        """As it is printed while the bench runs."""
        mark = {True: "ok", False: "MISSED", None: ""}[self.is_met]
        reached = f"{number(self.reached)} {self.unit}"
        beside = f"{reached:>22} {self.required:>11} {mark:<6}"
        return f"{self.part}  {self.what:<58} {beside} {self.detail}"


def number(value: float) -> str:
    """Three digits that count, or all of them before the point.

    >>> number(123456.7), number(12.345), number(0.01234)
    ('123,457', '12.3', '0.0123')
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


class Results:
    """A folder with ``bench.json`` and ``bench.md``.

    Args:
        folder: made if missing.
        stamp: date, commit, machine and versions of this run.
    """

    def __init__(self, folder: Path, stamp: dict[str, str]) -> None:
        self._folder = folder
        self._stamp = stamp
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def json(self) -> Path:
        """Everything, for plots and for the next run."""
        return self._folder / "bench.json"

    def write(self, rows: Iterable[Row]) -> None:
        """Put the rows in the place of those of their parts."""
        fresh = [asdict(row) | {"stamp": self._stamp} for row in rows]
        replaced = {row["part"] for row in fresh}
        kept = [row for row in self.read() if row["part"] not in replaced]
        every = sorted(kept + fresh, key=lambda row: PARTS.index(row["part"]))
        self.json.write_text(json.dumps(every, indent=1, ensure_ascii=False) + "\n")
        (self._folder / "bench.md").write_text(self._table(every))

    def read(self) -> list[dict[str, Any]]:
        """The rows of all runs so far."""
        return list(json.loads(self.json.read_text())) if self.json.exists() else []

    def _table(self, rows: list[dict[str, Any]]) -> str:
        lines = ["# What `make bench` found", ""]
        lines += [f"- {name}: {text}" for name, text in self._stamp.items()]
        lines += ["", "| part | what | reached | required | | conditions | date | commit |"]
        lines += ["|---|---|---:|---:|---|---|---|---|"]
        for saved in rows:
            row = Row(**{name: value for name, value in saved.items() if name != "stamp"})
            stamp = saved["stamp"]
            mark = {True: "✓", False: "✗", None: ""}[row.is_met]
            lines.append(
                f"| {row.part} | {row.what} | {number(row.reached)} {row.unit} | {row.required} |"
                f" {mark} | {row.detail} | {stamp['date'][:10]} | {stamp['commit']} |"
            )
        return "\n".join(lines) + "\n"
