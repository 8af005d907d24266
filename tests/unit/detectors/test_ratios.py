"""Ratios against what is usual of them: collapses, slow changes, and what is no news."""

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from detectors.observation import BESIDE, COUNTER_INDEX
from detectors.ratio_memory import BAD_TRIALS, MEMORY_SPANS
from detectors.ratios import (
    CALM_SPANS,
    WARM_UP_SPANS,
    Change,
    RatioConfig,
    RatioDetector,
    RatioFinding,
    is_any_bad,
)
from detectors.window import Window

USD = 1_000_000_000
HOUR, DAY = 3600, 86400
MONDAY = 1_699_833_600  # 2023-11-13T00:00:00Z

GOOD = {"accepted": 90, "rejected": 10}
BAD = {"rejected": 100}
FAILING = {"errors": 30}
COLD = {"input_tokens": 100_000}
WARM = {"input_tokens": 100_000, "cache_read_tokens": 80_000}


def detector(
    *, absorb_hours: int | None = 24, least_usd: str = "1", **config: float
) -> RatioDetector:
    return RatioDetector(
        RatioConfig.model_validate(config),
        least_usd_per_hour=Decimal(least_usd),
        absorb_after_seconds=None if absorb_hours is None else absorb_hours * HOUR,
        absorb_max_nanousd_per_day=100 * USD,
    )


class Scope:
    """One scope, whose windows are hours unless said otherwise."""

    def __init__(self, ratios: RatioDetector | None = None) -> None:
        self.ratios = ratios or detector()
        self.state = self.ratios.fresh()
        self.at = MONDAY

    def does(
        self,
        count: int,
        counters: dict[str, int],
        *,
        calls: int = 100,
        usd: float = 20.0,
        seconds: int = HOUR,
    ) -> list[RatioFinding]:
        """The same in so many windows; what was found."""
        row = [0] * len(BESIDE)
        for name, each in counters.items():
            row[BESIDE.index(COUNTER_INDEX[name])] = each
        found: list[RatioFinding] = []
        for _ in range(count):
            window = Window(self.at, self.at + seconds)
            found += self.ratios.learn(self.state, window, round(usd * USD), calls, row)
            self.at += seconds
        return found

    def rests(self, hours: int) -> list[RatioFinding]:
        return self.does(hours, {}, calls=0, usd=0.0)


def known(ratios: RatioDetector | None = None, hours: int = 30) -> Scope:
    """A scope of which nine answers of ten are usually accepted."""
    scope = Scope(ratios)
    assert scope.does(hours, GOOD) == []
    return scope


def changes(found: Iterable[RatioFinding]) -> list[Change]:
    return [each.change for each in found]


# -- when a change is news -------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "told"), [(22, []), (23, [Change.BEGAN])])
def test_of_who_is_known_for_less_than_a_day_nothing_is_news(hours: int, told: list[Change]):
    assert changes(known(hours=hours).does(1, BAD)) == told


@pytest.mark.parametrize(
    ("spans", "told"), [(WARM_UP_SPANS - 1, []), (WARM_UP_SPANS, [Change.BEGAN])]
)
def test_of_whom_few_spans_are_known_nothing_is_news(spans: int, told: list[Change]):
    scope = Scope()
    for _ in range(spans):
        assert scope.does(1, GOOD) == []
        scope.rests(2)
    assert changes(scope.does(1, BAD)) == told


def test_a_collapse_is_news_after_the_first_hour_of_it_and_no_window_earlier():
    scope = known()
    start = scope.at
    fifth = {"accepted": 1, "rejected": 4}
    assert scope.does(11, fifth, calls=5, usd=1.5, seconds=300) == []
    [found] = scope.does(1, fifth, calls=5, usd=1.5, seconds=300)
    assert (found.channel.name, found.change) == ("accepted", Change.BEGAN)
    assert found.span == Window(start, start + HOUR)
    assert (found.started_at, found.fired_at) == (start, start + HOUR)
    assert found.trials == 60
    assert found.seen == pytest.approx(0.2)
    assert found.usual == pytest.approx(0.9)
    assert 0.6 < found.lower < 0.9 < found.upper <= 1.0
    assert found.cost_nanousd == 18 * USD
    assert found.lost_nanousd == pytest.approx(14 * USD)
    assert found.score >= 0.5


def test_a_span_lasts_until_it_has_enough_trials():
    scope = known()
    start = scope.at
    few = {"rejected": 6}
    assert scope.does(3, few) == []
    [found] = scope.does(1, few)
    assert found.span == Window(start, start + 4 * HOUR)
    assert found.trials == 24
    assert changes(known(detector(least_trials=25)).does(4, few)) == []


@pytest.mark.parametrize(("calls", "told"), [(39, []), (40, [Change.BEGAN])])
def test_tokens_say_as_much_as_half_their_calls(calls: int, told: list[Change]):
    scope = Scope()
    assert scope.does(30, WARM) == []
    assert changes(scope.does(1, COLD, calls=calls)) == told


@pytest.mark.parametrize(("accepted", "told"), [(8_100, []), (7_900, [Change.BEGAN])])
def test_a_change_below_the_least_is_no_news_however_sure_it_is(accepted: int, told: list[Change]):
    worse = {"accepted": accepted, "rejected": 10_000 - accepted}
    for scope, expected in ((Scope(), told), (Scope(detector(min_change=0.08)), [Change.BEGAN])):
        scope.does(150, {"accepted": 9_000, "rejected": 1_000})
        assert changes(scope.does(1, worse)) == expected


def test_a_smaller_change_is_news_once_it_has_lasted():
    scope = Scope()
    rng = np.random.default_rng(1)
    for share in rng.normal(0.85, 0.06, 100).clip(0, 1):
        scope.does(1, {"accepted": round(100 * share), "rejected": 100 - round(100 * share)})
    worse = {"accepted": 68, "rejected": 32}
    assert scope.does(2, worse) == []
    assert Change.BEGAN in changes(scope.does(4, worse))


def test_a_change_for_the_better_is_no_news_and_the_usual_a_week_later():
    worse, better = {"accepted": 30, "rejected": 70, "errors": 60}, {"accepted": 85, "rejected": 15}
    scope = Scope()
    assert scope.does(240, worse) == []
    assert scope.does(7 * 24, better) == []
    told = scope.does(3, worse)
    assert {each.channel.name for each in told} == {"accepted", "errors"}


def test_a_cache_that_is_switched_on_late_is_not_held_against_the_calls_before_it():
    scope = Scope()
    scope.does(100, {})
    scope.does(40, {"response_cache_hits": 60})
    [found] = scope.does(1, {})
    assert found.usual == pytest.approx(0.6)


@pytest.mark.parametrize(("usd", "told"), [(0.99, []), (1.01, [Change.BEGAN])])
def test_below_the_floor_of_dollars_nothing_is_news(usd: float, told: list[Change]):
    assert changes(known().does(1, BAD, usd=usd)) == told
    assert changes(known(detector(least_usd="0.5")).does(1, BAD, usd=usd)) == [Change.BEGAN]


def test_of_a_long_span_the_pace_counts_and_not_the_sum():
    assert known().does(4, {"rejected": 6}, usd=0.9) == []
    [found] = known().does(4, {"rejected": 6}, usd=2.0)
    assert found.worst_nanousd_per_hour == pytest.approx(2 * USD)


def test_what_is_spent_in_windows_without_an_answer_counts_in_the_span():
    hourly, by_five_minutes = known(), known()
    [whole] = hourly.does(1, BAD, usd=24.0)
    by_five_minutes.does(1, BAD, usd=2.0, seconds=300)
    [parts] = by_five_minutes.does(11, {}, usd=2.0, seconds=300)
    assert parts.cost_nanousd == whole.cost_nanousd == 24 * USD
    assert parts.lost_nanousd == whole.lost_nanousd


def test_a_first_error_that_comes_late_is_held_against_the_calls_before_it():
    scope = Scope()
    assert scope.does(30, {}) == []
    [found] = scope.does(1, FAILING)
    assert found.channel.name == "errors"
    assert found.usual == pytest.approx(0.5 / 3000)
    assert found.lower == 0.0
    assert found.upper < 0.3
    assert found.lost_nanousd == pytest.approx(6 * USD, rel=0.01)


def test_an_error_in_the_first_hour_says_nothing_of_what_is_usual():
    scope = Scope()
    assert scope.does(30, FAILING) == []
    assert scope.does(30, FAILING) == []
    assert changes(scope.does(1, {"errors": 90})) == [Change.BEGAN]


def test_few_calls_before_the_first_error_say_little():
    rare = Scope()
    for _ in range(WARM_UP_SPANS - 1):
        rare.does(1, {}, calls=1)
        rare.rests(9)
    assert rare.does(1, {"errors": 90}) == []
    busy, idle = Scope(), Scope()
    busy.does(MEMORY_SPANS + 5, {})
    idle.does(MEMORY_SPANS + 5, {}, calls=1)
    wide, narrow = (
        found.upper
        for scope in (idle, busy)
        for found in scope.does(1, {"errors": 60}, calls=100, usd=50.0)
    )
    assert wide > narrow


@pytest.mark.parametrize(
    ("name", "usually", "now"),
    [
        ("prompt_cache", WARM, COLD),
        ("response_cache", {"response_cache_hits": 60}, {}),
        ("errors", {"errors": 2}, {"errors": 70}),
        ("refusals", {"refusals": 2}, {"refusals": 70}),
        ("retries", {"retries": 5}, {"retries": 300}),
    ],
)
def test_every_ratio_is_judged_and_by_itself(
    name: str, usually: dict[str, int], now: dict[str, int]
):
    scope = known()
    scope.does(100, GOOD | usually)
    found = scope.does(2, GOOD | now)
    assert [each.channel.name for each in found] == [name, name]
    assert changes(found) == [Change.BEGAN, Change.GOES_ON]
    assert all(0.5 <= each.score < 1.0 and each.lost_nanousd > 0 for each in found)


# -- what becomes of it ----------------------------------------------------------------------


def test_it_goes_on_until_enough_spans_in_a_row_are_calm():
    scope = known()
    assert not is_any_bad(scope.state)
    told = changes(scope.does(2, BAD) + scope.does(CALM_SPANS - 1, GOOD) + scope.does(1, BAD))
    assert told == [Change.BEGAN] + [Change.GOES_ON] * (CALM_SPANS + 1)
    assert is_any_bad(scope.state)
    told = changes(scope.does(CALM_SPANS, GOOD))
    assert told == [Change.GOES_ON] * (CALM_SPANS - 1) + [Change.RECOVERED]
    assert not is_any_bad(scope.state)
    assert scope.does(30, GOOD) == []


def test_an_episode_teaches_nothing_of_what_is_usual():
    scope = known()
    *_, last = scope.does(20, BAD)
    assert last.usual == pytest.approx(0.9)
    scope.does(CALM_SPANS, GOOD)
    assert scope.does(5, GOOD) == []


def test_figures_of_an_episode_add_up():
    scope = known()
    found = scope.does(1, BAD, usd=10.0) + scope.does(2, BAD, usd=40.0)
    found += scope.does(1, {"accepted": 45, "rejected": 55}, usd=20.0)
    found += scope.does(CALM_SPANS, {"accepted": 100})  # better than usual buys nothing back
    assert [each.lost_nanousd // USD for each in found] == [10, 40, 40, 10, 0, 0]
    total = 0
    for each in found:
        total += each.lost_nanousd
        assert each.lost_in_all_nanousd == pytest.approx(total, abs=len(found))
    worst = [each.worst_nanousd_per_hour // USD for each in found]
    assert worst == [10, 40, 40, 40, 40, 40]
    assert len({(each.started_at, each.fired_at) for each in found}) == 1
    assert all(later.span.start_seconds == each.span.end_seconds for each, later in pairwise(found))
    [again] = scope.does(2, BAD, usd=15.0)
    assert again.lost_in_all_nanousd // USD == 15, "of another episode"


def test_two_ratios_may_be_bad_at_once_and_recover_one_after_the_other():
    scope = known()
    scope.does(5, GOOD)
    assert changes(scope.does(1, BAD | FAILING)) == [Change.BEGAN, Change.BEGAN]
    scope.does(CALM_SPANS, BAD)
    assert is_any_bad(scope.state)
    scope.does(CALM_SPANS, GOOD)
    assert not is_any_bad(scope.state)


def test_a_small_loss_that_lasts_becomes_the_usual():
    scope = known()
    half = {"accepted": 45, "rejected": 55}
    told = changes(scope.does(24, half, usd=8.0))
    assert told == [Change.BEGAN, *[Change.GOES_ON] * 22, Change.ABSORBED]
    assert not is_any_bad(scope.state)
    assert scope.does(30, half, usd=8.0) == []
    found, *_ = scope.does(3, BAD)
    assert found.usual == pytest.approx(0.45, abs=0.03)


def test_a_large_loss_is_never_absorbed_and_no_loss_is_where_that_is_off():
    half = {"accepted": 45, "rejected": 55}
    for scope in (known(), known(detector(absorb_hours=None))):
        told = changes(scope.does(60, half, usd=8.7 if scope.ratios._absorb_after else 2.5))
        assert told == [Change.BEGAN, *[Change.GOES_ON] * 59]


def test_an_absorbed_ratio_is_a_share_though_more_was_counted_than_could_be():
    scope = known(detector(absorb_hours=3))
    scope.does(1, BAD, usd=2.0)
    scope.does(1, {"accepted": 900, "rejected": -800}, usd=2.0)
    assert changes(scope.does(1, BAD, usd=2.0)) == [Change.ABSORBED]
    [found] = scope.does(1, BAD)
    assert 0.0 <= found.usual <= 1.0


def test_after_a_day_without_a_trial_nobody_knows_any_more():
    scope = known()
    scope.does(1, BAD)
    scope.does(1, {"accepted": 20, "rejected": 80})
    judged_at = scope.at
    assert scope.rests(1) == []
    assert scope.does(1, {"rejected": 5}) == []
    assert scope.rests(23) == []
    [found] = scope.rests(1)
    assert found.change is Change.NO_DATA
    assert found.span == Window(judged_at + 2 * HOUR, judged_at + 2 * HOUR + DAY)
    assert (found.seen, found.trials) == (pytest.approx(0.1), 200)
    assert (found.cost_nanousd, found.lost_nanousd) == (0, 0)
    assert found.lost_in_all_nanousd // USD == 35
    assert found.usual == pytest.approx(0.9), "nothing was learned of it"
    assert not is_any_bad(scope.state)
    assert scope.rests(48) == []
    assert Change.BEGAN in changes(scope.does(2, BAD))


# -- what is usual though it looks bad -------------------------------------------------------


def test_a_burst_is_told_once_and_again_only_if_it_is_larger():
    scope = Scope()
    scope.does(1, {"errors": 1})
    scope.does(150, {})
    told = []
    for _ in range(4):
        told.append(changes(scope.does(1, FAILING)))
        scope.does(20, {})
    assert told == [[Change.BEGAN], [], [], []]
    assert changes(scope.does(1, {"errors": 70})) == [Change.BEGAN]


def test_what_was_large_weeks_ago_is_news_again():
    scope = Scope()
    scope.does(1, {"errors": 1})
    scope.does(150, {})
    scope.does(1, FAILING)
    scope.does(20, {})
    assert scope.does(1, FAILING) == []
    scope.does(24 * 90, {})
    assert changes(scope.does(1, FAILING)) == [Change.BEGAN]


def test_a_cache_that_is_cold_every_night_is_usual_after_some_nights():
    scope = Scope()
    told = []
    for _ in range(12):
        found = scope.does(2, COLD, calls=1000)
        found += scope.does(22, WARM, calls=1000)
        told.append(len(found))
    assert sum(told[:6]) > 0
    assert told[6:] == [0] * 6


@pytest.mark.parametrize("seed", range(4))
def test_what_varies_by_chance_for_weeks_is_no_news(seed: int):
    rng = np.random.default_rng(seed)
    scope = Scope()
    found: list[RatioFinding] = []
    for calls in rng.poisson(rng.choice([30, 100, 1000]), 24 * 28).tolist():
        answers = rng.binomial(calls, 0.8)
        share = rng.beta(0.88 * 30, 0.12 * 30)
        accepted = int(rng.binomial(answers, share))
        read = 1000 * calls
        found += scope.does(
            1,
            {
                "accepted": accepted,
                "rejected": int(answers) - accepted,
                "input_tokens": read,
                "cache_read_tokens": round(read * rng.beta(0.6 * 40, 0.4 * 40)),
                "response_cache_hits": int(rng.binomial(calls, rng.beta(0.2 * 40, 0.8 * 40))),
                "errors": int(rng.binomial(calls, rng.beta(0.02 * 300, 0.98 * 300))),
                "refusals": int(rng.binomial(calls, 0.005)),
                "retries": int(rng.poisson(0.05 * calls)),
            },
            calls=calls,
            usd=50.0,
        )
    assert found == []
    collapse = {"accepted": 20, "rejected": 80}
    assert "accepted" in {each.channel.name for each in scope.does(3, collapse)}


# -- when to look, and what is kept ----------------------------------------------------------


def test_a_span_that_began_is_due_an_hour_later_and_before_there_is_none():
    scope = Scope()
    assert scope.ratios.due_at(scope.state) is None
    scope.does(1, {}, seconds=300)
    assert scope.ratios.due_at(scope.state) is None, "nothing was ever counted"
    start = scope.at
    scope.does(1, {"errors": 1}, seconds=300)
    scope.does(1, GOOD, seconds=300)
    assert scope.ratios.due_at(scope.state) == start + HOUR, "of two, the earlier"
    scope.does(10, {"errors": 1}, calls=100, seconds=300)
    assert scope.ratios.due_at(scope.state) == start + 300 + HOUR
    scope.does(1, {}, calls=0, seconds=300)
    assert scope.ratios.due_at(scope.state) == scope.at + HOUR, "what people say comes later"


def test_a_scope_of_few_calls_is_one_episode_though_its_spans_take_days():
    scope = Scope(detector(absorb_hours=None))
    daily = {"accepted": 9, "rejected": 1}
    for _ in range(40):
        assert scope.does(1, daily, calls=10, usd=100.0) == []
        scope.rests(23)
    found = []
    for _ in range(14):
        found += scope.does(1, {"accepted": 1, "rejected": 9}, calls=10, usd=100.0)
        found += scope.rests(23)
    assert changes(found)[0] is Change.BEGAN
    assert set(changes(found)[1:]) == {Change.GOES_ON}


def test_verdicts_that_come_at_night_are_about_the_dollars_of_the_day():
    scope = Scope()

    def day(verdicts: dict[str, int]) -> list[RatioFinding]:
        return scope.does(23, {}, usd=10.0) + scope.does(1, verdicts, calls=0, usd=0.0)

    for _ in range(14):
        assert day(GOOD) == []
    [found] = day(BAD)
    assert found.change is Change.BEGAN
    assert found.span.size_seconds == DAY
    assert found.cost_nanousd == 230 * USD


def test_what_lasts_a_week_is_the_usual_whatever_it_costs():
    scope = known()
    found = scope.does(8 * 24, BAD, usd=100.0)
    assert changes(found)[-1] is Change.ABSORBED
    assert found[-1].span.end_seconds - found[0].started_at == 7 * DAY
    never = known(detector(absorb_hours=None))
    assert Change.ABSORBED not in changes(never.does(8 * 24, BAD, usd=100.0))


def test_a_ratio_of_which_nothing_was_ever_counted_takes_no_room():
    scope = Scope()
    scope.does(3, {})
    assert scope.ratios.snapshot(scope.state)[-1] == [None] * 6
    scope.does(1, FAILING)
    assert [each is not None for each in scope.state[-1]] == [False] * 3 + [True] + [False] * 2


def test_of_an_empty_state_nothing_is_bad():
    assert not is_any_bad([])


PARTS = {
    "good": GOOD | WARM,
    "bad": BAD | WARM,
    "cold": GOOD | COLD | {"response_cache_hits": 3},
    "failing": GOOD | WARM | FAILING | {"retries": 40},
    "idle": {},
}


@settings(max_examples=40)
@given(
    parts=st.lists(st.tuples(st.sampled_from(sorted(PARTS)), st.integers(1, 40)), max_size=8),
    cut=st.floats(0, 1),
)
def test_a_restored_scope_goes_on_like_the_old_one(parts: list[tuple[str, int]], cut: float):
    windows = [name for name, count in [("good", 80), *parts] for _ in range(count)]
    scope, other = Scope(detector(absorb_hours=5)), Scope(detector(absorb_hours=5))
    found: list[RatioFinding] = []
    others: list[RatioFinding] = []
    for number, name in enumerate(windows):
        if number == int(cut * len(windows)):
            other.state = other.ratios.restore(other.ratios.snapshot(other.state))
        how: dict[str, Any] = {"calls": 0 if name == "idle" else 100, "seconds": 1200, "usd": 5.0}
        found += scope.does(1, PARTS[name], **how)
        others += other.does(1, PARTS[name], **how)
    assert found == others
    assert scope.ratios.snapshot(scope.state) == other.ratios.snapshot(other.state)


def test_a_snapshot_is_no_window_into_the_state():
    scope = known()
    plain = scope.ratios.snapshot(scope.state)
    kept = [*plain[:-1], list(plain[-1])]
    scope.does(3, BAD | FAILING)
    assert plain == kept


@pytest.mark.parametrize(
    "plain",
    [
        [],
        [0, 0, 0],
        7,
        [0, 0, 0, 7],
        [0, 0, 0, [None] * 5],
        [0, 0, 0, [b"12345678", *[None] * 5]],
        [0, 0, 0, [b"123", *[None] * 5]],
        [0, 0, 0, [bytes(8 * (BAD_TRIALS + 2)), *[None] * 5]],
        [0, "many", 0, [None] * 6],
        [None, 0, 0, [None] * 6],
    ],
)
def test_what_is_no_snapshot_is_refused(plain: Any):
    with pytest.raises(ValueError, match="not a snapshot of the ratios"):
        detector().restore(plain)


@pytest.mark.parametrize(
    "wrong", [{"least_trials": 4}, {"min_change": 0}, {"min_change": 1}, {"most": 1}]
)
def test_a_wrong_setting_is_refused(wrong: dict[str, float]):
    with pytest.raises(ValidationError):
        RatioConfig.model_validate(wrong)
