"""What one scope did in one window: plain additive counts.

``COUNTERS`` is the one list of what is counted. Rows of deltas, pages of tables and detectors all
use its order, so a counter is added here and nowhere else.
"""

from dataclasses import dataclass

from detectors.window import Window

COUNTERS = (
    "requests",  # calls, `requests` of a pre-aggregated event; excludes retries
    "input_tokens",  # everything read, cached or not
    "output_tokens",  # everything written, reasoning included
    "cost_nanousd",  # what counts, by cost_basis
    "reported_nanousd",  # as the producer reported it
    "computed_nanousd",  # tokens x dated price
    "unpriced_requests",  # ok calls whose cost is unknown; never counted as zero dollars
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "retries",
    "tool_calls",
    "errors",  # status error
    "refusals",  # status refused
    "response_cache_hits",  # answered by a cache in front of the model
    "accepted",  # outcomes
    "edited",
    "rejected",
    "escalated",
    "estimated_requests",  # guesses that wait for their final event; in none of the above
    "estimated_nanousd",
)

COUNTER_INDEX = {name: index for index, name in enumerate(COUNTERS)}

REQUESTS = COUNTER_INDEX["requests"]
INPUT_TOKENS = COUNTER_INDEX["input_tokens"]
OUTPUT_TOKENS = COUNTER_INDEX["output_tokens"]
COST = COUNTER_INDEX["cost_nanousd"]
REPORTED = COUNTER_INDEX["reported_nanousd"]
COMPUTED = COUNTER_INDEX["computed_nanousd"]
UNPRICED = COUNTER_INDEX["unpriced_requests"]

BESIDE = tuple(
    COUNTER_INDEX[name]
    for name in (
        "retries",
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "errors",
        "refusals",
        "response_cache_hits",
        "accepted",
        "edited",
        "rejected",
        "escalated",
    )
)
"""The counters that a judged window keeps beside its cost and its calls: what an excess is split
into needs the first four (``decomposition.py``), the ratios need all (``ratio_channels.py``)."""

NANOUSD_PER_USD = 1_000_000_000

Counts = list[int]
"""One integer per counter, in the order of ``COUNTERS``. Python integers: they cannot wrap."""


def zero_counts() -> Counts:
    """A fresh row of zeros."""
    return [0] * len(COUNTERS)


def add_counts(into: Counts, amounts: Counts) -> None:
    """Add ``amounts`` to ``into``, counter by counter."""
    for index, amount in enumerate(amounts):
        if amount:
            into[index] += amount


@dataclass(frozen=True, slots=True)
class Observation:
    """What one scope did in one window.

    Attributes:
        window: the span judged.
        counts: one integer per counter, in the order of ``COUNTERS``.
        is_closed: whether the watermark has passed the window's end. While it is open, only what
            can only grow (cost, tokens, requests) may be judged.
    """

    window: Window
    counts: Counts
    is_closed: bool = True

    @property
    def cost_nanousd(self) -> int:
        """Dollars that count, in nano-dollars."""
        return self.counts[COST]

    @property
    def requests(self) -> int:
        """Calls."""
        return self.counts[REQUESTS]
