"""How a worker is: its roles' newest reports, and what ``/healthz`` and ``/readyz`` make of them.

Alive: the process runs and its loop turns. Ready: recovered and near the head of its log. This file
must not start, stop or ask a role anything: whoever scrapes gets what is known.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.core import Metric

from stream.health import catalogue
from stream.health.frame import Frame, families_of, merged, read_frame

SILENT_AFTER_SECONDS = 20.0
"""A role without a report for this long counts as stuck. The longest batch of INGEST holds its
loop for 3.4 s (``stream/ingest/config.py``), and by then the group has given it up anyway."""


@dataclass(slots=True)
class RoleHealth:
    """One role, as far as its supervisor knows.

    Attributes:
        name: the role.
        pid: of its process.
        heard_at: monotonic seconds of its newest report, at first of its start.
        frame: the newest report.
        is_gone: its process has ended.
    """

    name: str
    pid: int
    heard_at: float
    frame: Frame | None = None
    is_gone: bool = False


@dataclass(slots=True, eq=False)
class WorkerHealth:
    """All roles of a worker.

    Attributes:
        roles: by name, in the order of an event's path.
    """

    clock: Callable[[], float]
    roles: dict[str, RoleHealth] = field(default_factory=dict)

    def started(self, name: str, pid: int, wall_seconds: float) -> RoleHealth:
        """Take note of a role's process."""
        role = self.roles[name] = RoleHealth(name, pid, self.clock())
        catalogue.ROLE_STARTED.labels(name).set(wall_seconds)
        return role

    async def listen(self, role: RoleHealth, reports: socket.socket) -> None:
        """Keep a role's reports, until it is gone; the socket is closed then."""
        reader, writer = await asyncio.open_unix_connection(sock=reports)
        try:
            while True:
                role.frame = await read_frame(reader)
                role.heard_at = self.clock()
        except (asyncio.IncompleteReadError, ConnectionError):
            role.is_gone = True
        finally:
            writer.close()

    def trouble_of(self, role: RoleHealth) -> str:
        """Why a role is not alive; empty if it is."""
        silence = self.clock() - role.heard_at
        if role.is_gone:
            return "its process has ended"
        if silence > SILENT_AFTER_SECONDS:
            return f"no report for {silence:.0f} s: its loop stands still"
        return ""

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether every role is alive, and the answer that says so."""
        troubles = {name: self.trouble_of(role) for name, role in self.roles.items()}
        answer = {
            name: {"alive": not trouble, "pid": self.roles[name].pid, "detail": trouble}
            for name, trouble in troubles.items()
        }
        is_alive = not any(troubles.values())
        return is_alive, {"alive": is_alive, "roles": answer}

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Whether every role is ready, and the answer that says so."""
        answer = {}
        for name, role in self.roles.items():
            trouble = self.trouble_of(role)
            if not trouble and role.frame is None:
                trouble = "starting"
            if not trouble and role.frame is not None and not role.frame.is_ready:
                trouble = role.frame.detail or "not ready"
            answer[name] = {"ready": not trouble, "detail": trouble}
        is_ready = all(each["ready"] for each in answer.values())
        return is_ready, {"ready": is_ready, "roles": answer}

    def collect(self) -> Iterator[Metric]:
        """All metrics of the worker, as a collector of prometheus-client."""
        _, alive = self.health()
        _, ready = self.readiness()
        for name in self.roles:
            catalogue.ROLE_UP.labels(name).set(alive["roles"][name]["alive"])
            catalogue.ROLE_READY.labels(name).set(ready["roles"][name]["ready"])
        frames = [role.frame for role in self.roles.values() if role.frame is not None]
        parts = [families_of(catalogue.SUPERVISOR), *(frame.families for frame in frames)]
        yield from merged(parts)
