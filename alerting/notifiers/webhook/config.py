"""How a webhook receiver is configured.

This file holds settings and their checks; nothing here opens a connection.
"""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork

from alerting.secret import Secret


class WebhookConfig(BaseModel):
    """An HTTP endpoint that gets every transition as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: Secret = Field(
        description="where to; env:NAME or file:PATH if the URL itself opens a door",
        json_schema_extra={"allow_literal": True},
    )
    signing_secrets: tuple[Secret, ...] = Field(
        min_length=1,
        max_length=2,
        description="signing secrets whsec_…, as env:NAME or file:PATH; two while rotating",
    )
    timeout_seconds: float = Field(default=15.0, gt=0, le=60, description="per request, in all")
    allow_networks: tuple[IPvAnyNetwork, ...] = Field(
        default=(),
        description="link-local or metadata networks that may be called all the same",
    )

    def secrets(self) -> Mapping[str, Secret]:
        """Its secrets by key."""
        signing = {
            f"signing_secrets[{index}]": secret for index, secret in enumerate(self.signing_secrets)
        }
        return {"url": self.url, **signing}
