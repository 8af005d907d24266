"""aiokafka's ``getmany`` and msgspec's decoder, and nothing else: what Python can read at all.

    BOOTSTRAP=… TOPIC=… EVENTS=… python raw_program.py

Prints how long so many events took, from the first batch seen, as JSON.
"""

import asyncio
import json
import os
import sys
import time

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer

BOOTSTRAP, TOPIC, EVENTS = os.environ["BOOTSTRAP"], os.environ["TOPIC"], int(os.environ["EVENTS"])


class Event(msgspec.Struct, gc=False):
    event_id: str
    timestamp: str
    provider: str = ""
    model: str = ""
    agent: str = ""
    workflow: str = ""
    prompt_version: str = ""
    api_key: str = ""
    user: str = ""
    team: str = ""
    department: str = ""
    project: str = ""
    organization: str = ""
    run_id: str = ""
    step: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: str = ""
    latency_ms: int = 0


async def main() -> None:
    decode = msgspec.json.Decoder(Event).decode
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=BOOTSTRAP,
        group_id=f"{TOPIC}-raw-{os.getpid()}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    seen, first, since = 0, 0, 0.0
    while seen < EVENTS:
        for records in (await consumer.getmany(timeout_ms=500)).values():
            for record in records:
                decode(record.value)
            seen += len(records)
        if seen and not since:
            first, since = seen, time.monotonic()
    seconds = time.monotonic() - since
    print(json.dumps({"events": seen - first, "seconds": seconds}))  # noqa: T201 -- the answer
    sys.stdout.flush()
    await consumer.stop()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
