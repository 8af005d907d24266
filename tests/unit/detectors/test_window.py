import pytest

from detectors.window import Window, rfc3339


@pytest.mark.parametrize(
    ("at", "window"),
    [(0, Window(0, 300)), (299, Window(0, 300)), (300, Window(300, 600)), (-1, Window(-300, 0))],
)
def test_windows_of_a_grid_are_half_open(at: int, window: Window) -> None:
    assert Window.tumbling(at, 300) == window
    assert window.size_seconds == 300


def test_instants_are_written_to_the_second_or_the_millisecond() -> None:
    assert rfc3339(1_700_000_000) == "2023-11-14T22:13:20Z"
    assert rfc3339(1_700_000_000.25) == "2023-11-14T22:13:20.250Z"
