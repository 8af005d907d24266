import pytest

from detectors.observation import COUNTER_INDEX
from stream.ingest.provisional import (
    ESTIMATE,
    ESTIMATE_SECONDS,
    OUTCOME_SECONDS,
    Key,
    Provisional,
    ProvisionalBatch,
    Standing,
    correction_rows,
)

CALL, OTHER = b"c" * 16, b"d" * 16
DAY, MONTH = ESTIMATE_SECONDS // 60, OUTCOME_SECONDS // 60


def stands(what: str = ESTIMATE, at: int = 0, minute: int = 0, requests: int = 1) -> Standing:
    return Standing(what, at, minute, requests, 7 if what == ESTIMATE else 0, ("agent:a",))


def estimated(provisional: Provisional, call: bytes = CALL, minute: int = 0) -> bool:
    batch = ProvisionalBatch(provisional)
    counts = batch.estimate(call, stands(minute=minute), minute)
    provisional.commit(batch.changes, minute)
    return counts


def finished(provisional: Provisional, call: bytes = CALL, minute: int = 0) -> int:
    """Estimated requests that a final event takes back."""
    batch = ProvisionalBatch(provisional)
    batch.final(call, minute)
    provisional.commit(batch.changes, minute)
    index = COUNTER_INDEX["estimated_requests"]
    return -sum(correction.counts[index] for correction in batch.corrections)


def told(provisional: Provisional, standing: Standing, minute: int = 0) -> tuple[bool, list[str]]:
    """Whether an outcome counts, and what it takes back."""
    batch = ProvisionalBatch(provisional)
    counts = batch.outcome(CALL, standing, minute)
    provisional.commit(batch.changes, minute)
    back = [
        name
        for correction in batch.corrections
        for name, index in COUNTER_INDEX.items()
        if correction.counts[index]
    ]
    return counts, back


def test_an_estimate_counts_once_and_is_taken_back_once():
    provisional = Provisional(10)
    assert estimated(provisional)
    assert not estimated(provisional)
    assert finished(provisional, OTHER) == 0
    assert finished(provisional) == 1
    assert finished(provisional) == 0


def test_within_a_batch_too():
    batch = ProvisionalBatch(Provisional(10))
    assert batch.estimate(CALL, stands(requests=3), 0)
    assert not batch.estimate(CALL, stands(), 0)
    batch.final(CALL, 0)
    (correction,) = batch.corrections
    assert correction.counts[COUNTER_INDEX["estimated_requests"]] == -3
    assert correction.counts[COUNTER_INDEX["estimated_nanousd"]] == -7
    assert batch.changes == {Key(is_estimate=True, call=CALL): None}


def test_what_a_lost_batch_changed_is_as_before():
    provisional = Provisional(10)
    ProvisionalBatch(provisional).estimate(CALL, stands(), 0)
    assert finished(provisional) == 0


@pytest.mark.parametrize(("minute", "taken_back"), [(DAY, 1), (DAY + 1, 0)])
def test_an_estimate_waits_for_a_day(minute: int, taken_back: int):
    provisional = Provisional(10)
    estimated(provisional)
    assert finished(provisional, minute=minute) == taken_back


@pytest.mark.parametrize(("minute", "counts"), [(MONTH, False), (MONTH + 1, True)])
def test_an_outcome_may_be_replaced_for_thirty_days(minute: int, counts: bool):  # noqa: FBT001 -- a parameter of the test
    provisional = Provisional(10)
    told(provisional, stands("accepted"))
    assert told(provisional, stands("accepted"), minute)[0] is counts


def test_an_outcome_told_twice_counts_once_and_a_newer_one_replaces_it():
    provisional = Provisional(10)
    assert told(provisional, stands("accepted", at=100)) == (True, [])
    assert told(provisional, stands("accepted", at=100)) == (False, [])
    assert told(provisional, stands("rejected", at=90)) == (False, [])
    assert told(provisional, stands("rejected", at=100)) == (True, ["accepted"])
    assert told(provisional, stands("accepted", at=101)) == (True, ["rejected"])
    assert told(provisional, stands("edited", at=300)) == (True, ["accepted"])


def test_an_outcome_leaves_an_estimate_of_the_same_call_alone():
    provisional = Provisional(10)
    estimated(provisional)
    told(provisional, stands("accepted"))
    assert finished(provisional) == 1
    assert told(provisional, stands("rejected", at=1)) == (True, ["accepted"])


def test_what_lapsed_is_forgotten_and_then_removed_from_the_log():
    provisional = Provisional(10)
    estimated(provisional)
    provisional.commit({}, DAY + 1)
    assert not provisional.estimates
    batch = ProvisionalBatch(provisional)
    assert batch.changes == {Key(is_estimate=True, call=CALL): None}
    provisional.commit(batch.changes, DAY + 1)
    assert ProvisionalBatch(provisional).changes == {}
    assert provisional.dropped == 0


def test_what_lapsed_and_comes_again_is_not_removed():
    provisional = Provisional(10)
    estimated(provisional)
    provisional.commit({}, DAY + 1)
    assert estimated(provisional, minute=DAY + 1)
    assert ProvisionalBatch(provisional).changes == {}
    assert finished(provisional, minute=DAY + 1) == 1


def test_forgetting_does_not_hold_a_batch_up():
    provisional = Provisional(5000)
    calls = [number.to_bytes(16) for number in range(3000)]
    changes = {Key(is_estimate=True, call=call): stands() for call in calls}
    provisional.commit(changes, 0)
    provisional.commit({}, DAY + 1)
    assert len(provisional.estimates) == 2000
    assert finished(provisional, calls[-1], DAY + 1) == 0, "lapsed, though it is still held"


def test_of_too_many_the_oldest_are_final_and_that_is_counted():
    provisional = Provisional(3)
    calls = [number.to_bytes(16) for number in range(5)]
    for call in calls:
        estimated(provisional, call)
    assert provisional.dropped == 2
    assert [finished(provisional, call) for call in calls] == [0, 0, 1, 1, 1]


def test_a_key_survives_its_bytes_and_others_are_refused():
    for key in (Key(is_estimate=True, call=CALL), Key(is_estimate=False, call=OTHER)):
        assert Key.from_bytes(key.to_bytes()) == key
    for other in (b"", b"e", b"x" + CALL, b"e" + CALL + b"."):
        with pytest.raises(ValueError, match="provisional"):
            Key.from_bytes(other)


def test_corrections_of_the_same_minute_are_one_late_row():
    batch = ProvisionalBatch(Provisional(10))
    for call in (CALL, OTHER):
        batch.estimate(call, stands(at=600), 0)
        batch.final(call, 0)
    (rows,) = correction_rows(batch.corrections, 4).values()
    (row,) = rows
    assert (row.scope, row.minute, row.is_late) == ("agent:a", 10, True)
    assert row.counts[COUNTER_INDEX["estimated_requests"]] == -2
