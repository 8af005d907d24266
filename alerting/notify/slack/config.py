"""How a Slack receiver is configured. Two ways: a bot token (full) or an incoming webhook (simple).

This file holds settings and their checks; nothing here talks to Slack.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from alerting.notify.incident_view import Change
from alerting.notify.url import parse_url
from alerting.secret import Secret, SecretError, SecretProblem, problems_of


def _token(text: str) -> str:
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("is no token; copy the bot token xoxb-… from the app's settings")
    return text


def _incoming_url(text: str) -> str:
    try:
        parse_url(text)
    except ValueError:
        raise ValueError("is no URL; copy it from the app's settings") from None
    return text


class SlackConfig(BaseModel):
    """A Slack channel.

    With ``token`` and ``channel`` the message is updated in place and replied to. With
    ``webhook_url`` Slack gives back nothing to update, so only what must be noticed is posted: an
    incident's start, that it escalated, was reopened, still fires, was contained, was merged or is
    over, and that a throttle failed.
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
        description="where the Web API is; change it for tests and demos",
    )
    timeout_seconds: int = Field(default=15, ge=1, le=60, description="per request")
    min_interval_seconds: float = Field(
        default=1.0, ge=0, le=60, description="between two posts; Slack allows about 1 a second"
    )
    broadcast: tuple[Change, ...] = Field(
        default=(Change.ESCALATED, Change.REOPENED, Change.REMINDED, Change.NOT_ACTED),
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

    @field_validator("base_url")
    @classmethod
    def _is_url(cls, base_url: str) -> str:
        parse_url(base_url)
        return base_url

    def bot_token(self, environ: Mapping[str, str] | None = None) -> str:
        """The bot's token.

        Raises:
            SecretError: if there is none, it cannot be had, or it cannot be one.
        """
        if self.token is None:
            raise SecretError("a Slack channel needs token and channel")
        return self.token.read(_token, environ=environ)

    def incoming_url(self, environ: Mapping[str, str] | None = None) -> str:
        """The incoming webhook's URL.

        Raises:
            SecretError: if there is none, it cannot be had, or it is no URL.
        """
        if self.webhook_url is None:
            raise SecretError("a Slack incoming webhook needs webhook_url")
        return self.webhook_url.read(_incoming_url, environ=environ)

    def secret_problems(self, environ: Mapping[str, str] | None = None) -> list[SecretProblem]:
        """Every secret that cannot be used, by key."""
        reading: tuple[str, Callable[[], str]] = ("token", partial(self.bot_token, environ))
        if self.webhook_url is not None:
            reading = ("webhook_url", partial(self.incoming_url, environ))
        return problems_of(dict([reading]))
