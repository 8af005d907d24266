"""Topics on a real broker: made, checked, repaired, and explained where they cannot be."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream import cli
from stream.exit import ExitCode
from stream.kafka.admin import AdminRefusedError, BrokerUnreachableError, connect_admin
from stream.kafka.connection import ConnectionConfig
from stream.kafka.topic_check import FindingReason, check_topics, repair_topics
from stream.kafka.topics import TopicsConfig, catalogue
from tests.support.embedded import EmbeddedBroker
from tests.support.kafka import KafkaBroker


@pytest.fixture
def connection(kafka: KafkaBroker) -> ConnectionConfig:
    return ConnectionConfig(bootstrap_servers=(kafka.bootstrap,))


@pytest.fixture
def topics(topic_prefix: str):
    config = TopicsConfig.prefixed(topic_prefix, deltas_partitions=3)
    return catalogue(config, changelogs={topic_prefix + "app": ("live",)})


async def _make(kafka: KafkaBroker, name: str, partitions: int, **settings: str) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await client.start()
    try:
        named = {key.replace("_", "."): value for key, value in settings.items()}
        await client.create_topics([NewTopic(name, partitions, 1, topic_configs=named)])
    finally:
        await client.close()


async def test_what_is_missing_is_made_as_the_catalogue_says(connection, topics):
    async with connect_admin(connection) as admin:
        missing = await check_topics(admin, topics)
        assert [each.topic for each in missing] == [topic.name for topic in topics]
        assert {each.reason for each in missing} == {FindingReason.MISSING}

        repaired, left = await repair_topics(admin, topics)
        found = await admin.describe([topic.name for topic in topics])

    assert left == []
    assert repaired == missing
    for topic in topics:
        assert found[topic.name].partitions == topic.partitions
        assert found[topic.name].overrides == {
            name: setting.wanted for name, setting in topic.settings.items()
        }


async def test_settings_are_repaired_and_those_of_others_are_kept(
    kafka, connection, topics, topic_prefix
):
    name = topic_prefix + "throttle.actions"
    await _make(kafka, name, 1, cleanup_policy="delete", compression_type="zstd")
    by_name = [topic for topic in topics if topic.name == name]

    async with connect_admin(connection) as admin:
        before = await check_topics(admin, by_name)
        repaired, left = await repair_topics(admin, by_name)
        found = (await admin.describe([name]))[name]

    assert {each.setting for each in before} == {
        "cleanup.policy",
        "segment.ms",
        "max.compaction.lag.ms",
        "min.cleanable.dirty.ratio",
    }
    assert next(each for each in before if each.setting == "cleanup.policy").is_vital
    assert (repaired, left) == (before, [])
    assert found.overrides["compression.type"] == "zstd"
    assert found.overrides["cleanup.policy"] == "compact"


async def test_partitions_of_deltas_are_left_as_they_are(kafka, connection, topics, topic_prefix):
    name = topic_prefix + "spend.deltas"
    await _make(kafka, name, 2, retention_ms="1000")
    by_name = [topic for topic in topics if topic.name == name]

    async with connect_admin(connection) as admin:
        repaired, left = await repair_topics(admin, by_name)
        found = (await admin.describe([name]))[name]

    assert found.partitions == 2
    assert [each.setting for each in repaired] == ["retention.ms"]
    (finding,) = left
    assert finding.reason is FindingReason.PARTITIONS
    assert "topics.deltas_partitions: 2" in finding.fix


async def test_what_the_broker_refuses_is_said_in_its_own_words(kafka):
    connection = ConnectionConfig(bootstrap_servers=(kafka.bootstrap,), replication_factor=3)
    topics = catalogue(TopicsConfig.prefixed("refused."))[:1]

    async with connect_admin(connection) as admin:
        repaired, left = await repair_topics(admin, topics)
        with pytest.raises(AdminRefusedError, match=r"retention\.ms"):
            await admin.create("refused.too", 1, {"retention.ms": "soon"})

    assert repaired == []
    (finding,) = left
    assert finding.fix.startswith("the broker refuses: ")
    assert "replication" in finding.fix.lower()


async def test_sasl_lets_us_in_with_the_password_alone(kafka, monkeypatch):
    user, password = next(iter(kafka.users.items()))
    monkeypatch.setenv("RIGHT", password)
    monkeypatch.setenv("WRONG", "something else")
    right = ConnectionConfig.model_validate(
        {
            "bootstrap_servers": [kafka.sasl_bootstrap],
            "security_protocol": "sasl_plaintext",
            "sasl_mechanism": "plain",
            "username": user,
            "password": "env:RIGHT",
        }
    )
    async with connect_admin(right) as admin:
        assert await admin.describe(["no-such-topic"]) == {}

    for change, says in [
        ({"password": "env:WRONG"}, f"refuses user '{user}'; check kafka.username"),
        ({"password": "env:NOT_SET"}, "set the environment variable NOT_SET"),
        ({"sasl_mechanism": "scram_sha_512"}, "does not offer SCRAM-SHA-512"),
        (
            {"security_protocol": "plaintext", "username": None, "password": None},
            "hangs up, and kafka.security_protocol is plaintext",
        ),
        ({"security_protocol": "sasl_ssl"}, "kafka.security_protocol is sasl_ssl"),
        ({"security_protocol": "sasl_ssl", "ca_file": "/no/such/file"}, "kafka.ca_file"),
    ]:
        wrong = ConnectionConfig.model_validate(
            right.model_dump(exclude={"password"}) | {"password": "env:RIGHT"} | change
        )
        with pytest.raises(BrokerUnreachableError) as caught:
            async with connect_admin(wrong):
                pass
        assert says in str(caught.value)
        assert "something else" not in str(caught.value)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A key store for a broker on 127.0.0.1, and its certificate as PEM."""
    store, pem = tmp_path / "store.p12", tmp_path / "ca.pem"
    where = ["-alias", "k", "-keystore", str(store), "-storepass", "password"]
    name = ["-dname", "CN=localhost", "-ext", "san=ip:127.0.0.1"]
    for command in (
        ["keytool", "-genkeypair", "-keyalg", "RSA", "-storetype", "PKCS12", *name, *where],
        ["keytool", "-exportcert", "-rfc", "-file", str(pem), *where],
    ):
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    return store, pem


async def test_a_listener_with_a_certificate_of_nobody_is_not_trusted(start_kafka, certificate):
    store, pem = certificate
    broker = start_kafka(
        properties={
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL:SSL,CONTROLLER:PLAINTEXT",
            "ssl.keystore.location": str(store),
            "ssl.keystore.password": "password",
            "ssl.keystore.type": "PKCS12",
        }
    )
    tls = {"bootstrap_servers": [broker.sasl_bootstrap], "security_protocol": "ssl"}

    trusting = ConnectionConfig.model_validate(tls | {"ca_file": str(pem)})
    async with connect_admin(trusting) as admin:
        assert await admin.describe(["none"]) == {}
    with pytest.raises(BrokerUnreachableError, match=r"not trusted .*set kafka\.ca_file"):
        async with connect_admin(ConnectionConfig.model_validate(tls)):
            pass


@pytest.fixture
def config_file(kafka: KafkaBroker, topic_prefix: str, tmp_path: Path) -> Path:
    names = TopicsConfig.prefixed(topic_prefix).model_dump(exclude_defaults=True)
    groups = {
        role: {"group": topic_prefix + role} for role in ("watch", "decide_role", "notify_role")
    }
    path = tmp_path / "config.yaml"
    path.write_text(
        json.dumps({"kafka": {"bootstrap_servers": [kafka.bootstrap]}, "topics": names, **groups})
    )
    return path


def test_the_command_creates_then_checks_then_finds_nothing_to_do(
    config_file, topic_prefix, capsys
):
    arguments = ["-c", str(config_file)]
    assert cli.main(["topics", "check", *arguments]) == ExitCode.WRONG_INPUT
    out, err = capsys.readouterr()
    assert "missing" in out
    assert f"topic {topic_prefix}usage.events is missing: run: spendwatch topics create" in err

    assert cli.main(["topics", "create", *arguments]) == ExitCode.DONE
    assert "created" in capsys.readouterr().out

    assert cli.main(["topics", "check", *arguments, "--json"]) == ExitCode.DONE
    rows = json.loads(capsys.readouterr().out)
    assert [row["wrong"] for row in rows] == [[]] * len(rows)
    assert rows[0]["topic"] == topic_prefix + "usage.events"
    assert rows[0]["settings"]["retention.ms"] == ">=604800000"

    assert cli.main(["topics", "create", *arguments]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert "created" not in out
    assert err == ""


@pytest.fixture
def embedded() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        yield broker


def test_the_embedded_broker_gets_its_topics_and_what_it_cannot_do_is_said(
    embedded, tmp_path: Path, capsys
):
    config = tmp_path / "c.yaml"
    config.write_text(f"kafka: {{bootstrap_servers: ['{embedded.bootstrap}']}}\n")
    assert cli.main(["topics", "create", "-c", str(config)]) == ExitCode.DONE
    assert cli.main(["topics", "check", "-c", str(config)]) == ExitCode.DONE

    config.write_text(config.read_text() + "topics: {alerts_retention_days: 100}\n")
    assert cli.main(["topics", "create", "-c", str(config)]) == ExitCode.WRONG_INPUT
    assert "the broker refuses: this broker cannot alter topics" in capsys.readouterr().err
