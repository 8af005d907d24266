"""One input partition stands still while the other goes on: who waits, and what counts late.

INGEST's chain per input partition in front of one delta partition of WATCH, on a virtual clock.
"""

import json

from alerting.alert import Transition
from alerting.watch.scope_watch import ScopeWatch
from detectors.observation import COST, REQUESTS
from stream.delta import DeltaRows, Promise
from stream.ingest.config import IngestConfig
from stream.ingest.events import InputRecord
from stream.ingest.identities import Identities
from stream.ingest.partition import Batch, InputPartition
from stream.usage.fanout import Fanout, FanoutConfig
from stream.usage.pricing import PriceBook
from stream.watch.partition import DeltaPartition
from stream.watch.watermark import WatermarkPolicy
from tests.support.deltas import BOUNDS, ROLE, RULES
from tests.support.timeline import MONDAY

LATENESS = 60
CONFIG = IngestConfig(allowed_lateness_seconds=LATENESS)
PATIENCE = 60


class Feed:
    """Two input partitions, one delta partition; what was told."""

    def __init__(self) -> None:
        identities = Identities(Fanout(FanoutConfig(kinds=("agent",))), 1)
        self.inputs = [InputPartition(PriceBook(), identities, config=CONFIG) for _ in range(2)]
        self.deltas = DeltaPartition(
            0,
            incarnation="one",
            config=ROLE,
            policy=WatermarkPolicy(2, max_silence_messages=PATIENCE),
            watch=ScopeWatch(RULES),
            bounds=BOUNDS,
            few=2,
        )
        self.fired: list[str] = []
        self.late = 0
        self._offset = 0
        self._names = 0

    def spend(self, place: int, at: float, wall: float, *, usd: float, agent: str = "a") -> None:
        """One event of ``at`` is read at ``wall``; its record is as old as it is."""
        self._names += 1
        event = {"event_id": f"e{self._names}", "timestamp": at, "model": "m", "agent": agent}
        value = json.dumps(event | {"cost_usd": f"{usd:.6f}"}).encode()
        chain = self.inputs[place]
        record = InputRecord(chain.next_offset, int(at * 1000), value)
        self._take(place, chain.process([record], wall_seconds=wall))

    def beat(self, place: int, wall: float, *, is_silent: bool) -> None:
        """A second of INGEST without records."""
        self._take(place, self.inputs[place].pass_time(wall, is_silent=is_silent))

    def _take(self, place: int, batch: Batch) -> None:
        self.inputs[place].commit(batch)
        self.late += batch.counted["late"]
        mark = batch.watermark
        promise = Promise(f"usage.events/{place}", mark.seconds, mark.is_idle)
        rows = DeltaRows.of(batch.rows.get(0, []))
        told = self.deltas.fold(self._offset, promise, rows)
        self._offset += 1
        self.fired += [alert.kind for alert in told if alert.transition is Transition.FIRED]

    def calm_hour(self) -> float:
        """Both spend a little each minute; when it is over."""
        for minute in range(60):
            for place in (0, 1):
                at = MONDAY + 60 * minute + place
                self.spend(place, at, at, usd=0.01)
        return MONDAY + 3600.0

    def spent(self) -> tuple[int, float]:
        """Requests and dollars of the agent, in all."""
        counts = self.deltas.spend("agent", None)["agent:a"][2]
        return counts[REQUESTS], counts[COST] / 1e9


def test_a_partition_that_falls_silent_is_not_waited_for_and_what_it_kept_back_counts_late():
    feed = Feed()
    now = feed.calm_hour()
    for second in range(900):  # its producer hangs; the log has been read to its end
        feed.beat(1, now + second, is_silent=True)
        if second % 60 == 0:
            feed.spend(0, now + second, now + second, usd=0.01)
    watermark = feed.deltas.vector.current
    assert watermark is not None
    assert watermark >= now + 840 - LATENESS, "the other one's windows close"
    requests, dollars = feed.spent()
    for number in range(30):  # it comes back with a runaway of a quarter of an hour ago
        feed.spend(1, now + number, now + 900, usd=5.0)
    assert feed.late == 30
    assert feed.spent() == (requests + 30, dollars + 150.0)
    for minute in range(20):
        at = now + 900 + 60 * minute
        for place in (0, 1):
            feed.spend(place, at, at, usd=0.01)
    assert set(feed.fired) == {"budget"}, "it counts in its budget, and was judged in no window"


def test_a_backlog_is_not_late_and_its_windows_are_judged_as_if_it_had_never_waited():
    """INGEST of one partition is down for ten minutes; its records wait in Kafka."""
    feed = Feed()
    now = feed.calm_hour()
    for second in range(0, 600, 15):  # fewer messages than the vector's patience
        feed.spend(0, now + second, now + second, usd=0.01)
    assert feed.deltas.vector.current == now - 60 + 1 - LATENESS, "windows wait for it"
    for second in range(0, 600, 15):
        feed.spend(1, now + second, now + 600, usd=5.0)
    assert feed.late == 0
    assert feed.fired.count("spike") == 1


def test_one_that_is_stuck_for_longer_is_left_behind_and_its_money_counts_in_no_closed_window():
    feed = Feed()
    now = feed.calm_hour()
    for second in range(900):
        feed.spend(0, now + second, now + second, usd=0.0001)
    watermark = feed.deltas.vector.current
    assert watermark is not None
    assert watermark >= now + 840 - LATENESS
    requests, dollars = feed.spent()
    for number in range(30):
        feed.spend(1, now + number, now + 900, usd=5.0)
    assert feed.late == 0, "it is behind nothing that its own partition has promised"
    assert feed.spent() == (requests + 30, dollars + 150.0)
    assert set(feed.fired) == {"budget"}, "its windows had closed without it"


def test_a_hot_key_with_half_of_all_traffic_is_one_row_a_minute_and_holds_up_no_time():
    feed = Feed()
    now = feed.calm_hour()
    before = feed.deltas.vector.current
    assert before is not None
    chain = feed.inputs[0]
    records = []
    for number in range(2_000):
        agent = "hot" if number % 2 else f"agent-{number % 20}"
        event = {"event_id": f"h{number}", "timestamp": now + number % 60, "model": "m"}
        value = json.dumps(event | {"agent": agent, "cost_usd": "0.0001"}).encode()
        records.append(InputRecord(chain.next_offset + number, int(now * 1000) + 60_000, value))
    batch = chain.process(records, wall_seconds=now + 60)
    rows = list(batch.rows[0])
    assert len(rows) <= 2 * 11, "two minutes of eleven agents, however many events"
    assert sum(row.counts[REQUESTS] for row in rows if row.scope == "agent:hot") == 1_000
    feed._take(0, batch)
    feed.spend(1, now + 60, now + 60, usd=0.01)
    assert feed.deltas.vector.current == now + 59 - LATENESS
