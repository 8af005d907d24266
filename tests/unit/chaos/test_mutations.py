"""The bugs that ``make chaos`` must notice still fit the sources."""

import shutil
from pathlib import Path

import pytest

from tests.chaos.mutations import MUTATIONS, ROOT, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_bug_still_fits_the_source_and_leaves_it_readable(mutation: Mutation, tmp_path: Path):
    for path in {mutation.path, *(mutation.under or ())[:1]}:
        source = tmp_path / str(path)
        source.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / str(path), source)
    mutation.apply(tmp_path)
    for source in tmp_path.rglob("*.py"):
        assert source.read_text() != (ROOT / source.relative_to(tmp_path)).read_text()
        compile(source.read_text(), str(source), "exec")


def test_a_bug_that_no_longer_fits_says_so(tmp_path: Path):
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match=r"0 times in a\.py"):
        Mutation("none", "a.py", (("y = 1", "y = 2"),)).apply(tmp_path)
