"""What each hour of the last four weeks cost one scope, a byte an hour.

It remembers, and adds up spans; what is usual of them is ``drift.py``'s to say. An hour is *odd* if
it must not be taken for usual: an alert was on. The last three days are known exactly, for what
they cost is compared and told; a byte an hour does for what they are compared with.
"""

from array import array
from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.detector import State
from detectors.levels import LEVELS_AN_OCTAVE, MIDDLES_NANOUSD, level_of

KEPT_HOURS = 29 * 24
"""Four weeks, and the day before them."""

LONGEST_SPAN_HOURS = 72
"""The longest that ``same_hours.py`` judges; a test holds them equal."""

FIRST_HOUR, HOUR, COST, ASIDE, IS_ODD, LEVELS, RECENT, ODD, SET_ASIDE, TOLD = range(10)
"""Of a state: first hour known and the hour going on (-1: none yet), what it cost so far, what of
that is set aside, and whether it is odd; a level per hour of the last ``KEPT_HOURS`` by hour modulo
that, and nano-dollars without what was set aside or told of the last ``LONGEST_SPAN_HOURS``
likewise, both empty while all of them cost nothing; the odd hours, ascending; those with something
set aside, with how much; and likewise those with something that was told of and is over."""

DICTS = SET_ASIDE, TOLD
"""The places of amounts by hour."""

WEEK_HOURS = 7 * 24

LARGEST_NANOUSD = 2**62

_COSTS = np.array(MIDDLES_NANOUSD, np.int64)
_PLACES = np.arange(KEPT_HOURS - 1)


def fresh() -> State:
    """Nothing known."""
    return [-1, -1, 0, 0, False, bytearray(), array("q"), [], {}, {}]


def add(state: State, hour: int, cost_nanousd: int, aside_nanousd: int, *, is_odd: bool) -> None:
    """Count a window in its hour.

    Args:
        state: changed in place.
        hour: the window's.
        cost_nanousd: of it.
        aside_nanousd: of that, what must not make its spans dear.
        is_odd: whether its hour must not be taken for usual.

    Raises:
        ValueError: if that hour is over.
    """
    advance(state, hour)
    state[COST] += cost_nanousd
    state[ASIDE] += aside_nanousd
    state[IS_ODD] = state[IS_ODD] or is_odd


def advance(state: State, hour: int) -> None:
    """End the hours before one; those without a window cost nothing.

    Raises:
        ValueError: if an hour after it is going on.
    """
    over = state[HOUR]
    if hour == over:
        return
    if hour < over:
        raise ValueError(f"hour {hour} comes before hour {over}, already going on")
    if over < 0:
        state[FIRST_HOUR] = state[HOUR] = hour
        return
    levels: bytearray = state[LEVELS]
    recent: array[int] = state[RECENT]
    if state[COST] and not levels:
        levels.extend(bytes(KEPT_HOURS))
        recent.extend([0] * LONGEST_SPAN_HOURS)
    if levels:
        levels[over % KEPT_HOURS] = level_of(state[COST])
        recent[over % LONGEST_SPAN_HOURS] = min(spent_now(state), LARGEST_NANOUSD)
        for quiet in range(over + 1, min(hour, over + 1 + KEPT_HOURS)):
            levels[quiet % KEPT_HOURS] = recent[quiet % LONGEST_SPAN_HOURS] = 0
    if state[ASIDE] or state[SET_ASIDE]:
        state[SET_ASIDE][over] = state[ASIDE]
    if state[IS_ODD]:
        state[ODD].append(over)
    _forget(state, hour)
    state[HOUR], state[COST], state[ASIDE], state[IS_ODD] = hour, 0, 0, False


def _forget(state: State, hour: int) -> None:
    """Drop what is too old once an hour goes on."""
    if state[ODD]:
        state[ODD] = [each for each in state[ODD] if each > hour - KEPT_HOURS]
    for place in DICTS:
        if state[place]:
            oldest = hour - LONGEST_SPAN_HOURS
            state[place] = {
                each: cost for each, cost in state[place].items() if cost and each > oldest
            }


def spent_before(state: State, hours: int, hour: int) -> int:
    """Nano-dollars of a span of ``hours`` that ends with ``hour``, of what is over of it.

    What was set aside or told is left out.

    Args:
        state: one in whose last hour, or the one after that, the span ends.
        hours: length of the span.
        hour: its last.
    """
    recent: array[int] = state[RECENT]
    if not recent:
        return 0
    first = max(hour - hours + 1, state[FIRST_HOUR])
    count = max(state[HOUR] - first, 0)
    place = first % LONGEST_SPAN_HOURS
    # Slices: one by one, the six sums of a scope and hour took 13 us, and take 7.
    beyond = max(place + count - LONGEST_SPAN_HOURS, 0)
    return sum(recent[place : place + count]) + sum(recent[:beyond])


def levels_of(state: State, first: int, stop: int) -> bytearray:
    """A level per hour of some that have begun, at most four weeks ago; of the last one so far."""
    levels: bytearray = state[LEVELS]
    if not levels:
        return bytearray(stop - first)
    place, end = first % KEPT_HOURS, first % KEPT_HOURS + stop - first
    found = levels[place:end]
    if end > KEPT_HOURS:
        found += levels[: end - KEPT_HOURS]
    if first <= state[HOUR] < stop:
        found[state[HOUR] - first] = level_of(state[COST])
    return found


def nanousd_of(levels: bytearray) -> int:
    """Nano-dollars of hours with these levels, as nearly as they tell."""
    return int(_COSTS[np.frombuffer(levels, np.uint8)].sum())


def spent_lately(state: State, hours: int) -> int:
    """Nano-dollars of the hour going on and so many before it, without what was left out."""
    return spent_before(state, hours + 1, state[HOUR]) + spent_now(state)


def spent_now(state: State) -> int:
    """Nano-dollars of the hour going on, without what was set aside or told."""
    told_of: int = state[TOLD].get(state[HOUR], 0) if state[TOLD] else 0
    spent: int = state[COST] - state[ASIDE] - told_of
    return spent


def set_aside(state: State, hours: int) -> int:
    """Nano-dollars set aside of a span of ``hours`` that ends with the hour going on."""
    first = state[HOUR] - hours + 1
    before: int = sum(cost for each, cost in state[SET_ASIDE].items() if each >= first)
    return before + int(state[ASIDE])


def told_of(state: State, hours: int) -> int:
    """Nano-dollars of such a span that were told of and are over."""
    first = state[HOUR] - hours + 1
    return sum(cost for each, cost in state[TOLD].items() if each >= first)


def sums_until(state: State, hour: int) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, int]:
    """Running sums of the hours from ``hour - KEPT_HOURS`` until two before ``hour``.

    The same whether ``hour`` is the one going on or the next.

    Returns:
        Nano-dollars before each of those hours and after the last, ``KEPT_HOURS`` numbers; likewise
        the number of odd hours, ``None`` if there is none; and the place of the first hour known.
    """
    oldest = hour - KEPT_HOURS
    levels = np.frombuffer(state[LEVELS], np.uint8)
    sums = np.zeros(KEPT_HOURS, np.int64)
    np.cumsum(_COSTS[levels[(_PLACES + oldest) % KEPT_HOURS]], out=sums[1:])
    odd = [each - oldest for each in state[ODD] if oldest <= each < hour - 1]
    counts = None
    if odd:
        is_odd = np.zeros(KEPT_HOURS, np.int64)
        is_odd[np.array(odd) + 1] = 1
        counts = np.cumsum(is_odd)
    return sums, counts, max(state[FIRST_HOUR] - oldest, 0)


def usual_pace(
    state: State, hours: int, *, days: int, last: int = 1, otherwise: float = 0.0
) -> float:
    """Nano-dollars an hour, on the days before, of the same hours as the last ones.

    Args:
        state: nothing of it is changed.
        hours: how many.
        days: how far back; odd hours are left out.
        last: how many hours before the one going on the last of them is.
        otherwise: the answer if nothing else is known.
    """
    ends = [state[HOUR] - last - 24 * day for day in range(1, days + 1)]
    return _usual(state, [end - back for end in ends for back in range(hours)], otherwise=otherwise)


def _usual(state: State, hours: Sequence[int], *, otherwise: float) -> float:
    """Nano-dollars of a mean one of some hours, without odd and unknown ones, if any is left."""
    levels: bytearray = state[LEVELS]
    known = [each for each in hours if each >= state[FIRST_HOUR] and each not in state[ODD]]
    if not (levels and known):
        return otherwise
    total: int = sum(MIDDLES_NANOUSD[levels[each % KEPT_HOURS]] for each in known)
    return total / len(known)


def leave_out(state: State, since: int, nanousd: int, *, days: int, passed: float) -> None:
    """Let what was told of and is over make no span dear.

    What is set aside is part of it. The rest is of what hours cost beyond the same hours of the
    days before, or beyond the one a week before if that is more: each gives the same share of
    that, and none gives more. Where nothing is known of an hour, nothing is too much.

    Args:
        state: changed in place.
        since: the first hour that may have some.
        nanousd: in all.
        days: how far back what is usual is looked for.
        passed: share of the hour going on that has passed, 0-1.
    """
    recent, told_of, now = state[RECENT], state[TOLD], state[HOUR]
    first = max(since, state[FIRST_HOUR], now - LONGEST_SPAN_HOURS + 1)
    aside = {hour: cost for hour, cost in state[SET_ASIDE].items() if hour >= first}
    aside[now] = state[ASIDE]
    spent = {hour: recent[hour % LONGEST_SPAN_HOURS] for hour in range(first, now) if recent}
    spent[now] = spent_now(state)
    above = dict.fromkeys(spent, 0)
    for hour, cost in spent.items():
        usual = _usual(state, range(hour - 24 * days, hour, 24), otherwise=inf)
        usual = max(usual, _usual(state, [hour - WEEK_HOURS], otherwise=0.0))
        if cost:  # then some of its hour has passed
            above[hour] = cost - int(min(usual * (passed if hour == now else 1.0), cost))
    total = max(sum(above.values()), 1)
    left = min(max(nanousd - sum(aside.values()), 0), total)
    state[SET_ASIDE] = {hour: each for hour, each in state[SET_ASIDE].items() if hour < first}
    state[ASIDE] = 0
    for hour in spent:
        share = above[hour] * left // total
        if hour < now and share:
            recent[hour % LONGEST_SPAN_HOURS] -= share
        if told := share + aside.get(hour, 0):
            told_of[hour] = told_of.get(hour, 0) + told


def scale(state: State, octaves: float) -> None:
    """Multiply what the usual hours cost by ``2 ** octaves``: a new level was accepted."""
    steps, levels, recent = round(octaves * LEVELS_AN_OCTAVE), state[LEVELS], state[RECENT]
    kept = {each % KEPT_HOURS for each in state[ODD]}
    for place, level in enumerate(levels):
        if level and place not in kept:
            levels[place] = min(max(level + steps, 1), len(MIDDLES_NANOUSD) - 1)
    now, odd = state[HOUR], set(state[ODD])
    for hour in range(now - LONGEST_SPAN_HOURS, now) if recent else ():
        if hour not in odd:
            place = hour % LONGEST_SPAN_HOURS
            recent[place] = min(round(recent[place] * 2.0**octaves), LARGEST_NANOUSD)


def snapshot(state: State) -> State:
    """As plain data."""
    hours = [[figure for each in state[place].items() for figure in each] for place in DICTS]
    rings = bytes(state[LEVELS]), state[RECENT].tolist()
    return [*state[:LEVELS], *rings, list(state[ODD]), *hours]


def restore(plain: Sequence[Any]) -> State:
    """The state of a snapshot.

    Raises:
        ValueError: if it is not one.
    """
    try:
        first, hour, cost, aside, is_odd, levels, recent, odd, *hours = plain
        figures = map(int, (first, hour, cost, aside))
        set_aside, told_of = (dict(zip(each[::2], each[1::2], strict=True)) for each in hours)
        rings = bytearray(levels), array("q", recent)
        state = [*figures, bool(is_odd), *rings, list(odd), set_aside, told_of]
    except (TypeError, ValueError) as error:
        raise ValueError("not a snapshot of a ring of hours") from error
    if (len(levels), len(recent)) not in ((0, 0), (KEPT_HOURS, LONGEST_SPAN_HOURS)):
        raise ValueError(f"a ring of {len(levels)} hours, not {KEPT_HOURS}")
    return state
