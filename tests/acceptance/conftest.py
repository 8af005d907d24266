"""What timelines that end in Slack have in common."""

from collections.abc import AsyncIterator

import pytest

from tests.support.slack_server import SlackServer


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    server = SlackServer()
    await server.start()
    yield server
    await server.stop()
