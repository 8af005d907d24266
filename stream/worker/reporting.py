"""A role's process tells its supervisor how it is: once a second, by a socket that it inherits.

From the role's own event loop, on purpose: a loop that stands still falls silent. This file must
not know what a role does.
"""

import asyncio
import socket

import structlog

from stream.health.frame import Frame, families_of, write_frame
from stream.health.vitals import Vitals

REPORT_SECONDS = 1.0

_log = structlog.get_logger()


async def report(vitals: Vitals, descriptor: int) -> None:
    """Report until cancelled, or until the supervisor is gone.

    Args:
        vitals: what to look at.
        descriptor: of a connected stream socket.
    """
    _, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=descriptor))
    now = asyncio.get_running_loop().time
    due_at = now()
    try:
        while True:
            try:
                readiness = vitals.look(now() - due_at)
            except Exception as error:  # noqa: BLE001  a look that fails must not end a role
                _log.exception("role_look_failed", role=vitals.name, reason=str(error))
            else:
                families = families_of(vitals.role)
                await write_frame(writer, Frame(readiness.is_ready, readiness.detail, families))
            due_at = now() + REPORT_SECONDS
            await asyncio.sleep(REPORT_SECONDS)
    except ConnectionError:
        _log.warning("role_reports_to_nobody", role=vitals.name)
    finally:
        writer.close()
