"""One call that shows what a scope's dollars are spent on, and where a person can look at it.

Prometheus and OpenTelemetry call it an exemplar. Of many the dearest is kept, of equally dear ones
the one whose URL comes first: whatever their order and however they were batched, it is the same,
except where a batch has more than ``EXEMPLARS_MAX`` rows with one or too many URLs that may not be
shown (``stream/ingest/exemplars.py``). A backtest has other batches, so that its links may differ
from a worker's there. Which URL may be shown at all is ``stream/usage/trace_url.py``'s.
"""

from typing import Final, NamedTuple

TRACE: Final = "trace"
"""The link of an alert that leads to a call, or to where calls are."""

DEAREST_CALL_USD: Final = "dearest_call_usd"
"""The annotation that says what the call cost; where it is absent the link is a template's."""


class Exemplar(NamedTuple):
    """A call with an address.

    Attributes:
        cost_nanousd: what it cost, above zero.
        url: where a person can look at it.
    """

    cost_nanousd: int
    url: str


def dearer(one: Exemplar | None, other: Exemplar | None) -> Exemplar | None:
    """The dearer of two that there may be.

    >>> dearer(Exemplar(7, "https://b.example"), Exemplar(7, "https://a.example")).url
    'https://a.example'
    """
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda each: (-each.cost_nanousd, each.url))
