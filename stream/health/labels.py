"""Values of labels that nothing else in the program has a list of.

This file must not name a metric.
"""

from enum import StrEnum


class Topics(StrEnum):
    """Where a throttle action went: is it real?"""

    ENFORCED = "enforced"
    SHADOW = "shadow"


class AckResult(StrEnum):
    """What enforcers may say (native.md, section 5)."""

    APPLIED = "applied"
    REJECTED = "rejected"
    FAILED = "failed"


class Partitioner(StrEnum):
    """How producers turn a key into a partition."""

    MURMUR2 = "murmur2"
    CRC32 = "crc32"
