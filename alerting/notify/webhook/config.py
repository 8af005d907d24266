"""How a webhook receiver is configured.

This file holds settings and their checks; nothing here opens a connection.
"""

import base64
from collections.abc import Mapping
from functools import partial

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, field_validator
from yarl import URL

from alerting.notify.url import parse_url
from alerting.secret import Secret, SecretProblem, problems_of

MIN_SECRET_BYTES = 24
"""Standard Webhooks asks for 24 to 64 random bytes."""

_PREFIX = "whsec_"


def _signing_key(text: str) -> bytes:
    text = text.removeprefix(_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise ValueError(f"is not base64 after {_PREFIX}; make a new one") from None
    if len(key) < MIN_SECRET_BYTES:
        raise ValueError(f"is shorter than {MIN_SECRET_BYTES} bytes; make a new one")
    return key


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

    @field_validator("url")
    @classmethod
    def _is_url_if_written(cls, url: Secret) -> Secret:
        if url.is_literal:
            parse_url(url.reveal(allow_literal=True))
        return url

    def endpoint(self, environ: Mapping[str, str] | None = None) -> URL:
        """Where to.

        Raises:
            SecretError: if it cannot be had or is no URL.
        """
        return self.url.read(parse_url, allow_literal=True, environ=environ)

    def signing_key(self, index: int, environ: Mapping[str, str] | None = None) -> bytes:
        """The bytes of one of the signing secrets.

        Raises:
            SecretError: if it cannot be had or is none.
        """
        return self.signing_secrets[index].read(_signing_key, environ=environ)

    def secret_problems(self, environ: Mapping[str, str] | None = None) -> list[SecretProblem]:
        """Every secret that cannot be used, by key."""
        signing = {
            f"signing_secrets[{index}]": partial(self.signing_key, index, environ)
            for index in range(len(self.signing_secrets))
        }
        return problems_of({"url": partial(self.endpoint, environ), **signing})
