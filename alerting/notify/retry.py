"""Why a delivery failed and what follows: try again, give up on it, or stop altogether.

The reasons are a closed list, the same in logs, metrics and the notification log. Back-off takes
clock and randomness as arguments, so that a test sees every wait without waiting.

Sources: RFC 9110 §10.2.3 (Retry-After), RFC 6585 §4 (429); Standard Webhooks specification,
"Webhook delivery" (2xx, 410, no redirects; read 2026-11); "Exponential Backoff And Jitter", AWS
Architecture Blog, 2015-03 (equal jitter).
"""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from random import Random

from pydantic import BaseModel, ConfigDict, Field

MAX_RETRY_AFTER_SECONDS = 3600.0
"""A receiver that asks for more is asked again after an hour: it may have been a mistake."""


class FailureReason(StrEnum):
    """Why one attempt failed."""

    TIMEOUT = "timeout"
    CONNECTION = "connection"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    INVALID_RESPONSE = "invalid_response"
    REDIRECTED = "redirected"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    REJECTED = "rejected"
    BLOCKED_ADDRESS = "blocked_address"
    GONE = "gone"


class Disposition(StrEnum):
    """What follows from a failure."""

    RETRY = "retry"
    DROP = "drop"
    STOP = "stop"


DISPOSITIONS = {
    FailureReason.TIMEOUT: Disposition.RETRY,
    FailureReason.CONNECTION: Disposition.RETRY,
    FailureReason.RATE_LIMITED: Disposition.RETRY,
    FailureReason.SERVER_ERROR: Disposition.RETRY,
    FailureReason.INVALID_RESPONSE: Disposition.RETRY,
    FailureReason.REDIRECTED: Disposition.DROP,
    FailureReason.UNAUTHORIZED: Disposition.DROP,
    FailureReason.NOT_FOUND: Disposition.DROP,
    FailureReason.REJECTED: Disposition.DROP,
    FailureReason.BLOCKED_ADDRESS: Disposition.DROP,
    FailureReason.GONE: Disposition.STOP,
}

_BY_STATUS = {
    HTTPStatus.UNAUTHORIZED: FailureReason.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN: FailureReason.UNAUTHORIZED,
    HTTPStatus.NOT_FOUND: FailureReason.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT: FailureReason.TIMEOUT,
    HTTPStatus.GONE: FailureReason.GONE,
    HTTPStatus.TOO_EARLY: FailureReason.SERVER_ERROR,
    HTTPStatus.TOO_MANY_REQUESTS: FailureReason.RATE_LIMITED,
}


def failure_of_status(status: int) -> FailureReason | None:
    """Why an HTTP status is a failure; ``None`` for 2xx.

    >>> failure_of_status(204), failure_of_status(503)
    (None, <FailureReason.SERVER_ERROR: 'server_error'>)
    """
    if status in _BY_STATUS:
        return _BY_STATUS[HTTPStatus(status)]
    match status // 100:
        case 2:
            return None
        case 3:
            return FailureReason.REDIRECTED
        case 4:
            return FailureReason.REJECTED
        case _:
            return FailureReason.SERVER_ERROR


class DeliveryError(Exception):
    """One attempt failed.

    The message is the reason and a detail from a closed vocabulary (a status, an error code); never
    a URL, header or body, for those hold secrets. Raise it ``from None`` for the same reason.

    Attributes:
        reason: why.
        detail: a status or the receiver's own error code.
        retry_after_seconds: how long the receiver asked to wait, if it did.
    """

    def __init__(
        self, reason: FailureReason, detail: str = "", retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds

    @property
    def disposition(self) -> Disposition:
        """What follows from it."""
        return DISPOSITIONS[self.reason]


class RetryConfig(BaseModel):
    """How long a receiver that does not answer is tried."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first_delay_seconds: float = Field(
        default=1.0, gt=0, le=60, description="wait after the first failed attempt"
    )
    max_delay_seconds: float = Field(
        default=300.0, gt=0, le=3600, description="longest wait between two attempts"
    )
    give_up_after_seconds: float = Field(
        default=86_400.0,
        gt=0,
        description="a message older than this is given up; the alert stays in spend.alerts",
    )


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double, with equal jitter: between half and all of ``first * 2**(n-1)``."""

    config: RetryConfig
    rng: Random

    def delay_seconds(self, failures: int, retry_after_seconds: float | None) -> float:
        """The wait after ``failures`` failed attempts in a row, at least 1.

        A Retry-After is obeyed in full and the jitter comes on top, so that many receivers behind
        one limit do not come back together.
        """
        exponent = min(failures - 1, 32)
        ceiling = min(
            self.config.max_delay_seconds, self.config.first_delay_seconds * 2.0**exponent
        )
        jittered = ceiling * (0.5 + 0.5 * self.rng.random())
        if retry_after_seconds is None:
            return jittered
        asked = min(max(retry_after_seconds, 0.0), MAX_RETRY_AFTER_SECONDS)
        return max(asked + 0.5 * self.rng.random(), jittered)


def parse_retry_after(text: str | None, now: float) -> float | None:
    """Seconds asked for by a Retry-After header, a number or an HTTP date; ``None`` if unreadable.

    >>> parse_retry_after("30", 0.0), parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 50.0)
    (30.0, 10.0)
    """
    if text is None:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return float(text)
    try:
        instant = parsedate_to_datetime(text)
    except ValueError:
        return None
    return None if instant.tzinfo is None else max(0.0, instant.timestamp() - now)
