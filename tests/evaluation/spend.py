"""What the shipped chain leaks and how often it cries, as tables.

``python -m tests.evaluation.spend --quick`` takes about a minute; without ``--quick`` as many runs
as the figures of the project are given for.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from alerting.watch.rules import RulesConfig
from tests.evaluation import azure, spend_tables
from tests.evaluation.ablation import ablation_table
from tests.evaluation.bounds import bounds_table
from tests.evaluation.clients import Client, clients, data_folder
from tests.evaluation.moved import moved_table
from tests.evaluation.organization import organization_table
from tests.evaluation.recall_grid import recall_table
from tests.evaluation.report import write
from tests.evaluation.tables import Table

PARTS = (
    "leak",
    "simulated",
    "moved",
    "clients",
    "azure",
    "menu",
    "bounds",
    "menu-clients",
    "grid",
    "organization",
    "ablation",
)
QUICK = ("leak", "simulated", "clients", "menu")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        runs: runaways a row.
        bounds: of them for yardsticks and oracles.
        scopes: simulated scopes a row of false alarms.
        weeks: that count of each.
        moved: scopes whose spend is moved to another hour.
        backgrounds: of each habit in the menu.
        cells: incidents in a cell of the grid.
        agents: of the organization.
        ablated: backgrounds and scopes of each habit, for each part that is taken away.
    """

    runs: int = 200
    bounds: int = 50
    scopes: int = 30
    weeks: int = 10
    moved: int = 20
    backgrounds: int = 10
    cells: int = 20
    agents: int = 40
    ablated: int = 4


SMALL = Size(
    runs=20, bounds=5, scopes=4, weeks=4, moved=2, backgrounds=2, cells=2, agents=5, ablated=1
)


def measure(part: str, size: Size, *, seed: int, data: str | None) -> Table:
    """The table of a part."""
    config = RulesConfig()
    tables: dict[str, Callable[[], Table]] = {
        "leak": lambda: spend_tables.leak_table(config, seed=seed, runs=size.runs),
        "simulated": lambda: spend_tables.simulated_alarms(
            config, seed=seed, scopes=size.scopes, weeks=size.weeks
        ),
        "moved": lambda: moved_table(config, seed=seed, scopes=size.moved),
        "clients": lambda: of_clients(
            data, lambda some: spend_tables.client_alarms(some, config, seed=seed)
        ),
        "azure": lambda: of_data(
            data,
            lambda folder: spend_tables.traced_table(
                azure.cases(folder),
                config,
                seed=seed,
                runs=size.bounds,
                scopes=size.scopes // 3,
                weeks=size.weeks,
            ),
        ),
        "menu": lambda: spend_tables.menu_on_habits(
            config, seed=seed, backgrounds=size.backgrounds
        ),
        "bounds": lambda: bounds_table(seed=seed, runs=size.bounds),
        "menu-clients": lambda: of_clients(
            data, lambda some: spend_tables.menu_on_clients(some, config, seed=seed)
        ),
        "grid": lambda: recall_table(config, seed=seed, backgrounds=size.cells),
        "organization": lambda: organization_table(
            config, seed=seed, agents=size.agents, weeks=size.weeks
        ),
        "ablation": lambda: of_clients(
            data,
            lambda some: ablation_table(
                some,
                seed=seed,
                runs=size.bounds,
                backgrounds=size.ablated,
                scopes=size.ablated,
                weeks=size.weeks,
            ),
        ),
    }
    return tables[part]()


def of_clients(data: str | None, table: Callable[[Iterator[Client]], Table]) -> Table:
    """A table on real clients."""
    return of_data(data, lambda folder: table(clients(folder)))


def of_data(data: str | None, table: Callable[[Path], Table]) -> Table:
    """A table that needs the public data, or one that says that there is none."""
    folder = data_folder(data)
    try:
        return table(folder)
    except FileNotFoundError:
        return Table(f"Left out: no public data in {folder.name}; give --data", ("",))


def main(arguments: Sequence[str] | None = None) -> int:
    """As a program."""
    parser = argparse.ArgumentParser(prog="tests.evaluation.spend", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 runaways a row, few scopes")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--data", help="folder of public data; else $SPENDWATCH_DATA")
    parser.add_argument("--only", help=f"of {','.join(PARTS)}; --quick: {','.join(QUICK)}")
    parser.add_argument("--results", help="folder to write tables, figures and plots to")
    for each in fields(Size):
        parser.add_argument(f"--{each.name}", type=int)
    options = parser.parse_args(arguments)
    parts = options.only.split(",") if options.only else QUICK if options.quick else PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part {sorted(unknown)}; there are {', '.join(PARTS)}")
    given = {each.name: getattr(options, each.name) for each in fields(Size)}
    size = SMALL if options.quick else Size()
    size = replace(size, **{name: value for name, value in given.items() if value is not None})
    for part in parts:
        began = time.process_time()
        table = measure(part, size, seed=options.seed, data=options.data)
        print(table.text())  # noqa: T201  what it is for
        print(f"seed {options.seed}, {time.process_time() - began:.0f} s of CPU\n", flush=True)  # noqa: T201
        if options.results:
            write(Path(options.results), part, table, seed=options.seed, order=PARTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
