"""What genai-prices says a model costs at a date, as exact rates of disjoint classes.

``genai_prices.calc_price`` costs 157 us; it is linear in the tokens of each class between the steps
of a tiered price, so a card of exact rates gives the same dollars (held by a test over every model)
in a microsecond. Only the price data bundled with the installed package is read: nothing here may
reach the network or change with anything but the package's version.

Sources: genai-prices 0.2.3, ``types.py`` (``ModelInfo.get_prices``, ``TieredPrices``: crossing a
step changes the rate of all tokens) and ``decompose.py`` (classes without a price of their own are
charged as the class around them).
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import Final, NamedTuple

import genai_prices
from genai_prices.data import providers
from genai_prices.data_snapshot import find_provider_by_id
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from detectors.observation import NANOUSD_PER_USD

PRICE_LIST: Final = f"genai-prices {genai_prices.__version__}"

TOKEN_CLASSES: Final = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "audio_input",
    "image_input",
    "output",
    "reasoning",
    "audio_output",
)
"""Disjoint classes of tokens: input and output without what the others take out of them."""

_PRICE_KEYS: Final = {
    "input": ("input_mtok",),
    "cache_read": ("cache_read_mtok", "input_mtok"),
    "cache_write": ("cache_write_mtok", "input_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    "audio_input": ("input_audio_mtok", "input_mtok"),
    "image_input": ("input_image_mtok", "input_mtok"),
    "output": ("output_mtok",),
    "reasoning": ("output_reasoning_mtok", "output_mtok"),
    "audio_output": ("output_audio_mtok", "output_mtok"),
}
"""Class -> genai-prices' price keys, the narrowest first; USD per million tokens."""

_UNIT_PRICE_KEYS: Final = {
    "web_search": (("web_searches_kcount", 1000),),
    "social_search": (("social_searches_kcount", 1000),),
    "storage_search": (("storage_searches_kcount", 1000),),
    "code_execution": (("code_executions_kcount", 1000),),
    "rerank_search": (("rerank_searches_kcount", 1000),),
    "page": (("input_document_kpages", 1000),),
    "minute": (("input_audio_hours", 60), ("audio_hours", 60)),
}
"""Billable unit -> price key and pieces per price; ``minute`` is a minute of sound."""

STANDARD_TIERS: Final = frozenset({"", "standard", "default", "auto"})


@dataclass(frozen=True, slots=True)
class RateCard:
    """Exact rates of one model at one time, whole numbers over one denominator.

    Attributes:
        rates: nano-dollars times ``denominator`` per token, by ``TOKEN_CLASSES``; ``None`` where no
            price is known.
        request: the same per request.
        units: the same per piece of a billable unit.
        denominator: what all of them are divided by.
    """

    rates: tuple[int | None, ...]
    request: int
    units: dict[str, int]
    denominator: int

    @classmethod
    def of(
        cls,
        usd_per_million: dict[str, Fraction | None],
        usd_per_request: Fraction = Fraction(0),
        usd_per_unit: dict[str, Fraction] | None = None,
    ) -> "RateCard":
        """The card of dollars per million tokens by class, per request and per piece."""
        units = usd_per_unit or {}
        nano: dict[str, Fraction | None] = {
            name: None if rate is None else rate * NANOUSD_PER_USD / 1_000_000
            for name, rate in usd_per_million.items()
        }
        request = usd_per_request * NANOUSD_PER_USD
        exact = {name: rate * NANOUSD_PER_USD for name, rate in units.items()}
        known = [rate for rate in (*nano.values(), request, *exact.values()) if rate is not None]
        denominator = lcm(*(rate.denominator for rate in known))

        def whole(rate: Fraction) -> int:
            return rate.numerator * (denominator // rate.denominator)

        rates = (nano[name] for name in TOKEN_CLASSES)
        return cls(
            rates=tuple(None if rate is None else whole(rate) for rate in rates),
            request=whole(request),
            units={name: whole(rate) for name, rate in exact.items()},
            denominator=denominator,
        )

    @property
    def is_free(self) -> bool:
        """Whether every known rate is zero."""
        return not (any(self.rates) or self.request or any(self.units.values()))


class DatedPrice(NamedTuple):
    """What one model costs from some date on.

    Attributes:
        steps: input tokens of a request above which the next card holds; one fewer than ``cards``.
        cards: a card per step.
        price_date: the day the price began, ISO; empty if the source does not say ("undated").
        is_tier_priced: whether the service tier asked for has rates of its own here.
    """

    steps: tuple[int, ...]
    cards: tuple[RateCard, ...]
    price_date: str
    is_tier_priced: bool

    def card_of(self, input_tokens: int) -> RateCard:
        """The card of a request that read so many tokens; a step itself is still below."""
        return self.cards[bisect_left(self.steps, input_tokens)]


def find_model(provider: str, model: str) -> ModelInfo | None:
    """The model a producer means; a missing provider is inferred from the model.

    A provider that is named and unknown has no prices: a model of the same name served by somebody
    else may cost anything. A ``provider/model`` spelling is tried last.
    """
    name = model.lower()
    prefix, slash, rest = name.partition("/")
    if provider and provider.lower() != "litellm":
        chosen = find_provider_by_id(providers, provider)
        return chosen.find_model(name, all_providers=providers) if chosen else None
    for candidate in providers:
        if candidate.model_match is not None and candidate.model_match.is_match(name):
            found = candidate.find_model(name, all_providers=providers)
            if found is not None:
                return found
            break
    chosen = find_provider_by_id(providers, prefix) if slash else None
    return chosen.find_model(rest, all_providers=providers) if chosen else None


def is_clocked(model: ModelInfo) -> bool:
    """Whether a model's price changes with the time of day."""
    prices = [] if isinstance(model.prices, ModelPrice) else model.prices
    return any(
        isinstance(part.constraint, TimeOfDateConstraint)
        for part in (*prices, *(model.price_variants or ()))
    )


def price_at(model: ModelInfo, seconds: int, service_tier: str) -> DatedPrice | None:
    """The price in force at an instant, or ``None`` if the list names the model without a price.

    A tier is looked for as genai-prices' ``service_tier``, ``processing`` and ``speed``.
    """
    at = datetime.fromtimestamp(seconds, UTC)
    prices = model.get_prices(at)
    is_standard = service_tier in STANDARD_TIERS
    tier = service_tier or "standard"
    tiered = model.get_prices(at, {"service_tier": tier, "processing": tier, "speed": tier})
    is_tier_priced = is_standard or tiered != prices
    listed = {key: price for key, price in tiered.__dict__.items() if price is not None}
    if not listed:
        if not model.id.endswith(":free"):
            return None
        listed = {"input_mtok": Decimal(0), "output_mtok": Decimal(0)}
    steps = sorted(
        {
            step.start
            for price in listed.values()
            if isinstance(price, TieredPrices)
            for step in price.tiers
        }
    )
    cards = tuple(_card_above(listed, start) for start in (-1, *steps))
    return DatedPrice(tuple(steps), cards, _price_date(model, at), is_tier_priced)


def _price_date(model: ModelInfo, at: datetime) -> str:
    if isinstance(model.prices, ModelPrice):
        return ""
    for conditional in reversed(model.prices):  # the last active one holds
        constraint = conditional.constraint
        if constraint is None:
            return ""
        if constraint.active(at):
            if isinstance(constraint, StartDateConstraint):
                return constraint.start_date.isoformat()
            return ""
    return ""


def _rate_above(price: Decimal | TieredPrices, start: int) -> Fraction:
    """The rate of requests that read just over ``start`` tokens."""
    if isinstance(price, TieredPrices):
        reached = [step.price for step in price.tiers if step.start <= start]
        return Fraction(reached[-1] if reached else price.base)
    return Fraction(price)


def _card_above(listed: dict[str, Decimal | TieredPrices], start: int) -> RateCard:
    def first(keys: tuple[str, ...]) -> Fraction | None:
        return next((_rate_above(listed[key], start) for key in keys if key in listed), None)

    units: dict[str, Fraction] = {}
    for name, options in _UNIT_PRICE_KEYS.items():
        for key, pieces in options:
            if key in listed:
                units[name] = _rate_above(listed[key], start) / pieces
                break
    request = first(("requests_kcount",)) or Fraction(0)
    return RateCard.of(
        {name: first(keys) for name, keys in _PRICE_KEYS.items()}, request / 1000, units
    )
