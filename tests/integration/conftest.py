"""Real servers that several test files share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.client.manager_api import ManagerAPI
from tests.commands import Seatrial, seatrial_in
from tests.managers import environ_of, managers
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


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the module's manager, where commands run, too."""
    return tmp_path_factory.mktemp("seatrial")


@pytest.fixture(scope="module")
def environ(home: Path) -> dict[str, str]:
    return environ_of(home)


@pytest.fixture(scope="module")
def seatrial(environ: dict[str, str], home: Path) -> Seatrial:
    return seatrial_in(home, environ)


@pytest.fixture(scope="module")
def manager(environ: dict[str, str]) -> Iterator[ManagerAPI]:
    """One manager for a module, with no model yet."""
    with managers(environ) as (api,):
        yield api
