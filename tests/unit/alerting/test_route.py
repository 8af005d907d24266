from typing import Any

import pytest
from pydantic import ValidationError

from alerting.alert import Severity
from alerting.route import NotifyConfig, ReceiverConfig

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


def test_every_secret_that_cannot_be_had_is_named_at_once():
    problems = config().secret_problems(environ={"T": "xoxb"})
    assert [problem.split(":")[0] for problem in problems] == [
        "receivers.b.webhook.signing_secrets[0]",
        "receivers.c.slack.webhook_url",
    ]
    literal = {"slack": {"token": "xoxb-pasted", "channel": "C0123"}}
    (problem,) = config(receivers={"a": literal}).secret_problems(environ={})
    assert "xoxb" not in problem
    environ = {"T": "x", "S": "x", "HOOK": "x"}
    assert config().secret_problems(environ=environ) == ()


def test_a_webhook_s_url_may_be_written_down_and_is_not_shown():
    receiver = ReceiverConfig.model_validate(WEB)
    assert "x.example" not in repr(receiver)
    assert receiver.secrets()["webhook.url"][1]
