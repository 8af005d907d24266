"""A backtest's summary as JSON: the printed one's figures, with all incidents and exact dollars."""

from typing import Any

from alerting.alert import usd
from alerting.throttle.action import Mode
from detectors.observation import COST, REQUESTS, UNPRICED
from detectors.window import rfc3339
from stream.replay.intake import Intake
from stream.replay.labels import label_to_json
from stream.replay.summary import BacktestSummary, IncidentSummary
from stream.replay.verdict import Found, Verdict


def report_to_json(
    summary: BacktestSummary, intake: Intake, verdict: Verdict | None
) -> dict[str, Any]:
    """Everything that a backtest reports; dollars are decimal strings, instants RFC 3339."""
    totals, pages = intake.totals, len(summary.pages)
    report = {
        "events": intake.counted["events"],
        "from": rfc3339(summary.span[0]) if summary.span else None,
        "to": rfc3339(summary.span[1]) if summary.span else None,
        "dead_letters": dict(intake.dead_by_reason),
        "late": intake.counted["late"],
        "repeats": intake.counted["repeats"],
        "requests": totals[REQUESTS],
        "unpriced_requests": totals[UNPRICED],
        "spend_usd": usd(totals[COST]),
        "alerts": summary.fired,
        "alerts_per_day": round(summary.alerts_per_day, 3),
        "pages": pages,
        "pages_per_week": round(summary.a_week(pages), 3),
        "alerts_by_severity": {each.value: count for each, count in summary.fired_by_severity},
        "alerts_by_rule": dict(summary.fired_by_rule),
        "alerts_by_scope": dict(summary.fired_by_scope),
        "excess_usd": usd(sum(each.excess_nanousd for each in summary.incidents)),
        "leaked_usd": usd(sum(each.cost_nanousd for each in summary.incidents)),
        "incidents": [_incident(each, verdict) for each in summary.incidents],
    }
    if verdict is not None:
        report["false_pages"] = verdict.false_pages
        report["false_pages_per_week"] = round(summary.a_week(verdict.false_pages), 3)
        report["labels"] = [_found(each) for each in verdict.found]
    return report


def _incident(incident: IncidentSummary, verdict: Verdict | None) -> dict[str, Any]:
    action, leaked = incident.action, incident.leaked_nanousd
    row: dict[str, Any] = {
        "incident_id": incident.incident_id,
        "started_at": rfc3339(incident.started_at),
        "told_at": rfc3339(incident.told_at),
        "ended_at": rfc3339(incident.ended_at),
        "scope": incident.scope,
        "key": incident.key or None,
        "severity": incident.severity.value,
        "alerts": incident.alerts,
        "excess_usd": usd(incident.excess_nanousd),
        "leaked_usd": None if leaked is None else usd(leaked),
        "action": None,
    }
    if action is not None:
        row["action"] = {
            "mode": action.mode.value,
            "admit_ratio": action.admit_ratio if action.mode is Mode.THROTTLE else None,
            "is_enforced": incident.is_enforced,
        }
    if verdict is not None:
        label = verdict.label_of.get(incident.incident_id)
        row["label"] = None if label is None else label_to_json(label)
    return row


def _found(found: Found) -> dict[str, Any]:
    return {
        **label_to_json(found.label),
        "incidents": [each.incident_id for each in found.incidents],
        "told_after_seconds": found.told_after_seconds,
        "is_paged": found.is_paged,
        "leaked_usd": usd(found.cost_nanousd) if found.incidents else None,
    }
