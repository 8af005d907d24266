"""Small state that must survive kill -9: keys of one writer in a Faust table.

DECIDE and NOTIFY remember few things by key. As with pages, a worker that was thought dead may
wake and write once more; so a record carries its writer's generation and a running number, the
key carries the writer's incarnation, and the highest version of a key is right. This file must
not know what is remembered.
"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

WRITE_TIMEOUT_SECONDS = 60.0

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


class KeyedState:
    """The keys of one table partition, in the hands of one writer.

    Made on assignment from what the table holds, and dropped on revocation.
    """

    def __init__(self, table: Any, partition: int, generation: int) -> None:
        """Take over what the table holds.

        Args:
            table: a Faust table with a ``PageStore``.
            partition: its only partition.
            generation: of the consumer group: a later owner's is higher.
        """
        self._table = table
        self._partition = partition
        self._generation = generation
        self._number = 0
        self._incarnation = secrets.token_hex(6)
        self._versions: dict[str, tuple[int, int]] = {}
        self._keys: dict[str, str] = {}
        self._losers: list[str] = []
        self.values: dict[str, Any] = {}
        for key, payload in table.data.of_partition(partition).items():
            self._take(key, payload)
        for key in self._keys.keys() - self.values.keys():
            self._losers.append(self._keys.pop(key))  # the mark of a removal, behind older versions

    def _take(self, table_key: str, payload: bytes) -> None:
        key, _, _ = table_key.rpartition("/")
        generation, number, value = _decoder.decode(payload)
        if key in self._versions and self._versions[key] >= (generation, number):
            self._losers.append(table_key)
            return
        if key in self._keys:
            self._losers.append(self._keys[key])
        self._versions[key] = (generation, number)
        self._keys[key] = table_key
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value

    async def put(self, changed: Mapping[str, Any]) -> None:
        """Make changes durable: returns once the broker has acknowledged all of them.

        Args:
            changed: key to its plain value; ``None`` removes the key.

        Raises:
            Exception: if a record is refused or not acknowledged in time; the process must end.
        """
        losers, self._losers = self._losers, []  # another put may run while this one waits
        futures = [self._send(table_key, None) for table_key in losers]
        for table_key in losers:
            self._table.data.put(self._partition, table_key, None)
        sent: list[tuple[str, tuple[int, int], bytes]] = []
        for key, value in changed.items():
            self._number += 1
            version = self._versions[key] = (self._generation, self._number)
            payload = _encoder.encode([*version, value])
            futures.append(self._send(f"{key}/{self._incarnation}", payload))
            sent.append((key, version, payload))
        async with asyncio.timeout(WRITE_TIMEOUT_SECONDS):
            await asyncio.gather(*futures)
        for key, version, payload in sent:
            if self._versions[key] == version:  # else a later put of the key is on its way
                self._remember(key, changed[key], payload)

    def _send(self, table_key: str, payload: bytes | None) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._table.send_changelog(
            self._partition, table_key, payload, value_serializer=None if payload else "raw"
        )
        return future

    def _remember(self, key: str, value: Any, payload: bytes) -> None:
        table_key = f"{key}/{self._incarnation}"
        self._table.data.put(self._partition, table_key, payload)
        before = self._keys.get(key)
        if before is not None and before != table_key:
            self._losers.append(before)
        self._keys[key] = table_key
        if value is None:
            self.values.pop(key, None)
            # The marker itself may go once no older version can come back from the log.
            self._losers.append(table_key)
            del self._keys[key]
        else:
            self.values[key] = value
