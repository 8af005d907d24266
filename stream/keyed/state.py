"""Small state that must survive kill -9: keys of one writer in a Faust table.

DECIDE and NOTIFY remember few things by key. As with pages, a worker that was thought dead may
wake and write once more. So every owner writes all of it anew under keys of its own, with an epoch
above all that it finds, and then claims the epoch: what carries a lower one than the newest claim
is nobody's, whenever it was written. The consumer group's generation alone will not do for an
epoch: a static member that restarts in time keeps it. This file must not know what is remembered.
"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

WRITE_TIMEOUT_SECONDS = 60.0

CLAIM = "~claim"
"""The key of an owner's claim: what was written under a lower epoch is nobody's."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


class _Record(NamedTuple):
    """One record of the table.

    Attributes:
        version: generation of its writer's group, how many owners that generation had before, and
            the writer's incarnation, so that all of one writer wins or loses.
        key: whose value it is.
        table_key: the key with the writer's incarnation.
        value: plain.
    """

    version: tuple[int, int, str]
    key: str
    table_key: str
    value: Any

    @classmethod
    def of(cls, table_key: str, payload: bytes) -> "_Record":
        key, _, incarnation = table_key.rpartition("/")
        generation, owners, value = _decoder.decode(payload)
        return cls((generation, owners, incarnation), key, table_key, value)


class KeyedState:
    """The keys of one table partition, in the hands of one writer.

    Made on assignment from what the table holds, claimed before anything is decided, and dropped
    on revocation.
    """

    def __init__(self, table: Any, partition: int, generation: int) -> None:
        """Read what the table holds.

        Args:
            table: a Faust table with a ``PageStore``.
            partition: its only partition.
            generation: of the consumer group: a later owner's is as high or higher, unless the
                group was made anew.
        """
        self._table = table
        self._partition = partition
        self._number = 0
        self._incarnation = secrets.token_hex(6)
        self._newest: dict[str, int] = {}
        self._keys: dict[str, str] = {}
        self._losers: list[str] = []
        self.values: dict[str, Any] = {}
        held = table.data.of_partition(partition)
        records = sorted(
            (_Record.of(*item) for item in held.items()), key=lambda record: record.version
        )
        claims = [record.version for record in records if record.key == CLAIM]
        newest = records[-1].version if records else (0, 0, "")
        is_later = generation > newest[0]
        self._epoch = (generation, 0) if is_later else (newest[0], newest[1] + 1)
        for record in records:
            if claims and record.version < claims[-1]:
                self._losers.append(record.table_key)
                continue
            if record.key in self._keys:  # an owner died between writing it anew and its claim
                self._losers.append(self._keys[record.key])
            self._keys[record.key] = record.table_key
            self.values[record.key] = record.value
        self.values.pop(CLAIM, None)

    async def claim(self) -> None:
        """Take over: whoever owned the table before loses to all that follows, and to all of now.

        Raises:
            Exception: as ``put``.
        """
        await self.put(dict(self.values))
        await self.put({CLAIM: True})  # only once all else is durable

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
        sent: list[tuple[str, int, bytes | None]] = []
        for key, value in changed.items():
            self._number += 1
            self._newest[key] = self._number
            payload = None if value is None else _encoder.encode([*self._epoch, value])
            futures.append(self._send(self._own(key), payload))
            sent.append((key, self._number, payload))
        async with asyncio.timeout(WRITE_TIMEOUT_SECONDS):
            await asyncio.gather(*futures)
        for key, number, payload in sent:
            if self._newest[key] == number:  # else a later put of the key is on its way
                self._remember(key, changed[key], payload)

    def _own(self, key: str) -> str:
        return f"{key}/{self._incarnation}"

    def _send(self, table_key: str, payload: bytes | None) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._table.send_changelog(
            self._partition, table_key, payload, value_serializer=None if payload else "raw"
        )
        return future

    def _remember(self, key: str, value: Any, payload: bytes | None) -> None:
        self._table.data.put(self._partition, self._own(key), payload)
        before = self._keys.pop(key, None)
        if before is not None and before != self._own(key):
            self._losers.append(before)
        if value is None:
            self.values.pop(key, None)
            return
        self._keys[key] = self._own(key)
        if key != CLAIM:
            self.values[key] = value
