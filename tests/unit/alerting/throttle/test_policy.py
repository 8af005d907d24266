"""The verdict, brake by brake."""

import re
from dataclasses import replace

import pytest
from pydantic import ValidationError

from alerting.alert import Severity, Transition
from alerting.throttle.action import Mode
from alerting.throttle.policy import (
    Situation,
    Standing,
    ThrottleConfig,
    ThrottleMode,
    judge,
    may_act,
)
from alerting.throttle.target import Evidence
from tests.support.decisions import USD, signal

ALONE = Evidence(is_known=True, innocent_share=0.0, innocent_usd_per_hour="0", admit_ratio=0.05)
CALM = Situation(
    target="api_key:k",
    guilty=frozenset({"agent:a"}),
    evidence=ALONE,
    mode=ThrottleMode.ENFORCE,
    is_paused=False,
    is_suspect=False,
    is_capped=False,
)


def test_without_any_brake_an_own_key_is_blocked():
    verdict = judge(ThrottleConfig(), CALM)
    assert (verdict.mode, verdict.admit_ratio, verdict.standing) == (
        Mode.BLOCK,
        0.0,
        Standing.ENFORCED,
    )


@pytest.mark.parametrize(
    ("config", "change", "standing", "why"),
    [
        ({"never_block": ["api_key:?"]}, {}, Standing.SHADOW, "never_block names api_key:k"),
        ({"never_block": ["agent:a"]}, {}, Standing.SHADOW, "never_block names agent:a"),
        ({}, {"is_suspect": True}, Standing.SHADOW, "suspected"),
        ({}, {"is_paused": True}, Standing.SHADOW, "paused"),
        ({}, {"mode": ThrottleMode.SHADOW}, Standing.SHADOW, "shadow"),
        ({"require_approval": True}, {}, Standing.PROPOSED, "approve"),
        ({}, {"is_capped": True}, Standing.SHADOW, "3 automatic"),
        ({"over_cap": "require_approval"}, {"is_capped": True}, Standing.PROPOSED, "3 automatic"),
    ],
)
def test_each_brake_holds_automation_back_and_says_so(config, change, standing, why):
    verdict = judge(ThrottleConfig(**config), replace(CALM, **change))
    assert (verdict.standing, verdict.mode) == (standing, Mode.BLOCK)
    assert why in verdict.reason


@pytest.mark.parametrize(
    ("share", "mode", "standing"),
    [
        (0.05, Mode.BLOCK, Standing.ENFORCED),
        (0.051, Mode.THROTTLE, Standing.ENFORCED),
        (0.5, Mode.THROTTLE, Standing.ENFORCED),
        (0.51, Mode.THROTTLE, Standing.SHADOW),
    ],
)
def test_innocent_share_decides_how_hard(share, mode, standing):
    evidence = replace(ALONE, innocent_share=share)
    verdict = judge(ThrottleConfig(), replace(CALM, evidence=evidence))
    assert (verdict.mode, verdict.standing) == (mode, standing)


def test_a_throttle_lets_normal_spend_pass_and_never_nothing():
    shared = replace(ALONE, innocent_share=0.3, admit_ratio=0.4)
    assert judge(ThrottleConfig(), replace(CALM, evidence=shared)).admit_ratio == 0.4
    new = replace(shared, admit_ratio=0.0)
    assert judge(ThrottleConfig(), replace(CALM, evidence=new)).admit_ratio == 0.01


def test_an_unknown_neighbourhood_is_never_blocked_even_if_that_were_allowed():
    unknown = Evidence(
        is_known=False, innocent_share=1.0, innocent_usd_per_hour="0", admit_ratio=0.1
    )
    config = ThrottleConfig(block_max_innocent_share=1.0, throttle_max_innocent_share=1.0)
    assert judge(config, replace(CALM, evidence=unknown)).mode is Mode.THROTTLE
    config = ThrottleConfig(uncertain="require_approval")
    assert judge(config, replace(CALM, evidence=unknown)).standing is Standing.PROPOSED


@pytest.mark.parametrize(
    "change",
    [
        {"is_late": True},
        {"transition": Transition.RESOLVED},
        {"transition": Transition.PENDED},
        {"kind": "budget"},
        {"kind": "forecast"},
        {"metric": "estimated_cost_usd"},
        {"severity": Severity.WARNING},
        {"upper": 20 * USD},
        {"excess_nanousd": USD // 4 - 1},
    ],
)
def test_what_may_not_cause_an_action(change):
    config = ThrottleConfig()
    assert may_act(config, signal())
    assert may_act(config, replace(signal(), excess_nanousd=USD // 4))
    assert not may_act(config, replace(signal(), **change))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"renew_minutes": 15}, "renew_minutes must be below"),
        ({"block_max_innocent_share": 0.6}, "must not be above"),
        ({"probe_ratios": [0.25, 0.05]}, "must rise"),
        ({"probe_ratios": [1.0]}, "must rise"),
        ({"modes": "enforce"}, "Extra inputs"),
    ],
)
def test_a_configuration_that_would_misbehave_is_refused(config, message):
    with pytest.raises(ValidationError, match=message):
        ThrottleConfig(**config)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("key-7", "write api_key:key-7"),
        ("agnt:pay", "'agnt:pay' would spare no key"),
        ("team:payments", "name its keys or agents"),
        ("agent+model:a|b", "would spare no key"),
        ("agent:", "has no name"),
        ("api_key:@staging", "has no name"),
        ("", "write api_key:"),
    ],
)
def test_an_entry_that_would_protect_nothing_is_refused(entry, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
        ThrottleConfig(never_block=["api_key:prod-*", entry])


def test_entries_may_have_wildcards_environments_and_every_kind_that_is_known_of_a_key():
    entries = ("*", "a*:x", "api_key:prod-?", "agent:pay@staging", "user:a%40b.example")
    assert ThrottleConfig(never_block=entries).never_block == entries


@pytest.mark.parametrize(
    ("entry", "mode"),
    [("agent:pay", Mode.THROTTLE), ("user:u", Mode.THROTTLE), ("api_key:other", Mode.BLOCK)],
)
def test_those_without_a_name_may_be_protected_and_are_not_blocked(entry, mode):
    unnamed = replace(ALONE, innocent_share=0.01, unnamed=frozenset({"agent", "user"}))
    verdict = judge(ThrottleConfig(never_block=[entry]), replace(CALM, evidence=unnamed))
    assert (verdict.mode, verdict.standing) == (mode, Standing.ENFORCED)
    assert ("never_block may name" in verdict.reason) is (mode is Mode.THROTTLE)
    everybody = replace(unnamed, unnamed=frozenset())
    verdict = judge(ThrottleConfig(never_block=[entry]), replace(CALM, evidence=everybody))
    assert verdict.mode is Mode.BLOCK


def test_shadow_is_the_default():
    assert ThrottleConfig().mode is ThrottleMode.SHADOW
