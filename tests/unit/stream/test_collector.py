"""What the garbage collector need not look at."""

import gc

import pytest

from stream.collector import LongLived, collector_paused

FREEZE = gc.freeze


@pytest.fixture(autouse=True)
def frozen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []
    monkeypatch.setattr("stream.collector.gc.freeze", lambda: done.append("freeze"))
    return done


def test_what_lives_long_is_frozen_once_there_is_much_of_it(
    frozen: list[str], monkeypatch: pytest.MonkeyPatch
):
    long_lived = LongLived()
    counts = iter((7, 3, passes) for passes in range(7))
    monkeypatch.setattr("stream.collector.gc.get_count", lambda: next(counts))
    assert [long_lived.look() for _ in range(7)] == [False] * 5 + [True] * 2
    assert frozen == ["freeze"] * 2


def test_freezing_begins_the_count_anew():
    """Of the Python that runs this: the rule rests on it."""
    count = gc.get_count()[2]
    gc.collect(1)
    assert gc.get_count()[2] == count + 1
    gc.unfreeze()
    before = gc.get_freeze_count()
    FREEZE()
    try:
        assert gc.get_count()[2] == 0
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


def test_the_collector_goes_on_whatever_happens():
    seen: list[bool] = []

    def fail() -> None:
        with collector_paused():
            seen.append(gc.isenabled())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert seen == [False]
    assert gc.isenabled()
