"""What kind of excess it is: more calls, larger ones, dearer tokens, less from the cache, retries.

Cost is a product, and an excess is shared out among its factors by the logarithmic mean Divisia
index (LMDI-I): each factor's part is proportional to the logarithm of how much it grew, so that
nothing is left over and the order of factors does not matter.

    cost = requests x attempts a request x tokens an attempt x paid share of tokens x $ a paid token
           volume     retries              size                cache                  price

Tokens are weighted by what they usually cost beside an input token, so that a longer answer is a
matter of size and a dearer model one of price. How many requests were expected follows from the
dollars that were, at what a request usually costs.

Sources: Ang, "The LMDI approach to decomposition analysis: a practical guide", Energy Policy 33
(2005) 867-871, for method and proof that nothing is left over; Ang and Liu, Energy Policy 35 (2007)
1426-1432, for zeros: the limit, so what came from nothing is all its own factor's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from detectors.detector import State

COUNTED = (
    "cost_nanousd",
    "requests",
    "retries",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
)
"""The counters that the factors are made of."""

COUNTED_BESIDE = len(COUNTED) - 2
"""So many of them are beside cost and requests: the first of ``observation.BESIDE``."""

OUTPUT_WEIGHT = 4.0
"""Dollars of an output token in those of an input token: 4 for GPT-4o and GPT-4.1, 5 for Claude
(price pages of OpenAI and Anthropic, 2025-06). Only size and price trade places if it is off."""

CACHE_READ_WEIGHT = 0.1
"""Likewise of an input token read from the provider's prompt cache: 0.1 for Claude, 0.25-0.5 for
GPT-4.1 and GPT-4o (as above)."""


_NANOUSD = "_nanousd"
"""Names of the parts end so."""


@dataclass(frozen=True, slots=True)
class Decomposition:
    """An excess in nano-dollars by kind; the parts add up to it. Some may be negative.

    Attributes:
        volume_nanousd: more requests.
        size_nanousd: more tokens in an attempt.
        price_nanousd: more dollars a token. All of a request's dollars where no tokens are known.
        cache_nanousd: less read from the provider's prompt cache.
        retries_nanousd: more attempts a request.
        price_ratio: how many times as many dollars a token, or a request where no tokens are known,
            four digits of it; ``None``: not said.
    """

    volume_nanousd: int
    size_nanousd: int
    price_nanousd: int
    cache_nanousd: int
    retries_nanousd: int
    price_ratio: float | None = None

    @property
    def total_nanousd(self) -> int:
        """The excess."""
        return sum(self.by_kind.values())

    @property
    def by_kind(self) -> dict[str, int]:
        """``volume``, ``size`` and so on to nano-dollars."""
        return {
            each.name.removesuffix(_NANOUSD): getattr(self, each.name)
            for each in fields(self)
            if each.name.endswith(_NANOUSD)
        }


class Usual:
    """What a scope's requests usually are: the means of ``COUNTED`` a window.

    Called like a detector: ``learn`` of each calm window. Windows without spend say nothing about
    requests, so nothing passes then.
    """

    def __init__(self, gain: float) -> None:
        """From configuration; keeps no state.

        Args:
            gain: weight of the newest window, 0-1.
        """
        self.gain = gain

    def fresh(self) -> State:
        """Nothing known: windows, then a mean for each of ``COUNTED``."""
        return [0, *(0.0 for _ in COUNTED)]

    def learn(self, state: State, amounts: Sequence[int]) -> None:
        """Take one closed window into account; a plain mean while there are few.

        Args:
            state: changed in place.
            amounts: what was seen, in the order of ``COUNTED``.
        """
        windows, cost, requests, retries, read, written, cached = state
        newest = max(self.gain, 1.0 / (windows + 1))
        state[:] = (  # 0.8 us; in a loop 1.9, for each scope whose window closes
            windows + 1,
            cost + newest * (amounts[0] - cost),
            requests + newest * (amounts[1] - requests),
            retries + newest * (amounts[2] - retries),
            read + newest * (amounts[3] - read),
            written + newest * (amounts[4] - written),
            cached + newest * (amounts[5] - cached),
        )

    def snapshot(self, state: State) -> State:
        """Plain numbers."""
        return list(state)

    def restore(self, snapshot: Sequence[float]) -> State:
        """The state of a snapshot.

        Raises:
            ValueError: if it is not one.
        """
        if len(snapshot) != len(COUNTED) + 1:
            raise ValueError("not a snapshot of usual requests")
        return [int(snapshot[0]), *map(float, snapshot[1:])]

    def decompose(
        self, state: State, amounts: Sequence[int], excess_nanousd: int
    ) -> Decomposition | None:
        """An excess by kind.

        Args:
            state: what requests usually are.
            amounts: what was seen, in the order of ``COUNTED``.
            excess_nanousd: the part of the dollars seen that was not expected; at most all.

        Returns:
            Parts that add up to the excess. ``None`` if there is none, or if nothing is known of
            usual requests or of those seen.
        """
        cost, requests = amounts[:2]
        _, usual_cost, usual_requests = state[:3]
        if excess_nanousd <= 0 or min(cost, requests, usual_cost, usual_requests) <= 0:
            return None
        # At least one usual request: from nothing all would be volume, also one dear call.
        expected = max(cost - excess_nanousd, usual_cost / usual_requests)
        expected_requests = expected * usual_requests / usual_cost
        seen, usual = _Request.of(amounts), _Request.of(state[1:])
        growth = seen.growth_over(usual)
        growth["volume"] = math.log(requests / expected_requests)
        return _shared(growth, excess_nanousd)


@dataclass(frozen=True, slots=True)
class _Request:
    """The factors of what a request costs.

    Attributes:
        cost_nanousd: of a request.
        attempts: a request, at least 1.
        tokens: weighted, as if none came from the cache; 0 if not known.
        paid_share: of these.
    """

    cost_nanousd: float
    attempts: float
    tokens: float
    paid_share: float

    @classmethod
    def of(cls, amounts: Sequence[float]) -> "_Request":
        """Of sums or means, with requests and cost."""
        cost, requests, retries, read, written, cached = amounts
        tokens = max(read, 0) + OUTPUT_WEIGHT * max(written, 0)
        unpaid = (1.0 - CACHE_READ_WEIGHT) * min(max(cached, 0), max(read, 0))
        return cls(
            cost_nanousd=cost / requests,
            attempts=1.0 + max(retries, 0) / requests,
            tokens=tokens / requests,
            paid_share=1.0 - unpaid / tokens if tokens else 1.0,
        )

    def growth_over(self, usual: "_Request") -> dict[str, float]:
        """By kind, the logarithm of how many times as much it is.

        Attempts that failed are often not billed, and in no tokens: retries explain no more than
        what a request has grown by. Otherwise they would be a cost, and smaller calls a saving.
        """
        cost = grown = math.log(self.cost_nanousd / usual.cost_nanousd)
        cache = 0.0
        has_tokens = bool(self.tokens and usual.tokens)
        if has_tokens:
            grown = math.log(self.tokens / usual.tokens)
            cache = math.log(self.paid_share / usual.paid_share)
        attempts = math.log(self.attempts / usual.attempts)
        retries = min(max(attempts, min(grown, 0.0)), max(grown, 0.0))
        size = grown - retries if has_tokens else 0.0
        return {
            "size": size,
            "price": cost - size - cache - retries,
            "cache": cache,
            "retries": retries,
        }


def _shared(growth: dict[str, float], excess_nanousd: int) -> Decomposition | None:
    """The excess in proportion to growth; what rounding leaves is the largest part's."""
    total = sum(growth.values())
    if total <= 0.0:  # below one usual request: nothing has grown
        return None
    parts = {kind: round(excess_nanousd * each / total) for kind, each in growth.items()}
    largest = max(parts, key=lambda kind: abs(parts[kind]))
    parts[largest] += excess_nanousd - sum(parts.values())
    by_kind = {f"{kind}{_NANOUSD}": part for kind, part in parts.items()}
    ratio = float(f"{math.exp(growth['price']):.4g}")  # as it is written on the wire
    return Decomposition(**by_kind, price_ratio=ratio)
