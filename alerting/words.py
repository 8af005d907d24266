"""Numbers, spans, endings and names in words, as people say them in a message.

Names come from users: they are put on one line and cut. Escaping for a medium is the notifier's.
"""

import math
import unicodedata
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from alerting.alert import ResolvedReason
from detectors.observation import NANOUSD_PER_USD
from detectors.scope import DEFAULT_ENVIRONMENT, OTHER, Scope
from detectors.window import DAY_SECONDS, HOUR_SECONDS, MINUTE_SECONDS

MAX_NAME_CHARACTERS = 80

_CENT = Decimal("0.01")
_TENS = 10
_NO_CENTS_FROM = 1000
_KIND_WORDS = {"api_key": "key", "prompt_version": "prompt"}
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
"""``strftime`` would say them in the language of the machine."""
_IN_DOLLARS = "_usd"
_RATIO = "_ratio"
_RATIO_WORDS = {
    "accepted_ratio": "accepted",
    "prompt_cache_read_ratio": "read from the prompt cache",
    "response_cache_hit_ratio": "answered from the cache",
    "error_ratio": "failed",
    "refusal_ratio": "refused",
    "retry_ratio": "tried again",
}

ENDINGS = {
    ResolvedReason.RECOVERED: "back to normal",
    ResolvedReason.RELEASED: "over and the throttle released",
    ResolvedReason.ABSORBED: "accepted as the new normal",
    ResolvedReason.NO_DATA: "no more data",
    ResolvedReason.SUPERSEDED: "overtaken by a higher level",
}
"""Why an alert is over."""


def clean(name: str, max_characters: int = MAX_NAME_CHARACTERS) -> str:
    r"""A user's name on one line: no control or direction characters, and not endless.

    >>> clean("bot\nRESOLVED"), clean("x" * 5, 3)
    ('bot RESOLVED', 'xx…')
    """
    spaced = "".join(
        " " if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else character
        for character in name
    )
    line = " ".join(spaced.split())
    return line if len(line) <= max_characters else line[: max_characters - 1] + "…"


def times(factor: float) -> str:
    """A factor as people say it: two digits.

    >>> times(9.83), times(986.2), times(2.04)
    ('9.8', '990', '2')
    """
    if factor < _TENS:
        return f"{factor:.2g}"
    magnitude = 10 ** (math.floor(math.log10(factor)) - 1)
    return f"{round(factor / magnitude) * magnitude:,}"


def money(nanousd: int) -> str:
    """Dollars as people write them: cents, or two digits below a cent.

    >>> money(4_120_000_000), money(17_020_500_000_000), money(4_200_000), money(-1_500_000_000)
    ('$4.12', '$17,020', '$0.0042', '-$1.50')
    """
    sign = "-" if nanousd < 0 else ""
    dollars = abs(Decimal(nanousd)) / NANOUSD_PER_USD
    if not dollars or dollars >= _CENT:
        cents = dollars.quantize(_CENT, ROUND_HALF_EVEN)
        return f"{sign}${cents:,.2f}" if cents < _NO_CENTS_FROM else f"{sign}${dollars:,.0f}"
    digits = dollars.quantize(Decimal(1).scaleb(dollars.adjusted() - 1), ROUND_HALF_EVEN)
    return f"{sign}${digits.normalize():f}"


def quantity(nano: int, metric: str) -> str:
    """What a metric says: dollars, a share, or a number. Every metric is kept in billionths.

    >>> quantity(4_120_000_000, "cost_usd"), quantity(11_000_000_000, "anomalous_targets")
    ('$4.12', '11 anomalous targets')
    >>> quantity(310_000_000, "accepted_ratio")
    '31 % accepted'
    """
    if metric.endswith(_IN_DOLLARS):
        return money(nano)
    if metric.endswith(_RATIO):
        words = _RATIO_WORDS.get(metric, clean(metric.removesuffix(_RATIO).replace("_", " ")))
        return f"{percent(nano / NANOUSD_PER_USD)} {words}"
    number = f"{Decimal(nano) / NANOUSD_PER_USD:,f}"
    number = number.rstrip("0").rstrip(".") if "." in number else number
    return f"{number} {clean(metric.replace('_', ' '))}"


def percent(ratio: float) -> str:
    """A share as people read it.

    >>> percent(0.683333), percent(0.004), percent(0.0)
    ('68 %', '0.4 %', '0 %')
    """
    hundredths = 100 * ratio
    return f"{hundredths:.0f} %" if not 0 < hundredths < 1 else f"{hundredths:.1g} %"


def shares(lower: int, upper: int) -> str:
    """A band of ratios, in billionths.

    >>> shares(853_000_000, 947_000_000)
    '85-95 %'
    """
    low, high = (percent(nano / NANOUSD_PER_USD) for nano in (lower, upper))
    return f"{low.removesuffix(' %')}-{high}"


def duration(seconds: int) -> str:
    """A span as people say it.

    >>> duration(300), duration(5400), duration(86400), duration(45)
    ('5 min', '1 h 30 min', '1 day', '45 s')
    """
    if seconds < MINUTE_SECONDS:
        return f"{seconds} s"
    if seconds < HOUR_SECONDS:
        return f"{seconds // MINUTE_SECONDS} min"
    if seconds < DAY_SECONDS:
        hours, rest = divmod(seconds, HOUR_SECONDS)
        minutes = rest // MINUTE_SECONDS
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days = round(seconds / DAY_SECONDS)
    return "1 day" if days == 1 else f"{days} days"


def band_seconds(window_seconds: int) -> int:
    """What a band is of: the window, or of more than an hour all hours that it touches."""
    if window_seconds <= HOUR_SECONDS:
        return window_seconds
    return -(-window_seconds // HOUR_SECONDS) * HOUR_SECONDS


def instant(seconds: float) -> str:
    """An instant to the minute, UTC: ``2026-11-22 10:05 UTC``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def clock(seconds: float) -> str:
    """The time of day, UTC: ``08:57 UTC``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M UTC")


def moment(seconds: float) -> str:
    """The day of the week and the time of day, UTC: ``Tuesday 09:00 UTC``."""
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{_WEEKDAYS[at.weekday()]} {clock(seconds)}"


def who(scope: Scope) -> str:
    """A scope in words.

    >>> who(Scope("api_key", "key-7")), who(Scope("agent", "bot", "staging"))
    ('key key-7', 'agent bot (staging)')
    """
    kind = _KIND_WORDS.get(scope.kind, clean(scope.kind))
    name = "all others" if scope.name == OTHER else clean(scope.name)
    environment = scope.environment
    suffix = "" if environment == DEFAULT_ENVIRONMENT else f" ({clean(environment)})"
    return f"{kind} {name}{suffix}"
