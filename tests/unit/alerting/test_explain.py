"""Why an alert is, in words."""

from dataclasses import replace

import pytest

from alerting.alert import Alert, Driver, Newcomer
from alerting.explain import why
from detectors.decomposition import Decomposition
from detectors.scope import Scope
from tests.support.alerts import KEY, START, USD, an_alert

AGENT_LEADS = Driver("agent:invoice-bot", 98 * USD, 100 * USD)
PROMPT_LEADS = Driver("prompt_version:v14", 97 * USD, 99 * USD)


def alert(
    *drivers: Driver,
    scope: Scope = KEY,
    changes: tuple[Newcomer, ...] | None = (),
    **parts: int,
) -> Alert:
    kinds = dict.fromkeys(("volume", "size", "price", "cache", "retries"), 0) | parts
    return replace(
        an_alert(scope=scope),
        excess_nanousd=100 * USD,
        drivers=drivers,
        changes=changes,
        decomposition=Decomposition(**{f"{kind}_nanousd": kinds[kind] * USD for kind in kinds}),
    )


def came(scope: str, minutes_before: int = 5) -> Newcomer:
    return Newcomer(scope, START - 60 * minutes_before, 90 * USD)


def test_it_says_what_kind_by_whom_and_since_when() -> None:
    told = alert(
        AGENT_LEADS, PROMPT_LEADS, changes=(came("prompt_version:v14"),), volume=98, price=2
    )
    assert why(told) == (
        "98 % from more requests of the same size, "
        "by agent invoice-bot on prompt v14, first seen 09:55 UTC"
    )


def test_whoever_is_new_is_named_last() -> None:
    told = alert(AGENT_LEADS, PROMPT_LEADS, changes=(came("agent:invoice-bot"),), volume=100)
    assert why(told).endswith("on prompt v14 by agent invoice-bot, first seen 09:55 UTC")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"volume": 55, "size": 41, "price": 4}, "55 % from more requests and 41 % from more"),
        ({"size": 91, "volume": 9}, "91 % from more tokens a request"),
        ({"price": 100}, "100 % from dearer tokens"),
        ({"cache": 100}, "100 % from fewer cached tokens"),
        ({"retries": 100}, "100 % from more retries"),
        ({"volume": 130, "size": -30}, "100 % from more requests"),
        ({"volume": 34, "size": 33, "price": 33}, "34 % from more requests and 33 % from more tok"),
    ],
)
def test_the_kinds_are_said_in_plain_words(parts: dict[str, int], words: str) -> None:
    assert why(alert(**parts)).startswith(words)
    assert "same size" not in why(alert(**parts))


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.1, "dearer tokens"),
        (9.83, "a price 9.8 times as high"),
        (986.0, "a price 990 times as high"),
    ],
)
def test_how_many_times_as_dear_tokens_are_is_said_where_it_is_much(
    ratio: float, words: str
) -> None:
    told = alert(price=100)
    assert told.decomposition is not None
    told = replace(told, decomposition=replace(told.decomposition, price_ratio=ratio))
    assert why(told) == f"100 % from {words}"


def test_nobody_is_named_who_does_not_lead() -> None:
    some = Driver("agent:a", 49 * USD, 50 * USD)
    assert why(alert(some, volume=100)) == "100 % from more requests of the same size"


def test_newcomers_that_do_not_lead_are_said_too_but_not_many() -> None:
    new = (came("api_key:k9"), came("user:u1", 10), came("model:m"))
    assert why(alert(changes=new, price=100)) == (
        "100 % from dearer tokens, key k9 first seen 09:55 UTC, user u1 first seen 09:50 UTC"
    )


def test_of_prompt_and_model_the_new_one_is_named() -> None:
    model = Driver("model:big", 99 * USD, 99 * USD)
    told = alert(PROMPT_LEADS, model, changes=(came("model:big"),), price=100)
    assert why(told) == "100 % from dearer tokens, on model big, first seen 09:55 UTC"


def test_where_nothing_is_known_nothing_is_said() -> None:
    told = replace(alert(AGENT_LEADS), decomposition=None)
    assert why(told) == why(replace(told, changes=None)) == ""
    told = replace(told, changes=(came("agent:invoice-bot"),))
    assert why(told) == "by agent invoice-bot, first seen 09:55 UTC"
