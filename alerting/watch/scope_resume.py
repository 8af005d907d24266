"""A scope goes on after a restart: its live state, its profile, and the windows between them.

This file must not judge anything; ``scope_rows.py`` and ``learning.py`` wrote what it reads.
"""

from collections.abc import Sequence
from typing import Any

from alerting.alert import CONTRIBUTOR
from alerting.watch.judgement import AT_ONCE
from alerting.watch.lesson import Lesson
from alerting.watch.scope_judge import ScopeJudge
from alerting.watch.scope_rows import cells_from_row, tracks_from_row
from alerting.watch.scope_state import UNBORN, ScopeState


def absorb_log(state: ScopeState, through: int, window_seconds: int) -> None:
    """Leave out of the log what a durable profile has learned.

    Args:
        state: changed in place.
        through: the profile's, epoch seconds.
        window_seconds: length of the judged windows.
    """
    done = 0
    for row in state.log:
        windows = row[1] if row[0] == Lesson.QUIET else 1
        end = state.log_from + windows * window_seconds
        if end > through:
            break
        state.log_from = end
        done += 1
    del state.log[:done]
    state.has_profile = state.has_profile or done > 0


def resume(
    state: ScopeState, judge: ScopeJudge, live: Sequence[Any], profile: Sequence[Any] | None
) -> None:
    """Give a fresh state its windows, its alerts and what it had learned.

    Args:
        state: with its totals and accounts already; changed in place.
        judge: of its kind.
        live: the live snapshot, of windows of the same length.
        profile: the profile's, if there is one.

    Raises:
        ValueError: if the snapshots do not fit together.
    """
    window_seconds, open_start, cells, tracks, has_profile, log_from, log = live[7:]
    state.cells = cells_from_row(cells)
    if open_start == UNBORN:
        return
    state.open_start, state.has_profile, state.log_from = open_start, has_profile, log_from
    state.tracks = tracks_from_row(tracks)
    if judge.contributor is None:
        state.tracks.pop(CONTRIBUTOR, None)
    known = judge.learner.restore(profile) if profile and profile[0] != UNBORN else None
    if known is None and has_profile:
        raise ValueError(f"{state.scope}: its live state needs a profile, and there is none")
    learned = state.learned = known or judge.learner.fresh(log_from)
    if learned.through < log_from:
        raise ValueError(
            f"{state.scope}: its profile ends at {learned.through}, its log begins at {log_from}"
        )
    state.log = [list(row) for row in log]
    absorb_log(state, learned.through, window_seconds)
    for row in state.log:
        judge.learner.apply(learned, row)
    if not state.log:
        state.log_from = learned.through
    state.trigger = AT_ONCE  # the next row looks: the configuration may have changed
