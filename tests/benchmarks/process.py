"""What a running process has used, from /proc.

On a busy machine CPU time is steadier than wall time.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process, since it started.

    Attributes:
        cpu_seconds: of all threads that are alive.
        rss_bytes: resident now.
    """

    cpu_seconds: float
    rss_bytes: int


def usage(*pids: int) -> Usage:
    """Of processes together; raises ``OSError`` if one is not there."""
    found = [_usage(pid) for pid in pids]
    return Usage(sum(each.cpu_seconds for each in found), sum(each.rss_bytes for each in found))


def _usage(pid: int) -> Usage:
    process = Path(f"/proc/{pid}")
    # Nanoseconds on a CPU; /proc/PID/stat has only hundredths of a second.
    nanoseconds = 0
    for thread in (process / "task").iterdir():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            nanoseconds += int((thread / "schedstat").read_text().split()[0])
    return Usage(nanoseconds / 1e9, int((process / "statm").read_text().split()[1]) * _PAGE)
