"""On what, of what and when a bench ran. This file must not measure."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.support.kafka import PROJECT_ROOT, kafka_libs

_LIBRARIES = ("aiokafka", "faust-streaming", "msgspec", "numpy", "uvloop")


def stamp() -> dict[str, str]:
    """Date, commit, machine and versions, in words."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "commit": _commit(),
        "machine": f"{os.cpu_count()} cores of {_cpu()}, {_memory_gib():.0f} GiB",
        "load before": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "Python": platform.python_version(),
        "Kafka": _kafka(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
    }


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(  # noqa: S603 -- the command is ours
            ["git", *words],  # noqa: S607 -- whichever git there is
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "stream", "alerting", "detectors", "client")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _kafka() -> str:
    jars = sorted(kafka_libs().glob("kafka_2.13-*.jar"))
    return jars[0].stem.removeprefix("kafka_2.13-") if jars else "none"
