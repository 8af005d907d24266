"""Where counts are kept that must outlive a restart."""

from pathlib import Path

import pytest

from stream.watch.state_folder import StateFolderError, state_folder


@pytest.mark.parametrize(
    ("configured", "environment", "expected"),
    [
        ("mine", {"STATE_DIRECTORY": "a", "XDG_STATE_HOME": "b", "HOME": "c"}, "mine/group"),
        (None, {"STATE_DIRECTORY": "a", "XDG_STATE_HOME": "b", "HOME": "c"}, "a/group"),
        (None, {"STATE_DIRECTORY": "", "XDG_STATE_HOME": "b"}, "b/spendwatch/group"),
        (None, {"XDG_STATE_HOME": "", "HOME": "c"}, "c/.local/state/spendwatch/group"),
    ],
)
def test_the_first_that_is_named_is_taken_and_nothing_is_made(
    tmp_path: Path, configured: str | None, environment: dict[str, str], expected: str
):
    rooted = {name: value and f"{tmp_path}/{value}" for name, value in environment.items()}
    found = state_folder(tmp_path / configured if configured else None, "group", rooted)
    assert found == tmp_path / expected
    assert list(tmp_path.iterdir()) == []


def test_of_several_folders_that_systemd_gives_the_first_is_taken(tmp_path: Path):
    given = {"STATE_DIRECTORY": f"{tmp_path}/one:{tmp_path}/two"}
    assert state_folder(None, "group", given) == tmp_path / "one" / "group"


def test_a_folder_that_is_none_is_refused_with_the_fix(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(StateFolderError, match=r"cannot be written to: set watch\.state_folder"):
        state_folder(tmp_path / "file", "group", {})


def test_nowhere_is_refused_with_the_fix():
    with pytest.raises(StateFolderError, match=r"set watch\.state_folder"):
        state_folder(None, "group", {})
