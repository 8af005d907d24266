"""Headers of what other people's programs read: CloudEvents 1.0, binary mode."""

from alerting.throttle.action import Mode
from stream.cloudevents import action_headers, alert_headers, control_headers
from tests.support.alerts import START, an_action, an_alert

REQUIRED = {"ce_specversion", "ce_id", "ce_source", "ce_type"}


def test_an_alert_s_id_is_its_transition_s():
    alert = an_alert()
    headers = dict(alert_headers(alert))
    assert headers == {
        "ce_specversion": b"1.0",
        "ce_id": alert.transition_id.encode(),
        "ce_source": b"/spendwatch",
        "ce_type": b"spendwatch.alert.fired",
        "ce_time": b"2026-11-22T10:05:00Z",
        "ce_subject": b"agent:invoice-bot",
        "ce_severitytext": b"critical",
        "content-type": b"application/json",
    }


def test_an_action_says_when_it_lapses_and_which_is_newer():
    headers = dict(action_headers(an_action(Mode.THROTTLE, sequence=7)))
    assert headers["ce_id"] == an_action(sequence=7).action_id.encode()
    assert headers["ce_type"] == b"spendwatch.throttle.throttle"
    assert headers["ce_partitionkey"] == headers["ce_subject"] == b"api_key:key-7"
    assert headers["ce_expirytime"] == b"2026-11-22T10:16:32Z"
    assert headers["ce_sequence"] == b"7"


def test_every_record_has_what_the_standard_requires_and_names_that_kafka_allows():
    for headers in (
        alert_headers(an_alert()),
        action_headers(an_action()),
        control_headers("c-1", START + 0.25),
    ):
        names = [name for name, _ in headers]
        assert set(names) >= REQUIRED
        assert len(names) == len(set(names))
        assert all(name.removeprefix("ce_").replace("-", "").isalnum() for name in names)
        assert all(isinstance(value, bytes) for _, value in headers)


def test_a_time_with_a_fraction_keeps_it():
    assert dict(control_headers("c-1", START + 0.25))["ce_time"] == b"2026-11-22T10:00:00.250Z"
