import pytest

from alerting.alert import Severity
from alerting.matcher import MAX_PATTERN_CHARACTERS, Matcher, MatcherError, Operator, parse_matcher
from detectors.scope import Scope, combine_names
from tests.support.alerts import an_alert

ALERT = an_alert(
    scope=Scope("agent", "invoice-bot", "staging"),
    severity=Severity.WARNING,
    labels={"team": "payments"},
)


@pytest.mark.parametrize(
    ("text", "is_match"),
    [
        ("kind=agent", True),
        ("kind!=agent", False),
        ('name="invoice-bot"', True),
        ("name=~invoice-.*", True),
        ("name=~invoice", False),
        ("name!~invoice", True),
        ("name!~invoice-.*", False),
        ("environment=staging", True),
        ("rule=spike", True),
        ("severity=warning", True),
        ("labels.team=payments", True),
        ('labels.team=~"pay|fin.*"', False),
        ("agent=invoice-bot", True),
        ("agent=~invoice", False),
        ("agent!=batch", True),
        ("team=payments", True),
        ("api_key=key-7", False),
        ("tags.cost_center=7", False),
        ("labels.nobody=", True),
        ("labels.nobody!=x", True),
    ],
)
def test_a_matcher_reads_as_in_alertmanager(text: str, *, is_match: bool):
    assert parse_matcher(text).is_match(ALERT) is is_match


def test_a_combination_is_matched_by_its_parts():
    alert = an_alert(scope=Scope("agent+tags.tier", combine_names(["a|b", "gold"])))
    assert parse_matcher("agent=a|b").is_match(alert)
    assert parse_matcher("tags.tier=gold").is_match(alert)
    assert parse_matcher("agent+tags.tier=a%7Cb|gold").is_match(alert)
    assert not parse_matcher("agent+model=x").is_match(alert)


def test_an_alert_s_own_scope_comes_before_a_label_of_that_name():
    alert = an_alert(scope=Scope("agent", "batch"), labels={"agent": "other"})
    assert parse_matcher("agent=batch").is_match(alert)
    assert parse_matcher("labels.agent=other").is_match(alert)


def test_quotes_inside_a_value_survive_a_round_trip():
    matcher = Matcher("name", Operator.EQUAL, 'a "b" \\ c')
    assert parse_matcher(str(matcher)) == matcher


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "cost=5",
        "labels=x",
        "agnet=x",
        "agent+agnet=x",
        "tags.=x",
        "name=~(",
        "name=~" + "a" * 600,
    ],
)
def test_what_is_no_matcher_says_why(text: str):
    with pytest.raises(MatcherError, match=r"write|compile|longer"):
        parse_matcher(text)


def test_the_longest_pattern_is_accepted():
    parse_matcher("name=~" + "a" * MAX_PATTERN_CHARACTERS)


@pytest.mark.parametrize(
    ("text", "matches_empty"),
    [
        ("name=x", False),
        ("name!=x", True),
        ("name=~.*", True),
        ("name=~.+", False),
        ("name=", True),
    ],
)
def test_a_matcher_that_an_empty_value_satisfies_is_known(text: str, *, matches_empty: bool):
    assert parse_matcher(text).matches_empty is matches_empty
