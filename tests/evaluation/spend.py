"""What the shipped chain leaks and how often it cries, as tables.

``python -m tests.evaluation.spend --quick`` takes about a minute; without ``--quick`` as many runs
as the figures of the project are given for.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from alerting.watch.rules import RulesConfig
from tests.evaluation import spend_tables
from tests.evaluation.bounds import bounds_table
from tests.evaluation.clients import Client, clients, data_folder
from tests.evaluation.recall_grid import recall_table
from tests.evaluation.report import write
from tests.evaluation.tables import Table

PARTS = ("leak", "simulated", "clients", "menu", "bounds", "menu-clients", "grid")
QUICK = PARTS[:4]


def measure(
    only: Sequence[str], *, seed: int, data: str | None, runs: int, scopes: int, weeks: int
) -> Iterator[Table]:
    """Tables of some parts, each as soon as it is there."""
    config = RulesConfig()
    if "leak" in only:
        yield spend_tables.leak_table(config, seed=seed, runs=runs)
    if "simulated" in only:
        yield spend_tables.simulated_alarms(config, seed=seed, scopes=scopes, weeks=weeks)
    if "clients" in only:
        yield of_clients(data, lambda some: spend_tables.client_alarms(some, config, seed=seed))
    if "menu" in only:
        yield spend_tables.menu_on_habits(config, seed=seed, backgrounds=max(1, runs // 10))
    if "bounds" in only:
        yield bounds_table(seed=seed, runs=runs)
    if "grid" in only:
        yield recall_table(config, seed=seed, backgrounds=max(1, runs // 5))
    if "menu-clients" in only:
        yield of_clients(data, lambda some: spend_tables.menu_on_clients(some, config, seed=seed))


def of_clients(data: str | None, table: Callable[[Iterator[Client]], Table]) -> Table:
    """A table that needs the public data, or one that says that there is none."""
    folder = data_folder(data)
    try:
        return table(clients(folder))
    except FileNotFoundError:
        return Table(f"Left out: no public data in {folder.name}; give --data", ("",))


def main(arguments: Sequence[str] | None = None) -> int:
    """As a program."""
    parser = argparse.ArgumentParser(prog="tests.evaluation.spend", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 runaways a row, few scopes")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--runs", type=int, help="runaways a row; a tenth as many backgrounds")
    parser.add_argument("--scopes", type=int, help="simulated scopes a row")
    parser.add_argument("--weeks", type=int, help="that count of each")
    parser.add_argument("--data", help="folder of public data; else $SPENDWATCH_DATA")
    parser.add_argument("--only", help=f"of {','.join(PARTS)}; --quick: the first four")
    parser.add_argument("--results", help="folder to write tables, figures and plots to")
    options = parser.parse_args(arguments)
    runs, scopes, weeks = (20, 4, 4) if options.quick else (200, 100, 10)
    tables = measure(
        options.only.split(",") if options.only else QUICK if options.quick else PARTS,
        seed=options.seed,
        data=options.data,
        runs=options.runs or runs,
        scopes=options.scopes or scopes,
        weeks=options.weeks or weeks,
    )
    began = time.process_time()
    done: list[Table] = []
    for table in tables:
        print(table.text())  # noqa: T201  what it is for
        sys.stdout.flush()
        done.append(table)
    print(f"seed {options.seed}, {time.process_time() - began:.0f} s of CPU")  # noqa: T201
    if options.results:
        write(Path(options.results), "spend", done, seed=options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
