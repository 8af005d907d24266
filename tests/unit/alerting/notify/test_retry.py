from random import Random

import pytest

from alerting.notify.retry import (
    DISPOSITIONS,
    MAX_RETRY_AFTER_SECONDS,
    Backoff,
    DeliveryError,
    Disposition,
    FailureReason,
    RetryConfig,
    failure_of_status,
    parse_retry_after,
)

CONFIG = RetryConfig(first_delay_seconds=1.0, max_delay_seconds=60.0)


def test_every_reason_has_a_disposition():
    assert set(DISPOSITIONS) == set(FailureReason)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_2xx_is_no_failure(status: int):
    assert failure_of_status(status) is None


def test_a_status_nobody_knows_is_the_server_s_fault():
    assert failure_of_status(799) is FailureReason.SERVER_ERROR


def test_waits_double_between_half_and_all_until_the_longest():
    backoff = Backoff(CONFIG, Random(3))
    for failures, ceiling in ((1, 1.0), (2, 2.0), (3, 4.0), (7, 60.0), (5000, 60.0)):
        waits = [backoff.delay_seconds(failures, None) for _ in range(200)]
        assert ceiling / 2 <= min(waits) < 0.55 * ceiling
        assert 0.95 * ceiling < max(waits) <= ceiling


def test_the_same_seed_waits_the_same():
    first, second = Backoff(CONFIG, Random(3)), Backoff(CONFIG, Random(3))
    assert [first.delay_seconds(n, None) for n in range(1, 9)] == [
        second.delay_seconds(n, None) for n in range(1, 9)
    ]


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        (30.0, 30.0, 30.5),
        (0.0, 0.0, 1.0),
        (-5.0, 0.0, 1.0),
        (1e9, MAX_RETRY_AFTER_SECONDS, MAX_RETRY_AFTER_SECONDS + 0.5),
    ],
)
def test_retry_after_is_obeyed_in_full_within_reason(asked: float, least: float, most: float):
    for seed in range(50):
        assert least <= Backoff(CONFIG, Random(seed)).delay_seconds(1, asked) <= most


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("17", 17.0),
        (" 5 ", 5.0),
        ("soon", None),
        ("-3", None),
        ("\u0661\u0667", None),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:30 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:30 -0000", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text: str | None, seconds: float | None):
    assert parse_retry_after(text, 100.0) == seconds


def test_an_error_says_its_reason_and_what_follows():
    error = DeliveryError(FailureReason.GONE, "410")
    assert str(error) == "gone: 410"
    assert error.disposition is Disposition.STOP
    assert str(DeliveryError(FailureReason.TIMEOUT)) == "timeout"
