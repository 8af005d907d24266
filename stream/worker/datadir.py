"""The folder that Faust wants; nothing that counts is kept there."""

import tempfile
from pathlib import Path


def datadir(group: str) -> str:
    """A folder of a consumer group's own, made if need be."""
    path = Path(tempfile.gettempdir()) / "spendwatch" / group
    path.mkdir(parents=True, exist_ok=True)
    return str(path)
