from dataclasses import replace
from decimal import Decimal

from alerting.alert import (
    Driver,
    Newcomer,
    ResolvedReason,
    Severity,
    Transition,
    alert_from_json,
    alert_to_json,
)
from alerting.fingerprint import alert_id, fingerprint, transition_id
from alerting.watch.announcement import News
from alerting.watch.causes import Causes, drivers_of
from alerting.watch.lifecycle import Drifted, Episode, JudgedWindow, Spent
from detectors.decomposition import Decomposition
from detectors.scope import Scope
from detectors.signal import Contribution
from detectors.window import Window

USD = 10**9
START = 1_700_000_100
AGENT = Scope("agent", "invoice-bot")


def news(**changes: object) -> News:
    settings: dict[str, object] = {
        "rule": "spike",
        "kind": "spike",
        "scope": AGENT,
        "judged": JudgedWindow(
            window=Window(START, START + 300),
            is_anomalous=True,
            has_data=True,
            observed_nanousd=4_120_000_000,
            expected_nanousd=1_000_000_000,
            lower_nanousd=100_000_000,
            upper_nanousd=1_900_000_000,
            score=0.8,
            excess_nanousd=3_120_000_000,
            severity=Severity.WARNING,
        ),
        "elapsed_seconds": 300,
        "episode": Episode(
            START - 600, START, Severity.CRITICAL, spent=Spent(3, 12 * USD, 9_500_000_000)
        ),
        "reason": None,
        "decided_at": START + 300,
        "is_contained": False,
        "causes": Causes(()),
        "baseline": "ewma",
    }
    return News(**(settings | changes))  # type: ignore[arg-type] # changes are right by their tests


def test_the_sentence_can_be_checked_against_the_figures() -> None:
    assert news().alert(Transition.FIRED).annotations["summary"] == (
        "agent invoice-bot spent $4.12 in 5 min; expected $0.10-$1.90; "
        "$9.50 above expectation so far"
    )


def test_the_sentence_about_an_open_window_says_what_the_expectation_spans() -> None:
    told = news(elapsed_seconds=120).alert(Transition.FIRED)
    assert told.annotations["summary"] == (
        "agent invoice-bot spent $4.12 in 2 min; expected $0.10-$1.90 in 5 min; "
        "$9.50 above expectation so far"
    )
    assert told.excess_nanousd_per_hour == 3_120_000_000 * 30
    assert told.projected_nanousd_per_day == 4_120_000_000 * 720


def test_paces_are_of_the_window_and_the_excess_is_of_the_episode() -> None:
    told = news().alert(Transition.UPDATED)
    assert told.excess_nanousd == 9_500_000_000
    assert told.excess_nanousd_per_hour == 3_120_000_000 * 12
    assert told.projected_nanousd_per_day == 4_120_000_000 * 288
    assert told.severity is Severity.CRITICAL


def test_ids_are_of_rule_scope_episode_and_window() -> None:
    told = news().alert(Transition.UPDATED)
    mark = fingerprint("spike", AGENT)
    assert told.fingerprint == mark
    assert told.alert_id == alert_id(mark, START - 600)
    assert told.transition_id == transition_id(mark, START, Transition.UPDATED)
    assert (told.started_at, told.fired_at, told.decided_at) == (START - 600, START, START + 300)


def test_only_an_end_is_resolved_and_has_a_reason() -> None:
    ended = news(reason=ResolvedReason.RECOVERED)
    resolved = ended.alert(Transition.RESOLVED)
    assert (resolved.resolved_at, resolved.resolved_reason) == (
        START + 300,
        ResolvedReason.RECOVERED,
    )
    assert resolved.annotations["summary"] == (
        "agent invoice-bot: back to normal after 15 min, with $9.50 spent above expectation"
    )
    updated = ended.alert(Transition.UPDATED)
    assert (updated.resolved_at, updated.resolved_reason) == (None, None)


def test_what_was_absorbed_says_since_when_it_is_the_new_normal() -> None:
    ended = news(reason=ResolvedReason.ABSORBED).alert(Transition.RESOLVED)
    assert ended.annotations["summary"] == (
        "agent invoice-bot: new normal since Tuesday 22:05 UTC: $4.12 in 5 min, before that $1.00; "
        "$9.50 spent above expectation until now"
    )
    assert "description" not in ended.annotations


def test_the_description_says_what_was_expected_of_when_what_was_seen_and_why() -> None:
    causes = Causes(
        drivers=(Driver("prompt_version:v14", 9 * USD, 10 * USD),),
        decomposition=Decomposition(9 * USD, 5 * USD // 10, 0, 0, 0),
        changes=(Newcomer("prompt_version:v14", START - 900, 9 * USD),),
    )
    told = news(causes=causes).alert(Transition.FIRED)
    assert told.annotations["description"] == (
        "expected $0.10-$1.90 for Tuesday 22:15 UTC, saw $4.12 in 5 min; 95 % from more requests "
        "of the same size, on prompt v14, first seen 22:00 UTC"
    )


def test_a_span_of_hours_says_what_else_was_spent_in_it_and_told_of_before() -> None:
    plain = news()
    span = Window(START - 21_300, START + 300)
    drifted = Drifted(span, 10, 5, told_nanousd=230_100_000_000)
    told = replace(plain, judged=replace(plain.judged, drifted=drifted)).alert(Transition.FIRED)
    assert told.annotations["description"] == (
        "expected $0.10-$1.90 for Tuesday 16:20 UTC, saw $4.12 in 6 h besides $230.10 told of "
        "before"
    )
    assert told.annotations["told_usd"] == "230.1"
    assert told.annotations["summary"].startswith(
        "agent invoice-bot spent $4.12 in 6 h besides $230.10 told of before; expected"
    )


def test_without_a_cause_the_description_keeps_to_the_figures() -> None:
    assert news().alert(Transition.FIRED).annotations["description"] == (
        "expected $0.10-$1.90 for Tuesday 22:15 UTC, saw $4.12 in 5 min"
    )


def test_each_ending_has_its_own_words() -> None:
    sentences = {
        news(reason=reason).alert(Transition.RESOLVED).annotations["summary"]
        for reason in ResolvedReason
        if reason is not ResolvedReason.SUPERSEDED
    }
    assert len(sentences) == 4


def test_a_users_name_stays_on_one_line() -> None:
    told = news(scope=Scope("agent", "k\nRESOLVED", "staging")).alert(Transition.FIRED)
    assert told.annotations["summary"].startswith("agent k RESOLVED (staging) spent $4.12")


def test_a_scope_without_a_past_is_said_to_have_none() -> None:
    told = news(baseline="cold_start").alert(Transition.FIRED)
    assert "expected at most $1.90 of what has no past yet" in told.annotations["summary"]
    assert told.annotations["baseline"] == "cold_start"


def test_contributors_are_told_apart_from_the_scope() -> None:
    told = news(kind="contributor", rule="contributor").alert(Transition.FIRED)
    assert "spent $4.12 through unusual contributors in 5 min" in told.annotations["summary"]


def test_the_wire_form_reads_back() -> None:
    causes = Causes((Driver("api_key:k1", 9_000_000_000, 10 * USD),))
    told = news(is_contained=True, causes=causes).alert(Transition.FIRED)
    assert alert_from_json(alert_to_json(told)) == told
    assert not {"decomposition", "price_ratio", "changes"} & alert_to_json(told).keys()


def test_the_wire_form_says_what_changed_in_dollars_that_add_up() -> None:
    causes = Causes(
        drivers=(),
        decomposition=Decomposition(10 * USD, -USD, 1, USD // 2 - 1, 0, price_ratio=1.25),
        changes=(Newcomer("prompt_version:v14", START - 900, 19 * USD // 4),),
    )
    told = news(causes=causes).alert(Transition.FIRED)
    record = alert_to_json(told)
    assert record["decomposition"] == {
        "volume": "10",
        "size": "-1",
        "price": "0.000000001",
        "cache": "0.499999999",
        "retries": "0",
    }
    assert record["price_ratio"] == 1.25
    assert sum(map(Decimal, record["decomposition"].values())) == Decimal(record["excess_usd"])
    assert record["changes"] == [
        {
            "scope": "prompt_version:v14",
            "first_seen": "2023-11-14T22:00:00Z",
            "excess_usd": "4.75",
            "share": 0.5,
        }
    ]
    assert alert_from_json(record) == told


def test_drivers_are_in_the_scopes_environment_and_never_the_scope_itself() -> None:
    staging = Scope("agent", "invoice-bot", "staging")
    parts = (
        Contribution("agent", "invoice-bot", 5, 1),
        Contribution("api_key", "k1", 5, 1),
        Contribution("api_key", "__other__", 0, 2),
    )
    assert drivers_of(parts, staging) == (
        Driver("api_key:k1@staging", 4, 5),
        Driver("api_key:__other__@staging", -2, 0),
    )
