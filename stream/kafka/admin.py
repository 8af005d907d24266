"""The administrator's side of aiokafka, typed, and with its failures put into sentences.

aiokafka logs why a broker cannot be reached and then raises that it cannot; here the reason is
the error. This file must not know which topics there should be.
"""

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition, errors
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.conn import create_conn
from aiokafka.protocol.admin import DeleteGroupsRequest
from aiokafka.protocol.metadata import MetadataRequest

from alerting.secret import SecretError
from stream.exit import ExitCode, RoleRefusedError
from stream.kafka.connection import ConnectionConfig

_TIMEOUT_MS = 10_000
_GONE = (0, errors.GroupIdNotFound.errno)
_TOPIC_SOURCE = 1
"""DescribeConfigs: this value was set on the topic itself (Kafka protocol, ConfigSource)."""


class BrokerUnreachableError(Exception):
    """Kafka cannot be reached, or does not let us in; the text is one sentence with the fix."""


class TopicMissingError(RoleRefusedError):
    """A topic that a role needs is not there; the text names the fix."""

    code = ExitCode.UNREACHABLE


class AdminRefusedError(Exception):
    """The broker answered an administrative request with an error; the text is its own words."""


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic as a broker has it.

    Attributes:
        partitions: how many.
        settings: setting's name -> value in force, its origin notwithstanding; None where the
            broker does not tell (some brokers that speak Kafka's protocol do not).
        overrides: those of the settings that were set on the topic itself.
    """

    partitions: int
    settings: Mapping[str, str] | None
    overrides: Mapping[str, str]


class GroupMember(NamedTuple):
    """Somebody who reads in a consumer group.

    Attributes:
        group: its name.
        client_id: as the member calls itself.
        host: its address.
    """

    group: str
    client_id: str
    host: str


class Kept(NamedTuple):
    """One partition of a topic, as far as it is kept.

    Attributes:
        first: offset of the oldest record that is kept.
        end: the next offset to be written.
    """

    first: int
    end: int


async def ensure_reachable(connection: ConnectionConfig) -> None:
    """Return when one of the bootstrap servers lets us in.

    Raises:
        BrokerUnreachableError: none does; says why not, and the fix.
    """
    arguments = _arguments(connection)
    reasons = []
    for server in arguments.pop("bootstrap_servers"):
        host, _, port = server.rpartition(":")
        try:
            opened = await create_conn(
                host.strip("[]"), int(port), request_timeout_ms=_TIMEOUT_MS, **arguments
            )
            try:
                # Anybody may ask a SASL listener for its versions; only now does it hang up.
                await opened.send(MetadataRequest([]))
            finally:
                opened.close()
        except (OSError, TimeoutError, errors.KafkaError) as error:
            reasons.append(_why(server, error, connection))
        else:
            return
    raise BrokerUnreachableError("; and ".join(reasons))


def _arguments(connection: ConnectionConfig) -> dict[str, Any]:
    try:
        return connection.kafka_kwargs()
    except SecretError as error:
        raise BrokerUnreachableError(f"Kafka's credentials: {error}") from None
    except OSError as error:
        raise BrokerUnreachableError(
            f"Kafka's TLS files cannot be used ({error}); check kafka.ca_file, "
            "kafka.certificate_file and kafka.key_file"
        ) from None


def _why(server: str, error: Exception, connection: ConnectionConfig) -> str:
    """The sentence for one failed attempt."""
    protocol = connection.security_protocol.value
    match error:
        case errors.SaslAuthenticationFailed() | errors.AuthenticationFailedError():
            what = f"Kafka at {server} refuses user {connection.username!r}"
            fix = "check kafka.username and what kafka.password refers to"
        case errors.UnsupportedSaslMechanismError():
            what = f"Kafka at {server} does not offer {connection.sasl_mechanism.kafka_name}"
            fix = "set kafka.sasl_mechanism to one that it does"
        case ssl.SSLCertVerificationError():
            what = f"the certificate of Kafka at {server} is not trusted ({error.verify_message})"
            fix = "set kafka.ca_file to the authority that signed it"
        case ssl.SSLError():
            what = f"{server} does not speak TLS, and kafka.security_protocol is {protocol}"
            fix = "check that this port is such a listener"
        case TimeoutError():
            what = f"Kafka at {server} does not answer"
            fix = "check kafka.bootstrap_servers, and firewalls on the way"
        case OSError() if error.errno is not None:
            what = f"nothing answers at {server} ({error.strerror or error})"
            fix = "start Kafka there or set kafka.bootstrap_servers"
        case _:
            what = f"{server} hangs up, and kafka.security_protocol is {protocol}"
            fix = "check that this port is such a listener"
    return f"{what}; {fix}"


@asynccontextmanager
async def connect_admin(connection: ConnectionConfig) -> AsyncIterator["KafkaAdmin"]:
    """An administrator's connection, closed at the end.

    Raises:
        BrokerUnreachableError: Kafka cannot be reached, at the start or later.
    """
    await ensure_reachable(connection)
    arguments = {"request_timeout_ms": _TIMEOUT_MS, **_arguments(connection)}
    client = AIOKafkaAdminClient(**arguments)
    try:
        await client.start()
        yield KafkaAdmin(client, arguments, connection.replication_factor)
    except (errors.KafkaConnectionError, errors.NodeNotReadyError, TimeoutError) as error:
        servers = ", ".join(connection.bootstrap_servers)
        raise BrokerUnreachableError(
            f"the connection to Kafka at {servers} broke ({error or type(error).__name__}); check "
            "the broker, and that its advertised.listeners are addresses reachable from here"
        ) from None
    finally:
        await client.close()


class KafkaAdmin:
    """Topics, their settings and who reads them, on one cluster. Made by ``connect_admin``."""

    def __init__(self, client: Any, arguments: dict[str, Any], replication_factor: int) -> None:
        self._client = client
        self._arguments = arguments
        self._replication_factor = replication_factor

    async def describe(self, names: list[str]) -> dict[str, FoundTopic]:
        """Those of the topics that exist (or that we may see)."""
        wanted = set(names)
        # All topics are asked for: naming one would make it, where brokers create on demand.
        partitions = {
            each["topic"]: len(each["partitions"])
            for each in await self._client.describe_topics()
            if each["topic"] in wanted and not each["error_code"]
        }
        settings = await self._settings(sorted(partitions)) if partitions else {}
        return {
            name: FoundTopic(
                count,
                None if name not in settings else {k: v for k, v, _ in settings[name]},
                {k: v for k, v, is_own in settings.get(name, []) if is_own},
            )
            for name, count in partitions.items()
        }

    async def _settings(self, names: list[str]) -> dict[str, list[tuple[str, str, bool]]]:
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        try:
            responses = await self._client.describe_configs(resources)
        except (errors.UnsupportedVersionError, errors.IncompatibleBrokerVersion):
            return {}
        found = {}
        for response in responses:
            for code, _message, _kind, name, entries in response.resources:
                if code == 0 and entries:
                    # The oldest version says "is a default" where the others say the source.
                    own = _TOPIC_SOURCE if response.API_VERSION else 0
                    found[name] = [
                        (key, value, int(source) == own)
                        for key, value, _read_only, source, *_ in entries
                        if value is not None
                    ]
        return found

    async def create(self, name: str, partitions: int, settings: Mapping[str, str]) -> None:
        """Make a topic.

        Raises:
            AdminRefusedError: the broker will not.
        """
        factor = self._replication_factor
        topic = NewTopic(
            name,
            partitions,
            factor,
            # aiokafka takes -1 (the broker's default) only beside an assignment, so: an empty one.
            replica_assignments={} if factor == -1 else None,
            topic_configs=dict(settings),
        )
        response = await self._client.create_topics([topic])
        for _, code, message in response.topic_errors:
            _raise_for(code, message)

    async def set_overrides(self, name: str, settings: Mapping[str, str]) -> None:
        """Replace all of a topic's own settings; those not named fall back to the broker's.

        Raises:
            AdminRefusedError: the broker will not.
        """
        resource = ConfigResource(ConfigResourceType.TOPIC, name, configs=dict(settings))
        try:
            responses = await self._client.alter_configs([resource])
        except (errors.UnsupportedVersionError, errors.IncompatibleBrokerVersion) as error:
            raise AdminRefusedError(f"this broker cannot alter topics: {error}") from None
        for response in responses:
            for code, message, *_ in response.resources:
                _raise_for(code, message)

    async def kept(self, name: str, partitions: int) -> tuple[Kept, ...]:
        """How much of each partition of a topic is kept."""
        consumer = AIOKafkaConsumer(enable_auto_commit=False, **self._arguments)
        await consumer.start()
        try:
            parts = [TopicPartition(name, number) for number in range(partitions)]
            firsts = await consumer.beginning_offsets(parts)
            ends = await consumer.end_offsets(parts)
        finally:
            await consumer.stop()
        return tuple(Kept(firsts[each], ends[each]) for each in parts)

    async def members(self, groups: Sequence[str]) -> list[GroupMember]:
        """Who is in some consumer groups; those that there are not have nobody."""
        found = []
        for name in groups:  # one by one: aiokafka 0.14 misreads an answer about several
            (response,) = await self._client.describe_consumer_groups([name])
            for code, group, _state, _type, _protocol, members, *_ in response.groups:
                if code not in _GONE:
                    _raise_for(code, None)
                found += [GroupMember(group, each[1], each[2].lstrip("/")) for each in members]
        return found

    async def delete_groups(self, groups: Sequence[str]) -> None:
        """Forget the offsets of consumer groups without members.

        Raises:
            AdminRefusedError: the broker will not.
        """
        for group in groups:  # one by one: each has a coordinator of its own
            node = await self._client.find_coordinator(group)
            request = DeleteGroupsRequest([group])
            answer = await self._client._send_request(request, node)  # noqa: SLF001  no method for it
            for each in answer.to_object()["results"]:
                if each["error_code"] not in _GONE:
                    _raise_for(each["error_code"], None)

    async def delete_topics(self, names: Sequence[str]) -> None:
        """Delete topics; the brokers go on for a moment after this returns.

        Raises:
            AdminRefusedError: the broker will not.
        """
        if names:
            response = await self._client.delete_topics(list(names))
            for _, code, *_ in response.topic_error_codes:
                _raise_for(code, None)


def _raise_for(code: int, message: str | None) -> None:
    if code:
        error = errors.for_code(code)
        raise AdminRefusedError(message or getattr(error, "description", error.__name__))
