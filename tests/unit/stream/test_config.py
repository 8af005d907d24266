"""A configuration file: every error at once, each where it is, and no secret ever shown."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from alerting.alert import Severity
from stream.config import ConfigError, Settings, load, secret_problems
from stream.config_file.problem import ConfigProblem
from stream.redaction import redact_key


@pytest.fixture
def problems(tmp_path: Path):
    def problems(text: str) -> list[ConfigProblem]:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            load(path)
        return caught.value.problems

    return problems


def _places(problems: list[ConfigProblem]) -> list[tuple[str, int | None]]:
    return [(problem.key, problem.line) for problem in problems]


TWELVE = """\
kafka:
  bootstrap_servers: [nonsense]
  security_protocol: sasl_ssl
  username: someone
  password: hunter2
ingset: {}
ingest:
  group: 5
  cut_min_seconds: 3
rules:
  window_seconds: 7
  budgets:
    - {name: team, kind: team, zone: Europe/Berln, amount_usd: 10}
    - nmae: two
      kind: team
      amount_usd: -3
notify:
  receivers:
    ops:
      slack: {channel: "#spend", token: xoxb-1-secret}
  route:
    critical: [ops, nobody]
throttle:
  mode: enforced
"""


def test_a_file_with_twelve_errors_names_twelve(problems):
    assert _places(problems(TWELVE)) == [
        ("kafka.bootstrap_servers[0]", 2),
        ("kafka.password", 5),
        ("ingset", 6),
        ("ingest", 7),
        ("ingest.group", 8),
        ("rules.window_seconds", 11),
        ("rules.budgets[0].zone", 13),
        ("rules.budgets[1].nmae", 14),
        ("rules.budgets[1].amount_usd", 16),
        ("notify.receivers.ops.slack.token", 20),
        ("notify.route.critical[1]", 22),
        ("throttle.mode", 24),
    ]


def test_no_problem_shows_a_secret_that_was_written_down(problems):
    text = " ".join(str(problem) for problem in problems(TWELVE))

    assert "hunter2" not in text
    assert "xoxb-1-secret" not in text
    assert "env:NAME" in text


def test_a_misspelt_password_is_not_shown_either(problems):
    (problem,) = problems("kafka:\n  pasword: hunter2\n")

    assert "hunter2" not in str(problem)
    assert "did you mean password?" in str(problem)


def test_an_error_reads_as_line_key_value_message_and_fix(problems):
    (problem,) = problems("throttle:\n  mode: enforced\n")

    assert str(problem).startswith(
        "line 2: throttle.mode = 'enforced': should be 'shadow' or 'enforce' (shadow writes"
    )


def test_an_unknown_key_without_a_likeness_lists_those_there_are(problems):
    (problem,) = problems("incidents: {xyzzy: 1}\n")

    assert problem.message == "unknown key"
    assert "join_minutes" in problem.fix


def test_a_long_value_is_cut(problems):
    (problem,) = problems(f"throttle: {{mode: {'x' * 500}}}\n")

    assert problem.value.endswith("…")
    assert len(problem.value) == 60


def test_a_required_key_that_is_missing_is_named_with_its_purpose(problems):
    (problem,) = problems("rules:\n  budgets:\n    - {name: a, kind: team}\n")

    assert (problem.key, problem.line) == ("rules.budgets[0].amount_usd", 3)
    assert problem.message == "is required"
    assert "Dollars" in problem.fix


def test_what_depends_on_a_wrong_value_is_not_reported_on_top(problems):
    text = 'notify:\n  receivers:\n    ops:\n      slack: {channel: 5, token: "env:T"}\n'
    text += "  route:\n    critical: [ops]\n"

    assert _places(problems(text)) == [("notify.receivers.ops.slack.channel", 4)]


def test_a_misspelt_required_key_is_one_error(problems):
    (problem,) = problems("rules:\n  budgets:\n    - {nmae: a, kind: team, amount_usd: 1}\n")

    assert problem.key == "rules.budgets[0].nmae"


def test_positions_stay_those_of_the_file_when_earlier_items_are_wrong(problems):
    text = "notify:\n  route:\n    critical:\n      - 5\n      - nobody\n"

    assert _places(problems(text)) == [
        ("notify.route.critical[0]", 4),
        ("notify.route.critical[1]", 5),
    ]


def test_parts_that_do_not_fit_together_are_found_though_other_keys_are_wrong(problems):
    text = "ingest:\n  allowed_lateness_seconds: 300\n  max_message_bytes: 5000000\nwhatever: 1\n"

    assert _places(problems(text)) == [
        ("ingest.allowed_lateness_seconds", 2),
        ("ingest.max_message_bytes", 3),
        ("whatever", 4),
    ]


UNPROTECTED = """\
rules:
  spikes:
    - kinds: [agent, agnet]
      cold_start_kinds: [usr]
  contributor:
    kinds: [api_keys]
  ratios: {kinds: [agnt]}
  absence: {kinds: [agent, agnt]}
  budgets:
    - {name: one, kind: teem, amount_usd: 1}
    - {name: two, kind: tags.cost_center, amount_usd: 1}
    - name: three
      kind: team
      amount_usd: 1
      near_ratio: 1.5
throttle:
  never_block:
    - agnet:pay
    - prod-1
  metrics: [cost_usdd]
  excluded_kinds: [budgt]
notify:
  receivers:
    ops:
      slack: {channel: "#a", token: env:T, broadcast: [escalate]}
"""


def test_a_name_that_would_leave_something_unprotected_is_an_error(problems):
    found = {problem.key: problem for problem in problems(UNPROTECTED)}

    assert {key: problem.line for key, problem in found.items()} == {
        "rules.spikes[0].kinds[1]": 3,
        "rules.spikes[0].cold_start_kinds[0]": 4,
        "rules.contributor.kinds[0]": 6,
        "rules.ratios.kinds[0]": 7,
        "rules.absence.kinds[1]": 8,
        "rules.budgets[0].kind": 10,
        "rules.budgets[1].kind": 11,
        "rules.budgets[2]": 12,
        "throttle.never_block[0]": 18,
        "throttle.never_block[1]": 19,
        "throttle.metrics[0]": 20,
        "throttle.excluded_kinds[0]": 21,
        "notify.receivers.ops.slack.broadcast[0]": 25,
    }
    assert "'teem'" in str(found["rules.budgets[0].kind"])
    assert "did you mean team?" in str(found["rules.budgets[0].kind"])
    assert "add it to fanout.kinds" in str(found["rules.budgets[1].kind"])
    assert "near <= reached <= exceeded" in str(found["rules.budgets[2]"])
    assert "would spare no key" in str(found["throttle.never_block[0]"])
    assert "write api_key:prod-1" in str(found["throttle.never_block[1]"])
    assert "'escalated'" in str(found["notify.receivers.ops.slack.broadcast[0]"])


def test_kinds_that_are_counted_may_be_named(tmp_path: Path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "fanout: {kinds: [agent, tags.cost_center, agent+model]}\n"
        "rules:\n"
        "  spikes: [{kinds: [agent+model], cold_start_kinds: []}]\n"
        "  budgets: [{name: b, kind: tags.cost_center, amount_usd: 1}]\n"
    )

    assert load(path).rules.budgets[0].kind == "tags.cost_center"


def test_a_live_key_in_never_block_is_its_id_before_anything_can_quote_it(tmp_path: Path, problems):
    secret = "sk-proj-4eC39HqLyjWDarjtT1zdp7dc"
    path = tmp_path / "c.yaml"
    path.write_text(
        f"throttle: {{never_block: ['{secret}', 'api_key:{secret}@staging', 'api_key:prod-*']}}\n"
    )
    hashed = f"api_key:{redact_key(secret)}"

    assert load(path).throttle.never_block == (hashed, f"{hashed}@staging", "api_key:prod-*")
    assert "sk-" not in repr(load(path))

    [problem] = problems(f"throttle: {{never_block: ['team:{secret}']}}\n")
    assert "sk-" not in str(problem)
    assert [each.key for each in problems("throttle: 3\n")] == ["throttle"]
    assert [each.key for each in problems("throttle: {never_block: [5]}\n")] == [
        "throttle.never_block[0]"
    ]
    assert [each.key for each in problems("throttle: {never_block: 5}\n")] == [
        "throttle.never_block"
    ]


def test_kinds_are_not_judged_by_counted_kinds_that_do_not_read(problems):
    text = "fanout:\n  kinds: [tags.cost_center, 5]\n"
    text += "rules: {budgets: [{name: b, kind: tags.cost_center, amount_usd: 1}]}\n"

    assert [problem.key for problem in problems(text)] == ["fanout.kinds[1]"]
    assert [problem.key for problem in problems(text.replace("5", "agnet"))] == ["fanout"]


def test_a_syntax_error_a_repeated_key_and_a_list_are_errors_too(problems):
    assert "not YAML" in problems("a: [")[0].message
    assert "already on line 1" in problems("kafka: {}\nkafka: {}\n")[0].message
    assert "keys and values" in problems("- a\n")[0].message
    assert "keys and values" in problems("rules: 5\n")[0].message


def test_a_file_that_cannot_be_read_is_one_error(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"1 error$") as caught:
        load(tmp_path / "none.yaml")
    assert "No such file" in caught.value.problems[0].message


def test_without_a_file_the_defaults_hold():
    assert load(None) == Settings()
    assert load() == Settings()


def test_a_good_file_becomes_settings(tmp_path: Path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "kafka: {bootstrap_servers: ['a.example:9092', '[::1]:9092']}\n"
        "rules:\n  budgets:\n    - {name: b, kind: team, amount_usd: 12.50}\n"
        "notify:\n  receivers:\n    hook:\n      webhook:\n"
        "        url: https://x.example/hook\n        signing_secrets: ['env:HOOK']\n"
        "  route: {warning: [hook]}\n"
    )

    settings = load(path)

    assert settings.kafka.bootstrap_servers == ("a.example:9092", "[::1]:9092")
    assert str(settings.rules.budgets[0].amount_usd) == "12.5"
    assert settings.notify.receivers_of(Severity.WARNING) == ("hook",)


def test_secrets_that_are_not_there_are_named_by_key(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)
    settings = Settings.model_validate(
        {
            "kafka": {
                "security_protocol": "sasl_ssl",
                "username": "u",
                "password": "env:NOT_SET",
            },
            "notify": {"receivers": {"ops": {"slack": {"channel": "#a", "token": "env:NOT_SET"}}}},
        }
    )

    kafka, slack = secret_problems(settings)

    assert kafka.key == "kafka.password"
    assert slack.key == "notify.receivers.ops.slack.token"
    assert "NOT_SET" in str(slack)
    assert kafka.is_absent
    assert slack.is_absent
    assert secret_problems(settings, with_receivers=False) == [kafka]
    monkeypatch.setenv("NOT_SET", "now-it-is")
    assert secret_problems(settings) == []


def test_a_webhook_s_url_that_is_none_is_an_error_of_its_line(problems):
    text = """\
notify:
  receivers:
    ops:
      webhook:
        url: example.com/x
        signing_secrets: [env:WHSEC]
"""
    (problem,) = problems(text)
    assert (problem.key, problem.line) == ("notify.receivers.ops.webhook.url", 5)
    assert "write https://host/path" in str(problem)
    assert "example.com" not in str(problem)


def test_an_error_in_code_hides_its_input_too():
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"kafka": {"pasword": "hunter2"}})
    assert "hunter2" not in str(caught.value)


def test_every_key_says_what_it_is_for():
    def undescribed(model, path=""):
        for name, field in model.model_fields.items():
            if not field.description:
                yield f"{path}{name}"
            for nested in _models(field.annotation):
                yield from undescribed(nested, f"{path}{name}.")

    assert list(undescribed(Settings)) == []


def _models(annotation):
    from typing import get_args  # noqa: PLC0415  used here alone

    if hasattr(annotation, "model_fields"):
        yield annotation
    for each in get_args(annotation):
        yield from _models(each)
