"""The Azure trace through a real Kafka and ``spendwatch worker``, killed at every bad moment.

    python -m tests.shows.azure_trace --trace FOLDER [--kafka host:port] [--seed N]

FOLDER holds ``AzureLLMInferenceTrace_{code,conv}.csv`` of github.com/Azure/AzurePublicDataset.
Without ``--kafka`` a broker is started from the jars (``make kafka-jars``). Prints a table: step,
events, differences from an independent sum. Exit code 0 if there are none, 4 if there are.
"""

import argparse
import asyncio
import contextlib
import random
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.auditor import Auditor
from tests.support.incident import IncidentTrial
from tests.support.kafka import KafkaBroker
from tests.support.survival import ROLES, Step, Trial, settings
from tests.support.trace import KINDS, PRICES, azure
from tests.support.worker import SESSION_SECONDS, Installation, Json

PLAN = (
    "output_and_commit",
    "signals_and_pages",
    "page_flush",
    "recovery",
    "frozen",
    "forgotten",
    "plainly",
)
"""After a first part that goes well; with two rounds of it, twice as many parts."""


def show(name: str, events: int, differences: list[str]) -> None:
    """One line of the table, and under it what differs."""
    sys.stdout.write(f"{name:<58} {events:>8,} {len(differences):>12}\n")
    for difference in differences[:10]:
        sys.stdout.write(f"    {difference}\n")
    sys.stdout.flush()


def show_step(step: Step) -> None:
    """The same for a step."""
    show(step.name, step.events, step.differences)


async def plainly(installation: Installation, events: list[Json]) -> list[str]:
    """Everything at once, nothing going wrong."""
    auditor = Auditor(PRICES).add(events, KINDS)
    await installation.create_topics()
    await installation.start(*ROLES)
    await installation.publish(events)
    await installation.reached(auditor.events)
    await installation.stable()
    differences = []
    for kind in KINDS:
        found = auditor.differences(kind, await installation.spend_on_command(kind))
        show(f"by {kind}, spend --json", auditor.events, found)
        differences += found
    await installation.stop()
    return differences


async def killed(installation: Installation, events: list[Json], seed: int) -> list[str]:
    """The same trace in parts, with everything going wrong."""
    await installation.create_topics()
    await installation.start(*ROLES)
    trial = Trial(
        installation,
        events,
        random.Random(seed),
        freeze_seconds=2 * SESSION_SECONDS,
        say=show_step,
    )
    await trial.plainly()
    for step in PLAN:
        await getattr(trial, step)()
    differences = [each for step in trial.steps for each in step.differences]
    on_command = await trial.differences_on_command()
    show("by all kinds, spend --json", len(events), on_command)
    transitions = await trial.transitions()
    show("transitions told, against a replay", len(transitions.told), transitions.differences)
    states = await trial.state_differences()
    show("learned states, against a replay", states.scopes, states.differences)
    sys.stdout.write(
        f"{await trial.aborted()} deltas were written and never committed,"
        f" {transitions.repeats} transitions were published again by a successor\n"
    )
    revived = sum(worker.revived for worker in installation.workers)
    sys.stdout.write(f"{revived} workers ended by themselves and were started anew\n")
    await installation.stop()
    return differences + on_command + transitions.differences + states.differences


async def run(bootstrap: str, events: list[Json], folder: Path, seed: int) -> int:
    """All of it; the exit code."""
    name = f"show-{secrets.token_hex(3)}"
    total = sum(t.cost_usd for t in Auditor(PRICES).add(events, KINDS).of("model").values())
    sys.stdout.write(f"{len(events):,} events, ${total:,}, broker {bootstrap}, seed {seed}\n\n")
    sys.stdout.write(f"{'step':<58} {'events':>8} {'differences':>12}\n")
    differences: list[str] = []
    made: list[Installation] = []

    def install(what: str, more: Json) -> Installation:
        made.append(
            Installation(
                folder / what,
                bootstrap,
                f"{name}-{what}-",
                workers=2,
                delta_partitions=16,
                settings=more,
            )
        )
        return made[-1]

    try:
        differences += await plainly(install("plain", settings(float(total))), events)
        differences += await killed(install("killed", settings(float(total))), events, seed)
        incident = IncidentTrial(install("incident", {}))
        for step in await incident.run():
            show_step(step)
            differences += step.differences
    finally:
        for each in made:
            each.kill()
    return 4 if differences else 0


@contextlib.contextmanager
def broker(given: str | None) -> Iterator[str]:
    """The address of the broker that was given, or of one of our own."""
    if given is not None:
        yield given
        return
    with KafkaBroker() as own:
        yield own.bootstrap


def main() -> int:
    """Read the arguments and the trace, and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.shows.azure_trace")
    parser.add_argument("--trace", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--kafka", metavar="HOST:PORT", help="default: start one")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="for logs; default: none kept")
    arguments = parser.parse_args()
    events = azure(arguments.trace)
    with contextlib.ExitStack() as stack:
        bootstrap = stack.enter_context(broker(arguments.kafka))
        folder = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return asyncio.run(run(bootstrap, events, folder, arguments.seed))


if __name__ == "__main__":
    sys.exit(main())
