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
        writes: list[tuple[str, bytes | None]] = [(key, None) for key in losers]
        for key, value in changed.items():
            self._number += 1
            version = (self._generation, self._number)
            table_key = f"{key}/{self._incarnation}"
            writes.append((table_key, _encoder.encode([*version, value])))
        futures = [
            self._table.send_changelog(
                self._partition, key, payload, value_serializer=None if payload else "raw"
            )
            for key, payload in writes
        ]
        async with asyncio.timeout(WRITE_TIMEOUT_SECONDS):
            await asyncio.gather(*futures)
        for table_key, payload in writes:
            self._table.data.put(self._partition, table_key, payload)
            if payload is not None:
                self._remember(table_key, changed)

    def _remember(self, table_key: str, changed: Mapping[str, Any]) -> None:
        key, _, _ = table_key.rpartition("/")
        before = self._keys.get(key)
        if before is not None and before != table_key:
            self._losers.append(before)
        self._keys[key] = table_key
        if changed[key] is None:
            self.values.pop(key, None)
            # The marker itself may go once no older version can come back from the log.
            self._losers.append(table_key)
            del self._keys[key]
        else:
            self.values[key] = changed[key]
