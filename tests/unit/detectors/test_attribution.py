import pytest

from detectors.attribution import Attribution, AttributionConfig, Part, by_dimension
from detectors.detector import State
from detectors.scope import OTHER
from detectors.signal import Contribution

USD = 1_000_000_000


def attribution(**settings: int) -> Attribution:
    return Attribution(AttributionConfig(**settings), 300)


def learned(made: Attribution, parts: list[Part], windows: int = 600) -> State:
    state = made.fresh()
    for _ in range(windows):
        made.learn(state, by_dimension(parts))
    return state


def test_the_excess_is_split_among_those_above_their_own_past_and_adds_up() -> None:
    made = attribution()
    state = learned(made, [("agent", "calm", 2 * USD), ("agent", "wild", USD)])
    found = made.contributions(
        state,
        observed_nanousd=62 * USD,
        expected_nanousd=4 * USD,
        parts=by_dimension([("agent", "calm", 2 * USD), ("agent", "wild", 59 * USD)]),
    )
    assert found == (
        Contribution("agent", "wild", 59 * USD, pytest.approx(USD, abs=10)),  # type: ignore[arg-type]
        Contribution("agent", "calm", 2 * USD, pytest.approx(2 * USD, abs=10)),  # type: ignore[arg-type]
        Contribution("agent", OTHER, USD, pytest.approx(USD, abs=20)),  # type: ignore[arg-type]
    )
    assert sum(one.observed_nanousd for one in found) == 62 * USD
    assert sum(one.expected_nanousd for one in found) == 4 * USD


def test_what_is_learned_does_not_show_in_which_order_rows_came() -> None:
    made = attribution()
    parts = [("agent", "b", USD), ("agent", "a", USD), ("agent", "c", 2 * USD)]
    one, other = (made.snapshot(learned(made, each)) for each in (parts, parts[::-1]))
    assert one == other


def test_a_newcomer_is_all_excess() -> None:
    made = attribution()
    state = learned(made, [("agent", "calm", 2 * USD)])
    found = made.contributions(
        state,
        observed_nanousd=8 * USD,
        expected_nanousd=0,
        parts={"agent": {"new": 8 * USD}},
    )
    assert found[0] == Contribution("agent", "new", 8 * USD, 0)


def test_several_windows_are_expected_to_cost_several_times_as_much() -> None:
    made = attribution()
    state = learned(made, [("agent", "calm", 2 * USD)])
    one, three = (
        made.contributions(
            state,
            observed_nanousd=0,
            expected_nanousd=0,
            parts=by_dimension([("agent", "calm", USD)]),
            windows=windows,
        )[0].expected_nanousd
        for windows in (1, 3)
    )
    assert three == 3 * one > 0


def test_dimensions_are_told_apart_and_the_rest_is_always_named() -> None:
    made = attribution(named=1)
    found = made.contributions(
        made.fresh(),
        observed_nanousd=10,
        expected_nanousd=3,
        parts=by_dimension(
            [
                ("model", "m", 4),
                ("agent", "b", 5),
                ("agent", "a", 2),
                ("agent", "a", 3),
                ("agent", OTHER, 1),
            ]
        ),
    )
    assert found == (
        Contribution("agent", "a", 5, 0),
        Contribution("agent", OTHER, 5, 3),
        Contribution("model", "m", 4, 0),
        Contribution("model", OTHER, 6, 3),
    )


def test_only_the_largest_are_remembered_and_the_catch_all_never() -> None:
    made = attribution(remembered=2)
    parts = [("agent", name, cost * USD) for name, cost in (("a", 1), ("b", 3), ("c", 2))]
    state = learned(made, [*parts, ("agent", OTHER, 9 * USD)])
    expected = {
        name: made.expected_nanousd(state, "agent", name) for name in ("a", "b", "c", OTHER)
    }
    assert expected == {
        "a": 0,
        "b": pytest.approx(3 * USD, abs=10),
        "c": pytest.approx(2 * USD, abs=10),
        OTHER: 0,
    }


def test_a_young_mean_is_the_plain_mean_quiet_windows_included() -> None:
    made = attribution()
    state = made.fresh()
    made.learn(state, by_dimension([("agent", "a", 6 * USD)]))
    assert made.expected_nanousd(state, "agent", "a") == 6 * USD
    made.skip(state, 1)
    assert made.expected_nanousd(state, "agent", "a") == 3 * USD
    made.learn(state, by_dimension([("agent", "a", 6 * USD)]))
    assert made.expected_nanousd(state, "agent", "a") == 4 * USD


def test_a_day_of_quiet_halves_what_is_expected() -> None:
    made = attribution()
    state = learned(made, [("agent", "a", 8 * USD)])
    made.skip(state, 288)
    assert made.expected_nanousd(state, "agent", "a") == pytest.approx(4 * USD)


def test_skipping_is_learning_nothing_window_by_window() -> None:
    made = attribution()
    for windows in (3, 600):
        skipped, learned_ = (
            learned(made, [("agent", "a", 8 * USD), ("agent", "b", USD)], windows) for _ in "12"
        )
        made.skip(skipped, 500)
        made.skip(skipped, 1)
        for _ in range(501):
            made.learn(learned_, {})
        for name in "ab":
            assert made.expected_nanousd(skipped, "agent", name) == pytest.approx(
                made.expected_nanousd(learned_, "agent", name), abs=2
            )


def test_who_is_long_gone_is_forgotten() -> None:
    made = attribution()
    state = learned(made, [("agent", "a", 8 * USD)])
    made.skip(state, 288 * 60)
    made.learn(state, by_dimension([("user", "u", USD)]))
    assert made.snapshot(state)[2] == "user"
    assert len(made.snapshot(state)) == 4


def test_a_snapshot_goes_on_exactly_and_shares_nothing() -> None:
    made = attribution()
    state = learned(made, [("agent", "a", 8 * USD), ("user", "u", USD)])
    made.skip(state, 3)
    snapshot = made.snapshot(state)
    restored = made.restore(snapshot)
    for each in (state, restored):
        made.learn(each, by_dimension([("agent", "b", USD)]))
    assert made.snapshot(restored) == made.snapshot(state)
    assert snapshot[2] == "agent"
    assert len(snapshot[3]) == 2


@pytest.mark.parametrize("wrong", [[], [1], [1, 2, "agent"], [1, 2, "agent", ["a"]], [None, 2]])
def test_what_is_no_snapshot_is_refused(wrong: list[object]) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        attribution().restore(wrong)


def test_the_remembered_are_named_by_dimension_largest_first() -> None:
    made = attribution()
    state = learned(
        made, [("agent", "small", USD), ("agent", "large", 8 * USD), ("user", "u", USD)]
    )
    assert made.remembered(state, "agent") == ("large", "small")
    assert made.remembered(state, "model") == ()
