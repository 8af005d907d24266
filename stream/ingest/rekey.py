"""The hop in front of INGEST that puts every event where its id leads (``ingest.rekey``).

For producers that key otherwise: their repeats meet in one partition then, and dedup is exact. A
record is read and written on in one transaction with its offset, so nothing is lost or doubled.
An array is taken apart, since its events have an id each; what cannot be read goes on as it is, and
INGEST refuses it. This file must not judge or change an event.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from stream.ingest.events import InputRecord
from stream.ingest.keys import event_id_of
from stream.ingest.output import Message
from stream.ingest.partition import Batch
from stream.ingest.watermark import Watermark
from stream.usage.array_split import split_array
from stream.usage.decode import ARRAY_MAX_EVENTS, PAYLOAD_MAX_BYTES

_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_NO_TIME = Watermark(0)


class Rekeying:
    """Usage events go on to another topic. See ``stream.ingest.work.Work``.

    Args:
        topic: where to.
        counted: statistics; gets ``rekeyed``, the events that went on.

    Attributes:
        chain: nothing is counted here.
        next_offset: first offset that is not committed.
    """

    chain = None
    next_offset: int  # since the take-over

    def __init__(self, topic: str, counted: Counter[str]) -> None:
        self._topic = topic
        self._counted = counted
        self._messages: list[Message] = []

    async def take_over(self, offset: int, metadata: str | None) -> None:  # noqa: ARG002 -- of Work
        """There is nothing to know but the offset. See ``Work``."""
        self.next_offset = offset

    def process(self, records: Sequence[InputRecord], wall_seconds: float) -> Batch:  # noqa: ARG002 -- of Work
        """See ``Work``."""
        self._messages = [
            message for record in records for message in keyed(record.value, self._topic)
        ]
        return self._batch(records[-1].offset + 1, len(records))

    def pass_time(self, wall_seconds: float, *, is_silent: bool) -> Batch:  # noqa: ARG002 -- of Work
        """See ``Work``."""
        self._messages = []
        return self._batch(self.next_offset, 0)

    def _batch(self, next_offset: int, taken: int) -> Batch:
        return Batch(
            first_offset=self.next_offset,
            next_offset=next_offset,
            taken=taken,
            rows={},
            dead=[],
            watermark_before=_NO_TIME,
            watermark=_NO_TIME,
        )

    def messages(self, batch: Batch, *, is_beat: bool) -> list[Message]:  # noqa: ARG002 -- of Work
        """See ``Work``."""
        return self._messages

    def metadata(self, batch: Batch) -> str:  # noqa: ARG002 -- of Work
        """See ``Work``."""
        return ""

    def commit(self, batch: Batch, offsets: Sequence[int]) -> None:
        """See ``Work``."""
        self.next_offset = batch.next_offset
        self._counted["rekeyed"] += len(offsets)


def keyed(payload: bytes | None, topic: str) -> Iterator[Message]:
    """The events of a record, each under its id; a record that shows none is one message."""
    if payload is None:  # Kafka takes no message without key and value
        yield Message(topic, None, key=b"")
        return
    for element in _elements(payload):
        event_id = event_id_of(element)
        key = None if event_id is None else event_id.encode("utf-8", "surrogatepass")
        yield Message(topic, element, key=key)


def _elements(payload: bytes) -> list[bytes]:
    if payload.lstrip()[:1] != b"[" or len(payload) > PAYLOAD_MAX_BYTES:
        return [payload]
    found: list[bytes] | None
    try:
        found = [bytes(element) for element in _decode_array(payload)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = split_array(payload, ARRAY_MAX_EVENTS + 1)
    # Whole, it is refused or found empty by whoever reads it next.
    return found if found and len(found) <= ARRAY_MAX_EVENTS else [payload]
