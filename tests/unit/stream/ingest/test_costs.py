"""Prices of whole columns: each event is rounded once, half to even, as one alone is."""

from stream.ingest.costs import PriceColumns
from stream.ingest.identities import Identities
from stream.usage.fanout import Fanout
from stream.usage.price_config import OwnPrice, PricingConfig
from stream.usage.pricing import PriceBook
from stream.usage.usage import Usage
from tests.support.columns import events_of

NOON = 1_767_614_400
"""2026-01-05 12:00 UTC."""


def test_half_a_nano_dollar_is_rounded_to_even():
    half = OwnPrice(model="half", input_usd_per_million="0.0005")  # half a nano-dollar a token
    book = PriceBook(PricingConfig(own_prices=[half]))
    usages = [
        Usage(str(tokens), NOON, model="half", input_tokens=tokens, has_usage=True)
        for tokens in range(8)
    ]
    identities = Identities(Fanout(), 1)
    costs = PriceColumns(book).price(identities, events_of(identities, usages))
    assert costs.cost.tolist() == [0, 0, 1, 2, 2, 2, 3, 4]
    assert costs.cost.tolist() == [book.price(usage).cost_nanousd for usage in usages]
