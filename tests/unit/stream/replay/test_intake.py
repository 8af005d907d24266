"""What INGEST found out about a file."""

import numpy as np
import pytest

from stream.replay.intake import Intake


def test_a_span_is_of_whole_minutes_and_of_all_that_was_seen_in_whatever_order():
    intake = Intake()
    assert intake.span is None
    intake.see(np.array([], np.int64))
    assert intake.span is None
    intake.see(np.array([630, 599, 640]))
    assert intake.span == (540, 660)
    intake.see(np.array([600]))
    assert intake.span == (540, 660)
    intake.see(np.array([119, 60_000]))
    assert intake.span == (60, 60_060)


@pytest.mark.parametrize(("at", "span"), [(60, (60, 120)), (119, (60, 120)), (120, (120, 180))])
def test_a_single_event_is_of_its_minute(at: int, span: tuple[int, int]):
    intake = Intake()
    intake.see(np.array([at]))
    assert intake.span == span
