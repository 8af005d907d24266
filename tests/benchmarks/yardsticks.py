"""Parts b, c and d: what others make of the same events, each a small program of its own.

Their topic is keyed by agent, as an idiomatic program would have it: its window is per key.
"""

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.traffic import Traffic
from tests.benchmarks.yard import Yard
from tests.support.kafka import PROJECT_ROOT

SCOPES = 1_000
_FOLDER = Path(__file__).parent / "peers"
_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Peer:
    """One program.

    Attributes:
        part: its letter.
        what: it is.
        script: in the folder ``peers``.
        words: of its command line.
        speed: events a second, roughly; so few are given to it that it ends in time.
        is_foreign: it runs in the venv of the yardsticks.
    """

    part: str
    what: str
    script: str
    speed: int
    words: tuple[str, ...] = ()
    is_foreign: bool = False


PEERS = (
    Peer(
        "b",
        "idiomatic Faust program",
        "faust_program.py",
        3_000,
        ("worker", "--without-web", "-l", "error"),
    ),
    Peer("c", "quixstreams, one tumbling window", "quix_program.py", 20_000, is_foreign=True),
    Peer("d", "raw aiokafka getmany + msgspec decode", "raw_program.py", 400_000),
)


def foreign_python() -> Path:
    """The interpreter with quixstreams and matplotlib; ``make bench`` installs it."""
    return PROJECT_ROOT / ".venv-bench" / "bin" / "python"


async def events_topic(yard: Yard, events: int) -> str:
    """A topic with so many events keyed by agent."""
    topic = await yard.topic()
    seconds = events / 100_000
    made = Traffic("realistic", SCOPES).events(events, time.time() - seconds, seconds)
    await yard.fill(topic, ((_agent(value), value) for _, value in made))
    return topic


def _agent(value: bytes) -> bytes:
    return value.partition(b'"agent":"')[2].partition(b'"')[0]


async def run_peer(yard: Yard, peer: Peer, topic: str, events: int) -> float:
    """Events a second of one program over the first events of a topic."""
    python = foreign_python() if peer.is_foreign else Path(sys.executable)
    folder = yard.folder / f"peer-{peer.part}-{time.monotonic_ns()}"
    folder.mkdir()
    process = await asyncio.create_subprocess_exec(
        str(python),
        str(_FOLDER / peer.script),
        *peer.words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env=os.environ | {"BOOTSTRAP": yard.bootstrap, "TOPIC": topic, "EVENTS": str(events)},
    )
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = [line for line in out.splitlines() if line.startswith(b"{")]
    assert process.returncode == 0, f"{peer.script}: {err.decode()[-3000:]}"
    assert lines, f"{peer.script} said nothing: {err.decode()[-3000:]}"
    answer = json.loads(lines[-1])
    return float(answer["events"] / answer["seconds"])
