import pytest

from detectors.scope import OTHER, Scope, combine_names


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        (Scope("agent", "invoice-bot"), "agent:invoice-bot"),
        (Scope("agent", "a:b"), "agent:a:b"),
        (Scope("user", "a@b.example", "staging"), "user:a%40b.example@staging"),
        (Scope("user", "50%40", "100%@"), "user:50%2540@100%25%40"),
        (Scope("agent+model", combine_names(["bot", "a|b"])), "agent+model:bot|a%257Cb"),
    ],
)
def test_a_scope_and_its_one_string_form_are_two_forms_of_one_thing(
    scope: Scope, text: str
) -> None:
    assert str(scope) == text
    assert Scope.parse(text) == scope


@pytest.mark.parametrize("text", ["", "agent", "agent:", ":bot", "agent:@staging"])
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a scope"):
        Scope.parse(text)


def test_the_catch_all_knows_that_it_is_one() -> None:
    assert Scope("agent", OTHER).is_other
    assert not Scope("agent", "other").is_other


def test_a_bar_in_a_name_does_not_make_two_parts() -> None:
    assert combine_names(["a|b", "c%"]).count("|") == 1
