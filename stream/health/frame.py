"""What a role's process tells the supervisor once a second, as bytes on a socket between them.

The supervisor keeps the newest and answers with it, so that no scrape waits for a role, and a role
whose loop stands still is seen by its silence. This file must not judge.
"""

import asyncio
from collections.abc import Iterable

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from stream.health.catalogue import REGISTRY, SPECS

_LENGTH_BYTES = 4
MAX_FRAME_BYTES = 4 * 1024 * 1024
"""A worker's samples are some 20 KB."""


class Sample(msgspec.Struct, array_like=True, frozen=True):
    """One number.

    Attributes:
        name: with its suffix, such as ``_bucket``.
        labels: name to value.
        value: the number.
    """

    name: str
    labels: dict[str, str]
    value: float


class Frame(msgspec.Struct, array_like=True, frozen=True):
    """One report.

    Attributes:
        is_ready: whether the role is recovered and near the head.
        detail: what is missing.
        families: metric's name, as in the catalogue, to its samples.
    """

    is_ready: bool
    detail: str
    families: dict[str, list[Sample]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Frame)


def families_of(owner: str, registry: CollectorRegistry = REGISTRY) -> dict[str, list[Sample]]:
    """The samples of all metrics that a role, or the supervisor, exposes."""
    mine = {spec.family: name for name, spec in SPECS.items() if owner in spec.owners}
    found: dict[str, list[Sample]] = {}
    for metric in registry.collect():
        if metric.name in mine:
            found[mine[metric.name]] = [
                Sample(each.name, dict(each.labels), each.value) for each in metric.samples
            ]
    return found


def merged(parts: Iterable[dict[str, list[Sample]]]) -> Iterable[Metric]:
    """The families of several processes as one exposition, in the order of the catalogue.

    What several of them expose under the same labels, processes of one role, is joined.
    """
    known = list(parts)
    for name, spec in SPECS.items():
        metric = Metric(spec.family, spec.help, spec.kind)
        values: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]] = {}
        for part in known:
            for sample in part.get(name, ()):
                values.setdefault((sample.name, tuple(sample.labels.items())), []).append(
                    sample.value
                )
        for (sample_name, labels), found in values.items():
            metric.add_sample(sample_name, dict(labels), spec.join(found))
        if metric.samples:
            yield metric


async def write_frame(writer: asyncio.StreamWriter, frame: Frame) -> None:
    """Send a report, and wait while the other side is behind."""
    payload = _encoder.encode(frame)
    writer.write(len(payload).to_bytes(_LENGTH_BYTES) + payload)
    await writer.drain()


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """The next report.

    Raises:
        asyncio.IncompleteReadError: the role is gone.
        ValueError: what came is no report.
    """
    length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES))
    if length > MAX_FRAME_BYTES:
        raise ValueError(f"a report of {length} bytes")
    return _decoder.decode(await reader.readexactly(length))
