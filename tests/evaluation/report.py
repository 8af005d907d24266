"""Results as files: tables in Markdown, figures in JSON, plots, and what they are of."""

import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
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


def write(folder: Path, name: str, tables: Sequence[Table], *, seed: int) -> None:
    """Write ``<name>.md`` and ``<name>.json``, and plots where matplotlib is."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = about(seed)
    head = [f"# Evaluation: {name}", "", *(f"- {key}: {text}" for key, text in facts.items()), ""]
    text = "\n".join([*head, *(table.markdown() for table in tables)])
    (folder / f"{name}.md").write_text(text.rstrip() + "\n")
    data = {key: each for table in tables for key, each in table.data.items()}
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"about": facts, **data}, indent=1) + "\n")
    if foreign_python().exists():
        words = [str(foreign_python()), str(_PLOT), str(path), str(folder)]
        subprocess.run(words, check=True)  # noqa: S603 -- the command is ours
