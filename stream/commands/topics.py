"""``spendwatch topics create|check``: every topic as it is and as it should be."""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from stream.commands.arguments import Subparsers, add_config, add_json
from stream.commands.settings import load_settings
from stream.config import Settings
from stream.exit import CommandError, ExitCode
from stream.kafka.admin import BrokerUnreachableError, connect_admin
from stream.kafka.topic_check import Finding, FindingReason, check_topics, repair_topics
from stream.kafka.topics import Partitions, Rule, Topic
from stream.worker.required_topics import topics_of


def add_parser(subparsers: Subparsers) -> None:
    """The arguments."""
    parser = subparsers.add_parser(
        "topics",
        description="Compare the topics on the broker with those spendwatch needs. 'create' makes "
        "what is missing and sets what can be set; 'check' changes nothing. Exit code 1 if "
        "something stays wrong, 3 if Kafka cannot be reached.",
    )
    parser.add_argument("action", choices=("create", "check"))
    add_config(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check, and repair if asked to."""
    # What aiokafka would log about a broker that does not answer is in the error already.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    settings = load_settings(arguments.config)
    topics = topics_of(settings)
    try:
        repaired, left = asyncio.run(_work(settings, topics, repair=arguments.action == "create"))
    except BrokerUnreachableError as error:
        raise CommandError(str(error), ExitCode.UNREACHABLE) from None
    if arguments.json:
        _print_json(topics, repaired, left)
    else:
        _print_table(topics, repaired, left)
    wrong = [each for each in left if each.reason is not FindingReason.UNKNOWN_SETTINGS]
    return ExitCode.WRONG_INPUT if wrong else ExitCode.DONE


async def _work(
    settings: Settings, topics: Sequence[Topic], *, repair: bool
) -> tuple[list[Finding], list[Finding]]:
    async with connect_admin(settings.kafka) as admin:
        if repair:
            return await repair_topics(admin, topics)
        return [], await check_topics(admin, topics)


def _settings_of(topic: Topic) -> dict[str, str]:
    signs = {Rule.EXACTLY: "", Rule.AT_LEAST: ">=", Rule.AT_MOST: "<="}
    return {name: signs[each.rule] + each.wanted for name, each in topic.settings.items()}


def _print_json(
    topics: Sequence[Topic], repaired: Sequence[Finding], left: Sequence[Finding]
) -> None:
    rows = [
        {
            "topic": topic.name,
            "partitions": topic.partitions,
            "partitions_exactly": topic.partition_rule is Partitions.EXACTLY,
            "key": topic.key,
            "settings": _settings_of(topic),
            "repaired": [_finding_json(each) for each in repaired if each.topic == topic.name],
            "wrong": [_finding_json(each) for each in left if each.topic == topic.name],
        }
        for topic in topics
    ]
    sys.stdout.write(json.dumps(rows, indent=2) + "\n")


def _finding_json(finding: Finding) -> dict[str, object]:
    return {
        "reason": finding.reason.value,
        "setting": finding.setting,
        "found": finding.found,
        "wanted": finding.wanted,
        "vital": finding.is_vital,
        "fix": finding.fix,
    }


def _print_table(
    topics: Sequence[Topic], repaired: Sequence[Finding], left: Sequence[Finding]
) -> None:
    table = Table("topic", "partitions", "kept", "key", "state")
    for topic in topics:
        exactly = "" if topic.partition_rule is Partitions.EXACTLY else "any, "
        table.add_row(
            topic.name,
            f"{exactly}{topic.partitions}",
            _kept(topic),
            topic.key,
            _state(topic.name, repaired, left),
        )
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160)
    console.print(table)
    for finding in left:
        sys.stderr.write(f"{finding}\n")


def _kept(topic: Topic) -> str:
    if topic.is_compacted:
        return "last of each key"
    days = int(topic.settings["retention.ms"].wanted) // 86_400_000
    return f"{days} days"


def _state(name: str, repaired: Sequence[Finding], left: Sequence[Finding]) -> str:
    wrong = [each for each in left if each.topic == name]
    done = [each for each in repaired if each.topic == name]
    if any(each.reason is FindingReason.MISSING for each in wrong):
        return "missing"
    if any(each.reason is not FindingReason.UNKNOWN_SETTINGS for each in wrong):
        return "wrong: " + ", ".join(each.setting or each.reason.value for each in wrong)
    if any(each.reason is FindingReason.MISSING for each in done):
        return "created"
    if done:
        return "repaired: " + ", ".join(each.setting for each in done)
    return "exists; settings not told" if wrong else "fine"
