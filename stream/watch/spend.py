"""What was spent, from the state of one delta partition: totals, or whole days and hours.

A span that the tables do not hold in full is refused: a partial sum is never given.
"""

from collections import defaultdict
from collections.abc import Mapping

from alerting.watch.tally import Tally
from detectors.observation import Counts, add_counts, zero_counts
from detectors.window import DAY_SECONDS, HOUR_SECONDS, MINUTE_SECONDS, rfc3339
from stream.watch.history import History

Spend = tuple[int, int, Counts]
"""First second, last second and counts of one scope."""


class SpanError(ValueError):
    """A span of time that the tables no longer hold in full; a partial sum is never given."""


def spend_since_the_start(tally: Tally, numbers: Mapping[str, int], kind: str) -> dict[str, Spend]:
    """Everything that was ever counted, late rows included.

    Nothing is settled for it: of 100,000 scopes that would hold up the deltas for 0.25 s.
    """
    prefix = f"{kind}:"
    mine = [(text, number) for text, number in numbers.items() if text.startswith(prefix)]
    spent = tally.spent([number for _, number in mine])
    return {
        text: (first * MINUTE_SECONDS, (last + 1) * MINUTE_SECONDS, counts)
        for (text, _), (first, last, counts) in zip(mine, spent, strict=True)
    }


def spend_in_span(
    span: tuple[int, int], hours: History, days: History, kind: str
) -> dict[str, Spend]:
    """What lies in whole hours ``[from, to)``; ask ``check_kept`` first."""
    sums: dict[str, Counts] = defaultdict(zero_counts)
    for history, start, end in spans(span, hours, days):
        for text, counts in history.sums(kind, start, end):
            add_counts(sums[text], counts)
    return {text: (*span, counts) for text, counts in sums.items()}


def spans(span: tuple[int, int], hours: History, days: History) -> list[tuple[History, int, int]]:
    """Whole days from the table of days, the rest from the table of hours."""
    start, end = span
    first_day = -(-start // DAY_SECONDS) * DAY_SECONDS
    last_day = end // DAY_SECONDS * DAY_SECONDS
    if first_day >= last_day:
        return [(hours, start, end)]
    return [(hours, start, first_day), (days, first_day, last_day), (hours, last_day, end)]


def check_kept(
    history: History, start: int, end: int, watermark: int | None, first_minute: int | None
) -> None:
    """Return if a table holds ``[start, end)`` in full.

    Args:
        history: the table.
        start: epoch seconds.
        end: epoch seconds.
        watermark: now, in event time; ``None`` before there is one.
        first_minute: the earliest minute ever counted here; nothing is missing before it.

    Raises:
        SpanError: if it does not; names since when it does.
    """
    if start >= end:
        return
    unit = "hour" if history.window_seconds == HOUR_SECONDS else "day"
    if watermark is not None and not history.is_kept(start, watermark):
        horizon = watermark - history.keep_windows * history.window_seconds
        if first_minute is not None and first_minute * 60 < horizon:
            raise SpanError(
                f"counts per {unit} are kept for {history.keep_windows} {unit}s, back to"
                f" {rfc3339(horizon)}: ask for whole days, or from later on"
            )
    left_out = history.first_left_out(start, end)
    if left_out is not None:
        raise SpanError(
            f"counts per {unit} of {rfc3339(left_out)[:10]} leave out events that came while it was"
            f" far ahead, from a producer whose clock was wrong: ask for other days, or for"
            " everything, without a span"
        )
