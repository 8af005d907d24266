"""A picture of each incident: what was expected, what was spent, what was told, what was done.

matplotlib is an extra that is asked for only here. Times are UTC.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alerting.alert import Severity
from detectors.observation import NANOUSD_PER_USD
from stream.replay.report import action_words, dollars
from stream.replay.summary import IncidentSummary, minute
from stream.replay.traces import Seen

SEVERITY_COLOURS = {
    Severity.CRITICAL: "tab:red",
    Severity.WARNING: "tab:orange",
    Severity.INFO: "tab:blue",
}
_MOST_NAME = 60
_LEFT_TO_LINEAR = 20.0
_MOST_TITLE = 80


class PlotError(Exception):
    """Nothing can be drawn; the text names the fix."""


def require_matplotlib() -> None:
    """Complain before the work, not after it.

    Raises:
        PlotError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl  # noqa: F401, PLC0415  an extra, only for --plots
    except ImportError:
        raise PlotError(
            "--plots needs matplotlib, which is not installed: pip install 'spendwatch[plots]'"
        ) from None


def file_name(incident: IncidentSummary) -> str:
    """Safe on every file system, and the same on every run.

    Of the beginning, the scope and the incident's id, which alone is unique.
    """
    start = minute(incident.started_at).replace(":", "").replace(" ", "T")
    scope, mark = (
        re.sub(r"[^A-Za-z0-9_-]+", "-", each).strip("-")
        for each in (incident.scope, incident.incident_id)
    )
    return f"{start}-{scope[:_MOST_NAME]}-{mark[-12:]}.png"


def draw_incidents(
    folder: Path,
    incidents: Sequence[IncidentSummary],
    traces: Mapping[str, Sequence[Seen]],
    window_seconds: int,
) -> list[Path]:
    """Write one PNG for each incident that a window is known of.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for incident in incidents:
        seen = traces.get(incident.incident_id)
        if seen:
            path = folder / file_name(incident)
            _draw(path, incident, seen, window_seconds)
            written.append(path)
    return written


def _draw(path: Path, incident: IncidentSummary, seen: Sequence[Seen], size: int) -> None:
    from matplotlib import dates  # noqa: PLC0415
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  see above
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot()  # typed for numbers: instants are drawn as well
    ticks: Any = dates  # typed in part
    known = [each for each in seen if each.band is not None]
    edges = [_at(each.start) for each in seen] + [_at(seen[-1].start + size)]
    costs = [each.cost_nanousd / NANOUSD_PER_USD for each in seen]
    at = [_at(each.start + size // 2) for each in known]
    lower, expected, upper = (
        [_band(each, name) for each in known] for name in ("lower", "expected", "upper")
    )
    if known:
        axes.fill_between(at, lower, upper, color="tab:green", alpha=0.18, lw=0, label="band")
        axes.plot(at, expected, color="tab:green", lw=1, ls="--", label="expected")
    axes.stairs(costs, edges, color="0.15", lw=1.3, label="spent")
    _mark(axes, incident)
    usual = sorted(upper)[len(upper) // 2] if upper else 0.0
    if usual > 0 and max(costs) > _LEFT_TO_LINEAR * usual:
        axes.set_yscale("symlog", linthresh=usual)
    axes.set_ylim(bottom=0)
    axes.set_xlim(edges[0], edges[-1])
    locator = ticks.AutoDateLocator(tz=UTC)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ticks.ConciseDateFormatter(locator, tz=UTC))
    axes.set_ylabel(f"$ in {size // 60} minutes")
    axes.set_xlabel("UTC")
    axes.grid(visible=True, alpha=0.25)
    axes.set_title(_title(incident), loc="left", fontsize=10, parse_math=False)
    axes.legend(loc="upper left", fontsize=8, framealpha=0.9)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _mark(axes: Any, incident: IncidentSummary) -> None:
    """When something was told, the first of each severity by name, and what was done first."""
    named: set[Severity] = set()
    for firing in incident.firings:
        severity = firing.severity
        axes.axvline(
            _at(firing.at),
            color=SEVERITY_COLOURS[severity],
            lw=1.3,
            ls=":",
            zorder=3,
            label=None if severity in named else f"alert, {severity.value}",
        )
        named.add(severity)
    if incident.action is not None:
        words = action_words(incident)
        axes.axvline(
            _at(incident.action.issued_at),
            color="tab:purple",
            lw=1.6,
            ls="-.",
            label=f"first action: {words}",
        )


def _title(incident: IncidentSummary) -> str:
    scope = incident.scope
    if len(scope) > _MOST_TITLE:
        scope = f"{scope[: _MOST_TITLE - 1]}…"
    leaked = "no action"
    if incident.leaked_nanousd is not None:
        leaked = f"${dollars(incident.leaked_nanousd)} leaked before the first action"
    return (
        f"{scope}\n{minute(incident.started_at)} UTC, "
        f"${dollars(incident.excess_nanousd)} above expected, {leaked}"
    )


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _band(seen: Seen, name: str) -> float:
    nanousd: int = getattr(seen.band, f"{name}_nanousd")
    return nanousd / NANOUSD_PER_USD
