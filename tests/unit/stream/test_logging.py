"""Log lines are JSON with a constant name; a trace shows no values, on a terminal either."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from stream.logging import configure_logging


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """As it was, for the other tests."""
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


def fail() -> None:
    password = "hunter2-in-a-local"
    raise ValueError(f"{len(password)} characters")


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """What is written of an error, by our logger and by a library's."""
    configure_logging()
    try:
        fail()
    except ValueError as error:
        structlog.get_logger().error("role_failed", reason=str(error), exc_info=error)
        logging.getLogger("a.library").warning("%s went wrong", "something", exc_info=error)
    return capsys.readouterr().err


def test_a_line_is_an_object_with_an_event_a_level_and_a_time(capsys: pytest.CaptureFixture[str]):
    lines = [json.loads(line) for line in told(capsys).splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("role_failed", "error"),
        ("something went wrong", "warning"),
    ]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert all("fail()" in line["exception"] for line in lines)


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_trace_shows_no_values(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    text = told(capsys)
    assert "Traceback" in text
    assert text.count("hunter2-in-a-local") == text.count('password = "hunter2-in-a-local"')
