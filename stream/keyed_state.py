"""Small state that must survive kill -9: keys of one writer in a Faust table.

DECIDE and NOTIFY remember few things by key. As with pages, a worker that was thought dead may
wake and write once more; so a record carries its writer's epoch and a running number, the key
carries the writer's incarnation, and the highest version of a key is right. The consumer group's
generation alone will not do for an epoch: a static member that restarts in time keeps it. So every
owner claims an epoch above all that it finds. This file must not know what is remembered.
"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

WRITE_TIMEOUT_SECONDS = 60.0

CLAIM = "~claim"
"""The key under which an owner's epoch is found by the next, though it wrote nothing else."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


class KeyedState:
    """The keys of one table partition, in the hands of one writer.

    Made on assignment from what the table holds, claimed before anything is decided, and dropped
    on revocation.
    """

    def __init__(self, table: Any, partition: int, generation: int) -> None:
        """Take over what the table holds.

        Args:
            table: a Faust table with a ``PageStore``.
            partition: its only partition.
            generation: of the consumer group: a later owner's is at least as high.
        """
        self._table = table
        self._partition = partition
        self._number = 0
        self._incarnation = secrets.token_hex(6)
        self._versions: dict[str, tuple[int, int]] = {}
        self._keys: dict[str, str] = {}
        self._losers: list[str] = []
        self.values: dict[str, Any] = {}
        for key, payload in table.data.of_partition(partition).items():
            self._take(key, payload)
        epochs = (epoch for epoch, _ in self._versions.values())
        self._epoch = max(generation, max(epochs, default=0) + 1)
        for key in self._keys.keys() - self.values.keys():
            if key != CLAIM:  # else the mark of a removal, behind older versions
                self._losers.append(self._keys.pop(key))

    def _take(self, table_key: str, payload: bytes) -> None:
        key, _, _ = table_key.rpartition("/")
        epoch, number, value = _decoder.decode(payload)
        if key in self._versions and self._versions[key] >= (epoch, number):
            self._losers.append(table_key)
            return
        if key in self._keys:
            self._losers.append(self._keys[key])
        self._versions[key] = (epoch, number)
        self._keys[key] = table_key
        if key == CLAIM:
            return
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value

    async def claim(self) -> None:
        """Make the epoch durable: whoever owned the table before loses to all that follows.

        Raises:
            Exception: as ``put``.
        """
        await self.put({CLAIM: True})

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
            version = self._versions[key] = (self._epoch, self._number)
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
        if key == CLAIM:
            return
        if value is None:
            self.values.pop(key, None)
            # The marker itself may go once no older version can come back from the log.
            self._losers.append(table_key)
            del self._keys[key]
        else:
            self.values[key] = value
