"""What the garbage collector need not look at."""

import gc

import pytest

from stream.collector import LongLived, collector_paused


@pytest.fixture(autouse=True)
def frozen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []
    monkeypatch.setattr("stream.collector.gc.freeze", lambda: done.append("freeze"))
    return done


def test_what_lives_long_is_frozen_as_it_grows_and_seldom(frozen: list[str]):
    long_lived = LongLived()
    long_lived.freeze(0, 5.0)
    for size in range(0, 100_001, 100):
        long_lived.look(size, 6.0)
    assert 20 < len(frozen) < 60
    count = len(frozen)
    assert not long_lived.look(100_000, 3604.0)
    assert long_lived.look(100_000, 3606.0)
    assert not long_lived.look(90_000, 7205.0)
    assert len(frozen) == count + 1


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
