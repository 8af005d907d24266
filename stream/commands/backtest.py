"""``spendwatch backtest``: what would have been told and done about a file of events."""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from alerting.alert import alert_to_json
from stream.commands.arguments import PIPE_WIDTH, Subparsers, add_config
from stream.commands.event_source import feed, refuse_useless
from stream.commands.settings import load_settings
from stream.exit import CommandError, ExitCode
from stream.replay.event_file import EventFile, EventFileError
from stream.replay.replay import Replay, ReplayResult
from stream.replay.report import print_report
from stream.replay.summary import summarize


def add_parser(subparsers: Subparsers) -> None:
    """The arguments."""
    parser = subparsers.add_parser(
        "backtest",
        description="Run the same detectors, budgets, lifecycle and decisions over a file of usage"
        " events, without Kafka. Every transition of every alert goes to the output, one JSON"
        " object a line; a summary goes to stderr. Nobody is told and nothing is throttled. Lines"
        " that are no usage events are counted and named, and change nothing else.",
    )
    add_config(parser)
    parser.add_argument(
        "--events",
        type=Path,
        required=True,
        metavar="FILE",
        help="usage events, a JSON object a line, gzipped or not, in the order they came in",
    )
    parser.add_argument(
        "--output", required=True, metavar="FILE", help="where the alerts go; - for stdout"
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay the file, write the alerts, print the summary."""
    settings = load_settings(arguments.config)
    replay = Replay(settings)
    try:
        with EventFile(arguments.events) as events:
            _check_output(arguments.output, arguments.events)
            feed(events, replay.feed)
    except EventFileError as error:
        raise CommandError(str(error)) from None
    refuse_useless(arguments.events, replay.result.intake)
    result = replay.settle()
    _write(arguments.output, result)
    console = Console(file=sys.stderr, width=None if sys.stderr.isatty() else PIPE_WIDTH)
    print_report(console, summarize(result, replay.span), result.intake)
    return ExitCode.DONE


def _check_output(output: str, events: Path) -> None:
    """Complain before the work, not after it; what is there already is kept until the end."""
    if output == "-":
        return
    path = Path(output)
    if path.exists() and path.samefile(events):
        raise CommandError(f"--output {output} is the file of events; name another", ExitCode.USAGE)
    try:
        path.open("a").close()
    except OSError as error:
        raise _unwritable(output, error) from None


def _write(output: str, result: ReplayResult) -> None:
    lines = (f"{json.dumps(alert_to_json(alert))}\n" for alert in result.alerts)
    if output == "-":
        sys.stdout.writelines(lines)
        return
    try:
        with Path(output).open("w", encoding="utf-8") as file:
            file.writelines(lines)
    except OSError as error:
        raise _unwritable(output, error) from None


def _unwritable(output: str, error: OSError) -> CommandError:
    return CommandError(f"--output {output} cannot be written: {error.strerror or error}")
