"""What an alert says of the price, and when several say the same."""

import math
from dataclasses import replace

import pytest
from pydantic import ValidationError

from alerting.alert import Transition
from alerting.decide.same_factor import (
    Rise,
    SameFactorConfig,
    agreement,
    do_differ,
    is_explained,
    model_of,
    one_a_scope,
    rise_of,
)
from alerting.words import times
from detectors.scope import Scope
from tests.support.decisions import START, agent_signal, drivers
from tests.support.price_error import agent_risen, decomposed, key_risen, risen

TEN = math.log(10)
CONFIG = SameFactorConfig()


def rise(number: int = 0, price: float = 10.0, volume: float = 0.95, **more: object) -> Rise:
    found = rise_of(agent_risen(number, price, volume, **more))
    assert found is not None
    return found


def test_the_factor_is_what_a_token_costs_beside_what_it_did():
    assert math.exp(rise(volume=1.5).factor) == pytest.approx(10.0)
    sparse = replace(agent_risen(0), expected=1, upper=10**9)
    found = rise_of(sparse)
    assert found is not None
    assert math.exp(found.factor) == pytest.approx(10.0), "a hundredth of a call was expected"


def test_what_says_nothing_of_the_price_is_no_rise():
    alert = agent_risen(0)
    assert rise_of(agent_signal()) is None  # no decomposition
    assert rise_of(replace(alert, kind="budget")) is None
    assert rise_of(replace(alert, transition=Transition.RESOLVED)) is None
    assert rise_of(replace(alert, excess_nanousd=0)) is None
    assert rise_of(replace(alert, decomposition=decomposed(8.5, volume=9.5))) is None
    unsaid = replace(alert, decomposition=replace(decomposed(8.5, price=10.0), price_ratio=None))
    assert rise_of(unsaid) is None


def test_a_model_that_was_not_used_before_is_dear_and_no_error():
    alert = agent_risen(0)
    new = replace(alert, drivers=drivers(model=[("opus", 9.5, 9.5), ("gpt-4o", -1, 0)]))
    assert rise_of(new) is None
    hardly = replace(alert, drivers=drivers(model=[("opus", 9.49, 9.5)]))
    assert rise_of(hardly) is None
    assert rise_of(replace(alert, drivers=())) is not None


def test_an_agent_is_counted_once_by_its_own_alert_or_its_dearest_key():
    found = rise_of(key_risen(0))
    other = rise_of(risen(Scope("api_key", "key-9"), 5.0, beside=drivers(agent=[("bot-0", 4, 5)])))
    assert found is not None
    assert other is not None
    assert found.who == other.who == rise().who == "agent:bot-0"
    assert one_a_scope([found, rise(), other]) == (rise(),)
    assert one_a_scope([other, found]) == one_a_scope([found, other]) == (found,)


def test_five_that_agree_are_a_suspicion_and_four_are_none():
    others = [rise(number) for number in range(1, 4)]
    assert agreement(rise(), others, CONFIG) is None
    found = agreement(rise(), [*others, rise(4, price=8.0)], CONFIG)
    assert found is not None
    assert len(found.rises) == 5
    assert found.factor == pytest.approx(TEN)


def test_whether_several_agree_does_not_depend_on_who_comes_last():
    rises = [rise(number, price) for number, price in enumerate((8.0, 10.0, 11.0, 12.0, 14.0))]
    for newest in rises:
        others = [each for each in rises if each is not newest]
        found = agreement(newest, others, CONFIG)
        assert found is not None
        assert len(found.rises) == 5


@pytest.mark.parametrize(
    "other",
    [
        rise(4, price=20.0),
        rise(4, volume=4.0),  # 62 % of it is the price
        rise(4, started=START - 1200),
    ],
)
def test_who_differs_in_factor_cause_or_time_does_not_agree(other: Rise):
    others = [rise(number) for number in range(1, 4)]
    assert agreement(rise(), [*others, other], CONFIG) is None


def test_they_differ_if_most_are_not_the_common_one():
    same, far = [rise(0), rise(1)], [rise(2, 30.0), rise(3, 40.0)]
    assert not do_differ([*same, *far], TEN)
    assert do_differ([*same, *far, rise(4, 90.0)], TEN)


def test_what_is_left_at_the_old_price_must_be_calm():
    assert is_explained(rise(), TEN, is_member=False)
    assert not is_explained(None, TEN, is_member=True)
    assert is_explained(rise(volume=3.9), TEN, is_member=False)
    assert not is_explained(rise(volume=4.1), TEN, is_member=True)
    assert not is_explained(rise(price=51.0), TEN, is_member=False)
    bursty = rise(price=3.0, volume=3.5)
    assert not is_explained(bursty, TEN, is_member=False)
    assert is_explained(bursty, TEN, is_member=True)


def test_a_few_cents_at_the_old_price_let_nobody_leave():
    little = rise(volume=3.0, usual_usd=0.4, upper=0.4)
    assert is_explained(little, TEN, is_member=True)
    assert not is_explained(little, TEN, is_member=False)
    assert not is_explained(rise(volume=4.0, usual_usd=0.4, upper=0.4), TEN, is_member=True)


def test_a_runaway_by_a_thousand_times_dearer_tokens_is_not_explained():
    assert not is_explained(rise(price=1000.0, volume=50.0), math.log(1000), is_member=False)


def test_the_model_is_named_if_it_is_one():
    assert model_of([rise(0), rise(1)]) == "gpt-4o"
    assert model_of([rise(0), rise(1, model="gpt-4.1")]) is None
    assert model_of([Rise(replace(agent_risen(0), drivers=()), 1.0, TEN)]) is None


def test_pending_alerts_begin_when_that_was_decided():
    assert rise().onset_at == START + 60
    assert rise(fired_at=None, decided_at=START + 7).onset_at == START + 7


def test_a_suspicion_needs_three_scopes_at_least():
    with pytest.raises(ValidationError, match="min_scopes"):
        SameFactorConfig(min_scopes=2)


def test_factors_are_said_with_two_digits():
    assert [times(each) for each in (2.04, 9.83, 10.4, 986.0, 1000.0, 12_345.0)] == [
        "2",
        "9.8",
        "10",
        "990",
        "1,000",
        "12,000",
    ]
