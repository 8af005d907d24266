import base64
from typing import Any

import pytest
from pydantic import ValidationError

from alerting.alert import Severity
from alerting.notify.route import NotifyConfig, ReceiverConfig

SLACK = {"slack": {"token": "env:T", "channel": "#spend"}}
HOOK = {"slack": {"webhook_url": "env:HOOK"}}
WEB = {"webhook": {"url": "https://x.example/in", "signing_secrets": ["env:S"]}}


def config(**values: Any) -> NotifyConfig:
    return NotifyConfig.model_validate({"receivers": {"a": SLACK, "b": WEB, "c": HOOK}, **values})


def test_without_receivers_nobody_is_told():
    assert NotifyConfig().receivers_of(Severity.CRITICAL) == ()


def test_by_default_everybody_hears_of_critical_and_warning_and_nobody_of_info():
    assert config().receivers_of(Severity.CRITICAL) == ("a", "b", "c")
    assert config().receivers_of(Severity.WARNING) == ("a", "b", "c")
    assert config().receivers_of(Severity.INFO) == ()


def test_a_route_names_who_hears_of_what():
    routed = config(route={"critical": ["a"], "warning": [], "info": ["b"]})
    assert routed.receivers_of(Severity.CRITICAL) == ("a",)
    assert routed.receivers_of(Severity.WARNING) == ()
    assert routed.receivers_of(Severity.INFO) == ("b",)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"route": {"critical": ["nobody"]}}, "unknown receiver"),
        ({"receivers": {"On Call": SLACK}}, "is no name"),
        ({"receivers": {"a": {}}}, "exactly one"),
        ({"receivers": {"a": {**SLACK, **WEB}}}, "exactly one"),
        ({"receivers": {"a": {"slack": {"token": "env:T"}}}}, "token and channel"),
        ({"receivers": {"a": {"slack": {**SLACK["slack"], **HOOK["slack"]}}}}, "either token"),
        ({"receivers": {"a": {"webhook": {"url": "x", "signing_secrets": []}}}}, "signing_secrets"),
        ({"recievers": {}}, "recievers"),
    ],
)
def test_what_is_wrong_is_said(values: dict[str, Any], says: str):
    with pytest.raises(ValidationError, match=says):
        config(**values)


def test_an_error_does_not_show_a_token_that_was_pasted():
    pasted = {"a": {"slack": {"token": "xoxb-pasted"}}, "b": {"webhook": {"url": "x"}}}
    with pytest.raises(ValidationError) as caught:
        config(receivers={**pasted, "c": {**SLACK, **WEB}})
    assert "xoxb" not in str(caught.value)
    assert "signing_secrets" in str(caught.value)


SIGNING = "whsec_" + base64.b64encode(b"k" * 24).decode()


def test_every_secret_that_cannot_be_had_is_named_at_once():
    problems = config().secret_problems(environ={"T": "xoxb"})
    assert [(problem.key, problem.is_absent) for problem in problems] == [
        ("receivers.b.webhook.signing_secrets[0]", True),
        ("receivers.c.slack.webhook_url", True),
    ]
    literal = {"slack": {"token": "xoxb-pasted", "channel": "C0123"}}
    (problem,) = config(receivers={"a": literal}).secret_problems(environ={})
    assert not problem.is_absent
    assert "xoxb" not in str(problem)
    environ = {"T": "xoxb-1", "S": SIGNING, "HOOK": "https://hooks.slack.com/services/1"}
    assert config().secret_problems(environ=environ) == []


def test_every_secret_that_is_there_and_is_none_is_named_at_once_and_not_shown():
    twice = {"url": "env:URL", "signing_secrets": ["env:S", "env:SHORT"]}
    told = config(receivers={"a": SLACK, "b": {"webhook": twice}, "c": HOOK}).secret_problems(
        environ={
            "T": "xoxb 1",
            "URL": "example.com/door",
            "S": "whsec_no-base64!",
            "SHORT": "whsec_c2hvcnQ=",
            "HOOK": "T0/B0/door",
        }
    )
    assert [(problem.key, problem.is_absent) for problem in told] == [
        ("receivers.a.slack.token", False),
        ("receivers.b.webhook.url", False),
        ("receivers.b.webhook.signing_secrets[0]", False),
        ("receivers.b.webhook.signing_secrets[1]", False),
        ("receivers.c.slack.webhook_url", False),
    ]
    text = " ".join(map(str, told))
    assert [
        name for name in ("env:T", "env:URL", "env:S:", "env:SHORT", "env:HOOK") if name in text
    ]
    assert not [shown for shown in ("xoxb 1", "door", "no-base64", "c2hvcnQ") if shown in text]


@pytest.mark.parametrize(
    "url", ["example.com/x", "ftp://x", "https:///x", "http://[1", "http://a:b"]
)
def test_a_url_that_is_written_down_and_is_none_is_an_error_of_the_file(url: str):
    receivers = {"a": {"webhook": {"url": url, "signing_secrets": ["env:S"]}}}
    with pytest.raises(ValidationError, match=r"https://host/path") as caught:
        config(receivers=receivers)
    assert url not in str(caught.value)


def test_slack_s_address_must_be_one():
    slack = {**SLACK["slack"], "base_url": "https://[1/api/"}
    with pytest.raises(ValidationError, match="base_url"):
        config(receivers={"a": {"slack": slack}})


def test_a_webhook_s_url_may_be_written_down_and_is_not_shown():
    assert "x.example" not in repr(ReceiverConfig.model_validate(WEB))
