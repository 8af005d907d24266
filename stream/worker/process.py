"""The process of one role: its loop, its leash, its signals and its hard deadline.

Started by ``stream/worker/supervisor.py`` as ``python -m stream.worker.process NAME``. This file
must not know what a role does; ``stream/worker/roles/`` does.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
import threading
from pathlib import Path

import structlog
import uvloop

from stream.collector import YOUNG_PASSES_BEFORE_ALL
from stream.config import load
from stream.exit import ExitCode, RoleRefusedError
from stream.health.vitals import Vitals, role_and_number
from stream.kafka.admin import BrokerUnreachableError
from stream.keyed.config import Role
from stream.logging import configure_logging
from stream.worker.reporting import report
from stream.worker.roles import Run, run_of

STOP_SECONDS = 15.0
"""A clean stop takes well under a second; past this the process ends itself, clean or not."""

_DEADLINE_EXIT = 70

_log = structlog.get_logger()


def _end_hard_after(seconds: float) -> None:
    """A thread that ends the process: a crashed Faust service can hang every ``await``."""

    def end() -> None:
        _log.error("stop_deadline_passed", after_seconds=seconds)
        os._exit(_DEADLINE_EXIT)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _hold_leash() -> None:
    """A thread that ends the process when the supervisor is gone."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="leash").start()


async def _main(run: Run, name: str, config: Path | None, report_to: int | None = None) -> int:
    stop = asyncio.Event()
    role, number = role_and_number(name)
    vitals = Vitals(role, number)
    reporting = None if report_to is None else asyncio.create_task(report(vitals, report_to))
    loop = asyncio.get_running_loop()

    def ask_to_stop() -> None:
        stop.set()
        _end_hard_after(STOP_SECONDS)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask_to_stop)
    try:
        await run(load(config), stop, vitals)
    except BrokerUnreachableError as error:
        _log.error("broker_unreachable", reason=str(error))  # a sentence, no trace
        return ExitCode.UNREACHABLE
    except RoleRefusedError as error:
        _log.error("role_refused", role=name, reason=str(error))  # a sentence with the fix
        return error.code
    except Exception as error:  # noqa: BLE001  whatever it was, the process ends with it
        _log.error("role_failed", role=name, reason=str(error), exc_info=error)
        return 1
    finally:
        if reporting is not None:
            reporting.cancel()
    return ExitCode.DONE


def main() -> None:
    """Run a role until told to stop; ends the process."""
    parser = argparse.ArgumentParser(prog="stream.worker.process")
    parser.add_argument("name", help="of the process: a role, with a number if it is not the first")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--report-to", type=int, help="descriptor of the supervisor's socket")
    arguments = parser.parse_args()
    role = role_and_number(arguments.name)[0]
    if role not in set(Role):
        parser.error(f"no such role as {arguments.name}")
    configure_logging()
    _hold_leash()
    run = run_of(Role(role))
    gc.freeze()  # what is imported by now lives for ever; the collector need not look at it again
    # A batch leaves tens of thousands of tuples that no cycle holds; at the default of 700 the
    # collector walked them again and again: 40 us an event in INGEST where no two are alike,
    # against 32 without it. At 10,000 there is no difference to none at all (21.4 both, later).
    gc.set_threshold(10_000, 10, YOUNG_PASSES_BEFORE_ALL if role == Role.WATCH else 10)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(_main(run, arguments.name, arguments.config, arguments.report_to))
        sys.stdout.flush()
        sys.stderr.flush()
        # Threads of Faust may still be alive; everything that counts is durable by now.
        os._exit(code)


if __name__ == "__main__":
    main()
