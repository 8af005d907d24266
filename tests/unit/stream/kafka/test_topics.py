"""The catalogue, and what counts as right on a broker."""

import re

import pytest

from stream.cli import _parser
from stream.kafka.admin import FoundTopic
from stream.kafka.topic_check import FindingReason, compare
from stream.kafka.topics import (
    REBUILD_FROM_DELTAS,
    REBUILD_FROM_EVENTS,
    Partitions,
    Rule,
    Setting,
    TopicsConfig,
    catalogue,
    changelog,
)
from stream.usage.decode import PAYLOAD_MAX_BYTES


@pytest.fixture
def topics():
    return {
        topic.name: topic
        for topic in catalogue(TopicsConfig(), changelogs={"app": ("live", "profile")})
    }


def test_the_catalogue_is_the_contracts_list(topics):
    assert {name: topic.partitions for name, topic in topics.items()} == {
        "usage.events": 4,
        "usage.dead-letter": 1,
        "spend.deltas": 16,
        "spend.dedup": 4,
        "spend.provisional": 4,
        "app-live-changelog": 16,
        "app-profile-changelog": 16,
        "spend.signals": 1,
        "spend.commands": 1,
        "spend.alerts": 1,
        "spend.priors": 1,
        "throttle.actions": 1,
        "throttle.shadow": 1,
        "throttle.control": 1,
        "throttle.acks": 1,
    }
    assert {name for name, topic in topics.items() if topic.is_compacted} == {
        "app-live-changelog",
        "app-profile-changelog",
        "spend.priors",
        "spend.provisional",
        "throttle.actions",
        "throttle.shadow",
        "throttle.control",
    }


def test_whatever_decides_in_order_has_exactly_one_partition(topics):
    exactly = {
        name: topic.partitions
        for name, topic in topics.items()
        if topic.partition_rule is Partitions.EXACTLY
    }
    assert {name for name, partitions in exactly.items() if partitions == 1} == {
        "spend.signals",
        "spend.commands",
        "spend.alerts",
    }


def test_a_prefix_goes_before_every_name():
    config = TopicsConfig.prefixed("eu.", deltas_partitions=2)

    names = [topic.name for topic in catalogue(config)]

    assert all(name.startswith("eu.") for name in names)
    assert "eu.spend.deltas" in names
    assert config.deltas_partitions == 2


@pytest.mark.parametrize(
    ("rule", "wanted", "found", "is_fine"),
    [
        (Rule.EXACTLY, "compact", "compact", True),
        (Rule.EXACTLY, "compact", "delete", False),
        (Rule.EXACTLY, "compact", "compact,delete", False),
        (Rule.EXACTLY, "compact,delete", "delete, compact", True),
        (Rule.AT_LEAST, "100", "100", True),
        (Rule.AT_LEAST, "100", "99", False),
        (Rule.AT_LEAST, "100", "-1", True),
        (Rule.AT_MOST, "0.1", "0.1", True),
        (Rule.AT_MOST, "0.1", "0.5", False),
        (Rule.AT_MOST, "60000", "1000", True),
    ],
)
def test_a_setting_accepts_what_is_as_good(rule, wanted: str, found: str, is_fine: bool):  # noqa: FBT001  a case
    assert Setting(wanted, rule).accepts(found) is is_fine


def _as_wanted(topic, partitions: int | None = None, **changed: str) -> FoundTopic:
    settings = {name.replace(".", "_"): each.wanted for name, each in topic.settings.items()}
    values = {name.replace("_", "."): value for name, value in (settings | changed).items()}
    return FoundTopic(partitions or topic.partitions, values, values)


def test_a_topic_as_it_should_be_has_no_finding(topics):
    for topic in topics.values():
        assert compare(topic, _as_wanted(topic)) == []


def test_a_missing_topic_is_vital_and_repairable(topics):
    (finding,) = compare(topics["spend.alerts"], None)

    assert finding.reason is FindingReason.MISSING
    assert finding.is_vital
    assert finding.is_repairable
    assert str(finding) == "topic spend.alerts is missing: run: spendwatch topics create"


def test_another_number_of_delta_partitions_is_explained_not_repaired(topics):
    (finding,) = compare(topics["spend.deltas"], _as_wanted(topics["spend.deltas"], partitions=8))

    assert (finding.found, finding.wanted) == ("8", "16")
    assert finding.is_vital
    assert not finding.is_repairable
    assert "topics.deltas_partitions: 8" in finding.fix
    assert finding.fix.endswith(REBUILD_FROM_EVENTS)


@pytest.mark.parametrize("way", [REBUILD_FROM_DELTAS, REBUILD_FROM_EVENTS])
def test_a_way_to_rebuild_is_a_command_that_there_is(way: str):
    (command,) = re.findall(r"'spendwatch (.*?)'", way)
    _parser("rebuild").parse_args(command.split())


def test_changelogs_follow_the_deltas(topics):
    topic = topics["app-live-changelog"]

    (finding,) = compare(topic, _as_wanted(topic, partitions=8))

    assert "as many partitions as the deltas" in finding.fix


def test_two_partitions_of_signals_would_decide_twice(topics):
    topic = topics["spend.signals"]

    (finding,) = compare(topic, _as_wanted(topic, partitions=2))

    assert "decides in order" in finding.fix
    assert str(finding).startswith("topic spend.signals has 2 partitions instead of 1: ")


def test_any_number_of_input_partitions_is_fine(topics):
    topic = topics["usage.events"]

    assert compare(topic, _as_wanted(topic, partitions=64)) == []


def test_a_compacted_input_is_vital_for_it_drops_events(topics):
    topic = topics["usage.events"]

    (finding,) = compare(topic, _as_wanted(topic, cleanup_policy="compact"))

    assert finding.setting == "cleanup.policy"
    assert finding.is_vital
    assert finding.is_repairable
    assert "cleanup.policy=compact, wanted delete" in str(finding)


def test_too_short_a_retention_is_repaired_and_not_vital(topics):
    topic = topics["spend.alerts"]

    (finding,) = compare(topic, _as_wanted(topic, retention_ms="1000"))

    assert finding.wanted.startswith("at least ")
    assert not finding.is_vital


def test_a_setting_that_the_broker_does_not_know_is_no_finding(topics):
    topic = changelog("app", "t", 1)
    found = _as_wanted(topic)
    settings = {k: v for k, v in found.settings.items() if k != "max.compaction.lag.ms"}

    assert compare(topic, FoundTopic(1, settings, {})) == []


def test_a_broker_that_tells_no_settings_is_noted_and_partitions_still_count(topics):
    topic = topics["spend.deltas"]

    partitions, unknown = compare(topic, FoundTopic(4, None, {}))

    assert partitions.reason is FindingReason.PARTITIONS
    assert unknown.reason is FindingReason.UNKNOWN_SETTINGS
    assert not unknown.is_vital
    assert "does not tell" in str(unknown)


def test_ids_are_kept_as_long_as_the_events_and_longer_than_the_horizon():
    def days(horizon_days: int, kept_days: int) -> float:
        config = TopicsConfig(usage_events_retention_days=kept_days)
        found = catalogue(config, dedup_horizon_seconds=horizon_days * 86_400)
        (dedup,) = [topic for topic in found if topic.name == "spend.dedup"]
        assert dedup.settings["cleanup.policy"].wanted == "delete"
        return int(dedup.settings["retention.ms"].wanted) / 86_400_000

    assert days(1, 7) == 7
    assert days(7, 7) == 8


def test_the_keyed_input_is_there_when_asked_for_and_takes_whatever_the_input_took():
    assert "usage.keyed" not in [topic.name for topic in catalogue(TopicsConfig())]
    found = {topic.name: topic for topic in catalogue(TopicsConfig(), is_rekeyed=True)}
    keyed, plain = found["usage.keyed"], found["usage.events"]
    assert (keyed.partitions, keyed.key) == (plain.partitions, "event_id")
    assert keyed.settings.items() > plain.settings.items()
    assert int(keyed.settings["max.message.bytes"].wanted) > PAYLOAD_MAX_BYTES
