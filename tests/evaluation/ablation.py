"""What each part of detection buys: the same measures with one part taken away at a time.

A part is taken away by configuration where there is one for it, else by putting a plainer answer in
its place. A part whose row is no worse than the first row buys nothing and should go.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np

from alerting.alert import Severity
from alerting.watch.judgement import NO_MORE, Trigger
from alerting.watch.rules import RulesConfig, SpikeRule
from alerting.watch.scope_judge import ScopeJudge
from detectors.calibration import LARGEST_NANOUSD, MOST_CALLS, Calibration
from detectors.signal import Band
from detectors.spike import SpikeConfig
from detectors.window import Window
from tests.evaluation import false_alarms, leak
from tests.evaluation.clients import Client
from tests.evaluation.false_alarms import FalseAlarms
from tests.evaluation.recall import Outcome
from tests.evaluation.spend_tables import MENU_HABITS, of_habits
from tests.evaluation.tables import Table, share

LEAKS = ("$0.05 calls", "$5 calls on a $0.05 agent", "$0.05 calls, first hour of life")


@dataclass(frozen=True, slots=True)
class Without:
    """Detection without one of its parts.

    Attributes:
        name: of the row.
        config: the rules.
        patches: a class and the name of its method, to what stands in its place.
    """

    name: str
    config: RulesConfig = field(default_factory=RulesConfig)
    patches: Mapping[tuple[type, str], Any] = field(default_factory=dict)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """While it is entered, the part is not there."""
        with ExitStack() as stack:
            for (of, name), instead in self.patches.items():
                stack.enter_context(patch.object(of, name, instead))
            yield


def _by_dollars_alone(*_: Any) -> tuple[int, int, int]:
    """No edge of a scope's own: whatever is above its band is judged by its dollars."""
    return 0, LARGEST_NANOUSD, MOST_CALLS


def _no_minutes(of: Calibration, state: Any, band: Band, window: Window) -> tuple[int, int, int]:
    firm, _, calls = _EDGES(of, state, band, window)
    return firm, LARGEST_NANOUSD, calls


def _no_calls(of: Calibration, state: Any, band: Band, window: Window) -> tuple[int, int, int]:
    return *_EDGES(of, state, band, window)[:2], MOST_CALLS


def _no_limit(*_: Any) -> int:
    return LARGEST_NANOUSD


def _never(*_: Any) -> Trigger:
    return NO_MORE


_EDGES = Calibration.edges


def _rule(**changes: Any) -> RulesConfig:
    return RulesConfig(spikes=(SpikeRule(**changes),))


ROWS = (
    Without("as shipped"),
    Without("no season (same hour of other days)", _rule(seasonal=None)),
    Without("no drift (hours and days together)", _rule(drift=None)),
    Without("no pace for newborns", _rule(ewma=SpikeConfig(cold_start_usd_per_hour=None))),
    Without(
        "no edges of a scope's own: severity by dollars alone",
        patches={
            (Calibration, "edges"): _by_dollars_alone,
            (Calibration, "left_of_hour"): _no_limit,
        },
    ),
    Without("no edge of a minute's dollars", patches={(Calibration, "edges"): _no_minutes}),
    Without("no edge of a minute's calls", patches={(Calibration, "edges"): _no_calls}),
    Without("no edge of hours", patches={(Calibration, "left_of_hour"): _no_limit}),
    Without("judged at a window's end only", patches={(ScopeJudge, "spike_trigger"): _never}),
)


def ablation_table(
    clients: Iterable[Client], *, seed: int, runs: int, backgrounds: int, scopes: int, weeks: int
) -> Table:
    """One row a part that is missing.

    Args:
        clients: real ones; none if there is no data.
        seed: of all that is made up.
        runs: runaways a case.
        backgrounds: of each habit in the menu.
        scopes: simulated ones a habit.
        weeks: that count of each.
    """
    cases = [case for case in leak.CASES if case.name in LEAKS]
    table = Table(
        "Detection with one of its parts missing",
        (
            "",
            *(f"leak $, {case.name}" for case in cases),
            "menu told",
            "stopped",
            "owed in time",
            "loud, simulated",
            "notes",
            "loud, clients",
            "notes",
        ),
    )
    real = list(clients)
    for row in ROWS:
        with row.applied():
            leaks = [leak.leaks(case, row.config, seed=seed, runs=runs) for case in cases]
            menu = of_habits(row.config, seed=seed, backgrounds=backgrounds)
            made_up = [
                false_alarms.of_habit(habit, row.config, seed=seed, scopes=scopes, weeks=weeks)
                for habit in false_alarms.HABITS
            ]
            on_clients = false_alarms.of_clients(real, row.config, seed=seed)
        table.rows.append(
            (
                row.name,
                *("{:.2f} / {:.2f}".format(*_of(found)) for found in leaks),
                *_menu_cells([each for each in menu if each.kind.costs]),
                *_rates(made_up),
                *_rates(on_clients),
            )
        )
    table.notes.append(
        f"Leak at decision, median / 95 % of {runs}; the menu on {backgrounds * len(MENU_HABITS)} "
        "simulated scopes, kinds that cost; loud and notes are episodes a scope-week, critical or "
        "warning and info."
    )
    return table


def _of(found: Sequence[leak.Leak]) -> Sequence[float]:
    return list(np.percentile([each.usd for each in found], (50, 95)))


def _menu_cells(some: Sequence[Outcome]) -> Sequence[str]:
    usd, leaked = sum(each.usd for each in some), sum(each.leaked_usd for each in some)
    owed = [each for each in some if each.is_owed]
    return (
        share(sum(Severity.INFO in each.hits for each in some), len(some)),
        share(usd - leaked, usd),
        share(sum(each.is_in_time for each in owed), len(owed)),
    )


def _rates(rows: Sequence[FalseAlarms]) -> Sequence[str]:
    weeks = sum(row.weeks for row in rows)
    if not weeks:
        return "-", "-"
    loud, notes = sum(row.loud for row in rows), sum(row.by_severity[Severity.INFO] for row in rows)
    return f"{loud / weeks:.3f}", f"{notes / weeks:.2f}"
