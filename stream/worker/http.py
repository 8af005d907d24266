"""The worker's own address: ``/metrics``, ``/healthz`` and ``/readyz``, for all roles at once.

It answers from what the supervisor was last told, so a scrape takes milliseconds whatever the roles
do. Spend is asked elsewhere (``stream/watch/queries.py``). Nothing here changes state, and nothing
that it says is a name out of an event or a secret.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from stream.worker.health import WorkerHealth

_log = structlog.get_logger()

_Answer = Callable[[], tuple[bool, dict[str, Any]]]


def make_app(health: WorkerHealth) -> web.Application:
    """The web application, not served."""
    registry = CollectorRegistry()
    registry.register(health)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    def answering(ask: _Answer) -> Callable[[web.Request], Any]:
        async def answer(_: web.Request) -> web.Response:
            is_well, said = ask()
            return web.json_response(said, status=200 if is_well else 503)

        return answer

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", answering(health.health))
    app.router.add_get("/readyz", answering(health.readiness))
    return app


@contextlib.asynccontextmanager
async def serving(listener: socket.socket, health: WorkerHealth) -> AsyncIterator[None]:
    """Serve on a bound socket, for as long as the block runs."""
    runner = web.AppRunner(make_app(health), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        host, port = listener.getsockname()[:2]
        _log.info("worker_listens", url=f"http://{host}:{port}")
        yield
    finally:
        await runner.cleanup()
