"""``spendwatch spend``: what was spent, asked of the running workers' tables or of a file."""

import argparse
import http.client
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from rich.console import Console

from stream.commands.arguments import PIPE_WIDTH, Subparsers, add_config, add_json
from stream.commands.event_source import feed, refuse_useless
from stream.commands.settings import load_settings
from stream.config import Settings
from stream.exit import CommandError, ExitCode
from stream.replay.event_file import EventFile, EventFileError
from stream.replay.file_spend import FileSpend
from stream.spend_table import spend_table
from stream.watch.queries import SpendQuery, spend_rows

_TIMEOUT_SECONDS = 20.0


class _Answer(BaseModel):
    """What a worker answers."""

    rows: list[dict[str, Any]]


class _Refusal(BaseModel):
    """What a worker answers when it cannot."""

    error: str


def add_parser(subparsers: Subparsers) -> None:
    """The arguments."""
    parser = subparsers.add_parser(
        "spend",
        description="What the scopes of a kind spent. Any worker answers for all; if one is"
        " missing the exit code is 3, and there is never a partial sum. With --events no worker is"
        " asked: the file is read by the same rules.",
    )
    add_config(parser)
    add_json(parser)
    parser.add_argument("--by", default="agent", help="scope kind (default: agent)")
    parser.add_argument("--from", dest="start", metavar="TIME", help="RFC 3339, a whole hour")
    parser.add_argument("--to", dest="end", metavar="TIME", help="RFC 3339, a whole hour; excluded")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--events",
        type=Path,
        metavar="FILE",
        help="usage events, a JSON object a line, gzipped or not; asks no worker",
    )
    source.add_argument(
        "--worker", metavar="URL", help="which worker to ask; default from the configuration"
    )


def _query(arguments: argparse.Namespace) -> SpendQuery:
    given = {"by": arguments.by, "from": arguments.start, "to": arguments.end}
    try:
        return SpendQuery.parse({name: text for name, text in given.items() if text is not None})
    except ValueError as error:
        raise CommandError(f"--{error}", ExitCode.USAGE) from None


def _ask(url: str, query: SpendQuery) -> list[dict[str, Any]]:
    target = f"{url.rstrip('/')}/v1/spend?{urllib.parse.urlencode(query.parameters())}"
    if not _is_address(url):
        raise CommandError(f"--worker {url}: write http://host:port", ExitCode.USAGE)
    try:
        with urllib.request.urlopen(target, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310  checked above
            return _rows(response.read(), url)
    except urllib.error.HTTPError as error:
        reason = _reason(error.read(), url)
        service = error.code >= 500  # noqa: PLR2004  HTTP: the server's fault
        raise CommandError(
            reason, ExitCode.UNREACHABLE if service else ExitCode.WRONG_INPUT
        ) from None
    except http.client.HTTPException:
        raise _no_worker(url) from None
    except OSError as error:
        raise CommandError(
            f"no worker answers at {url}: {getattr(error, 'reason', error)};"
            " is 'spendwatch worker' running, and is --worker right?",
            ExitCode.UNREACHABLE,
        ) from None


def _is_address(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not re.search(r"\s", url)


def _rows(body: bytes, url: str) -> list[dict[str, Any]]:
    try:
        rows = _Answer.model_validate_json(body).rows
    except ValidationError:
        raise _no_worker(url) from None
    return rows


def _reason(body: bytes, url: str) -> str:
    try:
        return _Refusal.model_validate_json(body).error
    except ValidationError:
        raise _no_worker(url) from None


def _no_worker(url: str) -> CommandError:
    return CommandError(
        f"what answers at {url} is no spendwatch worker; give the address of one with --worker"
        " (watch.host and watch.port in its configuration)",
        ExitCode.UNREACHABLE,
    )


def _of_file(path: Path, settings: Settings, query: SpendQuery) -> list[dict[str, Any]]:
    if query.kind not in settings.fanout.kinds:
        kinds = ", ".join(settings.fanout.kinds)
        raise CommandError(
            f"--by {query.kind}: spend is not counted by it; fanout.kinds has {kinds}",
            ExitCode.USAGE,
        )
    spend = FileSpend(settings, query)
    try:
        with EventFile(path) as events:
            feed(events, spend.feed)
    except EventFileError as error:
        raise CommandError(str(error)) from None
    refuse_useless(path, spend.intake)
    for sentence in spend.intake.refusals():
        sys.stderr.write(f"refused: {sentence}\n")
    return spend_rows(spend.parts())


def run(arguments: argparse.Namespace) -> int:
    """Ask or read, and print."""
    settings = load_settings(arguments.config)
    query = _query(arguments)
    if arguments.events is not None:
        rows = _of_file(arguments.events, settings, query)
    else:
        host, port = settings.watch.host, settings.watch.port
        rows = _ask(arguments.worker or f"http://{host}:{port}", query)
    if arguments.json:
        json.dump(rows, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return ExitCode.DONE
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(spend_table(query.kind, rows, console.width))
    return ExitCode.DONE
