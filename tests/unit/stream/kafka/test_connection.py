"""What aiokafka and Faust are told of a Kafka, for each kind of listener."""

import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from alerting.secret import SecretError
from stream.kafka.connection import ConnectionConfig, SaslMechanism
from stream.kafka.faust_app import faust_credentials


def test_an_open_listener_needs_an_address_and_nothing_else():
    config = ConnectionConfig(bootstrap_servers=("a:1", "b:2"))

    assert config.kafka_kwargs() == {
        "bootstrap_servers": ["a:1", "b:2"],
        "client_id": "spendwatch",
        "security_protocol": "PLAINTEXT",
        "ssl_context": None,
    }
    assert faust_credentials(config) is None


def test_a_configuration_is_checked_without_waiting_for_faust():
    asked = "import sys, stream.commands.check_config; print('faust' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True)  # noqa: S603
    assert done.stdout == "False\n"


@pytest.mark.parametrize(("protocol", "is_tls"), [("sasl_plaintext", False), ("sasl_ssl", True)])
def test_a_password_is_read_when_it_is_needed(monkeypatch, protocol: str, is_tls: bool):  # noqa: FBT001  a case
    config = ConnectionConfig(security_protocol=protocol, username="u", password="env:PW")
    with pytest.raises(SecretError, match="PW"):
        config.kafka_kwargs()

    monkeypatch.setenv("PW", "s3cret")
    arguments = config.kafka_kwargs()
    credentials = faust_credentials(config)

    assert arguments["security_protocol"] == protocol.upper()
    assert arguments["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (arguments["sasl_plain_username"], arguments["sasl_plain_password"]) == ("u", "s3cret")
    assert isinstance(arguments["ssl_context"], ssl.SSLContext) is is_tls
    assert (credentials.username, credentials.password) == ("u", "s3cret")
    assert credentials.protocol.value == protocol.upper()
    assert credentials.mechanism.value == "SCRAM-SHA-512"
    assert "s3cret" not in repr(config) + str(config.model_dump())


def test_every_mechanism_has_kafkas_spelling():
    assert [each.kafka_name for each in SaslMechanism] == [
        "PLAIN",
        "SCRAM-SHA-256",
        "SCRAM-SHA-512",
    ]


def test_a_client_certificate_is_loaded_with_its_password(tmp_path: Path, monkeypatch):
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(  # noqa: S603
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "1", "-subj", "/CN=x"),
            *("-passout", "pass:pw", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    config = ConnectionConfig(
        security_protocol="ssl",
        ca_file=str(certificate),
        certificate_file=str(certificate),
        key_file=str(key),
        key_password="env:KEY_PW",
    )

    monkeypatch.setenv("KEY_PW", "pw")
    assert isinstance(config.kafka_kwargs()["ssl_context"], ssl.SSLContext)
    assert faust_credentials(config).context.get_ca_certs()

    monkeypatch.setenv("KEY_PW", "other")
    with pytest.raises(OSError, match="PEM"):
        config.kafka_kwargs()
    with pytest.raises(OSError, match="PEM"):
        config.model_copy(update={"key_password": None}).kafka_kwargs()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"security_protocol": "sasl_ssl"}, "needs both username and password"),
        ({"security_protocol": "sasl_ssl", "username": "u"}, "needs both"),
        ({"username": "u"}, "have no effect"),
        ({"password": "env:P"}, "have no effect"),
        ({"key_file": "k"}, "only useful together"),
        ({"certificate_file": "c"}, "only useful together"),
        ({"replication_factor": 0}, "at least 1"),
        ({"bootstrap_servers": []}, "at least 1"),
        ({"bootstrap_servers": ["host"]}, "pattern"),
        ({"bootstrap_servers": ["http://host:1"]}, "pattern"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object], says: str):
    with pytest.raises(ValidationError, match=says):
        ConnectionConfig.model_validate(wrong)
