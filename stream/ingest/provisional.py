"""What an input partition has counted and may yet have to take back: estimates and outcomes.

Totals stay a function of the log: what is taken back is a row of negative amounts, of the same
scopes and the same minute as what it undoes. Such a row counts in totals, hours and days and in no
judged window. No Kafka and no clock here, and nothing changes before ``commit``.

**Estimates.** The first estimate of a call counts in ``estimated_requests`` and
``estimated_nanousd``, and nowhere else. Its final event counts as any other and takes it back. So
the two columns hold what still waits for its final event, and no call is in both. An estimate told
again, or behind its final event, changes nothing. One that waits longer than ``ESTIMATE_SECONDS``
stays counted; a final event after that counts as well.

**Outcomes.** A call has one outcome, whether its own event told it or a record of its own: the one
with the newest timestamp, or read last of two with the same. It takes back the one before; told
twice it counts once. After ``OUTCOME_SECONDS`` an outcome is final, and another one counts anew.

**Bound.** So many of each per partition, some 400 bytes each in CPython 3.11; of more, the oldest
are final before their time, and that is counted.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from detectors.observation import COUNTER_INDEX, Counts, add_counts, zero_counts
from detectors.window import MINUTE_SECONDS
from stream.delta import DeltaRow
from stream.ingest.id_table import ID_BYTES
from stream.usage.fanout import delta_partition

ESTIMATE_SECONDS: Final = 24 * 3600
OUTCOME_SECONDS: Final = 30 * 24 * 3600
"""Of the partition's progress, as for ids (``dedup.py``)."""

ESTIMATE: Final = "estimate"

_FORGOTTEN_AT_ONCE: Final = 1000
"""Per batch: each is a record to write. What has lapsed is not believed before it is forgotten."""


class Standing(NamedTuple):
    """What a call counts for, as long as it can be taken back.

    Attributes:
        what: ``ESTIMATE`` or a value of ``Outcome``.
        at_seconds: when it was, epoch seconds.
        told_minute: progress of the partition when it was told.
        requests: for how many calls.
        nanousd: of an estimate.
        scopes: against which it was counted.
    """

    what: str
    at_seconds: int
    told_minute: int
    requests: int
    nanousd: int
    scopes: tuple[str, ...]


class Key(NamedTuple):
    """Whose it is.

    Attributes:
        is_estimate: or an outcome; a call may have both.
        call: the call's 16-byte id.
    """

    is_estimate: bool
    call: bytes

    def to_bytes(self) -> bytes:
        """As part of a record's key."""
        return (b"e" if self.is_estimate else b"o") + self.call

    @classmethod
    def from_bytes(cls, text: bytes) -> "Key":
        """The key of a record's.

        Raises:
            ValueError: it is none.
        """
        if len(text) != 1 + ID_BYTES or text[:1] not in (b"e", b"o"):
            raise ValueError("no key of something provisional")
        return cls(text[:1] == b"e", text[1:])


Changes = Mapping[Key, Standing | None]
"""What stands from now on, or no more."""


class Correction(NamedTuple):
    """What is taken back.

    Attributes:
        scopes: whose rows.
        minute: whole minutes since 1970.
        counts: negative amounts.
    """

    scopes: tuple[str, ...]
    minute: int
    counts: Counts


class Provisional:
    """What stands, of one input partition.

    Args:
        max_each: most estimates, and most outcomes.

    Attributes:
        estimates: by the ids of their calls, oldest first; lapsed ones may be among them.
        outcomes: likewise.
        dropped: how many became final before their time.
    """

    def __init__(self, max_each: int) -> None:
        self._max_each = max_each
        self.estimates: dict[bytes, Standing] = {}
        self.outcomes: dict[bytes, Standing] = {}
        self._lapsed: dict[Key, None] = {}
        self.dropped = 0

    @property
    def lapsed(self) -> Changes:
        """What is forgotten and not yet removed from the log; goes with the next batch."""
        return self._lapsed

    def of(self, key: Key) -> dict[bytes, Standing]:
        """Estimates or outcomes."""
        return self.estimates if key.is_estimate else self.outcomes

    def restore(self, key: Key, standing: Standing | None) -> None:
        """Take what is committed already, in the order of the log."""
        self.of(key).pop(key.call, None)
        if standing is not None:  # entered anew, so that the oldest stay first
            self.of(key)[key.call] = standing

    def commit(self, changes: Changes, progress_minute: int | None) -> None:
        """Take what a batch changed: it is durable."""
        for key, standing in changes.items():
            self._lapsed.pop(key, None)
            self.restore(key, standing)
        if progress_minute is not None:
            for is_estimate in (True, False):
                self._forget(progress_minute, is_estimate=is_estimate)

    def _forget(self, progress_minute: int, *, is_estimate: bool) -> None:
        of_kind = self.estimates if is_estimate else self.outcomes
        for call in list(self._over(of_kind, progress_minute, is_estimate=is_estimate)):
            del of_kind[call]
            self._lapsed[Key(is_estimate, call)] = None

    def _over(
        self, of_kind: Mapping[bytes, Standing], progress_minute: int, *, is_estimate: bool
    ) -> Iterator[bytes]:
        """The oldest: those that are too many, and some of those that have lapsed."""
        excess = len(of_kind) - self._max_each
        for number, (call, standing) in enumerate(of_kind.items()):
            has_lapsed = not is_current(standing, progress_minute, is_estimate=is_estimate)
            if number >= excess and not (has_lapsed and number < _FORGOTTEN_AT_ONCE):
                return
            self.dropped += not has_lapsed
            yield call


def is_current(standing: Standing, progress_minute: int, *, is_estimate: bool) -> bool:
    """Whether something can still be taken back."""
    seconds = ESTIMATE_SECONDS if is_estimate else OUTCOME_SECONDS
    return standing.told_minute >= progress_minute - seconds // MINUTE_SECONDS


class ProvisionalBatch:
    """One batch's events, one after the other, against what stands and against each other.

    Attributes:
        changes: what stands differently after the batch.
        corrections: what it takes back.
    """

    def __init__(self, provisional: Provisional) -> None:
        self._provisional = provisional
        self.changes: dict[Key, Standing | None] = dict(provisional.lapsed)
        self.corrections: list[Correction] = []

    def estimate(self, call: bytes, standing: Standing, progress_minute: int) -> bool:
        """Whether an estimate counts: no other of the same call stands.

        Args:
            call: its id.
            standing: it.
            progress_minute: before its record.
        """
        key = Key(is_estimate=True, call=call)
        if self._standing(key, progress_minute) is not None:
            return False
        self.changes[key] = standing
        return True

    def final(self, call: bytes, progress_minute: int) -> None:
        """A call's final event counts: what was estimated of it does no more."""
        key = Key(is_estimate=True, call=call)
        estimate = self._standing(key, progress_minute)
        if estimate is not None:
            self.changes[key] = None
            self._take_back(estimate)

    def outcome(self, call: bytes, standing: Standing, progress_minute: int) -> bool:
        """Whether an outcome counts: it is the call's first, or newer than another one.

        Args:
            call: its id.
            standing: it.
            progress_minute: before its record.
        """
        key = Key(is_estimate=False, call=call)
        former = self._standing(key, progress_minute)
        if former is not None:
            if (standing.at_seconds, standing.what) == (former.at_seconds, former.what):
                return False
            if standing.at_seconds < former.at_seconds:
                return False
            self._take_back(former)
        self.changes[key] = standing
        return True

    def _standing(self, key: Key, progress_minute: int) -> Standing | None:
        if key in self.changes:
            standing = self.changes[key]
        else:
            standing = self._provisional.of(key).get(key.call)
        if standing is None:
            return None
        is_it = is_current(standing, progress_minute, is_estimate=key.is_estimate)
        return standing if is_it else None

    def _take_back(self, standing: Standing) -> None:
        counts = zero_counts()
        if standing.what == ESTIMATE:
            counts[COUNTER_INDEX["estimated_requests"]] = -standing.requests
            counts[COUNTER_INDEX["estimated_nanousd"]] = -standing.nanousd
        else:
            counts[COUNTER_INDEX[standing.what]] = -standing.requests
        minute = standing.at_seconds // MINUTE_SECONDS
        self.corrections.append(Correction(standing.scopes, minute, counts))


def correction_rows(
    corrections: Iterable[Correction], partitions: int
) -> dict[int, list[DeltaRow]]:
    """Corrections as rows, by partition of ``spend.deltas``; late, so that no window holds them."""
    sums: dict[tuple[str, int], Counts] = {}
    for scopes, minute, counts in corrections:
        for scope in scopes:
            add_counts(sums.setdefault((scope, minute), zero_counts()), counts)
    rows: dict[int, list[DeltaRow]] = {}
    for scope, minute in sorted(sums):
        row = DeltaRow(scope, minute, is_late=True, counts=sums[scope, minute])
        rows.setdefault(delta_partition(scope, partitions), []).append(row)
    return rows
