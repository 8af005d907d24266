"""What a closed window teaches."""

import random

import pytest

from alerting.watch.lesson import Lesson
from alerting.watch.lifecycle import Told
from alerting.watch.rules import RulesConfig
from alerting.watch.scope_judge import ScopeJudge
from alerting.watch.scope_state import Cell, Row
from detectors import hour_ring
from detectors.drift import RING
from detectors.observation import BESIDE
from detectors.scope import Scope
from detectors.window import DAY_SECONDS, HOUR_SECONDS, Window
from tests.support.timeline import MONDAY

WINDOW = 300


def row(chance: random.Random, at: int) -> Row:
    """A window, dearer the later in the day, or some without spend.

    The day's last hour is its dearest: what midnight is told changes as that hour ends.
    """
    if not chance.randrange(8):
        return [int(Lesson.QUIET), chance.randint(1, 30)]
    cost = chance.randrange(10**9, 2 * 10**9) * (1 + at % DAY_SECONDS // HOUR_SECONDS)
    return [int(Lesson.LEARN), cost, 3, {}, [cost, 3], [0] * len(BESIDE)]


def test_a_seasonal_band_that_is_kept_is_the_one_asked_for_anew() -> None:
    judge = ScopeJudge.of(RulesConfig(), Scope.parse("agent:a"))
    assert judge is not None
    learner, chance = judge.learner, random.Random(7)
    learned, seen = learner.fresh(MONDAY), set()
    assert learner.seasonal is not None
    while learned.through < MONDAY + 6 * DAY_SECONDS:
        learner.apply(learned, row(chance, learned.through))
        start = learned.through + WINDOW
        anew = learner.seasonal.band(learned.seasonal, Window(start, start + WINDOW))
        assert learned.season is not None
        assert learned.season[1] == anew
        seen.add(anew)
    assert len(seen) > 24


@pytest.mark.parametrize("seed", range(3))
def test_quiet_windows_teach_and_tell_the_same_however_they_are_cut(seed: int) -> None:
    judge = ScopeJudge.of(RulesConfig(), Scope.parse("agent:a"))
    assert judge is not None
    learner, chance = judge.learner, random.Random(seed)
    known = learner.fresh(MONDAY)
    nothing = [0] * len(BESIDE)
    while known.through < MONDAY + 9 * DAY_SECONDS:
        cost = chance.randrange(400_000_000, 500_000_000)
        learner.apply(known, [int(Lesson.LEARN), cost, 9, {}, [cost // 5, 2], nothing])
    plain = learner.snapshot(known)
    told, states = [], []
    for longest in (10_000, 80, 1):
        learned = learner.restore(plain)
        assert learned is not None
        found, left = [], 100 * 12
        while left:
            count = min(chance.randint(1, longest), left)
            found += learner.apply(learned, [int(Lesson.QUIET), count])
            left -= count
        told.append(found)
        states.append(learner.snapshot(learned))
    assert told[0] == told[1] == told[2]
    assert [each.change.value for each in told[0]] == ["gone", "accepted"]
    assert states[0] == states[1] == states[2]


@pytest.mark.parametrize("lesson", [Lesson.LEARN, Lesson.LEARN_WITHOUT_PARTS, Lesson.HELD])
def test_what_was_told_of_is_in_the_row_and_replaying_it_gives_the_same(lesson: Lesson) -> None:
    judge = ScopeJudge.of(RulesConfig(), Scope.parse("agent:a"))
    assert judge is not None
    learner, chance = judge.learner, random.Random(3)
    learned = learner.fresh(MONDAY)

    def closed(lesson: Lesson, cost: int, told: Told | None) -> Row:
        cell = Cell(cost, 3, 0, [0] * (2 * 5 + len(BESIDE)))
        return learner.row(learned, lesson, cell, (), told)

    end = MONDAY + 9 * DAY_SECONDS + 6 * HOUR_SECONDS
    while learned.through < end - 2 * HOUR_SECONDS:
        learner.apply(learned, closed(Lesson.LEARN, chance.randrange(10**9, 12 * 10**8), None))
    older, rows = learner.snapshot(learned), []
    while learned.through < end:
        is_last = learned.through == end - WINDOW
        told = Told(end - 2 * HOUR_SECONDS, 15 * 10**9) if is_last else None
        rows.append(closed(lesson if is_last else Lesson.DRIFT, 2 * 10**9, told))
        learner.apply(learned, rows[-1])
    assert hour_ring.told_of(learned.drift[RING], 6) == pytest.approx(15 * 10**9, abs=10)
    other = learner.restore(older)
    assert other is not None
    for each in rows:
        learner.apply(other, each)
    assert learner.snapshot(other) == learner.snapshot(learned)


@pytest.mark.parametrize(
    ("lesson", "aside"),
    [
        (Lesson.LOUD, True),
        (Lesson.LOUD_LEFT_OUT, True),
        (Lesson.ANOMALOUS, False),
        (Lesson.LEAVE_OUT, False),
    ],
)
def test_what_people_were_told_of_makes_no_span_of_hours_dear(
    lesson: Lesson,
    aside: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    judge = ScopeJudge.of(RulesConfig(), Scope.parse("agent:a"))
    assert judge is not None
    learner, chance = judge.learner, random.Random(7)
    learned = learner.fresh(MONDAY)

    def apply(lesson: Lesson, cost: int) -> int:
        """How much of it is set aside."""
        before = hour_ring.set_aside(learned.drift[RING], 6)
        learner.apply(learned, [int(lesson), cost, 3, {}, [cost // 5, 1], [0] * len(BESIDE)])
        return hour_ring.set_aside(learned.drift[RING], 6) - before

    while learned.through < MONDAY + 5 * DAY_SECONDS:  # now and then it bursts
        apply(Lesson.LEARN, chance.choice([200_000_000] * 20 + [6_000_000_000]))
    band = learned.band
    assert band is not None
    unusual = band.upper_nanousd + 1
    assert unusual < band.edge_nanousd, "alone it is nothing that people are told"
    assert apply(lesson, unusual) == (unusual - band.expected_nanousd if aside else 0)
    assert apply(lesson, 100_000_000) == 0, "as usual as any"
