"""Identities: numbers for who is behind an event, and what follows from their names."""

import numpy as np
import pytest

from stream.canary import NAME as CANARY
from stream.ingest import identities as module
from stream.ingest.identities import Identities
from stream.usage.fanout import Fanout, FanoutConfig
from stream.usage.usage import Usage


def identities(*kinds: str) -> Identities:
    return Identities(Fanout(FanoutConfig(kinds=kinds)), 4)


def usage(**fields: object) -> Usage:
    return Usage("1", 1_700_000_000, **fields)


def named(found: Identities, number: int) -> list[str]:
    return [found.names[name] for name in found.columns().names[number].tolist()]


def test_events_alike_but_for_their_amounts_have_one_number():
    found = identities("agent")
    first = found.of_usage(usage(agent="a", input_tokens=1))
    assert found.of_usage(usage(agent="a", input_tokens=2)) == first
    assert found.of_usage(usage(agent="b")) != first
    assert found.of_usage(usage(agent="a", status="error")) != first


@pytest.mark.parametrize("kinds", [("agent", "api_key"), ("team",), ("agent+model",), ()])
def test_contributors_are_named_whether_they_are_a_kind_or_not(kinds):
    found = identities(*kinds)
    number = found.of_usage(usage(agent="a", api_key="k", user="u", model="m", team="t"))
    assert named(found, number) == ["a", "k", "", "u", "m"]


def test_a_name_that_is_reserved_is_another_scope_and_the_same_contributor():
    found = identities("agent")
    one, other = (found.of_usage(usage(agent=name)) for name in ("__other__", "__other___"))
    assert found.scopes_of(one) == found.scopes_of(other) == ("agent:__other___",)
    assert [named(found, each)[0] for each in (one, other)] == ["__other__", "__other___"]


def test_a_canary_has_one_scope_whatever_the_kinds():
    for kinds in (("agent", "model"), ("team",), ()):
        found = identities(*kinds)
        number = found.of_usage(usage(agent=CANARY, model=CANARY, prompt_version="7"))
        assert found.scopes_of(number) == ("canary:7",)


def test_what_is_forgotten_is_numbered_anew(monkeypatch):
    found = identities("agent")
    monkeypatch.setattr(module, "IDENTITIES_MAX", 2)
    for name in "abc":
        found.of_usage(usage(agent=name))
    found.make_room()
    assert len(found) == 0
    assert found.scopes_of(found.of_usage(usage(agent="c"))) == ("agent:c",)
    monkeypatch.setattr(module, "NAMES_MAX", 1)
    found.make_room()
    assert len(found.scopes) == len(found.names) == 1
    number = found.of_usage(usage(agent="d"))
    assert (found.scopes_of(number), named(found, number)[0]) == (("agent:d",), "d")


def test_environments_apart_are_settled_together():
    found = identities("agent")
    numbers = [
        found.of_usage(usage(agent=name, environment=where))
        for name, where in (("a", "default"), ("a", "staging"), ("b", "default"), ("b", "x"))
    ]
    assert [found.scopes_of(number)[0] for number in numbers] == [
        "agent:a",
        "agent:a@staging",
        "agent:b",
        "agent:b@x",
    ]
    assert len(np.unique(found.columns().names[:, 0])) == 2
