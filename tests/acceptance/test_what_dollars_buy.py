"""Quality, caches, failures and silence in virtual time: told in words that say what to look at."""

import random
from itertools import pairwise

import pytest

from alerting.alert import ABSENCE, RATIO, Alert, ResolvedReason, Severity, Transition
from alerting.watch.rules import AbsenceRule, RulesConfig
from detectors.observation import COUNTER_INDEX, NANOUSD_PER_USD
from tests.support.timeline import MONDAY, Timeline

HOUR, DAY = 3600, 86400
ACCEPTED, REJECTED = COUNTER_INDEX["accepted"], COUNTER_INDEX["rejected"]
READ, CACHED = COUNTER_INDEX["input_tokens"], COUNTER_INDEX["cache_read_tokens"]
ERRORS = COUNTER_INDEX["errors"]
STEP = 300
CALLS = 10


def lives(
    timeline: Timeline,
    start: int,
    end: int,
    *,
    accepted: float = 0.9,
    cached: float = 0.8,
    failed: float = 0.02,
    usd_per_hour: float = 8.0,
) -> list[Alert]:
    """What is told while an agent makes ten calls in five minutes, at any hour alike."""
    chance, told = random.Random(start), list[Alert]()
    for at in range(start, end, STEP):
        good = sum(chance.random() < accepted for _ in range(CALLS))
        bad = sum(chance.random() < failed for _ in range(CALLS))
        usd = usd_per_hour * STEP / HOUR * chance.uniform(0.8, 1.2)
        more = {
            ACCEPTED: good,
            REJECTED: CALLS - good,
            ERRORS: bad,
            READ: 20_000,
            CACHED: round(20_000 * cached * chance.uniform(0.95, 1.05)),
        }
        told += timeline.spend(at, usd, requests=CALLS, more=more)
    return told


@pytest.fixture
def known() -> Timeline:
    timeline = Timeline()
    assert lives(timeline, MONDAY, MONDAY + 3 * DAY) == []
    return timeline


NOW = MONDAY + 3 * DAY


def test_answers_that_people_stop_accepting_are_told_within_two_hours(known: Timeline) -> None:
    fired, *_ = lives(known, NOW, NOW + 6 * HOUR, accepted=0.3)
    assert (fired.kind, fired.rule, fired.metric) == (RATIO, "ratio/accepted", "accepted_ratio")
    assert fired.transition is Transition.FIRED
    assert fired.severity is Severity.INFO
    assert fired.decided_at <= NOW + 2 * HOUR
    assert 0.2 < fired.observed / NANOUSD_PER_USD < 0.4
    assert 0.85 < fired.expected / NANOUSD_PER_USD < 0.95
    # At $8 an hour two thirds of it are spent in vain.
    assert 3 < fired.excess_nanousd_per_hour / NANOUSD_PER_USD < 7
    assert fired.annotations["summary"].startswith("agent invoice-bot: 3")
    assert " % accepted of " in fired.annotations["summary"]


def test_one_collapse_is_one_alert_that_ends_once_people_accept_again(known: Timeline) -> None:
    told = lives(known, NOW, NOW + 6 * HOUR, accepted=0.3)
    told += lives(known, NOW + 6 * HOUR, NOW + 12 * HOUR)
    assert len({alert.alert_id for alert in told}) == 1
    assert [alert.transition for alert in told].count(Transition.FIRED) == 1
    last = told[-1]
    assert (last.transition, last.resolved_reason) == (
        Transition.RESOLVED,
        ResolvedReason.RECOVERED,
    )
    lost = last.excess_nanousd / NANOUSD_PER_USD
    assert 6 * 8 * 0.5 < lost < 6 * 8
    assert all(one.excess_nanousd <= after.excess_nanousd for one, after in pairwise(told))


def test_much_spent_in_vain_goes_to_the_channel_and_never_pages() -> None:
    timeline = Timeline()
    lives(timeline, MONDAY, NOW, usd_per_hour=60)
    told = lives(timeline, NOW, NOW + 3 * HOUR, accepted=0.0, usd_per_hour=60)
    ratio = [alert for alert in told if alert.kind == RATIO]
    assert {alert.severity for alert in ratio} == {Severity.WARNING}


def test_a_prompt_cache_that_is_lost_is_told_with_what_it_costs(known: Timeline) -> None:
    told = lives(known, NOW, NOW + 4 * HOUR, cached=0.0)
    assert {alert.rule for alert in told} == {"ratio/prompt_cache"}
    # The input costs 1 in place of 0.28: of each dollar now, 72 cents.
    assert told[-1].excess_nanousd_per_hour / NANOUSD_PER_USD == pytest.approx(8 * 0.72, rel=0.3)


def test_calls_that_fail_are_told(known: Timeline) -> None:
    fired, *_ = lives(known, NOW, NOW + 4 * HOUR, failed=0.6)
    assert fired.rule == "ratio/errors"
    assert " % failed of 120 calls in 1 h; usually 0-" in fired.annotations["summary"]


def test_the_new_quality_is_the_usual_one_after_a_day_and_that_is_said(known: Timeline) -> None:
    told = lives(known, NOW, NOW + 2 * DAY, accepted=0.6)
    assert told[-1].resolved_reason is ResolvedReason.ABSORBED
    assert "new normal" in told[-1].annotations["summary"]
    assert told[-1].resolved_at == pytest.approx(NOW + DAY, abs=2 * HOUR)


@pytest.fixture
def at_work() -> Timeline:
    """Three weeks at any hour."""
    timeline = Timeline()
    assert lives(timeline, MONDAY, MONDAY + 21 * DAY) == []
    return timeline


LATER = MONDAY + 21 * DAY


def test_an_agent_that_stops_is_told_after_six_hours_and_again_when_it_is_back(
    at_work: Timeline,
) -> None:
    told = at_work.reach(LATER + 9 * HOUR)
    assert [(each.kind, each.transition) for each in told] == [(ABSENCE, Transition.FIRED)]
    fired = told[0]
    assert (fired.severity, fired.decided_at) == (Severity.INFO, LATER + 6 * HOUR)
    summary = fired.annotations["summary"]
    assert summary.startswith("agent invoice-bot has spent nothing for 6 h; expected $4")
    back = lives(at_work, LATER + 9 * HOUR, LATER + 10 * HOUR)
    assert [each.resolved_reason for each in back] == [ResolvedReason.RECOVERED]
    assert back[0].alert_id == fired.alert_id
    assert back[0].annotations["summary"] == "agent invoice-bot: spends again after 9 h"


def test_an_agent_that_was_switched_off_is_told_once_and_is_normal_after_three_days(
    at_work: Timeline,
) -> None:
    told = at_work.reach(LATER + 30 * DAY)
    assert [each.transition for each in told] == [Transition.FIRED, Transition.RESOLVED]
    assert told[1].resolved_reason is ResolvedReason.ABSORBED
    assert told[1].decided_at == LATER + 78 * HOUR


def test_nights_and_weekends_of_office_hours_are_no_absence() -> None:
    timeline = Timeline(config=RulesConfig(absence=AbsenceRule(severity=Severity.WARNING)))
    told = list[Alert]()
    for day in range(28):
        if day % 7 < 5:
            start = MONDAY + day * DAY + 8 * HOUR
            told += lives(timeline, start, start + 10 * HOUR)
    assert [alert for alert in told if alert.kind == ABSENCE] == []


def test_a_morning_without_the_agent_is_an_absence() -> None:
    timeline = Timeline()
    for day in range(26):
        if day % 7 < 5:
            start = MONDAY + day * DAY + 8 * HOUR
            lives(timeline, start, start + 10 * HOUR)
    told = timeline.reach(MONDAY + 28 * DAY + 20 * HOUR)
    assert [alert.kind for alert in told] == [ABSENCE]
    begins = MONDAY + 28 * DAY + 8 * HOUR
    assert begins < told[0].decided_at <= begins + 6 * HOUR


def test_a_collapse_is_told_though_a_spike_goes_on_for_days(known: Timeline) -> None:
    told = lives(known, NOW, NOW + 20 * HOUR, usd_per_hour=160)
    told += lives(known, NOW + 20 * HOUR, NOW + 26 * HOUR, usd_per_hour=160, accepted=0.2)
    assert [each.rule for each in told if each.kind == RATIO][:1] == ["ratio/accepted"]
