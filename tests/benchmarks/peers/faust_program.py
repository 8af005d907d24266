"""The idiomatic Faust program: JSON events, one agent, one windowed table, kept in memory.

    BOOTSTRAP=… TOPIC=… EVENTS=… python faust_program.py worker --without-web -l error

Prints how long so many events took, from the first one seen, as JSON, and ends.
"""

import json
import os
import time

import faust

BOOTSTRAP, TOPIC, EVENTS = os.environ["BOOTSTRAP"], os.environ["TOPIC"], int(os.environ["EVENTS"])

app = faust.App(f"{TOPIC}-faust", broker=f"kafka://{BOOTSTRAP}", store="memory://")
usage = app.topic(TOPIC, value_serializer="json")
spend = app.Table("spend", default=float, partitions=4).tumbling(300.0, expires=3600.0)


@app.agent(usage)
async def count_spend(events):
    seen, since = 0, 0.0
    async for event in events:
        spend[event["agent"]] += float(event["cost_usd"])
        seen += 1
        if seen == 1:
            since = time.monotonic()
        elif seen == EVENTS:
            answer = {"events": seen - 1, "seconds": time.monotonic() - since}
            os.write(1, json.dumps(answer).encode() + b"\n")  # Faust has taken sys.stdout for logs
            os._exit(0)  # a clean stop would take seconds, and nothing here is worth keeping


if __name__ == "__main__":
    app.main()
