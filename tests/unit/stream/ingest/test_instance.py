"""An id for each worker of a host, and the same one after a restart."""

import asyncio
import socket
import subprocess
import sys
import uuid

import pytest

from stream.config import Settings
from stream.health.vitals import Vitals
from stream.ingest import instance
from stream.ingest.config import IngestConfig
from stream.ingest.instance import claimed_instance
from stream.ingest.worker import IngestSettings
from stream.worker.roles import ingest as role

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")

HOLDER = """
import sys
from stream.ingest.instance import claimed_instance
with claimed_instance(sys.argv[1]) as name:
    print(name, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def group() -> str:
    return f"group-{uuid.uuid4()}-{'x' * 150}"


def test_workers_of_one_host_have_ids_of_their_own_and_the_lowest_free_is_taken(group: str):
    host = socket.gethostname()
    with claimed_instance(group) as second:
        with claimed_instance(group) as other, claimed_instance(f"{group}-b") as apart:
            assert (second, other) == (f"{host}-0", f"{host}-1")
            assert apart == f"{host}-0"
        with claimed_instance(group) as again:
            assert again == f"{host}-1"


def test_a_killed_process_leaves_its_id_to_the_one_after_it(group: str):
    holder = subprocess.Popen(  # noqa: S603 -- our own interpreter
        [sys.executable, "-c", HOLDER, group],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        taken = holder.stdout.readline().strip()
        with claimed_instance(group) as beside:
            assert beside != taken
        holder.kill()
        holder.wait()
    with claimed_instance(group) as after:
        assert after == taken


def test_where_no_id_can_be_held_there_is_none(group: str, monkeypatch: pytest.MonkeyPatch):
    class Elsewhere(socket.socket):
        def bind(self, _: object) -> None:
            raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(instance.socket, "socket", Elsewhere)
    with claimed_instance(group) as none:
        assert none is None


def test_beyond_the_places_there_is_none(group: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(instance, "_PLACES", 1)
    with claimed_instance(group) as one, claimed_instance(group) as none:
        assert one is not None
        assert none is None


@pytest.mark.parametrize("configured", [None, "mine"])
async def test_the_role_runs_under_the_id_configured_or_the_one_it_holds(
    group: str, configured: str | None, monkeypatch: pytest.MonkeyPatch
):
    found: list[str | None] = []

    async def run(of: IngestSettings, _: asyncio.Event, **__: object) -> None:
        found.append(of.ingest.instance_id)

    monkeypatch.setattr(role, "run_ingest", run)
    ingest = IngestConfig(group=group[:200], instance_id=configured)
    await role.run(Settings(ingest=ingest), asyncio.Event(), Vitals())
    assert found == [configured or f"{socket.gethostname()}-0"]
