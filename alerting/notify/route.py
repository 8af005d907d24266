"""Who hears of what: receivers, and which severities each of them gets.

Routing goes by the incident's worst severity, so that one incident is one conversation. This file
sends nothing.
"""

import re
from collections.abc import Mapping
from typing import Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from alerting.alert import Severity
from alerting.contradiction import Part, contradiction
from alerting.notify.retry import RetryConfig
from alerting.notify.slack.config import SlackConfig
from alerting.notify.webhook.config import WebhookConfig
from alerting.secret import SecretProblem

RECEIVER_NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""Receiver names are parts of state keys and metric labels."""


class ReceiverConfig(BaseModel):
    """One receiver: exactly one way of telling, and how patient we are with it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    slack: SlackConfig | None = Field(default=None, description="a Slack channel")
    webhook: WebhookConfig | None = Field(
        default=None, description="an HTTP endpoint, signed by Standard Webhooks"
    )
    retry: RetryConfig = Field(default=RetryConfig(), description="what happens after a failure")
    group_wait_seconds: float = Field(
        default=2.0,
        ge=0,
        le=30,
        description="how long the first message of an incident waits for what belongs to it",
    )
    max_incidents_per_hour: int = Field(
        default=30,
        ge=1,
        description="new incidents told within an hour; one line says when it is reached",
    )
    max_outbox: int = Field(
        default=10_000, ge=1, description="messages that may wait while the receiver is down"
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.slack is None) == (self.webhook is None):
            raise ValueError("a receiver has exactly one of slack and webhook")
        return self

    @property
    def way(self) -> SlackConfig | WebhookConfig:
        """The one way that is configured."""
        return cast("SlackConfig | WebhookConfig", self.slack or self.webhook)

    def secret_problems(self, environ: Mapping[str, str] | None = None) -> list[SecretProblem]:
        """Every secret that cannot be used, by key."""
        name = "webhook" if self.slack is None else "slack"
        return [problem.below(name) for problem in self.way.secret_problems(environ)]


class RouteConfig(BaseModel):
    """Receiver names by severity; a severity left out goes as described."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    critical: tuple[str, ...] | None = Field(
        default=None, description="who is told of critical incidents; all receivers if left out"
    )
    warning: tuple[str, ...] | None = Field(
        default=None, description="who is told of warnings; all receivers if left out"
    )
    info: tuple[str, ...] = Field(default=(), description="who is told of info; nobody if left out")


class NotifyConfig(BaseModel):
    """What NOTIFY does; without receivers nobody is told and alerts are only recorded."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    receivers: dict[str, ReceiverConfig] = Field(
        default_factory=dict, description="name -> receiver; names are lower-case"
    )
    route: RouteConfig = Field(default=RouteConfig(), description="severity -> receiver names")
    remind_after_seconds: float = Field(
        default=14_400.0,
        ge=300,
        description="an incident that still fires is said again after this long; a budget that "
        "stays crossed, once a day",
    )
    retain_settled_seconds: float = Field(
        default=604_800.0,
        ge=3600,
        description="how long after its end an incident is remembered, so that repeats are known",
    )

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        parts: list[Part] = [
            (("receivers", name), f"{name!r} is no name: use a-z, 0-9, _ and -, at most 63")
            for name in self.receivers
            if re.match(RECEIVER_NAME, name) is None
        ]
        for severity in Severity:
            for index, name in enumerate(getattr(self.route, severity.value) or ()):
                if name not in self.receivers:
                    place = ("route", severity.value, index)
                    parts.append((place, f"unknown receiver {name!r}: add it under receivers"))
        if parts:
            raise contradiction(parts)
        return self

    def receivers_of(self, severity: Severity) -> tuple[str, ...]:
        """Names of the receivers that are told of an incident of this severity."""
        named = {
            Severity.CRITICAL: self.route.critical,
            Severity.WARNING: self.route.warning,
            Severity.INFO: self.route.info,
        }[severity]
        return tuple(self.receivers) if named is None else named

    def secret_problems(self, environ: Mapping[str, str] | None = None) -> list[SecretProblem]:
        """Every secret that cannot be used, by key; for a check before the start."""
        return [
            problem.below(f"receivers.{name}")
            for name, receiver in self.receivers.items()
            for problem in receiver.secret_problems(environ)
        ]
