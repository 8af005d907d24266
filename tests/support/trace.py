"""Traces of model calls as native usage events: the public Azure trace, and made-up ones like it.

The Azure trace (Azure public dataset 2023, CC-BY-4.0) is read from wherever somebody has it; it is
no part of the project.
"""

import csv
import heapq
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.support.auditor import Price

MODELS = {"code": "gpt-4o", "conv": "gpt-4o-mini"}

PRICES: dict[str, Price] = {
    "gpt-4o": (Decimal("2.50"), Decimal(10)),
    "gpt-4o-mini": (Decimal("0.15"), Decimal("0.60")),
}
"""Dollars per million tokens, read and written."""

KINDS = ("agent", "workflow", "api_key", "model")

START = int(datetime(2023, 11, 16, 18, 15, tzinfo=UTC).timestamp())


def pricing() -> dict[str, Any]:
    """The same prices as spendwatch's configuration says them."""
    return {
        "own_prices": [
            {
                "model": model,
                "input_usd_per_million": str(read),
                "output_usd_per_million": str(written),
            }
            for model, (read, written) in PRICES.items()
        ]
    }


def event(name: str, row: int, at: float, read: int, written: int) -> dict[str, Any]:
    """One row of a trace's file."""
    return {
        "event_id": f"{name}-{row}",
        "timestamp": at,
        "model": MODELS[name],
        "agent": name,
        "workflow": name,
        "api_key": f"key-{row % 4}",
        "input_tokens": read,
        "output_tokens": written,
    }


def azure(folder: Path) -> list[dict[str, Any]]:
    """All calls of the trace's two files, in the order of their times."""
    files = [_rows(folder / f"AzureLLMInferenceTrace_{name}.csv", name) for name in MODELS]
    return list(heapq.merge(*files, key=lambda each: each["timestamp"]))


def _rows(path: Path, name: str) -> Iterator[dict[str, Any]]:
    with path.open(newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines)):
            # The trace has seven digits of a second, ISO 8601 in Python at most six.
            at = datetime.fromisoformat(row["TIMESTAMP"][:26]).replace(tzinfo=UTC).timestamp()
            yield event(name, number, at, int(row["ContextTokens"]), int(row["GeneratedTokens"]))


def generated(count: int, seed: int, *, seconds: float = 3480.0) -> list[dict[str, Any]]:
    """A trace of the same shape: bursts of long prompts, a steady flow of conversations.

    Args:
        count: of calls.
        seed: everything follows from it.
        seconds: how long the trace lasts.
    """
    chance = random.Random(seed)
    rows = dict.fromkeys(MODELS, 0)
    found = []
    for at in sorted(chance.uniform(0, seconds) for _ in range(count)):
        is_code = chance.random() < (0.6 if at % 600 < 120 else 0.2)
        name = "code" if is_code else "conv"
        read = round(chance.lognormvariate(7.3 if is_code else 6.7, 0.9))
        written = round(chance.lognormvariate(2.5 if is_code else 5.0, 0.8))
        found.append(event(name, rows[name], START + at, min(read, 50_000), min(written, 5_000)))
        rows[name] += 1
    return found
