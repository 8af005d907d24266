"""``spendwatch simulate``: events of a made-up organization on stdout or to a topic.

For demos, tests and comparisons. What the events are is ``stream/simulation/events.py``'s.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from stream.commands.arguments import Subparsers, number
from stream.exit import CommandError, ExitCode
from stream.kafka.admin import BrokerUnreachableError, ensure_reachable
from stream.kafka.connection import ConnectionConfig
from stream.replay.labels import label_to_json
from stream.simulation.events import Arrival, Plan, arrivals
from stream.simulation.incident import INCIDENTS, Incident, make_episodes
from stream.simulation.menu import MENU, make_menu
from stream.simulation.truth import labels_of
from stream.usage.literals import TIMESTAMP_END_SECONDS, TIMESTAMP_MIN_SECONDS
from stream.usage.trace_url import refusal

_DAY_SECONDS = 86_400
_DEFAULT_START = "2026-01-05T00:00:00Z"
# A Monday, so that weekly rhythms begin at their beginning.

_MOST_DAYS = 3_650
_LAST_DAY_SHARE = 0.1
_IN_FLIGHT = 5_000


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand's own parser."""
    parser = subparsers.add_parser(
        "simulate",
        description="Events of a made-up organization, one JSON object a line, the same every "
        "time. Incidents change nothing but their own calls.",
    )
    parser.add_argument("--seed", type=int, default=7, help="everything random follows from it")
    parser.add_argument("--agents", type=int, default=30, metavar="N", help="how many agents")
    parser.add_argument(
        "--days", type=number(0, _MOST_DAYS), default=14.0, metavar="N", help="how many days"
    )
    parser.add_argument(
        "--start",
        type=_instant,
        metavar="RFC3339",
        help=f"time of the first event (default {_DEFAULT_START}; now with --realtime)",
    )
    parser.add_argument(
        "--incident",
        action="append",
        default=[],
        choices=INCIDENTS,
        metavar="NAME",
        help=f"what goes wrong, can be given several times: {', '.join(INCIDENTS)}",
    )
    parser.add_argument(
        "--incident-at",
        type=_instant,
        metavar="RFC3339",
        help="when it begins (default: when a tenth of the time is left)",
    )
    parser.add_argument(
        "--incident-minutes",
        type=number(0, _MOST_DAYS * 1_440),
        default=60.0,
        metavar="N",
        help="how long it lasts",
    )
    parser.add_argument(
        "--incident-agent", type=int, default=0, metavar="N", help="index of the agent, from 0"
    )
    parser.add_argument(
        "--episodes",
        type=int,
        default=0,
        metavar="N",
        help="so many incidents of all kinds besides, hours apart, with a quiet end",
    )
    parser.add_argument(
        "--menu",
        action="store_true",
        help=f"one incident of each kind ({', '.join(MENU)}), as long as it would last, after ten"
        " days of quiet; needs 27 days or more",
    )
    parser.add_argument(
        "--truth",
        type=Path,
        metavar="FILE",
        help="write what went wrong, when and to whom, for backtest --incidents",
    )
    parser.add_argument(
        "--pace",
        type=number(0.001, 1_000),
        default=1.0,
        metavar="FACTOR",
        help="times the usual number of calls of every agent",
    )
    parser.add_argument(
        "--quiet-share",
        type=number(0, 1),
        default=0.0,
        metavar="SHARE",
        help="of agents that make a fiftieth of the calls; real ones are mostly quiet",
    )
    parser.add_argument(
        "--late-share",
        type=number(0, 1),
        default=0.0,
        metavar="SHARE",
        help="of events that come late",
    )
    parser.add_argument(
        "--repeat-share",
        type=number(0, 1),
        default=0.0,
        metavar="SHARE",
        help="of events that come twice",
    )
    parser.add_argument(
        "--traces",
        type=_shown,
        metavar="URL",
        help="address of a tracing tool that need not be there: each call says that it can be"
        " looked at below it (trace_url)",
    )
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="hold events back until their time; those of the past come at once",
    )
    parser.add_argument("--topic", help="a topic instead of stdout; keyed by event_id")
    parser.add_argument(
        "--bootstrap-servers",
        default="127.0.0.1:9092",
        metavar="HOST:PORT[,...]",
        help="Kafka, with --topic",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the events of the plan that the arguments describe."""
    try:
        plan = _plan(arguments, now=time.time())
        stream = arrivals(plan)
    except ValueError as error:
        raise CommandError(f"{error}") from error
    if arguments.truth is not None:
        _write_truth(arguments.truth, plan)
    if arguments.topic is None:
        written = _to_stdout(stream, is_realtime=arguments.realtime)
        where = "stdout"
    else:
        connection = _connection(arguments.bootstrap_servers)
        try:
            written = asyncio.run(
                _to_topic(stream, arguments.topic, connection, is_realtime=arguments.realtime)
            )
        except BrokerUnreachableError as error:
            raise CommandError(str(error), ExitCode.UNREACHABLE) from error
        where = arguments.topic
    sys.stderr.write(f"{written} events written to {where}\n")
    return ExitCode.DONE


def _plan(arguments: argparse.Namespace, *, now: float) -> Plan:
    start = arguments.start
    if start is None:
        start = now if arguments.realtime else _instant(_DEFAULT_START)
    end = start + arguments.days * _DAY_SECONDS
    if end > TIMESTAMP_END_SECONDS:
        raise CommandError(f"{arguments.days:g} days from --start end after 2100-01-01")
    at = arguments.incident_at
    if at is None:
        at = float(int(end - _LAST_DAY_SHARE * (end - start)))
    incidents = tuple(
        Incident(name, arguments.incident_agent, at, 60 * arguments.incident_minutes)
        for name in arguments.incident
    )
    plan = Plan(
        start=start,
        days=arguments.days,
        seed=arguments.seed,
        agents=arguments.agents,
        pace=arguments.pace,
        quiet_share=arguments.quiet_share,
        late_share=arguments.late_share,
        repeat_share=arguments.repeat_share,
        traces=(arguments.traces or "").rstrip("/"),
    )
    agents = plan.organization()
    if arguments.episodes:
        incidents += make_episodes(
            arguments.episodes, seed=arguments.seed, agents=agents, since=start, until=end
        )
    if arguments.menu:
        incidents += make_menu(seed=arguments.seed, agents=agents, since=start, until=end)
    return replace(plan, incidents=incidents)


def _write_truth(path: Path, plan: Plan) -> None:
    labels = labels_of(plan.organization(), plan.incidents, until=plan.end)
    lines = [f"{json.dumps(label_to_json(label))}\n" for label in labels]
    try:
        path.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"--truth {path} cannot be written: {error.strerror or error}"
        ) from error


def _instant(text: str) -> float:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an RFC 3339 time such as {_DEFAULT_START}"
        ) from None
    seconds = instant.replace(tzinfo=instant.tzinfo or UTC).timestamp()
    if not TIMESTAMP_MIN_SECONDS <= seconds < TIMESTAMP_END_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 2000-01-01 to 2100-01-01")
    return seconds


def _shown(url: str) -> str:
    """An address that may be shown; another is not quoted."""
    reason = refusal(url)
    if reason is not None:
        raise argparse.ArgumentTypeError(
            f"no link to it is shown ({reason}); write a plain one such as https://traces.example"
        )
    return url


def _connection(bootstrap_servers: str) -> ConnectionConfig:
    try:
        return ConnectionConfig(bootstrap_servers=tuple(bootstrap_servers.split(",")))
    except ValidationError as error:
        raise CommandError(
            f"--bootstrap-servers {bootstrap_servers!r}: write host:port, with commas between"
        ) from error


def _to_stdout(stream: Iterator[Arrival], *, is_realtime: bool) -> int:
    encode = msgspec.json.Encoder().encode
    out = sys.stdout.buffer
    written = 0
    for arrival in stream:
        if is_realtime and (wait := arrival.at - time.time()) > 0:
            out.flush()
            time.sleep(wait)
        out.write(encode(arrival.event) + b"\n")
        written += 1
    out.flush()
    return written


async def _to_topic(
    stream: Iterator[Arrival], topic: str, connection: ConnectionConfig, *, is_realtime: bool
) -> int:
    """Write all, keyed by event_id, and return when the broker has them.

    Raises:
        BrokerUnreachableError: Kafka does not let us in.
        CommandError: it refuses the events.
    """
    await ensure_reachable(connection)
    encode = msgspec.json.Encoder().encode
    producer = AIOKafkaProducer(
        acks="all", compression_type="snappy", linger_ms=20, **connection.kafka_kwargs()
    )
    await producer.start()
    written = 0
    sending: list[asyncio.Future[object]] = []
    try:
        for arrival in stream:
            wait = arrival.at - time.time() if is_realtime else 0.0
            if wait > 0 or len(sending) == _IN_FLIGHT:
                await asyncio.gather(*sending)
                sending.clear()
                await asyncio.sleep(wait)
            key = arrival.event["event_id"].encode()
            sending.append(await producer.send(topic, key=key, value=encode(arrival.event)))
            written += 1
        await asyncio.gather(*sending)
    except KafkaError as error:
        raise CommandError(
            f"Kafka does not take events on {topic} ({type(error).__name__}: {error}); "
            "spendwatch topics create makes the topics",
            ExitCode.UNREACHABLE,
        ) from error
    finally:
        await producer.stop()
    return written
