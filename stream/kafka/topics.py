"""Every topic of spendwatch: its name, partitions, settings and key, in one list.

A topic that is almost right loses money quietly: a compacted input drops events, a delta topic
with one partition more sends scopes to workers that do not hold their state. So the list is data,
and ``stream/kafka/topic_check.py`` compares it with what a broker has. This file must not talk to
Kafka.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Of deltas and pages, for the topic and for who writes to it (KAFKA.md, rule 10)."""

REBUILD_FROM_DELTAS = "stop the workers and run 'spendwatch rebuild', which counts the deltas anew"

REBUILD_FROM_EVENTS = (
    "stop the workers and run 'spendwatch rebuild --from events', which counts the events anew"
)
"""Where the deltas themselves are not as they should be."""

_KEYED_MAX_BYTES = 9 * 1024 * 1024
"""More than INGEST reads of one message (``stream/usage/decode.py``), and its key."""

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


class TopicsConfig(BaseModel):
    """Names of the topics, and the numbers that are fixed when they are created."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    usage_events: str = Field("usage.events", description="Usage events, read by INGEST.")
    usage_keyed: str = Field(
        "usage.keyed", description="The same by event_id, with ingest.rekey: then INGEST reads it."
    )
    dead_letter: str = Field("usage.dead-letter", description="Records INGEST could not take.")
    deltas: str = Field("spend.deltas", description="Combined spend by scope, INGEST to WATCH.")
    dedup: str = Field("spend.dedup", description="Ids of counted events, kept by INGEST.")
    provisional: str = Field(
        "spend.provisional", description="Estimates and outcomes not yet final, kept by INGEST."
    )
    signals: str = Field("spend.signals", description="Alerts of single scopes, WATCH to DECIDE.")
    commands: str = Field("spend.commands", description="What operators ask for, read by DECIDE.")
    alerts: str = Field("spend.alerts", description="Every transition of every alert.")
    priors: str = Field("spend.priors", description="What scopes of a kind usually spend.")
    actions: str = Field("throttle.actions", description="Throttle actions to enforce.")
    shadow: str = Field("throttle.shadow", description="Throttle actions of the dry run.")
    control: str = Field("throttle.control", description="The switch that pauses all throttling.")
    acks: str = Field("throttle.acks", description="What enforcers did with an action.")
    usage_events_partitions: int = Field(
        4,
        ge=1,
        le=10_000,
        description="Partitions of usage_events if spendwatch makes it; a worker takes any number "
        "as it is, a backtest goes by this one.",
    )
    deltas_partitions: int = Field(
        16,
        ge=1,
        le=4096,
        description="Partitions of deltas and of WATCH's changelogs; at most so many workers "
        "share the scopes. Fixed at creation: a scope's state lives in the partition of its name.",
    )
    usage_events_retention_days: int = Field(
        7, ge=1, le=3650, description="Least days for which usage_events keeps events."
    )
    deltas_retention_days: int = Field(
        7, ge=1, le=3650, description="Least days for which deltas are kept, to replay from."
    )
    alerts_retention_days: int = Field(
        90, ge=1, le=3650, description="Least days for which alerts and dead letters are kept."
    )

    def counted_from(self, *, is_rekeyed: bool) -> str:
        """The topic that INGEST counts from."""
        return self.usage_keyed if is_rekeyed else self.usage_events

    @classmethod
    def prefixed(cls, prefix: str, **settings: int) -> "TopicsConfig":
        """The default names with a prefix, for several installations on one cluster."""
        names = {
            name: prefix + str(each.default)
            for name, each in cls.model_fields.items()
            if each.annotation is str
        }
        return cls.model_validate(names | settings)


class Partitions(StrEnum):
    """What a number of partitions means for a topic that exists already."""

    ANY = "any"
    """Advice for creation."""
    EXACTLY = "exactly"
    """Other code counts on it."""


class Rule(StrEnum):
    """How a broker's value of a setting may differ from ours."""

    EXACTLY = "exactly"
    AT_LEAST = "at_least"
    """-1 is without limit."""
    AT_MOST = "at_most"


@dataclass(frozen=True, slots=True)
class Setting:
    """A topic setting that must hold.

    Attributes:
        wanted: the value to create with and to repair to.
        rule: which other values are as good.
        is_vital: whether spendwatch loses money or stops working without it.
    """

    wanted: str
    rule: Rule = Rule.EXACTLY
    is_vital: bool = False

    def accepts(self, found: str) -> bool:
        """Whether a broker's value will do."""
        if self.rule is Rule.EXACTLY:
            return _parts(found) == _parts(self.wanted)
        if self.rule is Rule.AT_LEAST:
            return float(found) < 0 or float(found) >= float(self.wanted)
        return float(found) <= float(self.wanted)


def _parts(value: str) -> set[str]:
    return {part.strip() for part in value.split(",")}


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it has to be.

    Attributes:
        name: on the broker.
        partitions: how many to create it with.
        partition_rule: what that number means for an existing topic.
        key: what a record's key is, for readers of the table.
        settings: setting's name -> what must hold.
    """

    name: str
    partitions: int
    partition_rule: Partitions
    key: str
    settings: Mapping[str, Setting] = field(default_factory=dict)

    @property
    def is_compacted(self) -> bool:
        """Whether only the last record of each key is kept."""
        return self.settings["cleanup.policy"].wanted == "compact"


def _kept(days: int, max_bytes: int | None = None) -> dict[str, Setting]:
    settings = {
        "cleanup.policy": Setting("delete", is_vital=True),
        "retention.ms": Setting(str(days * _DAY_MS), Rule.AT_LEAST),
    }
    return settings | _sized(max_bytes)


def _compacted() -> dict[str, Setting]:
    return {
        "cleanup.policy": Setting("compact", is_vital=True),
        # Followers read such a topic from its start, so it is kept short.
        "segment.ms": Setting(str(_HOUR_MS), Rule.AT_MOST),
        "max.compaction.lag.ms": Setting(str(_HOUR_MS), Rule.AT_MOST),
        "min.cleanable.dirty.ratio": Setting("0.1", Rule.AT_MOST),
    }


def _sized(max_bytes: int | None) -> dict[str, Setting]:
    if max_bytes is None:
        return {}
    return {"max.message.bytes": Setting(str(max_bytes), Rule.AT_LEAST, is_vital=True)}


def _keyed(config: TopicsConfig, events: Mapping[str, Setting]) -> Topic:
    """The input once more, by id; whatever the input took has to fit."""
    inputs, settings = config.usage_events_partitions, dict(events) | _sized(_KEYED_MAX_BYTES)
    return Topic(config.usage_keyed, inputs, Partitions.ANY, "event_id", settings)


def changelog(app_id: str, table: str, partitions: int) -> Topic:
    """The changelog of a Faust table, where WATCH's state has its home.

    Recovery reads ~3,600 records a second whatever their size, hence the eager compaction
    (KAFKA.md, rule 14).
    """
    return Topic(
        name=f"{app_id}-{table}-changelog",
        partitions=partitions,
        partition_rule=Partitions.EXACTLY,
        key="page of the table",
        settings={
            # No "delete": a page of a past day is written once and must outlive every retention.
            "cleanup.policy": Setting("compact", is_vital=True),
            "segment.bytes": Setting(str(32 * 1024 * 1024), Rule.AT_MOST),
            "segment.ms": Setting("60000", Rule.AT_MOST),
            "min.cleanable.dirty.ratio": Setting("0.1", Rule.AT_MOST),
            "max.compaction.lag.ms": Setting("60000", Rule.AT_MOST),
            **_sized(MAX_MESSAGE_BYTES),
        },
    )


def catalogue(
    config: TopicsConfig,
    *,
    dedup_horizon_seconds: int = 0,
    is_rekeyed: bool = False,
    changelogs: Mapping[str, tuple[str, ...]] | None = None,
    owner_changelogs: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[Topic, ...]:
    """All topics, in the order in which an event's money passes them.

    Args:
        config: names and numbers.
        dedup_horizon_seconds: for which event ids are remembered.
        is_rekeyed: whether events go through ``usage_keyed``.
        changelogs: Faust app id -> its tables whose changelogs have as many partitions as deltas.
        owner_changelogs: the same for roles with one owner: one partition.
    """
    anyhow, exactly = Partitions.ANY, Partitions.EXACTLY
    inputs, deltas = config.usage_events_partitions, config.deltas_partitions
    events = _kept(config.usage_events_retention_days) | {
        # The watermark trusts min(event time, record time): the broker's clock, not a producer's.
        # And an old trace stamped with its own times would be retired the moment it is imported.
        "message.timestamp.type": Setting("LogAppendTime"),
    }
    replayable = _kept(config.deltas_retention_days, MAX_MESSAGE_BYTES)
    # The horizon is event time, which stands still while nothing is sent: over a quiet week-end an
    # hour of it is three days old. At 16 bytes an event it may stay as long as the events do.
    horizon_days = -(-dedup_horizon_seconds * 1000 // _DAY_MS) + 1
    dedup = _kept(max(config.usage_events_retention_days, horizon_days), MAX_MESSAGE_BYTES)
    alerts = _kept(config.alerts_retention_days)
    target = "target, <kind>:<name>"
    return (
        Topic(config.usage_events, inputs, anyhow, "event_id", events),
        *([_keyed(config, events)] if is_rekeyed else []),
        Topic(config.dead_letter, 1, anyhow, "topic/partition/offset", alerts),
        Topic(config.deltas, deltas, exactly, "none; partition by scope", replayable),
        Topic(config.dedup, inputs, anyhow, "none; partition of the input", dedup),
        Topic(config.provisional, inputs, anyhow, "input partition and call", _compacted()),
        *(
            changelog(app_id, table, deltas)
            for app_id, tables in (changelogs or {}).items()
            for table in tables
        ),
        *(
            changelog(app_id, table, 1)
            for app_id, tables in (owner_changelogs or {}).items()
            for table in tables
        ),
        Topic(config.signals, 1, exactly, "fingerprint", _kept(30)),
        Topic(config.commands, 1, exactly, "command_id", _kept(30)),
        Topic(config.alerts, 1, exactly, "fingerprint", alerts),
        Topic(config.priors, 1, anyhow, "scope kind", _compacted()),
        Topic(config.actions, 1, anyhow, target, _compacted()),
        Topic(config.shadow, 1, anyhow, target, _compacted()),
        Topic(config.control, 1, anyhow, "throttle", _compacted()),
        Topic(config.acks, 1, anyhow, "action_id", _kept(30)),
    )
