"""A backtest's summary for people: what one looks at before trusting a configuration.

The numbers are ``summary.py``'s; the lines refused are INGEST's. Names come from
producers, so they are printed as text, never as markup.
"""

from collections import Counter
from decimal import Decimal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerting.throttle.action import Mode, ThrottleAction
from detectors.observation import COST, NANOUSD_PER_USD, REQUESTS, UNPRICED
from stream.replay.intake import Intake
from stream.replay.summary import BacktestSummary, IncidentSummary, minute
from stream.replay.verdict import Found, Verdict

INCIDENTS_SHOWN = 20
"""Those with the largest excess; the number of all is told."""

RULES_SHOWN = 5
SCOPES_SHOWN = 5


def print_report(
    console: Console, summary: BacktestSummary, intake: Intake, verdict: Verdict | None = None
) -> None:
    """Print the summary, what became of the labels, if any, and which lines were refused."""
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in [*_intake(summary, intake), *findings(summary, verdict)]:
        facts.add_row(name, Text(text))
    console.print(facts)
    if verdict is not None:
        console.print(_labels(verdict))
    if summary.incidents:
        console.print(_incidents(summary, verdict))
    for sentence in intake.refusals():
        console.print(Text(f"refused: {sentence}"))


def _intake(summary: BacktestSummary, intake: Intake) -> list[tuple[str, str]]:
    counted, totals = intake.counted, intake.totals
    reasons = ", ".join(f"{name} {count:,}" for name, count in intake.dead_by_reason.most_common())
    dead = intake.dead_by_reason.total()
    unpriced = totals[UNPRICED] / totals[REQUESTS] if totals[REQUESTS] else 0.0
    span = summary.span
    return [
        ("events", f"{counted['events']:,}"),
        ("span", f"{minute(span[0])} to {minute(span[1])} UTC" if span else "none"),
        ("dead letters", f"{dead:,} ({reasons})" if dead else "0"),
        ("late", f"{counted['late']:,}"),
        ("repeats", f"{counted['repeats']:,}"),
        ("unpriced", f"{unpriced:.2%} of {totals[REQUESTS]:,} requests"),
        ("spend", f"${dollars(totals[COST])}"),
    ]


def findings(summary: BacktestSummary, verdict: Verdict | None) -> list[tuple[str, str]]:
    """What was found and how loud it was, each with its name: what two configurations differ in."""
    leaked = sum(each.cost_nanousd for each in summary.incidents)
    excess = sum(each.excess_nanousd for each in summary.incidents)
    pages, severities = len(summary.pages), summary.fired_by_severity
    facts = [
        ("incidents", f"{len(summary.incidents):,}"),
        ("excess", f"${dollars(excess)}"),
        ("leaked", f"${dollars(leaked)} until the throttle would have acted"),
        ("pages", f"{pages:,}, {summary.a_week(pages):,.1f} a week"),
    ]
    if verdict is not None:
        found = sum(bool(each.incidents) for each in verdict.found)
        false = verdict.false_pages
        facts += [
            ("false pages", f"{false:,}, {summary.a_week(false):,.1f} a week"),
            ("labels found", f"{found:,} of {len(verdict.found):,}"),
        ]
    return [
        *facts,
        ("alerts", f"{summary.fired:,}, {summary.alerts_per_day:,.1f} a day"),
        ("severities", ", ".join(f"{each.value} {count:,}" for each, count in severities)),
        ("loudest rules", _loudest(summary.fired_by_rule, RULES_SHOWN)),
        ("loudest scopes", _loudest(summary.fired_by_scope, SCOPES_SHOWN)),
    ]


def _loudest(counts: Counter[str], shown: int) -> str:
    ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:shown]
    return ", ".join(f"{name} {count:,}" for name, count in ranked) or "none"


def _labels(verdict: Verdict) -> Table:
    table = Table(title="labelled", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.show_edge = False
    table.add_column("began (UTC)", no_wrap=True)
    table.add_column("what", overflow="fold")
    table.add_column("scope", overflow="fold")
    table.add_column("told after", justify="right", no_wrap=True)
    table.add_column("paged", no_wrap=True)
    table.add_column("leaked $", justify="right", no_wrap=True)
    table.add_column("incidents", justify="right", no_wrap=True)
    for each in verdict.found:
        label = each.label
        table.add_row(
            minute(label.start),
            Text(label.name),
            Text(label.scopes[0]),
            _told(each),
            "yes" if each.is_paged else "no",
            dollars(each.cost_nanousd) if each.incidents else "",
            f"{len(each.incidents):,}",
        )
    return table


def _told(found: Found) -> str:
    seconds = found.told_after_seconds
    if seconds is None:
        return "missed"
    return f"{seconds / 60:,.0f} min"


def _incidents(summary: BacktestSummary, verdict: Verdict | None) -> Table:
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
    if verdict is not None:
        table.add_column("label", overflow="fold")
    for each in sorted(largest, key=lambda each: (each.started_at, each.incident_id)):
        table.add_row(
            minute(each.started_at),
            Text(each.scope),
            Text(each.key or "none"),
            dollars(each.excess_nanousd),
            "" if each.leaked_nanousd is None else dollars(each.leaked_nanousd),
            action_words(each),
            f"{each.alerts:,}",
            *([] if verdict is None else [_label(each, verdict)]),
        )
    return table


def _label(incident: IncidentSummary, verdict: Verdict) -> Text:
    label = verdict.label_of.get(incident.incident_id)
    return Text("none" if label is None else label.name or label.scopes[0])


def action_words(incident: IncidentSummary) -> str:
    """What was done first, for people."""
    action: ThrottleAction | None = incident.action
    if action is None:
        return "none"
    how = f" at {action.admit_ratio:.0%}" if action.mode is Mode.THROTTLE else ""
    return f"{action.mode.value}{how}{'' if incident.is_enforced else ', dry run'}"


def dollars(nanousd: int) -> str:
    """To the cent, for people."""
    return f"{Decimal(nanousd) / NANOUSD_PER_USD:,.2f}"
