"""A backtest's summary for people: what one looks at before trusting a configuration.

The numbers are ``summary.py``'s; the lines refused are INGEST's. Names come from
producers, so they are printed as text, never as markup.
"""

from decimal import Decimal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerting.throttle.action import Mode, ThrottleAction
from detectors.observation import COST, NANOUSD_PER_USD, REQUESTS, UNPRICED
from stream.replay.intake import Intake
from stream.replay.summary import BacktestSummary, IncidentSummary, minute

INCIDENTS_SHOWN = 20
"""Those with the largest excess; the number of all is told."""

RULES_SHOWN = 5


def print_report(
    console: Console,
    summary: BacktestSummary,
    intake: Intake,
) -> None:
    """Print the summary, and which lines were refused."""
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in _facts(summary, intake):
        facts.add_row(name, Text(text))
    console.print(facts)
    if summary.incidents:
        console.print(_incidents(summary))
    for sentence in intake.refusals():
        console.print(Text(f"refused: {sentence}"))


def _facts(summary: BacktestSummary, intake: Intake) -> list[tuple[str, str]]:
    counted, totals = intake.counted, intake.totals
    reasons = ", ".join(f"{name} {count:,}" for name, count in intake.dead_by_reason.most_common())
    dead = intake.dead_by_reason.total()
    unpriced = totals[UNPRICED] / totals[REQUESTS] if totals[REQUESTS] else 0.0
    rules = summary.fired_by_rule.most_common(RULES_SHOWN)
    span = summary.span
    return [
        ("events", f"{counted['events']:,}"),
        ("span", f"{minute(span[0])} to {minute(span[1])} UTC" if span else "none"),
        ("dead letters", f"{dead:,} ({reasons})" if dead else "0"),
        ("late", f"{counted['late']:,}"),
        ("repeats", f"{counted['repeats']:,}"),
        ("unpriced", f"{unpriced:.2%} of {totals[REQUESTS]:,} requests"),
        ("spend", f"${_dollars(totals[COST])}"),
        ("incidents", f"{len(summary.incidents):,}"),
        ("alerts", f"{summary.fired:,}, {summary.alerts_per_day:,.1f} a day"),
        (
            "severities",
            ", ".join(f"{each.value} {count:,}" for each, count in summary.fired_by_severity),
        ),
        ("loudest rules", ", ".join(f"{rule} {count:,}" for rule, count in rules) or "none"),
    ]


def _incidents(summary: BacktestSummary) -> Table:
    largest = sorted(summary.incidents, key=lambda each: -each.excess_nanousd)[:INCIDENTS_SHOWN]
    title = "incidents"
    if len(largest) < len(summary.incidents):
        title = f"the {len(largest)} largest of {len(summary.incidents):,} incidents"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.show_edge = False
    table.add_column("began (UTC)", no_wrap=True)
    table.add_column("named after", overflow="fold")
    table.add_column("key", overflow="fold")
    table.add_column("excess $", justify="right", no_wrap=True)
    table.add_column("leaked $", justify="right", no_wrap=True)
    table.add_column("action", overflow="fold")
    table.add_column("alerts", justify="right", no_wrap=True)
    for each in sorted(largest, key=lambda each: (each.started_at, each.incident_id)):
        table.add_row(
            minute(each.started_at),
            Text(each.scope),
            Text(each.key or "none"),
            _dollars(each.excess_nanousd),
            "" if each.leaked_nanousd is None else _dollars(each.leaked_nanousd),
            _action(each),
            f"{each.alerts:,}",
        )
    return table


def _action(incident: IncidentSummary) -> str:
    action: ThrottleAction | None = incident.action
    if action is None:
        return "none"
    how = f" at {action.admit_ratio:.0%}" if action.mode is Mode.THROTTLE else ""
    return f"{action.mode.value}{how}{'' if incident.is_enforced else ', dry run'}"


def _dollars(nanousd: int) -> str:
    return f"{Decimal(nanousd) / NANOUSD_PER_USD:,.2f}"
