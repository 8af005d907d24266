"""A real Faust app of our own kind, not started."""

from pathlib import Path
from typing import Any

import pytest

from stream.kafka.connection import ConnectionConfig
from stream.kafka.faust_app import create_app
from stream.watch.config import WatchRoleConfig


@pytest.fixture
async def app(tmp_path: Path) -> Any:
    return create_app(
        ConnectionConfig(),
        WatchRoleConfig(),
        advertised_url="http://127.0.0.1:1",
        instance_id="one",
        datadir=str(tmp_path),
        table_partitions=4,
    )
