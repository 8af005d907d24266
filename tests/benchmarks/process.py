"""What a running process has used, from /proc.

On a busy machine CPU time is steadier than wall time.
"""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process, since it started.

    Attributes:
        cpu_seconds: user and system, all threads.
        rss_bytes: resident now.
    """

    cpu_seconds: float
    rss_bytes: int


def usage(pid: int) -> Usage:
    """Raises ``OSError`` if there is no such process."""
    # The name in parentheses may hold spaces; what follows the last parenthesis is numbers.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS, int(fields[21]) * _PAGE)
