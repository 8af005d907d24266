"""Whatever the series: judged causally, without a crash, within bounds."""

from itertools import accumulate
from math import isfinite, isnan

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.series import SeriesDetector

STEPS = st.sampled_from([0.0, 1.0, 60.0, 300.0, 3_600.0, 86_400.0, 31_536_000.0, -3_600.0])
SMALL = st.integers(-3, 3).map(float)
VALUES = st.one_of(
    SMALL,
    SMALL,
    st.floats(-1e100, 1e100, allow_nan=False),
    st.just(float("nan")),
)


@st.composite
def series(draw):
    """Blocks of rows, each with its own interval and its own few values."""
    steps, values = [], []
    for _ in range(draw(st.integers(1, 6))):
        rows = draw(st.integers(1, 120))
        palette = draw(st.lists(VALUES, min_size=1, max_size=5))
        step = draw(STEPS)
        shuffle = draw(st.randoms(use_true_random=False))
        steps += [draw(STEPS), *[step] * (rows - 1)]
        values += [shuffle.choice(palette) for _ in range(rows)]
    return list(zip(accumulate(steps), values, strict=True))


def judged(rows):
    detector = SeriesDetector()
    return [detector.step(1.7e9 + at, value) for at, value in rows]


@settings(max_examples=60)
@given(series(), st.floats(0, 1))
def test_a_prefix_is_judged_like_the_whole(rows, part):
    end = int(len(rows) * part)
    assert judged(rows[:end]) == judged(rows)[:end]


@settings(max_examples=60)
@given(series())
def test_no_series_crashes_and_every_answer_is_a_number(rows):
    for (_, value), found in zip(rows, judged(rows), strict=True):
        if found is None:
            continue
        assert not isnan(value)
        assert 0.0 <= found.score <= 1.0
        assert isfinite(found.expected)
        assert found.lower <= found.expected <= found.upper
