"""Event time at the head of the log, for roles that are not handed the deltas.

One delta partition is read from its end: every input's watermark passes through each of them at
least once a second. This file must not commit or count anything.
"""

from stream.delta import decode_delta
from stream.kafka.connection import ConnectionConfig
from stream.kafka.follow import follow
from stream.watch.watermark import WatermarkPolicy, WatermarkVector


class LogHead:
    """The watermark at the head, as far as it has been heard.

    Attributes:
        watermark_seconds: epoch seconds, or ``None`` until every input has spoken.
    """

    def __init__(self, policy: WatermarkPolicy) -> None:
        self._vector = WatermarkVector(policy)

    @property
    def watermark_seconds(self) -> int | None:
        """Event time before which nothing more is expected."""
        return self._vector.current

    async def listen(self, connection: ConnectionConfig, deltas_topic: str) -> None:
        """Follow the watermarks for as long as it runs."""
        async for records in follow(connection, deltas_topic, partitions=[0], from_start=False):
            for record in records:
                promise = decode_delta(record.value).promise
                self._vector.observe(
                    promise.source, promise.watermark_seconds, is_idle=promise.is_idle
                )
