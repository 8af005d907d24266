"""What an operator may say about being watched: where a worker answers, and the canary."""

from pydantic import BaseModel, ConfigDict, Field, field_validator
from yarl import URL

from alerting.notify.url import parse_url
from alerting.secret import Secret


class MonitoringConfig(BaseModel):
    """Where a worker answers for all of its roles."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(
        "127.0.0.1", description="Address that /metrics, /healthz and /readyz listen on."
    )
    port: int = Field(
        8322,
        ge=0,
        le=65535,
        description="Their port, one for all roles of a worker; 0 picks one and logs it. Several "
        "workers on a host each need their own.",
    )


class CanaryConfig(BaseModel):
    """A made-up event that travels the whole path, over and over."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    enabled: bool = Field(
        default=False,
        description="Whether this worker sends one. Off until asked for: it writes into "
        "topics.usage_events, which others may read too, and spendwatch perhaps only may read.",
    )
    interval_seconds: float = Field(
        30.0,
        ge=1,
        le=3600,
        description="One is sent this often; each costs nothing and pages nobody.",
    )
    timeout_seconds: float = Field(
        60.0, ge=5, le=3600, description="One that is not back after this counts as lost."
    )
    heartbeat_url: Secret | None = Field(
        None,
        description="URL that is asked for (GET) after each round trip, at a service that alerts "
        "on silence; env:NAME or file:PATH, as it usually opens a door.",
        json_schema_extra={"allow_literal": True},
    )

    @field_validator("heartbeat_url")
    @classmethod
    def _is_url_if_written(cls, url: Secret | None) -> Secret | None:
        if url is not None and url.is_literal:
            parse_url(url.reveal(allow_literal=True))
        return url

    def heartbeat(self) -> URL | None:
        """Where to ask, if anywhere.

        Raises:
            SecretError: if it cannot be had or is no URL.
        """
        if self.heartbeat_url is None:
            return None
        return self.heartbeat_url.read(parse_url, allow_literal=True)
