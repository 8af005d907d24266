"""An operator's side of Kafka: read what holds now, write a command, see what came of it.

Works with spendwatch down, as far as its topics alone can tell and do. It belongs to no consumer
group, commits nothing, and decides nothing.
"""

import asyncio
import getpass
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from alerting.command import Command, encode_command
from stream.cloudevents import control_headers
from stream.decide import CONTROL_KEY
from stream.kafka.admin import BrokerUnreachableError, connect_admin
from stream.kafka.connection import ConnectionConfig
from stream.kafka.follow import follow, read_to_end

READ_SECONDS = 30.0
"""Compacted topics are read in a second or two; beyond this something is wrong with the broker."""


def login_name() -> str:
    """Who says so: the login name, or the user's number where it has no name (containers)."""
    try:
        return getpass.getuser()[:256]
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def now() -> datetime:
    """The wall clock, to the millisecond: as exact as it is written down elsewhere."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


@asynccontextmanager
async def connect_operator(
    connection: ConnectionConfig, commands: str, topics: Iterable[str]
) -> AsyncIterator["Operator"]:
    """A connection for one command, closed at the end.

    Args:
        connection: how to reach Kafka.
        commands: the topic of commands.
        topics: those that are needed besides.

    Raises:
        BrokerUnreachableError: Kafka cannot be reached, lacks a topic, or refuses.
    """
    needed = sorted({commands, *topics})
    async with connect_admin(connection) as admin:
        found = await admin.describe(needed)
    if missing := [name for name in needed if name not in found]:
        raise BrokerUnreachableError(
            f"Kafka has no topic {', '.join(missing)}, or does not show it to us;"
            " spendwatch topics create makes what is missing"
        )
    producer = AIOKafkaProducer(acks="all", **connection.kafka_kwargs())
    try:
        await producer.start()
        yield Operator(connection, commands, producer)
    except KafkaError as error:
        raise BrokerUnreachableError(
            f"Kafka refuses ({type(error).__name__}: {error}); check what the user may do on"
            f" {', '.join(needed)}"
        ) from None
    finally:
        await producer.stop()


class Operator:
    """What an operator can do. Made by ``connect_operator``."""

    def __init__(self, connection: ConnectionConfig, commands: str, producer: Any) -> None:
        self._connection = connection
        self._commands = commands
        self._producer = producer

    async def read(self, topic: str, seconds: float = READ_SECONDS) -> list[Any]:
        """All records of a topic as of now.

        Raises:
            BrokerUnreachableError: it takes too long.
        """
        try:
            async with asyncio.timeout(seconds):
                return await read_to_end(self._connection, topic)
        except TimeoutError:
            raise BrokerUnreachableError(
                f"{topic} could not be read within {seconds:g} s; check the broker"
            ) from None

    async def send(self, command: Command) -> None:
        """Write a command; it is durable when this returns."""
        await self._producer.send_and_wait(
            self._commands, key=command.id.encode(), value=encode_command(command)
        )

    async def control(self, topic: str, record: dict[str, Any], at: float) -> None:
        """Write the record of ``throttle.control``, past everybody; durable when this returns."""
        await self._producer.send_and_wait(
            topic,
            key=CONTROL_KEY,
            value=msgspec.json.encode(record),
            headers=control_headers(record["command_id"], at),
        )

    async def send_and_see(
        self, command: Command, topic: str, is_effect: Callable[[Any], bool], seconds: float
    ) -> Any | None:
        """Write a command, and wait for a record that it led to.

        Args:
            command: what to say.
            topic: where the effect shows.
            is_effect: whether a record is it.
            seconds: how long to wait once the command is durable.

        Returns:
            The record; None if it did not come in time.
        """
        following = follow(self._connection, topic, from_start=False)
        async with aclosing(cast("AsyncGenerator[list[Any], None]", following)) as batches:
            await anext(batches)  # the end as it was before the command
            await self.send(command)
            try:
                async with asyncio.timeout(seconds):
                    async for records in batches:
                        for record in records:
                            if is_effect(record):
                                return record
            except TimeoutError:
                return None
        raise AssertionError("a follower goes on until it is closed")
