"""``spendwatch worker``: runs the roles until told to stop."""

import argparse
import asyncio
import logging
import sys
import time
from pathlib import Path

from stream.address import AddressTakenError
from stream.commands.arguments import Subparsers, add_config
from stream.commands.settings import load_settings
from stream.config import Settings, secret_problems
from stream.exit import CommandError, ExitCode
from stream.health.vitals import process_name
from stream.kafka.admin import BrokerUnreachableError, connect_admin
from stream.kafka.topic_check import check_topics
from stream.keyed.config import Role
from stream.logging import configure_logging
from stream.worker.health import WorkerHealth
from stream.worker.required_topics import topics_of
from stream.worker.supervisor import supervise
from stream.worker.watched import watched


def add_parser(subparsers: Subparsers) -> None:
    """The arguments."""
    parser = subparsers.add_parser(
        "worker",
        description="Read usage events, keep what every scope spent, decide and tell. Stops"
        " cleanly on SIGTERM. Exit code 3 if Kafka cannot be reached or its topics are not as"
        " they must be.",
    )
    add_config(parser)
    parser.add_argument(
        "--roles",
        default=",".join(Role),
        help="comma-separated, to split a worker over machines (default: %(default)s)",
    )


def _roles(text: str) -> list[Role]:
    roles = [role.strip() for role in text.split(",") if role.strip()]
    unknown = sorted(set(roles) - set(Role))
    if unknown or not roles:
        raise CommandError(
            f"--roles {text}: no such role as {', '.join(unknown) or 'none'};"
            f" there are {', '.join(Role)}",
            ExitCode.USAGE,
        )
    return [role for role in Role if role in roles]


async def _work(settings: Settings, roles: list[Role], config: Path | None) -> int:
    async with connect_admin(settings.kafka) as admin:
        findings = await check_topics(admin, topics_of(settings))
    vital = [str(finding) for finding in findings if finding.is_vital]
    if vital:
        for line in vital:
            sys.stderr.write(f"spendwatch: {line}\n")
        raise CommandError(f"{len(vital)} topics are not as they must be", ExitCode.UNREACHABLE)
    health = WorkerHealth(time.monotonic)
    async with watched(settings, health):
        return await supervise(_processes(settings, roles), config, health)


def _processes(settings: Settings, roles: list[Role]) -> list[str]:
    """The names of the processes: one of each role, and as many of INGEST as are wanted."""
    counts = {Role.INGEST: settings.ingest.processes}
    return [
        process_name(role.value, number)
        for role in roles
        for number in range(1, counts.get(role, 1) + 1)
    ]


def run(arguments: argparse.Namespace) -> int:
    """Check what the roles need, then run them."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    settings = load_settings(arguments.config)
    roles = _roles(arguments.roles)
    if problems := secret_problems(settings, with_receivers=Role.NOTIFY in roles):
        for problem in problems:
            sys.stderr.write(f"spendwatch: {problem}\n")
        raise CommandError(f"{len(problems)} secrets cannot be used")
    configure_logging()
    try:
        return asyncio.run(_work(settings, roles, arguments.config))
    except BrokerUnreachableError as error:
        raise CommandError(str(error), ExitCode.UNREACHABLE) from None
    except AddressTakenError as error:
        raise CommandError(str(error)) from None
