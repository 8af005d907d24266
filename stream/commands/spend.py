"""``spendwatch spend``: what was spent, asked of the running workers' tables."""

import argparse
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from rich.console import Console
from rich.table import Table

from stream.commands.arguments import Subparsers, add_config, add_json
from stream.commands.exit import CommandError, ExitCode
from stream.commands.settings import load_settings
from stream.watch.queries import SpendQuery

_TIMEOUT_SECONDS = 20.0

_COLUMNS = (
    "scope",
    "from",
    "to",
    "requests",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "reported_usd",
    "computed_usd",
    "unpriced_requests",
)


def add_parser(subparsers: Subparsers) -> None:
    """The arguments."""
    parser = subparsers.add_parser(
        "spend",
        description="What the scopes of a kind spent. Any worker answers for all; if one is"
        " missing the exit code is 3, and there is never a partial sum.",
    )
    add_config(parser)
    add_json(parser)
    parser.add_argument("--by", default="agent", help="scope kind (default: agent)")
    parser.add_argument("--from", dest="start", metavar="TIME", help="RFC 3339, a whole hour")
    parser.add_argument("--to", dest="end", metavar="TIME", help="RFC 3339, a whole hour; excluded")
    parser.add_argument(
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
    if not target.startswith(("http://", "https://")):
        raise CommandError(f"--worker {url}: write http://host:port", ExitCode.USAGE)
    try:
        with urllib.request.urlopen(target, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310  checked above
            return list(json.load(response)["rows"])
    except urllib.error.HTTPError as error:
        reason = json.load(error).get("error", error.reason)
        service = error.code >= 500  # noqa: PLR2004  HTTP: the server's fault
        raise CommandError(
            reason, ExitCode.UNREACHABLE if service else ExitCode.WRONG_INPUT
        ) from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise CommandError(
            f"no worker answers at {url}: {getattr(error, 'reason', error)};"
            " is 'spendwatch worker' running, and is --worker right?",
            ExitCode.UNREACHABLE,
        ) from None


def run(arguments: argparse.Namespace) -> int:
    """Ask, and print."""
    settings = load_settings(arguments.config)
    query = _query(arguments)
    host, port = settings.watch.host, settings.watch.port
    rows = _ask(arguments.worker or f"http://{host}:{port}", query)
    if arguments.json:
        json.dump(rows, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return ExitCode.DONE
    table = Table(*_COLUMNS)
    for row in rows:
        table.add_row(*(str(row[column]) for column in _COLUMNS))
    Console().print(table)
    return ExitCode.DONE
