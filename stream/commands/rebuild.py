"""``spendwatch rebuild``: count anew, after a change of partitions, pages or the form of a page."""

import argparse
import asyncio
import logging
import sys

from stream.commands.arguments import Subparsers, add_config
from stream.commands.settings import load_settings
from stream.config import Settings
from stream.exit import CommandError, ExitCode
from stream.kafka.admin import AdminRefusedError, BrokerUnreachableError, KafkaAdmin, connect_admin
from stream.kafka.rebuild import Plan, StillRunningError, carry_out, plan
from stream.kafka.topics import changelog
from stream.watch.flush import TABLES
from stream.worker.required_topics import topics_of

_DELTAS, _EVENTS = "deltas", "events"


def add_parser(subparsers: Subparsers) -> None:
    """The arguments."""
    parser = subparsers.add_parser(
        "rebuild",
        description="Delete what WATCH has counted and learned, so that the workers count it "
        "anew when they start again: after a change of watch.pages, watch.history_pages or "
        "topics.deltas_partitions, or when a version says that state has another form. Stop all "
        "workers first. Without --yes it says what would be done and does nothing. Exit code 1 if "
        "workers run or a loss is not accepted, 3 if Kafka cannot be reached.",
    )
    parser.add_argument(
        "--from",
        dest="source",
        choices=(_DELTAS, _EVENTS),
        default=_DELTAS,
        help="what is read again: the deltas (default), or the usage events, which makes the "
        "deltas anew too, as a change of their partitions needs",
    )
    parser.add_argument("--yes", action="store_true", help="do it")
    parser.add_argument(
        "--accept-loss",
        action="store_true",
        help="do it although the oldest are not kept any more, and what they came to is lost",
    )
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Say what goes, and do it if told to."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it is in the error already
    settings = load_settings(arguments.config)
    try:
        return asyncio.run(_work(settings, arguments))
    except BrokerUnreachableError as error:
        raise CommandError(str(error), ExitCode.UNREACHABLE) from None
    except StillRunningError as error:
        raise CommandError(
            f"nothing was deleted, since there are members: {error}; stop them"
        ) from None
    except AdminRefusedError as error:
        raise CommandError(f"the broker refuses: {error}; it may be run again") from None


async def _work(settings: Settings, arguments: argparse.Namespace) -> int:
    async with connect_admin(settings.kafka) as admin:
        todo = await _plan(admin, settings, arguments.source)
        sys.stdout.write(_said(todo))
        if todo.lost and not arguments.accept_loss:
            raise CommandError(
                f"{todo.lost:,} of the messages of {todo.source} are not kept any more, and what "
                "they came to would be lost; add --accept-loss if that is right"
            )
        if not arguments.yes:
            sys.stdout.write("nothing was done; add --yes to do it\n")
            return ExitCode.DONE
        left = await carry_out(admin, todo, topics_of(settings))
    for finding in left:
        sys.stderr.write(f"{finding}\n")
    if any(finding.is_vital for finding in left):
        raise CommandError("not all topics are as they have to be; run: spendwatch topics create")
    sys.stdout.write("done; start the workers, they count anew\n")
    return ExitCode.DONE


async def _plan(admin: KafkaAdmin, settings: Settings, source: str) -> Plan:
    topics, group = settings.topics, settings.watch.group
    tables = [changelog(group, table, topics.deltas_partitions).name for table in TABLES]
    try:
        if source == _EVENTS:
            own = [topics.dedup, topics.provisional, topics.deltas, *tables]
            groups = [group, settings.ingest.group]
            if settings.ingest.rekey:  # the hop fills it anew
                own.append(topics.usage_keyed)
                groups.append(settings.ingest.counting_group)
            return await plan(admin, topics.usage_events, topics=own, groups=groups)
        todo = await plan(admin, topics.deltas, topics=tables, groups=[group])
    except LookupError as error:
        raise CommandError(f"there is no topic {error} to count from") from None
    if len(todo.kept) != topics.deltas_partitions:
        raise CommandError(
            f"{topics.deltas} has {len(todo.kept)} partitions and topics.deltas_partitions is "
            f"{topics.deltas_partitions}: its scopes have to be divided anew; add --from events"
        )
    return todo


def _said(todo: Plan) -> str:
    return (
        f"to be counted anew: up to {todo.records:,} messages of {todo.source}\n"
        f"topics to be made anew: {', '.join(todo.topics) or 'none'}\n"
        f"consumer groups to be forgotten: {', '.join(todo.groups)}\n"
    )
