"""What the shipped chain leaks and how often it cries, as tables.

``python -m tests.evaluation.spend --quick`` takes about a minute; without ``--quick`` as many runs
as the figures of the project are given for.
"""

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np

from alerting.alert import Severity
from alerting.watch.rules import RulesConfig
from tests.evaluation import false_alarms, leak
from tests.evaluation.clients import clients, data_folder
from tests.evaluation.false_alarms import at_most


def _say(line: str = "") -> None:
    print(line, flush=True)  # noqa: T201  what it is for


def show_leaks(config: RulesConfig, *, seed: int, runs: int) -> None:
    """Table of dollars leaked at decision."""
    _say(f"Leak at decision, $100 -> $17,000 a day, {runs} runaways a row")
    _say(f"{'':34}{'median':>9}{'95 %':>9}{'wanted':>12}{'missed':>8}{'seconds':>9}{'calls':>7}")
    for case in leak.CASES:
        began = time.process_time()
        found = leak.leaks(case, config, seed=seed, runs=runs)
        usd = [each.usd for each in found]
        middle, high = np.percentile(usd, (50, 95))
        wanted = "" if case.wanted_usd is None else "${:g}/{:g}".format(*case.wanted_usd)
        missed = sum(not each.is_found for each in found)
        seconds = np.median([each.seconds for each in found])
        calls = np.median([each.calls for each in found])
        _say(
            f"{case.name:34}{middle:9.2f}{high:9.2f}{wanted:>12}{missed:8d}{seconds:9.0f}"
            f"{calls:7.0f}   {time.process_time() - began:.0f} s"
        )


def show_alarms(rows: Sequence[false_alarms.FalseAlarms]) -> None:
    """Table of false alarms."""
    for row in rows:
        counts = [row.by_severity[each] for each in (Severity.CRITICAL, Severity.WARNING)]
        rates = "".join(f"{each:6d} <={at_most(each, row.weeks):7.4f}" for each in counts)
        loud = f"{row.loud / row.weeks:8.4f} <={at_most(row.loud, row.weeks):7.4f}"
        info = row.by_severity[Severity.INFO]
        _say(f"{row.name:34}{row.scopes:7d}{row.weeks:7.0f}{rates}{info:8d}  {loud}")


def alarms_head(title: str) -> None:
    """Head of that table."""
    _say()
    _say(title)
    _say(
        f"{'':34}{'scopes':>7}{'weeks':>7}{'critical':>16}{'warning':>16}{'info':>8}"
        f"{'loud a scope-week':>20}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """As a program."""
    parser = argparse.ArgumentParser(prog="tests.evaluation.spend", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 runaways a row, few scopes")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--runs", type=int, help="runaways a row")
    parser.add_argument("--scopes", type=int, help="simulated scopes a row")
    parser.add_argument("--data", help="folder of public data; else $SPENDWATCH_DATA")
    parser.add_argument("--only", help="leak, simulated or clients, comma-separated")
    options = parser.parse_args(arguments)
    runs = options.runs or (20 if options.quick else 200)
    scopes = options.scopes or (4 if options.quick else 100)
    only = (options.only or "leak,simulated,clients").split(",")
    config = RulesConfig()
    began = time.process_time()
    if "leak" in only:
        show_leaks(config, seed=options.seed, runs=runs)
    if "simulated" in only:
        alarms_head("False alarms on simulated scopes, each at $100 a day (95 % bounds)")
        for habit in false_alarms.HABITS:
            weeks = 4 if options.quick else 10
            row = false_alarms.of_habit(
                habit, config, seed=options.seed, scopes=scopes, weeks=weeks
            )
            show_alarms([row])
    if "clients" in only:
        alarms_head("False alarms on ServeGen clients, each at $100 a day, second week")
        folder = data_folder(options.data)
        try:
            rows = false_alarms.of_clients(clients(folder), config, seed=options.seed)
        except FileNotFoundError as error:
            _say(f"left out, no data: {error}")
        else:
            show_alarms(rows)
    _say()
    _say(f"{time.process_time() - began:.0f} s of CPU")
    return 0


if __name__ == "__main__":
    sys.exit(main())
