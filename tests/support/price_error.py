"""Signals as WATCH tells them when the dollars of a request are wrong: dearer, no more of them."""

import math
from dataclasses import replace
from typing import Any

from alerting.alert import Alert, Driver
from detectors.decomposition import Decomposition
from detectors.scope import Scope
from tests.support.decisions import USD, drivers, signal

MODEL = "gpt-4o"


def decomposed(excess_usd: float, **growth: float) -> Decomposition:
    """An excess shared among kinds by how many times as much of each there was."""
    logs = {kind: math.log(times) for kind, times in growth.items()}
    total = sum(logs.values())
    parts = {kind: round(excess_usd * USD * each / total) for kind, each in logs.items()}
    kinds = ("volume", "size", "price", "cache", "retries")
    by_kind = {f"{kind}_nanousd": parts.get(kind, 0) for kind in kinds}
    return Decomposition(**by_kind, price_ratio=growth.get("price", 1.0))


def risen(
    scope: Scope,
    price: float = 10.0,
    volume: float = 0.95,
    *,
    usual_usd: float = 1.0,
    model: str = MODEL,
    beside: tuple[Driver, ...] = (),
    **more: Any,
) -> Alert:
    """A scope that spends ``price`` times its usual dollars a request.

    Args:
        scope: whom it is about.
        price: times the dollars of a token.
        volume: times the requests.
        usual_usd: in a window; its band goes up to twice as much.
        model: what was called.
        beside: further drivers.
        more: as ``signal`` takes it.
    """
    seen = usual_usd * price * volume
    excess = seen - usual_usd
    settings = {"observed": seen, "expected": usual_usd, "upper": 2 * usual_usd} | more
    alert = signal(scope, excess=excess, **settings)
    return replace(
        alert,
        decomposition=decomposed(excess, price=price, volume=volume),
        drivers=(*beside, *drivers(model=[(model, excess, seen), ("__other__", 0, 0)])),
    )


def agent_risen(number: int | str, price: float = 10.0, volume: float = 0.95, **more: Any) -> Alert:
    """An agent that spends through one key of its own."""
    seen = more.get("usual_usd", 1.0) * price * volume
    through = drivers(api_key=[(f"key-{number}", seen - more.get("usual_usd", 1.0), seen)])
    return risen(Scope("agent", f"bot-{number}"), price, volume, beside=through, **more)


def key_risen(number: int | str, price: float = 10.0, volume: float = 0.95, **more: Any) -> Alert:
    """That key: all of its spend is the agent's."""
    seen = more.get("usual_usd", 1.0) * price * volume
    by = drivers(agent=[(f"bot-{number}", seen - more.get("usual_usd", 1.0), seen)])
    return risen(Scope("api_key", f"key-{number}"), price, volume, beside=by, **more)
