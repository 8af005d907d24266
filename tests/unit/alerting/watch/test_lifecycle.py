from dataclasses import replace

import pytest

from alerting.alert import ResolvedReason, Severity, Transition
from alerting.watch.lifecycle import (
    Drifted,
    Episode,
    Hysteresis,
    JudgedWindow,
    Spent,
    Step,
    Told,
    announced,
    step,
)
from detectors.window import Window

CALM_ENDS = Hysteresis(
    pending_windows=0,
    resolve_after_windows=3,
    absorb_after_seconds=3600,
    absorb_max_nanousd_per_day=24_000,
)
START = 1_700_000_100
PENDED, FIRED, UPDATED, RESOLVED = (
    Transition.PENDED,
    Transition.FIRED,
    Transition.UPDATED,
    Transition.RESOLVED,
)


def judged(
    number: int,
    *,
    anomalous: bool,
    excess: int = 100,
    severity: Severity = Severity.WARNING,
    has_data: bool = True,
) -> JudgedWindow:
    start = START + 300 * number
    return JudgedWindow(
        window=Window(start, start + 300),
        is_anomalous=anomalous,
        has_data=has_data,
        observed_nanousd=1000 + excess,
        expected_nanousd=1000,
        lower_nanousd=500,
        upper_nanousd=1050,
        score=0.7,
        excess_nanousd=excess,
        severity=severity,
    )


def drifted(number: int) -> JudgedWindow:
    """A span of six hours with $100 of which $60 too many; $5 of it, $3 too many, its own."""
    window = Window(START + 300 * number, START + 300 * number + 300)
    return replace(
        judged(number, anomalous=True, excess=60),
        observed_nanousd=100,
        drifted=Drifted(Window(START - 21_000, window.end_seconds), 5, 3),
    )


def test_an_episode_that_begins_as_a_drift_has_cost_the_whole_span():
    done = step(CALM_ENDS, None, drifted(0), is_held=False, decided_at=START)
    assert done.episode is not None
    assert done.episode.is_drift
    assert done.episode.spent == Spent(1, 5, 3)
    assert done.episode.whole == Spent(1, 100, 60)


def test_an_episode_of_a_single_window_that_goes_on_as_a_drift_counts_that_window_once():
    first = replace(judged(0, anomalous=True, excess=8), observed_nanousd=10)
    begun = step(CALM_ENDS, None, first, is_held=False, decided_at=START)
    assert begun.episode is not None
    assert not begun.episode.is_drift
    done = step(CALM_ENDS, begun.episode, drifted(1), is_held=False, decided_at=START)
    assert done.episode is not None
    assert done.episode.whole == Spent(2, 100, 60)
    again = step(CALM_ENDS, done.episode, drifted(2), is_held=False, decided_at=START)
    assert again.episode is not None
    assert again.episode.whole == Spent(3, 105, 63)


def test_a_longer_span_that_was_dearer_is_what_the_episode_has_cost():
    begun = step(CALM_ENDS, None, drifted(0), is_held=False, decided_at=START)
    window = drifted(1).window
    of_days = Drifted(Window(START - 250_000, window.end_seconds), 5, 3)
    longer = replace(drifted(1), observed_nanousd=900, excess_nanousd=200, drifted=of_days)
    done = step(CALM_ENDS, begun.episode, longer, is_held=False, decided_at=START)
    assert done.episode is not None
    assert done.episode.whole == Spent(2, 900, 200)
    assert done.episode.told == Told(START - 250_000, 200)
    cheaper = replace(longer, excess_nanousd=40)
    kept = step(CALM_ENDS, begun.episode, cheaper, is_held=False, decided_at=START)
    assert kept.episode is not None
    assert kept.episode.whole == Spent(2, 105, 63), "both figures are of the same span"
    assert kept.episode.told == Told(START - 21_000, 63)


def test_what_was_told_began_with_the_earliest_of_its_spans_and_never_after_its_alert():
    begun = step(CALM_ENDS, None, drifted(0), is_held=False, decided_at=START)
    late = drifted(200)
    assert late.drifted is not None
    short = Drifted(Window(START + 50_000, late.window.end_seconds), 5, 3)
    dearer = replace(late, observed_nanousd=500, excess_nanousd=400, drifted=short)
    done = step(CALM_ENDS, begun.episode, dearer, is_held=False, decided_at=START)
    assert done.episode is not None
    assert done.episode.told == Told(START - 21_000, 400)
    spike = replace(judged(0, anomalous=True, excess=8), observed_nanousd=10)
    alone = step(CALM_ENDS, None, spike, is_held=False, decided_at=START)
    joined = step(CALM_ENDS, alone.episode, dearer, is_held=False, decided_at=START)
    assert joined.episode is not None
    assert joined.episode.told == Told(START, 400)


def test_what_was_told_is_what_people_heard_of_and_since_when():
    first = replace(judged(0, anomalous=True, excess=8), observed_nanousd=10)
    done = step(CALM_ENDS, None, first, is_held=False, decided_at=START)
    assert done.episode is not None
    assert done.episode.told == Told(START, 8)
    assert replace(done.episode, severity=Severity.INFO).told is None
    assert replace(done.episode, fired_at=None).told is None


def run(
    text: str, hysteresis: Hysteresis = CALM_ENDS, *, held: str = ""
) -> list[tuple[Transition, ...]]:
    """``!`` is an anomalous window, ``.`` a calm one, ``_`` an empty one; ``h`` marks held ones."""
    episode: Episode | None = None
    told = []
    for number, sign in enumerate(text):
        done = step(
            hysteresis,
            episode,
            judged(number, anomalous=sign == "!", has_data=sign != "_"),
            is_held=held[number : number + 1] == "h",
            decided_at=START + 300 * number + 300,
        )
        episode = done.continuing
        told.append(done.transitions)
    return told


def last(text: str, hysteresis: Hysteresis = CALM_ENDS, *, held: str = "") -> Step:
    episode: Episode | None = None
    done = Step(None)
    for number, sign in enumerate(text):
        done = step(
            hysteresis,
            episode,
            judged(number, anomalous=sign == "!", has_data=sign != "_"),
            is_held=held[number : number + 1] == "h",
            decided_at=START + 300 * number + 300,
        )
        episode = done.continuing
    return done


def test_calm_windows_are_no_episode() -> None:
    assert last("..") == Step(None)


def test_the_first_anomalous_window_fires_and_every_window_after_updates() -> None:
    assert run("!!.") == [(FIRED, UPDATED), (UPDATED,), (UPDATED,)]


def test_the_third_calm_window_in_a_row_resolves() -> None:
    assert run("!..!...") == [
        (FIRED, UPDATED),
        (UPDATED,),
        (UPDATED,),
        (UPDATED,),
        (UPDATED,),
        (UPDATED,),
        (RESOLVED,),
    ]
    assert last("!...").reason is ResolvedReason.RECOVERED
    assert last("!...").continuing is None


def test_three_windows_without_anything_resolve_as_no_data() -> None:
    assert last("!___").reason is ResolvedReason.NO_DATA
    assert last("!_._").reason is ResolvedReason.RECOVERED
    assert last("!.!___").reason is ResolvedReason.NO_DATA, "calm before the flare does not count"


def test_a_held_alert_never_ends_and_ends_as_released_after() -> None:
    assert run("!......", held=".hhhhhh")[-1] == (UPDATED,)
    done = last("!......", held=".hhh")
    assert done.reason is ResolvedReason.RELEASED
    assert last("!.....", held=".hhh").reason is None, "calm counts from the release on"


def test_an_alert_held_while_anomalous_is_released_too() -> None:
    assert last("!!...", held=".h").reason is ResolvedReason.RELEASED


def test_a_new_episode_may_begin_once_the_old_has_ended() -> None:
    assert run("!...!")[-1] == (FIRED, UPDATED)
    episode = last("!...!").episode
    assert episode is not None
    assert episode.started_at == START + 4 * 300


def test_pending_waits_for_anomalous_windows_in_a_row() -> None:
    patient = replace(CALM_ENDS, pending_windows=2)
    assert run("!!!", patient) == [(PENDED,), (), (FIRED, UPDATED)]
    episode = last("!!!", patient).episode
    assert episode is not None
    assert (episode.started_at, episode.fired_at) == (START, START + 900)


@pytest.mark.parametrize("held", ["", "hh"])
def test_a_calm_window_ends_what_was_only_pending(held: str) -> None:
    patient = replace(CALM_ENDS, pending_windows=2)
    done = last("!.", patient, held=held)
    assert (done.transitions, done.reason) == ((RESOLVED,), ResolvedReason.RECOVERED)


def test_the_excess_spans_first_to_last_anomalous_window() -> None:
    def spent(text: str) -> Spent:
        episode = last(text).episode
        assert episode is not None
        return episode.spent

    assert spent("!") == Spent(1, 1100, 100)
    assert spent("!..") == Spent(1, 1100, 100), "calm windows at the end are nobody's excess"
    assert spent("!..!") == Spent(4, 4400, 400), "between flares they are"
    assert spent("!...") == Spent(1, 1100, 100)


def test_severity_only_rises() -> None:
    first = step(
        CALM_ENDS,
        None,
        judged(0, anomalous=True, severity=Severity.CRITICAL),
        is_held=False,
        decided_at=0,
    )
    second = step(
        CALM_ENDS,
        first.episode,
        judged(1, anomalous=True, severity=Severity.INFO),
        is_held=False,
        decided_at=0,
    )
    assert second.episode is not None
    assert second.episode.severity is Severity.CRITICAL


def test_a_small_excess_is_absorbed_once_it_is_old_enough_and_not_before() -> None:
    # 100 nano-dollars a window are 28,800 a day; 83 windows of 100 are within 24,000
    cheap = replace(CALM_ENDS, absorb_max_nanousd_per_day=28_800)
    assert last("!" * 11, cheap).reason is None
    done = last("!" * 12, cheap)
    assert done.reason is ResolvedReason.ABSORBED
    assert done.transitions == (UPDATED, RESOLVED)


@pytest.mark.parametrize(
    "hysteresis",
    [
        replace(CALM_ENDS, absorb_max_nanousd_per_day=28_799),
        replace(CALM_ENDS, absorb_max_nanousd_per_day=28_800, absorb_after_seconds=None),
        replace(CALM_ENDS, absorb_max_nanousd_per_day=28_800, pending_windows=20),
    ],
    ids=["too_large", "never", "not_fired"],
)
def test_nothing_else_is_absorbed(hysteresis: Hysteresis) -> None:
    assert last("!" * 14, hysteresis).reason is None


def test_a_held_alert_is_not_absorbed() -> None:
    cheap = replace(CALM_ENDS, absorb_max_nanousd_per_day=28_800)
    assert last("!" * 12, cheap, held="." * 11 + "h").reason is None


def test_an_open_window_announces_beginnings_once() -> None:
    done = last("!")
    assert announced(done, frozenset(), None) == (FIRED,)
    assert announced(done, frozenset({FIRED}), Severity.WARNING) == ()
    assert announced(Step(None), frozenset(), None) == ()
    pending = last("!", replace(CALM_ENDS, pending_windows=1))
    assert announced(pending, frozenset(), None) == (PENDED,)


def test_an_open_window_announces_that_an_alert_became_critical_and_nothing_less() -> None:
    def at(severity: Severity) -> Step:
        firing = last("!").episode
        return step(
            CALM_ENDS,
            firing,
            judged(1, anomalous=True, severity=severity),
            is_held=False,
            decided_at=0,
        )

    critical = at(Severity.CRITICAL)
    assert announced(critical, frozenset(), Severity.WARNING) == (UPDATED,)
    assert announced(critical, frozenset({UPDATED}), Severity.CRITICAL) == ()
    assert announced(at(Severity.WARNING), frozenset(), Severity.INFO) == ()


def test_an_open_window_never_announces_an_end() -> None:
    assert announced(last("!..."), frozenset(), Severity.WARNING) == ()


def test_of_two_judgements_the_louder_is_worse_and_of_equals_the_dearer():
    cheap, dear = (judged(0, anomalous=True, excess=excess) for excess in (100, 200))
    loud = judged(0, anomalous=True, excess=50, severity=Severity.CRITICAL)
    assert dear.is_worse_than(cheap)
    assert not cheap.is_worse_than(dear)
    assert not cheap.is_worse_than(cheap)
    assert loud.is_worse_than(dear)
    assert not dear.is_worse_than(loud)
