"""Files of usage events for commands that read one: a steady agent, and one bad hour."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MONDAY = 1_767_571_200
"""2026-01-05 00:00 UTC."""

DAY = 86_400


def an_event(number: int, at_seconds: float, **changes: Any) -> dict[str, Any]:
    """One priced call of the invoice bot."""
    return {
        "event_id": f"e-{number}",
        "timestamp": datetime.fromtimestamp(at_seconds, UTC).isoformat(),
        "provider": "openai",
        "model": "gpt-4o",
        "input_tokens": 1000,
        "output_tokens": 100,
        "cost_usd": "0.50",
        "agent": "invoice-bot",
        "api_key": "key-7",
        **changes,
    }


def steady(days: float, every_seconds: int = 300) -> list[dict[str, Any]]:
    """A call every five minutes, from Monday on."""
    count = int(days * DAY / every_seconds)
    return [an_event(number, MONDAY + 1 + number * every_seconds) for number in range(count)]


def runaway(days: float, minutes: int = 30) -> list[dict[str, Any]]:
    """Steady days, then two dollars every ten seconds."""
    events = steady(days)
    start = MONDAY + days * DAY
    wrong = [
        an_event(1_000_000 + number, start + 2 + number * 10, cost_usd="2.00")
        for number in range(minutes * 6)
    ]
    return events + wrong


def written(path: Path, lines: list[Any]) -> Path:
    """The file; strings and bytes are written as they are, gzipped if its name says so."""
    encoded = [
        line
        if isinstance(line, bytes)
        else (line if isinstance(line, str) else json.dumps(line)).encode()
        for line in lines
    ]
    content = b"".join(line + b"\n" for line in encoded)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path
