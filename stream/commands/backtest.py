"""``spendwatch backtest``: what would have been told and done about a file of events."""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from alerting.alert import alert_to_json
from stream.collector import collector_paused
from stream.commands.arguments import PIPE_WIDTH, Subparsers, add_config, add_json, number
from stream.commands.event_source import feed, refuse_useless
from stream.commands.settings import load_settings
from stream.config import Settings
from stream.exit import CommandError, ExitCode
from stream.replay.comparison import facts_of, is_different, pairs_of
from stream.replay.event_file import EventFile, EventFileError
from stream.replay.labels import Label, LabelError, read_labels
from stream.replay.plots import PlotError, draw_incidents, require_matplotlib
from stream.replay.replay import Replay, ReplayResult
from stream.replay.report import findings, print_report
from stream.replay.report_json import report_to_json
from stream.replay.report_sides import (
    comparison_to_json,
    print_comparison,
    print_tuning,
    tuning_to_json,
)
from stream.replay.summary import BacktestSummary, IncidentSummary, summarize
from stream.replay.traces import Seen, traces_of
from stream.replay.tuning import best, variants_of, weigh
from stream.replay.verdict import Verdict, hold_against

FALSE_PAGES_PER_WEEK = 2.0
"""Of a whole installation of up to 10,000 keys: what people bear before they turn alerts off."""


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
    parser.add_argument("--output", metavar="FILE", help="where the alerts go; - for stdout")
    parser.add_argument(
        "--incidents",
        type=Path,
        metavar="FILE",
        help='what really went wrong, a {"scope": "agent:bot", "start": …, "end": …} a line, as'
        " spendwatch simulate --truth writes it: a page that none explains is a false one",
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--compare",
        type=Path,
        metavar="FILE",
        help="another configuration over the same events, side by side; ends with 4 if they differ",
    )
    mode.add_argument(
        "--tune",
        action="store_true",
        help="try a dozen settings of floors and spreads, and propose those that leak least",
    )
    parser.add_argument(
        "--false-pages-per-week",
        type=number(0, 1_000),
        metavar="N",
        help="of the whole installation, that --tune may propose at most (default "
        f"{FALSE_PAGES_PER_WEEK:g})",
    )
    mode.add_argument(
        "--plots",
        type=Path,
        metavar="DIR",
        help="a PNG for each incident: band, spend, alerts, first action; reads the file twice, and"
        " needs matplotlib (pip install 'spendwatch[plots]')",
    )
    add_json(parser)


@dataclass(frozen=True, slots=True)
class _Run:
    """One configuration's backtest, done."""

    result: ReplayResult
    summary: BacktestSummary
    verdict: Verdict | None

    @property
    def report(self) -> dict[str, Any]:
        """As JSON."""
        return report_to_json(self.summary, self.result.intake, self.verdict)


def run(arguments: argparse.Namespace) -> int:
    """Replay the file, write the alerts, print the summary."""
    if arguments.json and arguments.output == "-":
        raise CommandError("--json and --output - both want stdout", ExitCode.USAGE)
    if arguments.false_pages_per_week is not None and not arguments.tune:
        raise CommandError(
            "--false-pages-per-week says what --tune may propose; give both", ExitCode.USAGE
        )
    settings = load_settings(arguments.config)
    labels = _labels(arguments.incidents)
    if arguments.plots is not None:
        try:
            require_matplotlib()
        except PlotError as error:
            raise CommandError(str(error)) from None
    if arguments.tune:
        return _tune(arguments, settings, labels)
    others = [] if arguments.compare is None else [load_settings(arguments.compare)]
    first, *rest = (_backtest(arguments, [each], labels)[0] for each in (settings, *others))
    _write(arguments.output, first.result)
    if rest:
        return _compare(arguments, first, rest[0])
    if arguments.json:
        _print_json(first.report)
    else:
        print_report(_console(), first.summary, first.result.intake, first.verdict)
    if arguments.plots is not None:
        _plot(arguments, settings, first.summary.incidents)
    return ExitCode.DONE


def _plot(
    arguments: argparse.Namespace, settings: Settings, incidents: Sequence[IncidentSummary]
) -> None:
    folder: Path = arguments.plots
    traces: dict[str, Sequence[Seen]] = {}

    def look(lines: Iterable[bytes]) -> None:
        traces.update(traces_of(settings, incidents, lines))

    try:
        with EventFile(arguments.events) as events:
            feed(events, look)
        written = draw_incidents(folder, incidents, traces, settings.rules.window_seconds)
    except EventFileError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise _unwritable(f"--plots {folder}", error) from error
    sys.stderr.write(f"{len(written)} plots written to {folder}\n")


def _labels(path: Path | None) -> Sequence[Label] | None:
    try:
        return None if path is None else read_labels(path)
    except LabelError as error:
        raise CommandError(str(error)) from None


def _backtest(
    arguments: argparse.Namespace, settings: Sequence[Settings], labels: Sequence[Label] | None
) -> list[_Run]:
    """Backtests that share one reading of the file."""
    path: Path = arguments.events
    replays = Replay.several(settings)
    try:
        with EventFile(path) as events:
            _check_output(arguments.output, path)
            _check_plots(arguments.plots)
            with collector_paused():
                feed(events, partial(Replay.feed_together, replays))
    except EventFileError as error:
        raise CommandError(str(error)) from None
    refuse_useless(path, replays[0].result.intake)
    runs = []
    for replay in replays:
        summary = summarize(replay.settle(), replay.span)
        verdict = None if labels is None else hold_against(summary, labels)
        runs.append(_Run(replay.result, summary, verdict))
    return runs


def _compare(arguments: argparse.Namespace, first: _Run, second: _Run) -> int:
    names = (str(arguments.config or "built-in"), str(arguments.compare))
    facts = facts_of(*(findings(each.summary, each.verdict) for each in (first, second)))
    pairs = pairs_of(first.summary, second.summary)
    if arguments.json:
        _print_json(comparison_to_json(names, (first.report, second.report), pairs))
    else:
        print_comparison(_console(), names, facts, pairs)
    is_same = not any(map(is_different, pairs)) and not any(fact.differs for fact in facts)
    return ExitCode.DONE if is_same else ExitCode.DIFFERENT


def _tune(arguments: argparse.Namespace, settings: Settings, labels: Sequence[Label] | None) -> int:
    if arguments.output is not None:
        raise CommandError("--tune tries many settings and has no --output", ExitCode.USAGE)
    variants = variants_of(settings)
    runs = _backtest(arguments, [each.settings for each in variants], labels)
    tried = weigh([(v, each.summary, each.verdict) for v, each in zip(variants, runs, strict=True)])
    given: float | None = arguments.false_pages_per_week
    wanted = FALSE_PAGES_PER_WEEK if given is None else given
    chosen = best(tried, wanted)
    if arguments.json:
        _print_json(tuning_to_json(tried, chosen))
    else:
        print_tuning(_console(), tried, chosen, wanted=wanted, are_false=labels is not None)
    return ExitCode.DONE


def _console() -> Console:
    return Console(file=sys.stderr, width=None if sys.stderr.isatty() else PIPE_WIDTH)


def _print_json(report: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(report, indent=2)}\n")


def _check_output(output: str | None, events: Path) -> None:
    """Complain before the work, not after it; what is there already is kept until the end."""
    if output in (None, "-"):
        return
    path = Path(output)
    if path.exists() and path.samefile(events):
        raise CommandError(f"--output {output} is the file of events; name another", ExitCode.USAGE)
    try:
        path.open("a").close()
    except OSError as error:
        raise _unwritable(f"--output {output}", error) from None


def _check_plots(folder: Path | None) -> None:
    """The same of the folder of plots."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise _unwritable(f"--plots {folder}", error) from None


def _write(output: str | None, result: ReplayResult) -> None:
    if output is None:
        return
    lines = (f"{json.dumps(alert_to_json(alert))}\n" for alert in result.alerts)
    if output == "-":
        sys.stdout.writelines(lines)
        return
    try:
        with Path(output).open("w", encoding="utf-8") as file:
            file.writelines(lines)
    except OSError as error:
        raise _unwritable(f"--output {output}", error) from None


def _unwritable(what: str, error: OSError) -> CommandError:
    return CommandError(f"{what} cannot be written: {error.strerror or error}")
