"""Is it exact under fire? A real Kafka, several workers, and everything going wrong.

    python -m tests.chaos [--seed 7] [--kills 50] [--minutes 30] [--kind KIND]... [--keep FOLDER]

Prints a table: faults by kind, events, differences. Exit code 0 if there are none, 4 if there are.
"""

import argparse
import asyncio
import logging
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.faults import KILLS, OTHERS
from tests.chaos.trial import ROLES, Plan, Trial, say
from tests.support.kafka import KafkaBroker


def main() -> int:
    """Read the arguments, and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--others", type=int, help="faults that kill nobody; default: half as many")
    parser.add_argument("--minutes", type=float, default=30.0, help="no fault begins after this")
    parser.add_argument("--events-per-second", type=float, default=60.0)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="for logs; default: none kept")
    parser.add_argument(
        "--kind",
        action="append",
        choices=[*KILLS, *OTHERS],
        help="these faults only, in turn; default: all, by chance",
    )
    parser.add_argument(
        "--roles",
        type=lambda text: tuple(text.split(",")),
        default=ROLES,
        help="that workers run; default: all",
    )
    parser.add_argument(
        "--watched", action="store_true", help="count after each fault, to see which one it was"
    )
    arguments = parser.parse_args()
    # While the broker is gone its clients say so several times a second.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    plan = Plan(
        arguments.seed,
        arguments.kills,
        arguments.kills // 2 if arguments.others is None else arguments.others,
        arguments.minutes,
        arguments.events_per_second,
        is_watched=arguments.watched,
        kinds=tuple(arguments.kind or ()),
        roles=arguments.roles,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # processes end with this one
    with tempfile.TemporaryDirectory() as folder, KafkaBroker() as broker:
        trial = Trial(plan, broker, arguments.keep or Path(folder), say)
        report = asyncio.run(trial.run())
    sys.stdout.write(f"seed {plan.seed}\n\n{report.table()}\n")
    return 0 if report.is_clean else 4


if __name__ == "__main__":
    sys.exit(main())
