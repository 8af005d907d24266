"""The idiomatic quixstreams program: JSON events, one tumbling window, in its own state store.

    BOOTSTRAP=… TOPIC=… EVENTS=… python quix_program.py

Prints how long so many events took, from the first one seen, as JSON, and ends. Runs in the venv of
the yardsticks.
"""

import json
import os
import sys
import tempfile
import time

from quixstreams import Application

BOOTSTRAP, TOPIC, EVENTS = os.environ["BOOTSTRAP"], os.environ["TOPIC"], int(os.environ["EVENTS"])


class Progress:
    def __init__(self) -> None:
        self.seen, self.since = 0, 0.0

    def note(self, _: object) -> None:
        self.seen += 1
        if self.seen == 1:
            self.since = time.monotonic()
        elif self.seen == EVENTS:
            seconds = time.monotonic() - self.since
            print(json.dumps({"events": self.seen - 1, "seconds": seconds}))  # noqa: T201 -- the answer
            sys.stdout.flush()
            os._exit(0)  # a clean stop would take seconds, and nothing here is worth keeping


def main(state: str) -> None:
    app = Application(
        broker_address=BOOTSTRAP,
        consumer_group=f"{TOPIC}-quix",
        auto_offset_reset="earliest",
        state_dir=state,
        loglevel="ERROR",
    )
    events = app.dataframe(app.topic(TOPIC, value_deserializer="json"))
    spend = events.apply(lambda event: float(event["cost_usd"]))
    spend = spend.tumbling_window(duration_ms=300_000, grace_ms=60_000).sum().current()
    spend.update(Progress().note)
    app.run()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(folder)
