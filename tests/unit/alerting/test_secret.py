from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from alerting.secret import MASK, AbsentSecretError, Secret, SecretError


class Config(BaseModel):
    token: Secret
    other: int = 0


def test_a_secret_is_read_from_the_environment_without_white_space():
    assert Secret("env:TOKEN").reveal(environ={"TOKEN": " xoxb-1\n"}) == "xoxb-1"


def test_the_process_s_own_environment_is_the_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SPENDWATCH_TEST_TOKEN", "xoxb-2")
    assert Secret("env:SPENDWATCH_TEST_TOKEN").reveal() == "xoxb-2"


def test_a_secret_is_read_from_a_file(tmp_path: Path):
    path = tmp_path / "token"
    path.write_text("xoxb-3\n", encoding="utf-8")
    assert Secret(f"file:{path}").reveal() == "xoxb-3"


@pytest.mark.parametrize("reference", ["env:NO_SUCH", "file:/no/such/file"])
def test_what_is_missing_is_named_with_its_fix(reference: str):
    fix = "set the environment variable|put the secret into"
    with pytest.raises(AbsentSecretError, match=f"^{reference}: .*({fix})"):
        Secret(reference).reveal(environ={})


def test_a_file_that_is_no_text_is_named_and_not_shown(tmp_path: Path):
    path = tmp_path / "token"
    path.write_bytes(b"\xff\xfe\x00secret")
    with pytest.raises(SecretError, match="UnicodeDecodeError") as caught:
        Secret(f"file:{path}").reveal()
    assert "secret\x00" not in str(caught.value)


def test_a_literal_is_refused_without_being_shown_unless_it_is_allowed():
    secret = Secret("xoxb-pasted")
    with pytest.raises(SecretError, match="write env:NAME") as caught:
        secret.reveal()
    assert not isinstance(caught.value, AbsentSecretError)
    assert "xoxb" not in str(caught.value)
    assert secret.reveal(allow_literal=True) == "xoxb-pasted"


def test_no_form_of_it_shows_a_literal():
    config = Config(token=Secret("xoxb-pasted"))
    forms = (str(config.token), repr(config), config.model_dump_json(), str(config.model_dump()))
    assert not [form for form in forms if "xoxb" in form]
    assert MASK in config.model_dump_json()


def test_a_configuration_that_does_not_validate_does_not_show_it():
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"token": {"oops": 5}, "other": "x"})
    assert "other" in str(caught.value)
    assert len(caught.value.errors()) == 1


def test_a_reference_survives_a_round_trip_and_is_compared_by_it():
    config = Config.model_validate({"token": "env:TOKEN"})
    assert Config.model_validate_json(config.model_dump_json()) == config
    assert config.token == Secret("env:TOKEN")
    assert config.token != "env:TOKEN"
    assert len({config.token, Secret("env:TOKEN"), Secret("env:B")}) == 2
    assert Config.model_validate({"token": config.token}).token is config.token
    assert Config.model_json_schema()["properties"]["token"]["type"] == "string"
