"""What is kept of each scope in numpy columns while its ordinary rows wait: the layout alone.

What the columns mean for a row is ``tally.py``'s.
"""

import numpy as np

from alerting.watch.scope_state import UNBORN

NO_WINDOW = -1
FAR = 2**62
"""Beyond every instant and every cost that a column is compared with."""

SCOPE = [
    ("is_counted", np.bool_),  # has a state whose ordinary rows may wait in columns
    ("is_judged", np.bool_),  # a spike rule fits it
    ("has_budget", np.bool_),  # its rows count against budgets, one by one
    ("is_calm", np.bool_),  # without episodes: its windows may close on paper
    ("is_unsettled", np.bool_),  # something here is not in its state yet
    ("has_open", np.bool_),  # the open window has rows
    ("unused", np.bool_, 2),  # so that a scope is whole words
    ("least", np.int64),  # what a calm scope's window must cost at least to be news
    ("known_until", np.int64),  # for windows that begin before that
    ("open_start", np.int64),  # first unclosed window
    ("room", np.int64),  # unsettled cost of it that is no news yet is below this
    ("next_start", np.int64),  # the later window with rows
    ("next_cost", np.int64),  # what its state knows of that window
    ("due", np.int64),  # watermark at which a window closes or opens
    ("budget_due", np.int64),  # watermark at which a budget has something to tell
    ("moved_to", np.int64),  # watermark up to which windows closed on paper, or -FAR
    ("parts_from", np.int64),  # first batch of contributors not in its state
    ("first_minute", np.int64),  # of the unsettled rows
    ("last_minute", np.int64),
]
WINDOWS = ("closed", "open", "next")
"""Unsettled rows of the window closed on paper, of the first unclosed one, and of a later one."""

START, CELL_COST, CALLS, LAST, AMOUNTS = range(5)
"""Of these: its start, and for a ``Cell`` cost, calls, last minute and, from there on, its
amounts."""

ABSENT = (
    *(False, False, False, False, False, False),
    (False, False),
    *(0, -FAR, UNBORN, 0, NO_WINDOW, 0, FAR, FAR, -FAR, 0, FAR, -FAR),
)
