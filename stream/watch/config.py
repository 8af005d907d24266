"""What an operator may say about the role WATCH."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class WatchRoleConfig(BaseModel):
    """Consumer group, pages, retention and the HTTP address of the role WATCH."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: str = Field("spendwatch-watch", description="Consumer group and prefix of changelogs.")
    instance_id: str | None = Field(
        None,
        description="Static membership id, unique per worker; default: the host name and the port.",
    )
    state_folder: Path | None = Field(
        None,
        description="Folder for counts that must outlive a restart, shared by a host's workers; "
        "default: $STATE_DIRECTORY, as systemd sets it, else $XDG_STATE_HOME/spendwatch, else "
        "~/.local/state/spendwatch.",
    )
    session_timeout_seconds: float = Field(
        8.0, ge=1, le=300, description="A worker silent for this long loses its partitions."
    )
    flush_seconds: float = Field(
        10.0,
        gt=0,
        le=60,
        description="How often changed pages are written to the changelog; less often, up to once "
        "a minute, where that would take more than a quarter of the time.",
    )
    profile_flush_seconds: float = Field(
        30.0,
        gt=0,
        description="Within how long profile pages are written once a window has taught something; "
        "in a recovery what is not written is learned anew, 40 us a scope and window.",
    )
    pages: int = Field(
        64, ge=1, le=4096, description="Pages of live state per delta partition; fixed by the keys."
    )
    history_pages: int = Field(
        8, ge=1, le=512, description="Pages per delta partition of an hour's or day's counts."
    )
    keep_hours: int = Field(
        72, ge=2, description="Hours of event time for which counts per hour are kept."
    )
    keep_days: int = Field(
        62, ge=2, description="Days of event time for which counts per day are kept."
    )
    max_skew_seconds: int = Field(
        86400,
        ge=60,
        description="An input partition further behind in event time than this is not waited for.",
    )
    max_silence_messages: int = Field(
        60,
        ge=2,
        description="An input partition is not waited for after this many heartbeats of others.",
    )
    host: str = Field("127.0.0.1", description="Address the HTTP queries listen on.")
    port: int = Field(8321, ge=0, le=65535, description="Port of the HTTP queries; 0 picks one.")
    advertised_url: str | None = Field(
        None, description="Where other workers reach this one; default http://host:port."
    )
