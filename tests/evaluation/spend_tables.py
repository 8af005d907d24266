"""What was measured of the shipped chain, as tables."""

from collections.abc import Iterable, Sequence

import numpy as np

from alerting.alert import Severity
from alerting.watch.rules import RulesConfig
from tests.evaluation import false_alarms, leak
from tests.evaluation.background import Habit
from tests.evaluation.clients import Client
from tests.evaluation.false_alarms import FalseAlarms, at_most
from tests.evaluation.incidents import KINDS
from tests.evaluation.leak import Leak, LeakCase
from tests.evaluation.minutes import DAY_MINUTES, CallShape
from tests.evaluation.recall import Outcome, outcomes
from tests.evaluation.scope_run import MONDAY
from tests.evaluation.tables import Table, share

MENU_HABITS = (
    Habit("$0.005 calls", CallShape(0.005, cached_share=0.6)),
    Habit("$0.05 calls", CallShape(0.05, cached_share=0.6)),
    Habit("$0.05 calls, office hours", CallShape(0.05, cached_share=0.6), is_office=True),
    Habit("$0.50 calls", CallShape(0.50, cached_share=0.6)),
)
CLIENT_HISTORY_DAYS = 7


def leak_table(config: RulesConfig, *, seed: int, runs: int) -> Table:
    """Dollars leaked at decision."""
    table = Table(
        f"Leak at decision, $100 -> $17,000 a day, {runs} runaways a row",
        (
            "",
            "median $",
            "95 % $",
            "wanted",
            "missed",
            "median s",
            "calls",
            "95 % but first minute",
        ),
    )
    for case in leak.CASES:
        found = leak.leaks(case, config, seed=seed, runs=runs)
        table.data.setdefault("leak", {})[case.name] = {
            "usd": [each.usd for each in found],
            "wanted": case.wanted_usd,
        }
        seconds, calls = np.median([(each.seconds, each.calls) for each in found], axis=0)
        table.rows.append(
            (
                *_leak_cells(case, found),
                f"{seconds:.0f}",
                f"{calls:.0f}",
                _high([each.usd for each in found if not each.is_early]),
            )
        )
    table.notes.append(
        "At decision: what had ended when the page was told. At $0.196 a second a feed that "
        "exports every 5 s adds up to $0.98, calls of 30 s hold $5.90 in flight. The last column "
        "is of runaways that do not begin in the first minute of a window, in which the window "
        "before is still open and the new one is not yet judged."
    )
    return table


def traced_table(
    cases: Iterable[LeakCase], config: RulesConfig, *, seed: int, runs: int, scopes: int, weeks: int
) -> Table:
    """Leak and false alarms on calls of the Azure trace."""
    table = Table(
        "On calls of Azure's hour of two services, days and weeks simulated, $100 a day",
        (
            "",
            "leak, median $",
            "95 % $",
            "wanted",
            "missed",
            "scope-weeks",
            "critical",
            "warning",
            "info",
            "loud a scope-week",
            "<=",
        ),
    )
    for case in cases:
        found = leak.leaks(case, config, seed=seed, runs=runs)
        alarms = false_alarms.of_habit(case.habit, config, seed=seed, scopes=scopes, weeks=weeks)
        table.rows.append((*_leak_cells(case, found), *_alarm_cells(alarms)[1:]))
    table.notes.append(
        f"{runs} runaways to $17,000 a day and {scopes} scopes a row. Sizes of calls follow each "
        "other as in the trace, and an hour's minutes are as uneven as there; every hour is that "
        "hour, turned, which is kinder than a week would be."
    )
    return table


def _leak_cells(case: LeakCase, found: Sequence[Leak]) -> tuple[str, ...]:
    middle, high = np.percentile([each.usd for each in found], (50, 95))
    return (
        case.name,
        f"{middle:.2f}",
        f"{high:.2f}",
        "" if case.wanted_usd is None else "{:g} / {:g}".format(*case.wanted_usd),
        str(sum(not each.is_found for each in found)),
    )


def _high(usd: Sequence[float]) -> str:
    return f"{np.percentile(usd, 95):.2f}" if usd else "-"


def simulated_alarms(config: RulesConfig, *, seed: int, scopes: int, weeks: int) -> Table:
    """False alarms on simulated scopes."""
    rows = (
        false_alarms.of_habit(habit, config, seed=seed, scopes=scopes, weeks=weeks)
        for habit in false_alarms.HABITS
    )
    return _alarms("False alarms on simulated scopes, each at $100 a day", rows)


def client_alarms(clients: Iterable[Client], config: RulesConfig, *, seed: int) -> Table:
    """False alarms on real clients."""
    rows = false_alarms.of_clients(clients, config, seed=seed)
    title = "False alarms on ServeGen clients, each at $100 a day, second week of two"
    return _alarms(title, rows)


def _alarm_cells(row: FalseAlarms) -> tuple[str, ...]:
    severities = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
    return (
        str(row.scopes),
        f"{row.weeks:.0f}",
        *(str(row.by_severity[each]) for each in severities),
        f"{row.loud / row.weeks:.4f}",
        f"{at_most(row.loud, row.weeks):.4f}",
    )


def _alarms(title: str, rows: Iterable[FalseAlarms]) -> Table:
    head = ("", "scopes", "scope-weeks", "critical", "warning", "info", "loud a scope-week", "<=")
    table = Table(title, head)
    table.rows += ((row.name, *_alarm_cells(row)) for row in rows)
    table.notes.append("Loud: critical or warning; <= is the one-sided 95 % bound of that rate.")
    return table


def of_habits(config: RulesConfig, *, seed: int, backgrounds: int) -> list[Outcome]:
    """What was told of the menu on simulated scopes, so many of each habit."""
    found: list[Outcome] = []
    for habit in MENU_HABITS:
        for number in range(backgrounds):
            found += outcomes(
                lambda draw, count, habit=habit: habit.minutes(draw, MONDAY, count),
                KINDS,
                config,
                seed=(seed, number, *habit.name.encode()),
            )
    return found


def menu_on_habits(config: RulesConfig, *, seed: int, backgrounds: int) -> Table:
    """The incident menu on simulated scopes."""
    found = of_habits(config, seed=seed, backgrounds=backgrounds)
    return menu_table(f"Incidents on {backgrounds * len(MENU_HABITS)} simulated scopes", found)


def menu_on_clients(clients: Iterable[Client], config: RulesConfig, *, seed: int) -> Table:
    """The menu on real clients that are active over a tenth of the time; a week of history."""
    left_days = 14 - CLIENT_HISTORY_DAYS - 1
    kinds = [kind for kind in KINDS if kind.minutes[0] <= left_days * DAY_MINUTES and kind.costs]
    found: list[Outcome] = []
    for client in clients:
        if client.activity > 0.1:
            found += outcomes(
                lambda draw, _, client=client: client.minutes(draw),
                kinds,
                config,
                seed=(seed, client.number),
                history_days=CLIENT_HISTORY_DAYS,
            )
    return menu_table("Incidents on ServeGen clients active over 10 % of the time", found)


def menu_table(title: str, found: Sequence[Outcome]) -> Table:
    """One row a kind, and all that cost anything together."""
    head = ("", "n", "told", "loud", "paged", "excess $", "leaked $", "stopped", "loud after")
    table = Table(title, (*head, "owed", "in time"))
    for kind in KINDS:
        some = [each for each in found if each.kind.name == kind.name]
        if some:
            table.rows.append(_menu_row(kind.name, some))
    table.data["menu"] = {row[0]: [row[4], row[7]] for row in table.rows}
    table.rows.append(_menu_row("all that cost", [each for each in found if each.kind.costs]))
    table.notes.append(
        "Told: any severity; stopped: share of the excess after the first page; loud after: median "
        "of those found. Owed: at least $50 in five-minute windows beyond the 99.9th percentile of "
        "the scope's own; in time: a loud word within ten minutes or $25 of the first of them."
    )
    return table


def _menu_row(name: str, some: Sequence[Outcome]) -> Sequence[str]:
    usd, leaked = sum(each.usd for each in some), sum(each.leaked_usd for each in some)
    after = [each.loud.seconds for each in some if each.loud]
    owed = [each for each in some if each.is_owed]
    is_costly = some[0].kind.costs
    return (
        name,
        str(len(some)),
        *(
            share(sum(severity in each.hits for each in some), len(some))
            for severity in (Severity.INFO, Severity.WARNING, Severity.CRITICAL)
        ),
        f"{usd:.0f}" if is_costly else "",
        f"{leaked:.0f}" if is_costly else "",
        share(usd - leaked, usd) if is_costly else "",
        f"{np.median(after) / 60:.1f} min" if after else "",
        str(len(owed)),
        share(sum(each.is_in_time for each in owed), len(owed)),
    )
