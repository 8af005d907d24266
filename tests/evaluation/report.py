"""Results as files: tables in Markdown, figures in JSON, plots, and what they are of."""

import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from alerting.watch.rules import RulesConfig
from tests.benchmarks.machine import stamp
from tests.benchmarks.yardsticks import foreign_python
from tests.evaluation.tables import Table

_PLOT = Path(__file__).parent / "plot.py"
_LIBRARIES = ("numpy", "scipy", "statsmodels")


def digest(config: RulesConfig) -> str:
    """Of all settings of detection, defaults included."""
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:16]


def about(seed: int) -> dict[str, str]:
    """What the figures are of."""
    machine = stamp()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "seed": str(seed),
        "commit": machine["commit"],
        "configuration": f"built-in, sha256 {digest(RulesConfig())}",
        "machine": f"{machine['machine']}, load {os.getloadavg()[0]:.1f}",
        "versions": ", ".join(
            [f"Python {machine['Python']}", *(f"{name} {version(name)}" for name in _LIBRARIES)]
        ),
    }


def write(folder: Path, part: str, table: Table, *, seed: int, order: Sequence[str]) -> None:
    """Put a part's table into ``spend.json`` and ``spend.md``, in place of what it said before.

    Parts may be measured at different times: each says of what, and the plots are drawn anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "spend.json"
    parts = json.loads(path.read_text()) if path.exists() else {}
    parts[part] = {"about": about(seed), **asdict(table)}
    parts = {each: parts[each] for each in order if each in parts}
    path.write_text(json.dumps(parts, indent=1) + "\n")
    text = ["# What the shipped detection leaks, misses and cries", ""]
    for each in parts.values():
        facts = "; ".join(f"{key} {fact}" for key, fact in each["about"].items())
        shown = Table(each["title"], each["head"], each["rows"], each["notes"])
        text += [shown.markdown(), f"_{facts}_", ""]
    (folder / "spend.md").write_text("\n".join(text))
    if foreign_python().exists():
        words = [str(foreign_python()), str(_PLOT), str(path), str(folder)]
        subprocess.run(words, check=True)  # noqa: S603 -- the command is ours
