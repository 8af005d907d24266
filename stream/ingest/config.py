"""What an operator may say about the role INGEST.

Defaults are for a stranger: exact totals on a real broker, events seen within a second. This file
must not know how the numbers are used.
"""

from enum import StrEnum
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from stream.ingest.dead_letter import DeadLetterConfig
from stream.usage.usage import EVENTS_MAX

MESSAGE_MIN_BYTES: Final = 262_144
"""A delta of one row cannot be split. The largest, 80 contributors and a combination of all kinds
whose names are 256 characters of four bytes, is some 100 KB; tags in combinations add to it."""


class Delivery(StrEnum):
    """What totals are worth after a crash."""

    EXACTLY_ONCE = "exactly_once"
    AT_LEAST_ONCE = "at_least_once"


class IngestConfig(BaseModel):
    """Consumer group, lateness, dedup, batches and delivery of the role INGEST."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: str = Field(
        "spendwatch-ingest",
        min_length=1,
        max_length=200,
        description="Consumer group; also the prefix of the transactional ids.",
    )
    instance_id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description=(
            "Static membership id, unique per worker and stable over its restarts: one within "
            "session_timeout_seconds then keeps its partitions. Default: the host's name and the "
            "lowest number that no other worker on it holds; on other systems than Linux none. "
            "Further processes of a worker add their number."
        ),
    )
    processes: int = Field(
        1,
        ge=1,
        le=64,
        description=(
            "Processes of INGEST in one worker; they share its input partitions, and each keeps "
            "up to a core busy. More than there are input partitions are idle."
        ),
    )
    session_timeout_seconds: float = Field(
        6.0,
        ge=1,
        le=60,
        description=(
            "A worker silent for this long loses its partitions; Kafka's default floor is 6 s."
        ),
    )
    delivery: Delivery = Field(
        Delivery.EXACTLY_ONCE,
        description=(
            "exactly_once needs a broker with transactions; at_least_once is for the demo broker: "
            "totals may be high after a crash."
        ),
    )
    allowed_lateness_seconds: int = Field(
        15,
        ge=0,
        le=86400,
        description=(
            "An event this far behind the newest of its partition is late: counted in totals and "
            "budgets, in no judged window. A runaway that begins as a window does is seen so much "
            "later; raise it if producers send events more than this out of order."
        ),
    )
    idle_after_seconds: float = Field(
        5.0,
        ge=1,
        le=86400,
        description=(
            "Without records for this long, a partition read to its end is idle: windows no longer "
            "wait for it. Longer than the pauses of producers that send in bundles."
        ),
    )
    dedup_horizon_seconds: int = Field(
        3600,
        ge=60,
        le=7 * 86400,
        description=(
            "A repeated event_id is recognised while its partition has moved on by no more than "
            "this, in event time."
        ),
    )
    dedup_max_ids: int = Field(
        4_000_000,
        ge=1000,
        le=10_000_000,
        description=(
            "Ids kept per input partition, at most 32 bytes each; with more, the horizon shrinks "
            "and the log says so. The default holds an hour at 1,100 events a second."
        ),
    )
    rekey: bool = Field(
        False,  # noqa: FBT003 -- a field's default
        description=(
            "For producers that do not key by event_id: a hop in front puts every event into "
            "topics.usage_keyed by its id, so that repeats meet; <group>-keyed counts them there. "
            "Twice the traffic. Ids of before are not known to it. Before it is switched off "
            "again, let usage_keyed be read to its end."
        ),
    )
    provisional_max: int = Field(
        100_000,
        ge=1,
        le=10_000_000,
        description=(
            "Estimates, and outcomes, kept per input partition until they are final (24 hours, 30 "
            "days), some 400 bytes each. Of more the oldest are final early: a final event then "
            "counts beside its estimate, another outcome beside the first."
        ),
    )
    # A batch is worked in one go on the event loop that also sends heartbeats. 20,000 events take
    # 0.1 s of it where an agent has one team and few models, and 0.4 s where no two are alike; in
    # batches of 4,000 an event costs a quarter more, in batches of 1,000 a third (measured).
    # In batches of 50,000, at 100,000 scopes, an event costs a tenth less and deltas have a third
    # fewer rows; but where no two are alike, one holds the loop for 1.3 s (2026-11, a busy machine,
    # where one of 20,000 takes 0.5).
    max_batch_events: int = Field(
        20_000,
        ge=1,
        le=EVENTS_MAX,
        description=(
            "Most events of a transaction; while they are worked on, no heartbeat goes out. The "
            "upper bound keeps 64-bit columns exact."
        ),
    )
    cut_min_seconds: float = Field(
        0.25, gt=0, le=10, description="A batch is cut no sooner than this after the last."
    )
    cut_max_seconds: float = Field(
        1.0, gt=0, le=10, description="A batch is cut no later than this after its first record."
    )
    max_message_bytes: int = Field(
        900_000,
        ge=MESSAGE_MIN_BYTES,
        le=64 * 1024 * 1024,
        description=(
            "Larger deltas are split over messages of one transaction, larger dead letters go "
            "without their payload; below the topics' max.message.bytes."
        ),
    )
    transaction_timeout_seconds: float = Field(
        10.0,
        ge=1,
        le=60,
        description="The broker aborts a hanging transaction after this; readers wait until then.",
    )

    dead_letter: DeadLetterConfig = Field(
        default_factory=DeadLetterConfig, description="What dead letters keep."
    )

    @property
    def counting_group(self) -> str:
        """The group that counts; with ``rekey``, ``group`` itself reads in front of it."""
        return f"{self.group}-keyed" if self.rekey else self.group

    @model_validator(mode="after")
    def _check_cut(self) -> Self:
        if self.cut_min_seconds > self.cut_max_seconds:
            raise PydanticCustomError(
                "cut_reversed", "cut_min_seconds must not be above cut_max_seconds"
            )
        return self
