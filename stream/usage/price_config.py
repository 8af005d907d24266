"""What is configured about prices: which cost counts, and prices of one's own.

This file must not price an event; ``stream/usage/pricing.py`` does.
"""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from stream.usage.price_list import RateCard

USD_PER_MILLION_MAX: Final = 1_000_000
"""Largest rate a configuration may name: a dollar a token."""


class CostBasis(StrEnum):
    """Which cost counts."""

    REPORTED = "reported"
    COMPUTED = "computed"
    MAX = "max"


def _exact_decimal(written: object) -> object:
    """YAML reads 2.50 as a float: its shortest spelling is what was meant."""
    return repr(written) if isinstance(written, float) else written


UsdPerMillion = Annotated[
    Decimal, BeforeValidator(_exact_decimal), Field(ge=0, le=USD_PER_MILLION_MAX)
]


class OwnPrice(BaseModel):
    """A price of your own: a contract's rate, or a model that no price list knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str = Field("", description="Only for this provider; empty for any.")
    model: str = Field(min_length=1, description="Model, or a pattern such as my-llama-*.")
    from_date: date | None = Field(
        None, description="First day (UTC) of this price; empty: since ever."
    )
    service_tier: str = Field("", description="Only for this tier; empty for any.")
    free: bool = Field(default=False, description="Costs nothing; no rates are needed.")
    input_usd_per_million: UsdPerMillion | None = Field(
        None, description="Dollars per million input tokens that are not cached."
    )
    output_usd_per_million: UsdPerMillion | None = Field(
        None, description="Dollars per million output tokens, with reasoning."
    )
    cache_read_usd_per_million: UsdPerMillion | None = Field(
        None, description="Dollars per million input tokens read from a cache; empty: as input."
    )
    cache_write_usd_per_million: UsdPerMillion | None = Field(
        None, description="Dollars per million input tokens written to a cache; empty: as input."
    )
    cache_write_1h_usd_per_million: UsdPerMillion | None = Field(
        None, description="The same, kept for an hour; empty: as cache_write."
    )
    usd_per_unit: dict[str, UsdPerMillion] = Field(
        default_factory=dict, description="Dollars per piece: web_search, image, minute."
    )

    def is_of(self, provider: str, model: str, service_tier: str) -> bool:
        """Whether it prices such calls, by names in lower case."""
        return (
            self.provider.lower() in {"", provider}
            and self.service_tier in {"", service_tier}
            and fnmatchcase(model, self.model.lower())
        )

    def card(self) -> RateCard:
        """Its rates; what has no rate of its own is priced as the class around it."""

        def rate(*options: Decimal | None) -> Fraction | None:
            known = next((option for option in options if option is not None), None)
            return Fraction(0) if self.free else None if known is None else Fraction(known)

        read = self.input_usd_per_million
        written = self.cache_write_usd_per_million
        return RateCard.of(
            {
                "input": rate(read),
                "cache_read": rate(self.cache_read_usd_per_million, read),
                "cache_write": rate(written, read),
                "cache_write_1h": rate(self.cache_write_1h_usd_per_million, written, read),
                "audio_input": rate(read),
                "image_input": rate(read),
                "output": rate(self.output_usd_per_million),
                "reasoning": rate(self.output_usd_per_million),
                "audio_output": rate(self.output_usd_per_million),
            },
            usd_per_unit={name: Fraction(usd) for name, usd in self.usd_per_unit.items()},
        )


class PricingConfig(BaseModel):
    """How events are priced."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cost_basis: CostBasis = Field(
        CostBasis.REPORTED,
        description="reported where present, else computed; computed, else reported; or the max.",
    )
    own_prices: tuple[OwnPrice, ...] = Field(
        (),
        description="Prices before the list's. The latest from_date holds; of equals, the last.",
    )
