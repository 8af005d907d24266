"""Events of now at an even pace, from a process of their own, until told to stop.

    python -m tests.benchmarks.pacer --kafka HOST:PORT --topic NAME --scopes N --rate N

Prints how many it sent, and how far behind its pace it was at worst, as JSON.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from tests.benchmarks.traffic import Traffic
from tests.benchmarks.yard import send
from tests.support.kafka import PROJECT_ROOT

_STEP_SECONDS = 0.05


@dataclass(slots=True)
class Pace:
    """What a pacer did; filled in when it has ended.

    Attributes:
        sent: events.
        worst_seconds: furthest behind its pace.
    """

    sent: int = 0
    worst_seconds: float = 0.0


@contextlib.asynccontextmanager
async def paced(bootstrap: str, topic: str, *, scopes: int, rate: float) -> AsyncIterator[Pace]:
    """A pacer as a child, while the context lasts."""
    words = [sys.executable, "-m", "tests.benchmarks.pacer", "--kafka", bootstrap]
    words += ["--topic", topic, "--scopes", str(scopes), "--rate", str(rate)]
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=PROJECT_ROOT,
    )
    pace = Pace()
    try:
        yield pace
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        out, _ = await process.communicate()
        if out:
            answer = json.loads(out)
            pace.sent, pace.worst_seconds = answer["sent"], answer["worst_seconds"]


async def run(bootstrap: str, topic: str, scopes: int, rate: float) -> Pace:
    """Send until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    # A seed of its own for every run: equal ids would be repeats.
    traffic = Traffic("realistic", scopes, seed=os.getpid() + 1000)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks=1, max_batch_size=2**19, max_request_size=2**21
    )
    await producer.start()
    pace, due, last = Pace(), 0.0, time.monotonic()
    try:
        while not stop.is_set():
            now = time.monotonic()
            due, last = due + (now - last) * rate, now
            if due >= 1:
                events = traffic.events(int(due), time.time(), 0.0)
                pace.sent += await send(producer, topic, events)
                due -= int(due)
            late = time.monotonic() - now - _STEP_SECONDS
            pace.worst_seconds = max(pace.worst_seconds, late)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(0.0, -late))
    finally:
        await producer.stop()
    return pace


def main() -> int:
    """Read the arguments and send."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.pacer")
    parser.add_argument("--kafka", required=True, metavar="HOST:PORT")
    parser.add_argument("--topic", required=True)
    parser.add_argument("--scopes", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="events a second")
    arguments = parser.parse_args()
    pace = asyncio.run(run(arguments.kafka, arguments.topic, arguments.scopes, arguments.rate))
    answer = {"sent": pace.sent, "worst_seconds": pace.worst_seconds}
    sys.stdout.write(f"{json.dumps(answer)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
