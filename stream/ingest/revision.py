"""What a batch counts only for now, and what it takes back of what was counted before.

The rules are ``provisional.py``'s; here they meet the columns of a batch. Events that are neither
estimates nor outcomes, nor the end of an estimate, are not looked at one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.observation import COUNTER_INDEX
from stream.ingest.amounts import Amounts, is_estimate, is_outcome
from stream.ingest.dedup import LONG_AGO, DedupLog, dedup_id
from stream.ingest.events import AMOUNT, Bools, Events
from stream.ingest.id_table import ids_of
from stream.ingest.identities import Identities, Kind
from stream.ingest.provisional import (
    ESTIMATE,
    Changes,
    Correction,
    Provisional,
    ProvisionalBatch,
    Standing,
)

_REQUESTS = AMOUNT["requests"]
_ESTIMATED = COUNTER_INDEX["estimated_nanousd"]


@dataclass(frozen=True, slots=True)
class Revision:
    """What becomes of a batch.

    Attributes:
        kept: per event, whether anything of it counts.
        changes: what stands differently after the batch.
        corrections: what it takes back.
    """

    kept: Bools
    changes: Changes = field(default_factory=dict)
    corrections: Sequence[Correction] = ()


class Progress(NamedTuple):
    """The partition's progress at each event; see ``dedup.Judged``.

    Attributes:
        before: its record.
        after: its record.
    """

    before: NDArray[np.int32]
    after: NDArray[np.int32]


def revise(
    provisional: Provisional,
    dedup: DedupLog,
    identities: Identities,
    *,
    events: Events,
    amounts: Amounts,
    digests: Sequence[bytes],
    progress: Progress,
) -> Revision:
    """Look at the events of a batch that are no repeats by their own ids.

    Args:
        provisional: what stands.
        dedup: whose ids were known before the batch.
        identities: of the events.
        events: the batch.
        amounts: of the events; an outcome that does not count is taken out of them.
        digests: per event, its id; a call's is the id of the call.
        progress: per event.
    """
    has_outcome = identities.are(events.identity, _tells_outcome)
    guesses = identities.are(events.identity, is_estimate)
    records = identities.are(events.identity, is_outcome)
    if not (has_outcome.any() or guesses.any() or provisional.estimates or provisional.lapsed):
        return Revision(np.ones(len(events), np.bool_))
    calls = list(digests)
    for index in np.flatnonzero(guesses | records).tolist():
        calls[index] = dedup_id("call", events.event_ids[index])
    guessed = np.flatnonzero(guesses).tolist()
    ends = provisional.estimates.keys() | {calls[index] for index in guessed}
    concerned = {*guessed, *np.flatnonzero(has_outcome).tolist()}
    if ends:
        concerned.update(index for index, call in enumerate(calls) if call in ends)
    known = dict(zip(guessed, _final_at(dedup, [calls[index] for index in guessed]), strict=True))
    kept = np.ones(len(events), np.bool_)
    nanousd = amounts.get(_ESTIMATED, np.zeros(len(events), np.int64))
    batch, final = ProvisionalBatch(provisional), set[bytes]()
    kinds = identities.columns().kind[events.identity]
    for index in sorted(concerned):
        call, before = calls[index], int(progress.before[index])
        kind = identities.kinds[kinds[index]]
        standing = Standing(
            what=ESTIMATE if guesses[index] else kind.outcome,
            at_seconds=int(events.seconds[index]),
            told_minute=int(progress.after[index]),
            requests=int(events.amounts[_REQUESTS, index]),
            nanousd=int(nanousd[index]) if guesses[index] else 0,
            scopes=identities.scopes_of(int(events.identity[index])),
        )
        if guesses[index]:
            horizon = max(before - dedup.horizon_minutes, LONG_AGO + 1)
            is_over = call in final or known[index] >= horizon
            kept[index] = not is_over and batch.estimate(call, standing, before)
            continue
        if not records[index]:
            final.add(call)
            batch.final(call, before)
        if kind.outcome and not batch.outcome(call, standing, before):
            kept[index] = not records[index]
            amounts[COUNTER_INDEX[kind.outcome]][index] = 0
    return Revision(kept, batch.changes, batch.corrections)


def _tells_outcome(kind: Kind) -> bool:
    return bool(kind.outcome) and not is_estimate(kind)


def _final_at(dedup: DedupLog, calls: Sequence[bytes]) -> list[int]:
    """Progress when the final event of each call was last seen."""
    found: list[int] = dedup.last_seen(ids_of(b"".join(calls))).tolist()
    return found
