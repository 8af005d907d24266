"""What an event costs: reported and computed dollars, and which of them counts.

A price has a source and a date, and unknown is never zero: an unknown model is counted as unpriced.
This file must not reach the network or read a clock; the price list is
``stream/usage/price_list.py``.

Rules, in the order they are tried:

* A call answered by a response cache (``cache_hit``) computes to nothing: no model was asked.
* Without usage the computed cost is unknown if ``ok``, and zero if ``error`` or ``refused``.
* With usage: exact rate times tokens, summed over disjoint classes, per-request and per-piece
  prices added, rounded half-even once. Where audio or image tokens and cached tokens overlap, the
  cached ones give way, so the dearer reading counts.
* Tokens or pieces of a kind that has no price make the call unpriced, and the rest still counts.
* A computed cost above ``COST_MAX_USD`` is not believed: without a reported one the call is
  unpriced, and its tokens count. No event costs more, so sums of a batch fit 64 bits.
* A reported cost of zero nano-dollars, rounded, for tokens of an ``ok`` call on a model that is not
  free is no cost: the call is unpriced, unless ``cost_basis`` takes the computed one.
* Pre-aggregated events (``requests`` above 1) choose a price step by their mean input per request.
"""

from datetime import UTC, date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Final, NamedTuple

from genai_prices.types import ModelInfo

from stream.usage.price_config import CostBasis, PricingConfig
from stream.usage.price_list import (
    PRICE_LIST,
    STANDARD_TIERS,
    DatedPrice,
    find_model,
    is_clocked,
    price_at,
)
from stream.usage.usage import COST_MAX_NANOUSD, Usage

DAY_SECONDS: Final = 86_400
PRICES_CACHED: Final = 50_000
"""Prices kept, by (provider, model, tier, day); the oldest leave. About 100 MB at the very most."""


class PriceSource(StrEnum):
    """Where an event's computed dollars come from; a metric's label."""

    DATED = "dated"
    UNDATED = "undated"
    OVERRIDE = "override"
    NOT_BILLED = "not_billed"
    NO_USAGE = "no_usage"
    UNKNOWN_MODEL = "unknown_model"


class PriceCaveat(StrEnum):
    """What is not exact about computed dollars."""

    STANDARD_TIER = "standard_tier"
    TOTAL_ONLY = "total_only"
    PARTLY_UNPRICED = "partly_unpriced"
    REPORTED_ZERO = "reported_zero"
    ABOVE_BOUND = "above_bound"


class Priced(NamedTuple):
    """An event's dollars.

    Attributes:
        cost_nanousd: what counts, nano-dollars; ``None`` if unknown.
        reported_nanousd: as reported; ``None`` if it was not.
        computed_nanousd: as computed; ``None`` if the price is unknown.
        is_unpriced: whether the cost, or a part of it, is unknown; never so for zero dollars.
        source: of the computed dollars.
        price_date: the day the price began, ISO; empty where the source does not say.
        caveats: what is not exact about it.
    """

    cost_nanousd: int | None
    reported_nanousd: int | None
    computed_nanousd: int | None
    is_unpriced: bool
    source: PriceSource
    price_date: str
    caveats: tuple[PriceCaveat, ...]


class Found(NamedTuple):
    """A price, and where it comes from."""

    price: DatedPrice
    source: PriceSource


def rounded_half_even(numerator: int, denominator: int) -> int:
    """A non-negative quotient as the nearest integer, ties to even.

    >>> [rounded_half_even(n, 2) for n in (1, 3, 5)]
    [0, 2, 2]
    """
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2))


class PriceBook:
    """Prices events by configuration and price list.

    Pure but for bounded caches: the same event has the same price whatever came before it.

    Attributes:
        price_list: name and version of the list behind ``dated`` and ``undated``.
        cost_basis: which cost counts.
    """

    price_list = PRICE_LIST

    def __init__(self, config: PricingConfig | None = None) -> None:
        self._config = config or PricingConfig()
        self.cost_basis = self._config.cost_basis
        self._prices: dict[tuple[str, str, str, int], tuple[Found | None, bool]] = {}
        self._models: dict[tuple[str, str], ModelInfo | None] = {}
        own = sorted(self._config.own_prices, key=lambda price: price.from_date or date.min)
        self._own = [(price, price.card()) for price in reversed(own)]

    def price(self, usage: Usage) -> Priced:
        """The event's dollars."""
        reported = usage.reported_nanousd
        caveats: tuple[PriceCaveat, ...] = ()
        computed: int | None
        found = None
        is_partial = False
        if usage.cache_hit or (not usage.has_usage and usage.status != "ok"):
            computed, source = 0, PriceSource.NOT_BILLED
        else:
            found = self._find(usage)
            computed, source, is_partial = _compute(usage, found)
            caveats = _caveats(usage, found, is_partial=is_partial)
            if computed is not None and computed > COST_MAX_NANOUSD:
                computed, caveats = None, (*caveats, PriceCaveat.ABOVE_BOUND)
        if reported == 0 and self._is_reported_zero_wrong(usage, found):
            caveats = (*caveats, PriceCaveat.REPORTED_ZERO)
            is_counted = self.cost_basis != CostBasis.REPORTED and computed is not None
            cost = computed if is_counted else None
        else:
            cost = self._counted(reported, computed)
        is_computed = cost is not None and (reported is None or cost != reported)
        return Priced(
            cost_nanousd=cost,
            reported_nanousd=reported,
            computed_nanousd=computed,
            is_unpriced=cost is None or (is_partial and is_computed),
            source=source,
            price_date=found.price.price_date if found else "",
            caveats=caveats,
        )

    def _counted(self, reported: int | None, computed: int | None) -> int | None:
        if reported is None or computed is None:
            return computed if reported is None else reported
        if self.cost_basis == CostBasis.MAX:
            return max(reported, computed)
        return reported if self.cost_basis == CostBasis.REPORTED else computed

    @staticmethod
    def _is_reported_zero_wrong(usage: Usage, found: Found | None) -> bool:
        if usage.cache_hit or usage.status != "ok":
            return False
        has_tokens = usage.input_tokens + usage.output_tokens > 0
        is_free = found is not None and all(card.is_free for card in found.price.cards)
        return has_tokens and not is_free

    def _find(self, usage: Usage) -> Found | None:
        day = usage.timestamp_seconds // DAY_SECONDS
        found, changes = self.find(usage.provider, usage.model, usage.service_tier, day)
        if not changes:
            return found
        model = self._model_of(_provider_name(usage.provider), usage.model.lower())
        at = usage.timestamp_seconds
        return None if model is None else _find_listed(model, at, usage.service_tier)

    def find(
        self, provider: str, model: str, service_tier: str, day: int
    ) -> tuple[Found | None, bool]:
        """The price of a model on a day, ``None`` if there is none.

        Args:
            provider: as spelled; likewise the others.
            model: which one.
            service_tier: which one.
            day: whole days since 1970, UTC.

        Returns:
            The price, and whether it changes with the time of day: then it is that of midnight, and
            each event has to be priced alone.
        """
        key = (provider, model, service_tier, day)
        try:
            return self._prices[key]
        except KeyError:
            pass
        whose, name = _provider_name(provider), model.lower()
        found, changes = self._find_own(whose, name, service_tier, day), False
        if found is None and (listed := self._model_of(whose, name)) is not None:
            found = _find_listed(listed, day * DAY_SECONDS, service_tier)
            changes = is_clocked(listed)
        if len(self._prices) >= PRICES_CACHED:
            del self._prices[next(iter(self._prices))]
        self._prices[key] = found, changes
        return found, changes

    def _find_own(self, provider: str, model: str, service_tier: str, day: int) -> Found | None:
        on = datetime.fromtimestamp(day * DAY_SECONDS, UTC).date()
        for own, card in self._own:
            if own.is_of(provider, model, service_tier) and (own.from_date or date.min) <= on:
                is_tier_priced = service_tier in STANDARD_TIERS or bool(own.service_tier)
                from_date = own.from_date.isoformat() if own.from_date else ""
                return Found(
                    DatedPrice((), (card,), from_date, is_tier_priced), PriceSource.OVERRIDE
                )
        return None

    def _model_of(self, provider: str, model: str) -> ModelInfo | None:
        """The list's model; looking for one that is not there reads the whole list, so once."""
        key = (provider, model)
        if key not in self._models:
            if len(self._models) >= PRICES_CACHED:
                del self._models[next(iter(self._models))]
            self._models[key] = find_model(provider, model)
        return self._models[key]


def _provider_name(provider: str) -> str:
    return provider.lower().strip()


def _find_listed(model: ModelInfo, at_seconds: int, service_tier: str) -> Found | None:
    price = price_at(model, at_seconds, service_tier)
    if price is None:
        return None
    return Found(price, PriceSource.DATED if price.price_date else PriceSource.UNDATED)


def _compute(usage: Usage, found: Found | None) -> tuple[int | None, PriceSource, bool]:
    """Nano-dollars, their source, and whether a part has no price."""
    if found is None:
        return None, PriceSource.UNKNOWN_MODEL, False
    price, source = found
    card = price.card_of(-(-usage.input_tokens // usage.requests))  # rounded up: steps are whole
    if not usage.has_usage:
        return (0, source, False) if card.is_free else (None, PriceSource.NO_USAGE, False)
    total = card.request * usage.requests
    is_partial = False
    for rate, tokens in zip(card.rates, token_classes(usage), strict=True):
        if not tokens:
            continue
        if rate is None:
            is_partial = True
        else:
            total += rate * tokens
    if not usage.billable_units:
        return rounded_half_even(total, card.denominator), source, is_partial
    exact = Fraction(total)
    for unit, pieces in usage.billable_units.items():
        if unit in card.units:
            exact += card.units[unit] * Fraction(pieces)
        elif pieces and not card.is_free:
            is_partial = True
    exact /= card.denominator
    return rounded_half_even(exact.numerator, exact.denominator), source, is_partial


def _caveats(usage: Usage, found: Found | None, *, is_partial: bool) -> tuple[PriceCaveat, ...]:
    caveats = []
    if found is not None and not found.price.is_tier_priced:
        caveats.append(PriceCaveat.STANDARD_TIER)
    if usage.is_total_only:
        caveats.append(PriceCaveat.TOTAL_ONLY)
    if is_partial:
        caveats.append(PriceCaveat.PARTLY_UNPRICED)
    return tuple(caveats)


def token_classes(usage: Usage) -> tuple[int, ...]:
    """Tokens by ``TOKEN_CLASSES``: disjoint, adding up to input plus output.

    Audio and image tokens may be cached ones too, and no one says how many. Only what cannot fit
    otherwise is taken as overlap, and leaves the cached tokens, reads first.
    """
    read, write = usage.cache_read_tokens, usage.cache_write_tokens
    write_1h = usage.cache_write_1h_tokens
    sound, image = usage.audio_input_tokens, usage.image_input_tokens
    plain = usage.input_tokens - read - write - sound - image
    if plain < 0:
        overlap, plain = -plain, 0
        from_read = min(overlap, read)
        from_write = min(overlap - from_read, write - write_1h)
        read -= from_read
        write -= from_write
        from_1h = overlap - from_read - from_write
        write -= from_1h
        write_1h -= from_1h
    reasoning, spoken = usage.reasoning_tokens, usage.audio_output_tokens
    reasoning -= max(0, reasoning + spoken - usage.output_tokens)
    written = usage.output_tokens - reasoning - spoken
    return plain, read, write - write_1h, write_1h, sound, image, written, reasoning, spoken
