"""``spendwatch silence``: hide messages about some alerts for a while.

Alerts stay in ``spend.alerts`` and throttling goes on. Silences live as commands on
``spend.commands``, which NOTIFY obeys; the list is what those commands amount to.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import sys
import uuid
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerting.command import BadCommandError, SilenceAdd, SilenceExpire, decode_command
from alerting.matcher import Matcher, MatcherError, parse_matcher
from alerting.matcher import Operator as Comparison
from alerting.silence import Silence, SilenceError, Silences, SilenceState, silence_from_json
from detectors.window import rfc3339
from stream.commands.arguments import PIPE_WIDTH, Subparsers, add_config, add_json, duration
from stream.commands.settings import load_settings
from stream.config import Settings
from stream.exit import CommandError, ExitCode
from stream.kafka.admin import BrokerUnreachableError
from stream.operator.operator import connect_operator, login_name, now
from stream.redaction import is_live_secret, redact_key, redact_text

_DEFAULT_SECONDS = 3600.0
_ID_CHARACTERS = 8


def add_parser(subparsers: Subparsers) -> None:
    """The arguments."""
    parser = subparsers.add_parser(
        "silence",
        description="Hide messages about some alerts for a while. The alerts are still recorded,"
        " and throttling goes on.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="ACTION", required=True)
    adding = verbs.add_parser(
        "add",
        help="add a silence",
        description="Add a silence. All matchers must match. A MATCHER is as in Alertmanager:"
        " agent=batch, kind=agent, name=~bot-.*, rule=spike, severity!=critical,"
        " environment=staging or labels.kind=budget.",
    )
    adding.add_argument("matchers", metavar="MATCHER", nargs="+")
    adding.add_argument(
        "--for",
        dest="seconds",
        type=duration,
        default=_DEFAULT_SECONDS,
        metavar="DURATION",
        help="for how long, such as 30m, 2h or 1d (default: 1h)",
    )
    adding.add_argument("--comment", default="", help="why, for whoever wonders")
    add_config(adding)
    listing = verbs.add_parser(
        "list", help="active and coming silences", description="Active and coming silences."
    )
    listing.add_argument("--all", action="store_true", help="expired ones, too")
    add_config(listing)
    add_json(listing)
    expiring = verbs.add_parser(
        "expire", help="end a silence now", description="End a silence now."
    )
    expiring.add_argument("silence", metavar="ID", help="or its first characters")
    add_config(expiring)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    # What aiokafka would log about a broker that does not answer is in the error already.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    settings = load_settings(arguments.config)
    at = now()
    head = {"id": str(uuid.uuid4()), "issued_by": login_name(), "issued_at": at}
    try:
        silence = _silence(arguments, head) if arguments.verb == "add" else None
        return asyncio.run(_work(settings, arguments, head, silence))
    except (MatcherError, SilenceError) as error:
        raise CommandError(redact_text(str(error)), ExitCode.USAGE) from None
    except BrokerUnreachableError as error:
        raise CommandError(str(error), ExitCode.UNREACHABLE) from None


def _silence(arguments: argparse.Namespace, head: dict[str, Any]) -> Silence:
    at = head["issued_at"].timestamp()
    return Silence(
        silence_id=head["id"],
        matchers=tuple(_safe(parse_matcher(text)) for text in arguments.matchers),
        starts_at=at,
        ends_at=at + arguments.seconds,
        created_by=head["issued_by"],
        comment=redact_text(arguments.comment),
    )


def _safe(matcher: Matcher) -> Matcher:
    """The matcher with a live key replaced by its id, under which alerts know it."""
    if not is_live_secret(matcher.value):
        return matcher
    if matcher.operator in (Comparison.MATCH, Comparison.NO_MATCH):
        raise MatcherError(
            f"the pattern for {matcher.name} looks like a key; alerts know keys by their hash, so"
            f" write {matcher.name}=<key>, and it is hashed"
        )
    return Matcher(matcher.name, matcher.operator, redact_key(matcher.value))


async def _work(
    settings: Settings,
    arguments: argparse.Namespace,
    head: dict[str, Any],
    silence: Silence | None,
) -> int:
    at = head["issued_at"].timestamp()
    async with connect_operator(settings.kafka, settings.topics.commands, ()) as operator:
        if silence is not None:
            await operator.send(SilenceAdd(**head, silence=silence.to_json()))
            sys.stdout.write(f"{silence.silence_id} until {_instant(silence.ends_at)} UTC\n")
            return ExitCode.DONE
        silences = silences_of(await operator.read(settings.topics.commands))
        if arguments.verb == "list":
            _print(silences, at, arguments)
            return ExitCode.DONE
        found = _chosen(silences, arguments.silence)
        if found.state(at) is SilenceState.EXPIRED:
            sys.stdout.write(f"{found.silence_id} has ended already\n")
            return ExitCode.DONE
        await operator.send(SilenceExpire(**head, silence_id=found.silence_id))
        sys.stdout.write(f"{found.silence_id} ends now\n")
    return ExitCode.DONE


def silences_of(records: list[Any]) -> Silences:
    """The silences that commands amount to, oldest first; what is none is passed over."""
    silences = Silences()
    for record in records:
        try:
            command = decode_command(record.value or b"")
        except BadCommandError:
            continue  # NOTIFY refuses it as well, and says so in its log
        if isinstance(command, SilenceAdd):
            silences.add(silence_from_json(command.silence))
        elif isinstance(command, SilenceExpire):
            # Added longer ago than commands are kept, or never.
            with contextlib.suppress(KeyError):
                silences.expire(command.silence_id, command.issued_at.timestamp())
    return silences


def _chosen(silences: Silences, beginning: str) -> Silence:
    found = [each for each in silences.list() if each.silence_id.startswith(beginning)]
    if len(found) == 1:
        return found[0]
    what = "several silences begin" if found else "no silence begins"
    raise CommandError(
        f"{redact_text(beginning)}: {what} so; spendwatch silence list shows their ids"
    )


def _print(silences: Silences, at: float, arguments: argparse.Namespace) -> None:
    shown = [
        each
        for each in silences.list()
        if arguments.all or each.state(at) is not SilenceState.EXPIRED
    ]
    if arguments.json:
        rows = [{**each.to_json(), "state": each.state(at).value} for each in shown]
        json.dump(rows, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    if not shown:
        console.print("no silences")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("id", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("matchers", overflow="fold")
    table.add_column("ends (UTC)", no_wrap=True)
    table.add_column("by", overflow="fold")
    table.add_column("comment", overflow="fold")
    for each in shown:
        table.add_row(
            Text(each.silence_id[:_ID_CHARACTERS]),
            each.state(at).value,
            Text(" ".join(map(str, each.matchers))),
            _instant(each.ends_at),
            Text(each.created_by),
            Text(each.comment),
        )
    console.print(table)


def _instant(at_seconds: float) -> str:
    return rfc3339(int(at_seconds))[:16].replace("T", " ")
