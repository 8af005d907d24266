"""Compares the topics a broker has with those there should be; repairs or explains the rest.

``compare`` is pure; ``check_topics`` and ``repair_topics`` add the broker. The worker asks at its
start, the command ``spendwatch topics`` at any time. This file must not print.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stream.kafka.admin import AdminRefusedError, FoundTopic, KafkaAdmin
from stream.kafka.topics import REBUILD_FROM_EVENTS, Partitions, Rule, Topic


class FindingReason(StrEnum):
    """What is wrong with a topic."""

    MISSING = "missing"
    PARTITIONS = "partitions"
    SETTING = "setting"
    UNKNOWN_SETTINGS = "unknown_settings"
    """The broker does not tell a topic's settings: nothing to repair, good to know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        topic: the topic's name.
        reason: what kind of thing.
        setting: which one, for ``FindingReason.SETTING``.
        found: the broker's value; empty if there is none.
        wanted: ours.
        is_vital: spendwatch must not run with it.
        fix: one sentence: what to do, or why nothing can be done.
        is_repairable: ``repair_topics`` can try.
    """

    topic: str
    reason: FindingReason
    setting: str
    found: str
    wanted: str
    is_vital: bool
    fix: str
    is_repairable: bool

    def __str__(self) -> str:
        """A sentence for logs and errors."""
        match self.reason:
            case FindingReason.MISSING:
                what = "is missing"
            case FindingReason.UNKNOWN_SETTINGS:
                what = "has settings that the broker does not tell"
            case FindingReason.PARTITIONS:
                what = f"has {self.found} partitions instead of {self.wanted}"
            case FindingReason.SETTING:
                what = f"has {self.setting}={self.found}, wanted {self.wanted}"
        return f"topic {self.topic} {what}: {self.fix}"


_SETTLE_TRIES = 50
_SETTLE_SECONDS = 0.1

_CREATE = "run: spendwatch topics create"


def compare(topic: Topic, found: FoundTopic | None) -> list[Finding]:
    """What is wrong with one topic; nothing if the list is empty."""
    if found is None:
        wanted = str(topic.partitions)
        return [Finding(topic.name, FindingReason.MISSING, "", "", wanted, True, _CREATE, True)]  # noqa: FBT003  a record's fields
    findings = []
    if topic.partition_rule is Partitions.EXACTLY and found.partitions != topic.partitions:
        findings.append(
            Finding(
                topic=topic.name,
                reason=FindingReason.PARTITIONS,
                setting="",
                found=str(found.partitions),
                wanted=str(topic.partitions),
                is_vital=True,
                fix=_partitions_fix(topic, found.partitions),
                is_repairable=False,
            )
        )
    if found.settings is None:
        fix = "nothing to do on a test broker; a real Kafka tells them"
        reason = FindingReason.UNKNOWN_SETTINGS
        findings.append(Finding(topic.name, reason, "", "", "", False, fix, False))  # noqa: FBT003  a record's fields
        return findings
    for name, setting in topic.settings.items():
        value = found.settings.get(name)
        if value is None or setting.accepts(value):
            continue
        findings.append(
            Finding(
                topic=topic.name,
                reason=FindingReason.SETTING,
                setting=name,
                found=value,
                wanted=_bound(setting.rule, setting.wanted),
                is_vital=setting.is_vital,
                fix=_CREATE,
                is_repairable=True,
            )
        )
    return findings


def _bound(rule: Rule, wanted: str) -> str:
    return {Rule.EXACTLY: "", Rule.AT_LEAST: "at least ", Rule.AT_MOST: "at most "}[rule] + wanted


def _partitions_fix(topic: Topic, found: int) -> str:
    if topic.name.endswith("-changelog"):
        return "it must have as many partitions as the deltas have; see there"
    if topic.partitions == 1:
        return (
            "it has one reader that decides in order; with several partitions two would decide at "
            "once; stop the workers, delete it and create it again"
        )
    return (
        f"partitions cannot be changed in place, since a scope's state lives in the partition of "
        f"its name; keep the data with topics.deltas_partitions: {found}, or {REBUILD_FROM_EVENTS}"
    )


async def check_topics(admin: KafkaAdmin, topics: Sequence[Topic]) -> list[Finding]:
    """Everything that is wrong, in the catalogue's order.

    Raises:
        stream.kafka.admin.BrokerUnreachableError: by ``connect_admin``, around this call.
    """
    found = await admin.describe([topic.name for topic in topics])
    return [finding for topic in topics for finding in compare(topic, found.get(topic.name))]


async def repair_topics(
    admin: KafkaAdmin, topics: Sequence[Topic]
) -> tuple[list[Finding], list[Finding]]:
    """Make what is missing and set what can be set.

    Returns:
        What was repaired, and what is still wrong, with the broker's own words if it refused.

    Raises:
        stream.kafka.admin.BrokerUnreachableError: by ``connect_admin``, around this call.
    """
    before = await check_topics(admin, topics)
    found = await admin.describe([topic.name for topic in topics])
    refusals: dict[str, str] = {}
    for topic in topics:
        names = {each.setting for each in before if each.topic == topic.name and each.is_repairable}
        if not names:
            continue
        try:
            await _repair(admin, topic, found.get(topic.name), names)
        except AdminRefusedError as error:
            refusals[topic.name] = str(error)
    after = await _settled(admin, topics, refusals)
    left = {(each.topic, each.reason, each.setting) for each in after}
    repaired = [each for each in before if (each.topic, each.reason, each.setting) not in left]
    return repaired, [_with_refusal(each, refusals.get(each.topic)) for each in after]


async def _settled(
    admin: KafkaAdmin, topics: Sequence[Topic], refused: Iterable[str]
) -> list[Finding]:
    """What is wrong once the brokers have heard of new topics; they do so a moment later."""
    for _ in range(_SETTLE_TRIES):
        findings = await check_topics(admin, topics)
        if not any(each.is_repairable and each.topic not in refused for each in findings):
            break
        await asyncio.sleep(_SETTLE_SECONDS)
    return findings


async def _repair(
    admin: KafkaAdmin, topic: Topic, found: FoundTopic | None, names: Iterable[str]
) -> None:
    if found is None:
        wanted = {name: setting.wanted for name, setting in topic.settings.items()}
        await admin.create(topic.name, topic.partitions, wanted)
        return
    wanted = {name: topic.settings[name].wanted for name in names}
    # Kafka's AlterConfigs replaces the whole set: what others have set must be said again.
    await admin.set_overrides(topic.name, {**found.overrides, **wanted})


def _with_refusal(finding: Finding, refusal: str | None) -> Finding:
    if refusal is None or not finding.is_repairable:
        return finding
    return Finding(
        finding.topic,
        finding.reason,
        finding.setting,
        finding.found,
        finding.wanted,
        finding.is_vital,
        f"the broker refuses: {refusal}",
        finding.is_repairable,
    )
