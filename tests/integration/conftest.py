"""Real servers that several test files share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the session; a test takes a new database of it. Nobody may stop this one."""
    with postgres_server() as server:
        yield server
