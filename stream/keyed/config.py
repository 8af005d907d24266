"""Which roles there are, and what an operator may say about those that have one owner at a time.

This file must not know what runs a role (``stream/worker/roles/`` does): the command line needs
the names and nothing else.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Role(StrEnum):
    """What ``spendwatch worker`` runs, in the order of an event's path; a process each."""

    INGEST = "ingest"
    WATCH = "watch"
    DECIDE = "decide"
    NOTIFY = "notify"


STATE_TABLE = "state"
"""The table such a role remembers in."""


class OwnerConfig(BaseModel):
    """Consumer group of a role that has one owner at a time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: str = Field(description="Consumer group and prefix of the changelog.")
    session_timeout_seconds: float = Field(
        8.0, ge=1, le=300, description="An owner silent for this long is replaced."
    )
    instance_id: str | None = Field(
        None, description="Static membership id, unique per worker; default: the host name."
    )


class DecideRoleConfig(OwnerConfig):
    """The owner of decisions."""

    group: str = Field(
        "spendwatch-decide", description="Consumer group and prefix of the changelog."
    )


class NotifyRoleConfig(OwnerConfig):
    """The owner of messages to people."""

    group: str = Field(
        "spendwatch-notify", description="Consumer group and prefix of the changelog."
    )
