"""From an event to its scopes."""

import zlib

import pytest
from pydantic import ValidationError

from detectors.scope import KINDS, Scope
from stream.usage.fanout import Fanout, FanoutConfig, delta_partition, own_dimensions
from stream.usage.usage import Usage
from tests.support.one_by_one import scopes_of

EVERYTHING = {kind: f"{kind}-1" for kind in KINDS}


def usage(**fields: object) -> Usage:
    return Usage("1", 1_700_000_000, **fields)


def scopes(fanout: Fanout, event: Usage) -> tuple[str, ...]:
    return tuple(scopes_of(fanout, event))


def test_every_kind_an_event_names_has_a_scope_and_no_other():
    assert scopes(Fanout(), usage(**EVERYTHING)) == tuple(f"{kind}:{kind}-1" for kind in KINDS)
    assert scopes(Fanout(), usage(agent="a", model="m")) == ("agent:a", "model:m")
    assert scopes(Fanout(), usage()) == ()


def test_the_environment_is_part_of_every_scope():
    assert scopes(Fanout(), usage(agent="a@b", environment="staging")) == ("agent:a%40b@staging",)


def test_combinations_need_all_their_parts_and_read_back():
    fanout = Fanout(FanoutConfig(kinds=("agent+model", "tags.squad", "agent+tags.squad")))
    found = scopes(fanout, usage(agent="a|b", model="m", tags={"squad": "s"}))
    assert [Scope.parse(scope) for scope in found] == [
        Scope("agent+model", "a%7Cb|m"),
        Scope("tags.squad", "s"),
        Scope("agent+tags.squad", "a%7Cb|s"),
    ]
    assert scopes(fanout, usage(agent="a")) == ()


def test_kinds_that_are_off_have_no_scope():
    assert scopes(Fanout(FanoutConfig(kinds=("team",))), usage(**EVERYTHING)) == ("team:team-1",)


def test_nobody_hides_behind_the_reserved_name():
    (scope,) = scopes(Fanout(), usage(agent="__other__"))
    assert not Scope.parse(scope).is_other


def test_a_default_organization_takes_what_names_none():
    fanout = Fanout(FanoutConfig(kinds=("organization",), default_organization="acme"))
    assert scopes(fanout, usage()) == ("organization:acme",)
    assert scopes(fanout, usage(organization="other")) == ("organization:other",)


@pytest.mark.parametrize(
    "settings",
    [
        {"kinds": ["agents"]},
        {"kinds": ["agent+"]},
        {"kinds": ["agent+agent"]},
        {"kinds": ["agent", "agent"]},
        {"kinds": ["tags."]},
        {"kinds": ["tags.a b"]},
        {"kinds": ["environment"]},
        {"max_names": 0},
        {"max_names_by_kind": {"nobody": 5}},
        {"max_names_by_kind": {"agent": 0}},
        {"kind": []},
    ],
)
def test_a_wrong_setting_is_refused(settings):
    with pytest.raises(ValidationError):
        FanoutConfig.model_validate(settings)


def test_a_scope_has_the_same_partition_in_every_process():
    scope = "user:jürgen"
    assert delta_partition(scope, 16) == zlib.crc32(scope.encode("utf-8")) % 16
    assert delta_partition("agent:invoice-bot", 16) == 13
    assert {delta_partition(f"agent:{n}", 16) for n in range(1000)} == set(range(16))


def test_a_kind_fixes_its_own_dimensions():
    assert own_dimensions("agent+model") == {"agent", "model"}
