"""A process per role: what dies takes the others with it, and what is asked to stop, stops."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from stream.worker import supervisor
from stream.worker.supervisor import RoleProcess, supervise

READY = "print('up', flush=True)\n"
PROGRAMS = {
    # ends when its leash, the pipe, is cut or it is told to
    "steady": "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(0))\n"
    + READY
    + "sys.stdin.read()",
    "fails": READY + "raise SystemExit(3)",
    "ends": READY,
    "killed": "import os\n" + READY + "os.kill(os.getpid(), 9)",
    "stubborn": "import signal, sys\nsignal.signal(15, signal.SIG_IGN)\n"
    + READY
    + "sys.stdin.read()",
    "unclean": "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(5))\n"
    + READY
    + "sys.stdin.read()",
}


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[RoleProcess]:
    """The roles are small programs; each is up before the next one starts."""
    spawned: list[RoleProcess] = []

    async def spawn(name: str, _: Path | None) -> RoleProcess:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PROGRAMS[name],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        await process.stdout.readline()
        spawned.append(RoleProcess(name, process))
        return spawned[-1]

    monkeypatch.setattr(supervisor, "_spawn", spawn)
    return spawned


async def after_sigterm(names: list[str], children: list[RoleProcess]) -> int:
    running = asyncio.create_task(supervise(names, None))
    async with asyncio.timeout(20):
        while len(children) < len(names):  # noqa: ASYNC110  nothing tells of a child
            await asyncio.sleep(0.01)
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    return await running


async def test_asked_to_stop_all_end_and_the_worker_ends_well(children: list[RoleProcess]):
    assert await after_sigterm(["steady", "steady"], children) == 0
    assert [child.process.returncode for child in children] == [0, 0]


@pytest.mark.parametrize(("name", "code"), [("fails", 3), ("ends", 1), ("killed", 1)])
async def test_a_role_that_ends_by_itself_takes_the_others_and_the_worker_with_it(
    children: list[RoleProcess], name: str, code: int
):
    assert await supervise(["steady", name, "steady"], None) == code
    assert all(child.process.returncode is not None for child in children)
    assert children[0].process.returncode == children[2].process.returncode == 0


async def test_a_role_that_does_not_stop_is_killed(
    children: list[RoleProcess], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.2)
    assert await after_sigterm(["stubborn", "steady"], children) == 1
    assert children[0].process.returncode == -signal.SIGKILL


async def test_a_role_that_stops_uncleanly_is_not_passed_over(children: list[RoleProcess]):
    assert await after_sigterm(["unclean", "steady"], children) == 5


async def test_the_child_of_a_role_is_told_its_name_and_configuration(tmp_path: Path):
    child = await supervisor._spawn("no_such_role", tmp_path / "spendwatch.yaml")
    assert child.process.stdin is not None
    assert child.reports is not None
    child.process.stdin.close()
    child.reports.close()
    assert await child.process.wait() == 2, "argparse refuses a role that there is not"
