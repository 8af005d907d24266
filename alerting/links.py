"""Where to look, and labels as Alertmanager has them: both made of the alert itself.

A link is a template of the configuration with the alert's own words in it, percent-encoded, so that
no name can lead anywhere else. Nothing is fetched here.
"""

import re
from collections.abc import Callable, Mapping
from string import Formatter
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, field_validator

from alerting.alert import ABSENCE, FEED, Alert
from alerting.exemplar import TRACE

_HOST_SAID = re.compile(r"https?://[^/?#{}\s<>|]+([/?#][^\s<>|]*)?")
"""The host is the operator's, never a name from an event."""


def labels_of(alert: Alert) -> dict[str, str]:
    """Labels for routing and silences elsewhere; ``kind`` is the alert's, not the scope's."""
    scope = alert.scope
    return {
        **scope.names,
        "alertname": alert.rule,
        "severity": alert.severity.value,
        "kind": alert.kind,
        "environment": scope.environment,
    }


FIELDS: Mapping[str, Callable[[Alert], str]] = {
    "scope": lambda alert: str(alert.scope),
    "kind": lambda alert: alert.scope.kind,
    "name": lambda alert: alert.scope.name,
    "environment": lambda alert: alert.scope.environment,
    "rule": lambda alert: alert.rule,
    "severity": lambda alert: alert.severity.value,
    "alert_id": lambda alert: alert.alert_id,
    "incident_id": lambda alert: alert.incident_id,
    "from_ms": lambda alert: str(alert.started_at * 1000),
    "to_ms": lambda alert: str(alert.decided_at * 1000),
}
"""What a template may name; the last two are epoch milliseconds, as Grafana wants them."""


class LinksConfig(BaseModel):
    """URL templates with fields such as ``{scope}``, sent with every alert."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runbook: str | None = Field(
        None, description="What to do, such as https://wiki.example/runbook#{rule}."
    )
    dashboard: str | None = Field(
        None,
        description="Where to look, such as https://grafana.example/d/spend?var-scope={scope}. "
        f"Fields, URL-encoded: {', '.join(FIELDS)}.",
    )
    trace: str | None = Field(
        None,
        description="Where calls are, such as "
        "https://traces.example/search?{kind}={name}&from={from_ms}&to={to_ms}, for alerts about "
        "calls that came without a trace_url; else it leads to the dearest of them.",
    )

    @field_validator("runbook", "dashboard", "trace")
    @classmethod
    def _is_template(cls, template: str | None) -> str | None:
        if template is None:
            return None
        try:
            parts = list(Formatter().parse(template))
        except ValueError as error:
            raise ValueError(f"{error}; write a literal brace twice") from error
        for _, name, spec, conversion in parts:
            if name is not None and (name not in FIELDS or spec or conversion):
                raise ValueError(f"no field {{{name}}}; fields are {', '.join(FIELDS)}")
        if _HOST_SAID.fullmatch(template) is None:
            raise ValueError("is no URL; write https://host/path, with fields after the host")
        return template

    def links_of(self, alert: Alert) -> dict[str, str]:
        """The links that are configured, of an alert that has its incident.

        Alerts about the data, and about calls that are missing, lead to no calls.
        """
        encoded = {name: quote(text_of(alert), safe="") for name, text_of in FIELDS.items()}
        templates = {"runbook": self.runbook, "dashboard": self.dashboard, TRACE: self.trace}
        if alert.kind in (FEED, ABSENCE):
            del templates[TRACE]
        return {
            name: template.format_map(encoded)
            for name, template in templates.items()
            if template is not None
        }
