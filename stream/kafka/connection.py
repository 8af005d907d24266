"""How every part of spendwatch reaches Kafka: one place for addresses, credentials and TLS.

Nothing here opens a connection. It turns configuration into the arguments of aiokafka
(``stream/kafka/faust_app.py`` has Faust's), and reads secrets only when those arguments are asked
for. This file must not import Faust: commands that only read a configuration would wait for it.
"""

import ssl
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from alerting.secret import Secret


class SecurityProtocol(StrEnum):
    """Kafka's four listener kinds."""

    PLAINTEXT = "plaintext"
    SSL = "ssl"
    SASL_PLAINTEXT = "sasl_plaintext"
    SASL_SSL = "sasl_ssl"


class SaslMechanism(StrEnum):
    """The password mechanisms that aiokafka and Faust both speak."""

    PLAIN = "plain"
    SCRAM_SHA_256 = "scram_sha_256"
    SCRAM_SHA_512 = "scram_sha_512"

    @property
    def kafka_name(self) -> str:
        """As Kafka spells it: ``SCRAM-SHA-256``."""
        return self.value.upper().replace("_", "-")


HostAndPort = Annotated[str, StringConstraints(pattern=r"^(\[[0-9a-fA-F:]+\]|[^\s:/@,]+):\d{1,5}$")]
"""One broker's address."""


class ConnectionConfig(BaseModel):
    """Addresses, credentials and TLS of the Kafka cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bootstrap_servers: tuple[HostAndPort, ...] = Field(
        ("127.0.0.1:9092",),
        min_length=1,
        description="host:port of one or more brokers; the others are found through them.",
    )
    security_protocol: SecurityProtocol = Field(
        SecurityProtocol.PLAINTEXT, description="As the listener is set up on the broker."
    )
    sasl_mechanism: SaslMechanism = Field(
        SaslMechanism.SCRAM_SHA_512, description="Used with sasl_plaintext and sasl_ssl only."
    )
    username: str | None = Field(None, description="SASL user name.")
    password: Secret | None = Field(None, description="SASL password, as env:NAME or file:/path.")
    ca_file: str | None = Field(
        None, description="PEM file of the authorities to trust; default: the system's."
    )
    certificate_file: str | None = Field(
        None, description="PEM file of the client's certificate, where brokers ask for one."
    )
    key_file: str | None = Field(None, description="PEM file of the certificate's private key.")
    key_password: Secret | None = Field(
        None, description="Password of key_file, as env:NAME or file:/path."
    )
    replication_factor: int = Field(
        -1,
        ge=-1,
        le=32767,
        description="Copies of each topic that spendwatch makes; -1 leaves it to the broker.",
    )
    client_id: str = Field("spendwatch", description="The name in the broker's logs and quotas.")

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        sasl = self.security_protocol in (
            SecurityProtocol.SASL_PLAINTEXT,
            SecurityProtocol.SASL_SSL,
        )
        if sasl and (self.username is None or self.password is None):
            raise PydanticCustomError(
                "credentials_missing", "sasl needs both username and password"
            )
        if not sasl and (self.username is not None or self.password is not None):
            raise PydanticCustomError(
                "credentials_unused",
                "username and password have no effect unless security_protocol is sasl_ssl or "
                "sasl_plaintext",
            )
        if (self.certificate_file is None) != (self.key_file is None):
            raise PydanticCustomError(
                "certificate_halved", "certificate_file and key_file are only useful together"
            )
        if self.replication_factor == 0:
            raise PydanticCustomError("no_replica", "replication_factor is -1 or at least 1")
        return self

    def ssl_context(self) -> ssl.SSLContext | None:
        """What TLS needs; ``None`` on a listener without it.

        Raises:
            alerting.secret.SecretError: a secret is not where its reference says.
            OSError: a TLS file cannot be read or is not what it should be (``ssl.SSLError``).
        """
        if self.security_protocol not in (SecurityProtocol.SSL, SecurityProtocol.SASL_SSL):
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.certificate_file is not None:
            secret = None if self.key_password is None else self.key_password.reveal()
            # Given as bytes even when there is none, so that OpenSSL never asks the terminal.
            context.load_cert_chain(self.certificate_file, self.key_file, secret or b"")
        return context

    def kafka_kwargs(self) -> dict[str, Any]:
        """Arguments for aiokafka's clients: consumer, producer and admin alike.

        Raises:
            alerting.secret.SecretError: a secret is not where its reference says.
            OSError: a TLS file cannot be read or is not what it should be (``ssl.SSLError``).
        """
        arguments: dict[str, Any] = {
            "bootstrap_servers": list(self.bootstrap_servers),
            "client_id": self.client_id,
            "security_protocol": self.security_protocol.value.upper(),
            "ssl_context": self.ssl_context(),
        }
        if self.password is not None:
            arguments |= {
                "sasl_mechanism": self.sasl_mechanism.kafka_name,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password.reveal(),
            }
        return arguments
