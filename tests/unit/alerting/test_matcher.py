import pytest

from alerting.alert import Severity
from alerting.matcher import MAX_PATTERN_CHARACTERS, Matcher, MatcherError, Operator, parse_matcher
from detectors.scope import Scope
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
        ("labels.nobody=", True),
        ("labels.nobody!=x", True),
    ],
)
def test_a_matcher_reads_as_in_alertmanager(text: str, *, is_match: bool):
    assert parse_matcher(text).is_match(ALERT) is is_match


def test_quotes_inside_a_value_survive_a_round_trip():
    matcher = Matcher("name", Operator.EQUAL, 'a "b" \\ c')
    assert parse_matcher(str(matcher)) == matcher


@pytest.mark.parametrize(
    "text", ["", "name", "cost=5", "labels=x", "name=~(", "name=~" + "a" * 600]
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
