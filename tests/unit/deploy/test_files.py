"""What is shipped for deployment fits the program: its keys, its paths, its stopping time."""

import re
from pathlib import Path

import pytest
import yaml

from stream.config import load
from stream.worker.supervisor import STOP_SECONDS

DEPLOY = Path(__file__).parents[3] / "deploy"


@pytest.fixture(scope="module")
def compose() -> dict[str, dict[str, dict[str, object]]]:
    return yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())


def test_the_configuration_of_compose_loads_and_finds_the_broker(compose):
    settings = load(DEPLOY / "compose" / "config.yaml")

    (server,) = settings.kafka.bootstrap_servers
    host, port = server.split(":")
    assert host in compose["services"]
    assert (
        f"INSIDE://{server}"
        in compose["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    )
    assert f":{port}" in compose["services"]["kafka"]["environment"]["KAFKA_LISTENERS"]


def test_the_broker_of_compose_looks_for_hanging_transactions_every_second(compose):
    environment = compose["services"]["kafka"]["environment"]

    assert environment["KAFKA_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS"] == 1000


def test_the_published_ports_are_those_that_the_worker_listens_on(compose):
    settings = load(DEPLOY / "compose" / "config.yaml")

    listening = (settings.watch, settings.monitoring)
    published = [f"127.0.0.1:{part.port}:{part.port}" for part in listening]
    assert compose["services"]["worker"]["ports"] == published
    assert {part.host for part in listening} == {"0.0.0.0"}
    check = compose["services"]["worker"]["healthcheck"]["test"]
    assert f"http://127.0.0.1:{settings.monitoring.port}/healthz" in check


def test_the_unit_gives_a_folder_that_outlives_a_restart():
    unit = (DEPLOY / "systemd" / "spendwatch.service").read_text().splitlines()
    assert "PrivateTmp=yes" in unit
    assert "StateDirectory=spendwatch" in unit


def test_whoever_stops_the_worker_waits_longer_than_its_roles_may_take(compose):
    unit = (DEPLOY / "systemd" / "spendwatch.service").read_text()
    waits = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)

    assert waits is not None
    assert int(waits[1]) > STOP_SECONDS
    assert int(compose["services"]["worker"]["stop_grace_period"].removesuffix("s")) > STOP_SECONDS


def test_the_image_copies_everything_that_the_wheel_is_made_of():
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = {word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]}

    root = DEPLOY.parent
    project = (root / "pyproject.toml").read_text()
    packages = re.search(r"^packages = \[(.*)\]$", project, re.MULTILINE)
    assert packages is not None
    assert set(re.findall(r'"(\w+)"', packages[1])) | {"client", "README.md", "LICENSE"} <= copied
    assert all((root / name).exists() for name in copied if not name.startswith(("-", "/")))
