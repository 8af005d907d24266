"""Several configurations over one file, for people and as JSON: a comparison, and a tuning.

The numbers are ``comparison.py``'s and ``tuning.py``'s. What differs is marked with a character,
not by colour alone: the tables are read in files, too.
"""

from collections.abc import Sequence
from typing import Any

import yaml
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerting.alert import usd
from stream.replay.comparison import Fact, Pair, is_different
from stream.replay.report import dollars
from stream.replay.summary import IncidentSummary, minute
from stream.replay.tuning import Tried

DIFFERS = "≠"

PAIRS_SHOWN = 40
"""Those that differ with the largest excess; the number of all is told."""


def print_comparison(
    console: Console, names: tuple[str, str], facts: Sequence[Fact], pairs: Sequence[Pair]
) -> None:
    """Two configurations side by side, and the incidents that they do not see alike."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.show_edge = False
    for column in ("", "", *names):
        table.add_column(Text(column), overflow="fold")
    for fact in facts:
        mark = DIFFERS if fact.differs else ""
        table.add_row(mark, Text(fact.name, style="bold"), Text(fact.left), Text(fact.right))
    console.print(table)
    different = [pair for pair in pairs if is_different(pair)]
    if not different:
        console.print(f"{len(pairs):,} incidents, all alike")
        return
    shown = sorted(different, key=lambda pair: -_excess(pair))[:PAIRS_SHOWN]
    title = f"{len(different):,} of {len(pairs):,} incidents differ"
    if len(shown) < len(different):
        title += f", the {len(shown)} largest"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.show_edge = False
    table.add_column("began (UTC)", no_wrap=True)
    table.add_column("named after", overflow="fold")
    for name in names:
        table.add_column(Text(f"leaked $, {name}"), justify="right", overflow="fold")
    for pair in sorted(shown, key=_began):
        one = pair[0] or pair[1]
        assert one is not None  # noqa: S101  a pair has at least one
        table.add_row(minute(_began(pair)), Text(one.scope), *map(_leaked, pair))
    console.print(table)


def _began(pair: Pair) -> int:
    return min(each.started_at for each in pair if each is not None)


def _excess(pair: Pair) -> int:
    return max(each.excess_nanousd for each in pair if each is not None)


def _leaked(incident: IncidentSummary | None) -> str:
    if incident is None:
        return "not found"
    of = "" if incident.leaked_nanousd is not None else ", no action"
    return f"{dollars(incident.cost_nanousd)} ({incident.severity.value}{of})"


def print_tuning(
    console: Console, tried: Sequence[Tried], chosen: Tried, *, wanted: float, are_false: bool
) -> None:
    """What each variant costs, and the one to take."""
    what = "false pages" if are_false else "pages"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.show_edge = False
    columns = ("", "floors", "spreads", f"{what} a week", "alerts a day", "incidents", "leaked $")
    for column in columns:
        table.add_column(column, justify="right")
    for each in tried:
        marks = ("*" if each is chosen else "") + ("present" if each.variant.is_present else "")
        table.add_row(
            marks.replace("*present", "* present"),
            f"x {each.variant.floor_factor}",
            f"x {each.variant.spread_factor:g}",
            f"{each.pages_per_week:,.1f}",
            f"{each.summary.alerts_per_day:,.1f}",
            f"{len(each.summary.incidents):,}",
            dollars(each.leaked_nanousd),
        )
    console.print(table)
    console.print(Text(proposal(chosen, wanted=wanted, what=what)))


def proposal(chosen: Tried, *, wanted: float, what: str) -> str:
    """The sentence, and the fragment of YAML that goes with it."""
    rate = f"{chosen.pages_per_week:,.1f} {what} a week, ${dollars(chosen.leaked_nanousd)} leaked"
    if chosen.pages_per_week > wanted:
        head = f"nothing that was tried is as calm as {wanted:g} {what} a week; the calmest: {rate}"
    else:
        head = f"at most {wanted:g} {what} a week: {rate}"
    if chosen.variant.is_present:
        return f"{head}, with the present settings"
    fragment = yaml.safe_dump(chosen.variant.fragment(), sort_keys=False)
    return f"{head}, with\n\n{fragment}"


def comparison_to_json(
    names: tuple[str, str], reports: Sequence[dict[str, Any]], pairs: Sequence[Pair]
) -> dict[str, Any]:
    """Both reports, and which incidents differ."""
    return {
        "configurations": [
            {"name": name, **report} for name, report in zip(names, reports, strict=True)
        ],
        "different_incidents": [
            [None if each is None else each.incident_id for each in pair]
            for pair in pairs
            if is_different(pair)
        ],
    }


def tuning_to_json(tried: Sequence[Tried], chosen: Tried) -> dict[str, Any]:
    """Every variant with what it costs, and the chosen one's settings."""
    return {
        "variants": [
            {
                "floor_factor": str(each.variant.floor_factor),
                "spread_factor": each.variant.spread_factor,
                "is_present": each.variant.is_present,
                "is_chosen": each is chosen,
                "pages_per_week": round(each.pages_per_week, 3),
                "alerts_per_day": round(each.summary.alerts_per_day, 3),
                "incidents": len(each.summary.incidents),
                "leaked_usd": usd(each.leaked_nanousd),
            }
            for each in tried
        ],
        "settings": chosen.variant.fragment(),
    }
