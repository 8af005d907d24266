"""The minimum over the inputs that speak."""

import pytest

from stream.watch.watermark import WatermarkPolicy, WatermarkVector


def a_vector(inputs: int = 2, silence: int = 5, skew: int = 1000) -> WatermarkVector:
    return WatermarkVector(WatermarkPolicy(inputs, silence, skew))


def say(vector: WatermarkVector, source: str, at: int | None, *, idle: bool = False) -> int | None:
    return vector.observe(source, at, is_idle=idle)


def test_nothing_is_promised_before_every_input_has_spoken():
    vector = a_vector(3)
    assert say(vector, "a", 100) is None
    assert say(vector, "b", 90) is None
    assert say(vector, "c", 110) == 90


def test_an_input_that_speaks_without_an_event_holds_all_back():
    vector = a_vector()
    say(vector, "a", 100)
    assert say(vector, "b", None) is None
    assert say(vector, "b", 70) == 70


def test_it_never_goes_back():
    vector = a_vector()
    say(vector, "a", 100)
    assert say(vector, "b", 90) == 90
    assert say(vector, "b", 50) == 90
    assert say(vector, "a", 95) == 90


def test_an_input_that_is_behind_again_holds_time_but_does_not_turn_it():
    vector = a_vector()
    say(vector, "a", 100)
    say(vector, "b", 40, idle=True)
    assert vector.current == 100
    say(vector, "b", 60)
    say(vector, "a", 300)
    assert vector.current == 100
    assert say(vector, "b", 200) == 200


def test_an_idle_input_is_not_waited_for():
    vector = a_vector()
    say(vector, "a", 100)
    assert say(vector, "b", 50, idle=True) == 100
    assert say(vector, "a", 200) == 200


def test_an_idle_input_that_never_had_an_event_is_not_waited_for():
    vector = a_vector()
    say(vector, "a", 100)
    assert say(vector, "b", None, idle=True) == 100


def test_when_all_are_idle_time_is_that_of_the_furthest():
    vector = a_vector()
    say(vector, "a", 100, idle=True)
    assert say(vector, "b", 50, idle=True) == 100


def test_when_all_are_idle_and_none_had_an_event_there_is_no_time():
    vector = a_vector()
    say(vector, "a", None, idle=True)
    assert say(vector, "b", None, idle=True) is None


def test_an_input_that_was_never_heard_is_waited_for_only_so_long():
    vector = a_vector(silence=5)
    for _ in range(5):
        assert say(vector, "a", 100) is None
    assert say(vector, "a", 100) == 100


def test_patience_is_counted_in_messages_of_all_others():
    vector = a_vector(3, silence=5)
    for number in range(10):
        assert say(vector, "ab"[number % 2], 100) is None
    assert say(vector, "a", 100) == 100


def test_an_input_that_falls_silent_is_left_behind_and_waited_for_when_it_speaks():
    vector = a_vector(silence=5)
    say(vector, "b", 50)
    for _ in range(5):
        assert say(vector, "a", 100) == 50
    assert say(vector, "a", 100) == 100
    say(vector, "b", 120)
    assert say(vector, "a", 300) == 120


def test_one_further_behind_than_the_skew_is_left_behind_even_while_it_speaks():
    vector = a_vector(skew=1000)
    say(vector, "a", 2000)
    assert say(vector, "b", 1000) == 1000
    assert say(vector, "a", 2001) == 2001
    assert say(vector, "b", 1002) == 2001


@pytest.mark.parametrize("spoken", range(5))
def test_a_restored_vector_goes_on_as_if_there_had_been_no_restart(spoken: int):
    words = [("a", 100, False), ("b", 50, True), ("b", None, False), ("a", 400, False)]
    vector = a_vector(silence=2)
    for source, at, idle in words[:spoken]:
        say(vector, source, at, idle=idle)
    restored = WatermarkVector.restore(vector.policy, vector.snapshot())
    for source, at, idle in words[spoken:] + [("a", 500, False)] * 4:
        assert say(vector, source, at, idle=idle) == say(restored, source, at, idle=idle)
    assert restored.snapshot() == vector.snapshot()
    assert restored.current == vector.current == 500
