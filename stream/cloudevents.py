"""CloudEvents 1.0 headers, binary mode, for the topics that other people's programs read.

Sources: CloudEvents 1.0.2 and its Kafka protocol binding 1.0.2, section 3.2 (binary content
mode), read 2026-11-22.
"""

from alerting.alert import Alert
from alerting.throttle.action import ThrottleAction, target_key
from detectors.window import rfc3339

SOURCE = "/spendwatch"

Headers = list[tuple[str, bytes]]


def _headers(identity: str, kind: str, at: float, subject: str, **extensions: str) -> Headers:
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": identity,
        "ce_source": SOURCE,
        "ce_type": f"spendwatch.{kind}",
        "ce_time": rfc3339(at),
        "ce_subject": subject,
        **{f"ce_{name}": text for name, text in extensions.items()},
        "content-type": "application/json",
    }
    return [(name, text.encode()) for name, text in attributes.items()]


def alert_headers(alert: Alert) -> Headers:
    """Of a transition in ``spend.alerts``: its id is the transition's."""
    return _headers(
        alert.transition_id,
        f"alert.{alert.transition.value}",
        alert.decided_at,
        str(alert.scope),
        severitytext=alert.severity.value,
    )


def action_headers(action: ThrottleAction) -> Headers:
    """Of a throttle action: past ``expirytime`` a consumer must act by ``on_lapse``."""
    key = target_key(action.target)
    return _headers(
        action.action_id,
        f"throttle.{action.mode.value}",
        action.issued_at,
        key,
        partitionkey=key,
        expirytime=rfc3339(action.expires_at),
        sequence=str(action.sequence),
    )


def control_headers(identity: str, at: float) -> Headers:
    """Of a record of ``throttle.control``."""
    return _headers(identity, "throttle.control", at, "throttle")
