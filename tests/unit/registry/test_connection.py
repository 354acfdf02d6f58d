"""Connection strings."""

from __future__ import annotations

import pytest

from seatrial.errors import Refused
from seatrial.registry.connection import ServerStore, SqliteStore, parse_connection


@pytest.mark.parametrize(
    ("connection", "store"),
    [
        ("sqlite:///srv/registry.sqlite", SqliteStore("/srv/registry.sqlite")),
        ("sqlite:////srv/a b%20.sqlite", SqliteStore("/srv/a b%20.sqlite")),
        ("postgresql://u:p@db/mlmd", ServerStore("postgresql", "db", 5432, "u", "mlmd", "p")),
        ("postgresql://u:p%40%2F@db:6000/mlmd", ServerStore("postgresql", "db", 6000, "u", "mlmd", "p@/")),
        ("mysql://root@127.0.0.1/mlmd", ServerStore("mysql", "127.0.0.1", 3306, "root", "mlmd")),
    ],
)
def test_known_stores_are_understood(connection: str, store: SqliteStore | ServerStore) -> None:
    assert parse_connection(connection) == store


@pytest.mark.parametrize(
    "connection",
    ["", "sqlite://", "sqlite:///", "sqlite://host/file", "oracle://u:secret@db/x", "postgresql://u:secret@db", "file"],
)
def test_anything_else_is_refused_and_no_password_is_told(connection: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_connection(connection)
    assert "secret" not in str(caught.value)


def test_a_port_that_is_no_number_is_refused() -> None:
    with pytest.raises(Refused, match="registry connection"):
        parse_connection("mysql://u:secret@db:port/x")


def test_a_password_is_not_in_the_repr() -> None:
    assert "secret" not in repr(parse_connection("mysql://u:secret@db/x"))
