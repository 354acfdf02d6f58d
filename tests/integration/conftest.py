"""Real servers that several test files share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mariadb import MariaDBServer
from tests.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the session; a test takes a new database of it. Nobody may stop this one."""
    with PostgresServer.running() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDBServer]:
    """As `postgres`."""
    with MariaDBServer.running() as server:
        yield server


STORES = {"sqlite": None, "postgresql": "postgres", "mysql": "mariadb"}
"""The kinds of store, and the fixture of their server."""


@pytest.fixture(params=STORES)
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store of each kind."""
    server = STORES[request.param]
    if server is None:
        return f"sqlite:///{tmp_path / 'registry.sqlite'}"
    return str(request.getfixturevalue(server).new_database())
