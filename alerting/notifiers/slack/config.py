"""How a Slack receiver is configured. Two ways: a bot token (full) or an incoming webhook (simple).

This file holds settings and their checks; nothing here talks to Slack.
"""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from alerting.secret import Secret


class SlackConfig(BaseModel):
    """A Slack channel.

    With ``token`` and ``channel`` the message is updated in place and replied to. With
    ``webhook_url`` Slack gives back nothing to update, so only an incident's start and its end
    (contained, resolved) are posted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    token: Secret | None = Field(
        default=None, description="bot token with chat:write, as env:NAME or file:PATH"
    )
    channel: str | None = Field(
        default=None,
        min_length=1,
        max_length=80,
        description="channel id (C0123…) or #name; the bot must be a member",
    )
    webhook_url: Secret | None = Field(
        default=None, description="incoming-webhook URL, as env:NAME or file:PATH"
    )
    base_url: str = Field(
        default="https://slack.com/api/",
        pattern=r"^https?://",
        description="where the Web API is; change it for tests and demos",
    )
    timeout_seconds: int = Field(default=15, ge=1, le=60, description="per request")
    min_interval_seconds: float = Field(
        default=1.0, ge=0, le=60, description="between two posts; Slack allows about 1 a second"
    )
    broadcast: tuple[str, ...] = Field(
        default=("escalated", "reopened", "reminded", "not_acted"),
        description="changes whose reply is shown in the channel too",
    )

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        if self.webhook_url is not None:
            if self.token is not None or self.channel is not None:
                raise ValueError("write either token and channel, or webhook_url")
        elif self.token is None or self.channel is None:
            raise ValueError("write token and channel, or webhook_url alone")
        return self

    def secrets(self) -> Mapping[str, Secret]:
        """Its secrets by key."""
        both = {"token": self.token, "webhook_url": self.webhook_url}
        return {key: secret for key, secret in both.items() if secret is not None}
