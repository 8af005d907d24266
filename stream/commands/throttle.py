"""``spendwatch throttle``: what is held, and an operator's word on it.

What a command does is ``alerting/decide/orders.py``'s, in DECIDE. Only ``pause`` and ``resume``
go past it, straight to the gateways, so that they work with spendwatch down.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import sys
import uuid
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from rich.console import Console

from alerting.command import (
    BadCommandError,
    ThrottleApprove,
    ThrottleModeSwitch,
    ThrottlePause,
    ThrottleReject,
    ThrottleRelease,
    ThrottleReleaseAll,
    ThrottleResume,
    ThrottleSet,
    decode_command,
    encode_command,
)
from alerting.decide.orders import Order, control_record
from alerting.throttle.action import Mode, OnLapse
from alerting.throttle.policy import ThrottleMode, protecting
from detectors.window import MINUTE_SECONDS
from stream.commands.arguments import (
    PIPE_WIDTH,
    Subparsers,
    add_config,
    add_json,
    duration,
    number,
)
from stream.commands.settings import load_settings
from stream.config import Settings
from stream.exit import CommandError, ExitCode
from stream.kafka.admin import BrokerUnreachableError
from stream.operator.board import Board, Hold, board_of, control_of
from stream.operator.effect import effect_of
from stream.operator.operator import Operator, connect_operator, login_name, now
from stream.operator.table import board_table
from stream.operator.target import TargetError, target_of
from stream.redaction import redact_text

WAIT_SECONDS = 5.0
"""DECIDE obeys within a second or two; leases and gateways are no part of it."""

_LONGEST_WAIT_SECONDS = 3600
_CONTROL_SECONDS = 2.0
"""A pause must not wait for what it only passes on."""

_WHOLE_LIMITS = ("requests_per_minute", "tokens_per_minute")
_LEAST_ACTION_CHARACTERS = 8


def add_parser(subparsers: Subparsers) -> None:
    """The arguments."""
    parser = subparsers.add_parser(
        "throttle",
        description="See which keys are held, hold one, let go, pause everything. A TARGET is"
        " <kind>:<name>, such as agent:invoice-bot, or a key or its id alone; a live key is"
        " replaced by its hash before it goes anywhere.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="ACTION", required=True)

    listing = _verb(verbs, "list", "what is held, dry runs and proposals included")
    add_json(listing)
    listing.add_argument("--all", action="store_true", help="what was released, too")

    setting = _verb(verbs, "set", "hold a target, whatever automation thinks of it", wait=True)
    setting.add_argument("target", metavar="TARGET")
    modes = [mode.value for mode in Mode if mode is not Mode.RELEASE]
    setting.add_argument("--mode", choices=modes, required=True, help="how hard")
    setting.add_argument(
        "--ratio",
        type=number(0, 1),
        metavar="0-1",
        help="share of calls let through, with throttle",
    )
    setting.add_argument(
        "--for",
        dest="seconds",
        type=duration,
        metavar="DURATION",
        help="for how long, such as 30m or 2h (default: until released)",
    )
    setting.add_argument(
        "--on-lapse",
        choices=[each.value for each in OnLapse],
        default=OnLapse.ADMIT.value,
        help="what gateways do should spendwatch die (default: %(default)s)",
    )
    setting.add_argument(
        "--limit",
        action="append",
        default=[],
        type=_limit,
        metavar="NAME=NUMBER",
        help="requests_per_minute, tokens_per_minute or usd_per_hour, for gateways that can",
    )
    setting.add_argument("--reason", default="", help="a sentence, for everybody who asks why")
    setting.add_argument(
        "--force", action="store_true", help="block what throttle.never_block names"
    )

    release = _verb(verbs, "release", "let a target go", wait=True)
    which = release.add_mutually_exclusive_group(required=True)
    which.add_argument("target", metavar="TARGET", nargs="?")
    which.add_argument("--all", action="store_true", help="let every target go")
    release.add_argument("--reason", default="", help="a sentence")

    _verb(verbs, "pause", "all gateways admit everything within 5 s; works with spendwatch down")
    _verb(verbs, "resume", "the end of a pause")
    mode = _verb(verbs, "mode", "make automatic decisions real, or dry runs again", wait=True)
    mode.add_argument("mode", choices=[each.value for each in ThrottleMode])
    for name, summary in (
        ("approve", "make a dry run or proposal real"),
        ("reject", "refuse it, for its incident"),
    ):
        verb = _verb(verbs, name, summary, wait=True)
        verb.add_argument("action", metavar="ACTION_ID", help="or its first 8 characters or more")


def _verb(
    verbs: Subparsers, name: str, summary: str, *, wait: bool = False
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:])
    add_config(parser)
    if wait:
        parser.add_argument(
            "--wait",
            type=number(0, _LONGEST_WAIT_SECONDS),
            default=WAIT_SECONDS,
            metavar="SECONDS",
            help="how long to wait for the effect (default: %(default)g; 0: do not)",
        )
    return parser


def _limit(text: str) -> tuple[str, int | str]:
    name, _, number = text.partition("=")
    try:
        amount = Decimal(number)
    except InvalidOperation:
        amount = Decimal(0)
    if amount.is_finite() and amount > 0:
        if name in _WHOLE_LIMITS and amount == int(amount):
            return name, int(amount)
        if name == "usd_per_hour":
            return name, format(amount, "f")
    raise argparse.ArgumentTypeError(
        f"{text!r} is no limit such as requests_per_minute=10 or usd_per_hour=2.50"
    )


def run(arguments: argparse.Namespace) -> int:
    """Say it, and show what came of it."""
    # What aiokafka would log about a broker that does not answer is in the error already.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    settings = load_settings(arguments.config)
    try:
        return asyncio.run(_work(settings, arguments))
    except TargetError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    except BadCommandError as error:
        raise CommandError(redact_text(str(error)), ExitCode.USAGE) from None
    except BrokerUnreachableError as error:
        raise CommandError(str(error), ExitCode.UNREACHABLE) from None


async def _work(settings: Settings, arguments: argparse.Namespace) -> int:
    at = now()
    head = {"id": str(uuid.uuid4()), "issued_by": login_name(), "issued_at": at}
    topics = settings.topics
    needed = (topics.actions, topics.shadow, topics.control)
    # Before Kafka is asked for anything: what is typed wrong is told even without a broker.
    order = _order(settings, arguments, head)
    async with connect_operator(settings.kafka, topics.commands, needed) as operator:
        if isinstance(order, ThrottlePause | ThrottleResume):
            await _switch(operator, settings, order)
            return ExitCode.DONE
        board = board_of(
            await operator.read(topics.actions),
            await operator.read(topics.shadow),
            await operator.read(topics.control),
            default_mode=settings.throttle.mode.value,
            now=at.timestamp(),
        )
        if board.unreadable:
            sys.stderr.write(f"{board.unreadable} records that are no actions were passed over\n")
        if arguments.verb == "list":
            _print(board, arguments)
            return ExitCode.DONE
        if order is None:
            order = _decision(board, arguments, head)
        await _say(operator, settings, board, order, arguments.wait)
    return ExitCode.DONE


def _order(settings: Settings, arguments: argparse.Namespace, head: dict[str, Any]) -> Order | None:
    """The command of what was typed; None if it takes the board to know it."""
    match arguments.verb:
        case "set":
            return _set(settings, arguments, head)
        case "release" if arguments.all:
            return ThrottleReleaseAll(**head, reason=redact_text(arguments.reason))
        case "release":
            target = target_of(arguments.target, settings.fanout.kinds)
            return ThrottleRelease(**head, target=str(target), reason=redact_text(arguments.reason))
        case "pause" | "resume":
            return (ThrottlePause if arguments.verb == "pause" else ThrottleResume)(**head)
        case "mode":
            return ThrottleModeSwitch(**head, mode=ThrottleMode(arguments.mode))
        case _:
            return None


def _set(settings: Settings, arguments: argparse.Namespace, head: dict[str, Any]) -> ThrottleSet:
    target = str(target_of(arguments.target, settings.fanout.kinds))
    if (arguments.ratio is None) == (arguments.mode == Mode.THROTTLE.value):
        raise CommandError("--ratio: needed with --mode throttle, and only there", ExitCode.USAGE)
    order = ThrottleSet(
        **head,
        target=target,
        mode=Mode(arguments.mode),
        admit_ratio=arguments.ratio,
        minutes=None if arguments.seconds is None else arguments.seconds / MINUTE_SECONDS,
        on_lapse=OnLapse(arguments.on_lapse),
        limits=dict(arguments.limit) or None,
        reason=redact_text(arguments.reason),
        force=arguments.force,
    )
    decode_command(encode_command(order))  # by the rules of whoever obeys it
    if order.mode is Mode.BLOCK and not order.force and protecting(settings.throttle, (target,)):
        raise CommandError(
            f"{target}: throttle.never_block names it; use --mode throttle with --ratio, or --force"
        )
    return order


def _decision(
    board: Board, arguments: argparse.Namespace, head: dict[str, Any]
) -> ThrottleApprove | ThrottleReject:
    """Approve or reject what ``throttle list`` showed."""
    wanted = arguments.action.lower()
    if len(wanted) < _LEAST_ACTION_CHARACTERS:
        raise CommandError(
            f"{wanted}: give at least {_LEAST_ACTION_CHARACTERS} characters of the action's id",
            ExitCode.USAGE,
        )
    found = board.proposals(wanted)
    if len(found) != 1:
        raise CommandError(
            f"{redact_text(wanted)}: {'several dry runs begin' if found else 'no dry run begins'}"
            " so; spendwatch throttle list shows those of now"
        )
    target, identity = found[0]
    if arguments.verb == "approve":
        return ThrottleApprove(**head, target=target, action_id=identity)
    return ThrottleReject(**head, target=target, action_id=identity)


async def _switch(
    operator: Operator, settings: Settings, order: ThrottlePause | ThrottleResume
) -> None:
    """Tell gateways at once, then DECIDE: it must not be what the gateways wait for."""
    topic, mode = settings.topics.control, settings.throttle.mode.value
    with contextlib.suppress(BrokerUnreachableError):
        _, mode = control_of(await operator.read(topic, _CONTROL_SECONDS), mode)
    is_paused = isinstance(order, ThrottlePause)
    record = control_record(order, is_paused=is_paused, mode=mode)
    await operator.control(topic, record, order.issued_at.timestamp())
    await operator.send(order)
    sys.stdout.write(
        "paused: every gateway admits everything within 5 s, until spendwatch throttle resume\n"
        if is_paused
        else "resumed: what is held is held again within 5 s\n"
    )


async def _say(
    operator: Operator, settings: Settings, board: Board, order: Order, seconds: float
) -> None:
    effect = effect_of(order, board, settings.topics)
    if seconds <= 0 or effect is None:
        await operator.send(order)
        said = "nothing was held" if effect is None else "sent"
        sys.stdout.write(f"{said}; the command is {order.id} on {settings.topics.commands}\n")
        return
    record = await operator.send_and_see(order, effect.topic, effect.is_record, seconds)
    if record is None:
        raise CommandError(
            f"sent, but nothing came of it within {seconds:g} s (command {order.id} on"
            f" {settings.topics.commands}); is 'spendwatch worker --roles decide' running? If it"
            " refused, its log has the reason under decide_input_refused",
            ExitCode.UNREACHABLE,
        )
    sys.stdout.write(f"{effect.in_words(record)}\n")
    if board.is_paused:
        sys.stderr.write("throttling is paused: until it is resumed, gateways admit everything\n")


def _print(board: Board, arguments: argparse.Namespace) -> None:
    shown = [each for each in board.entries if arguments.all or each.hold is not Hold.RELEASED]
    board = replace(board, entries=tuple(shown))
    if arguments.json:
        json.dump(board.to_json(), sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(board_table(board))
