"""Where the registry's store is (pure): connection strings taken apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from seatrial.errors import Refused

DEFAULT_PORTS = {"mysql": 3306, "postgresql": 5432}


@dataclass(frozen=True)
class SqliteStore:
    """A database file of this machine. `path` is absolute."""

    path: str


@dataclass(frozen=True)
class ServerStore:
    """A database of a server. The password is kept out of `repr`."""

    kind: Literal["mysql", "postgresql"]
    host: str
    port: int
    user: str
    database: str
    password: str = field(default="", repr=False)


def parse_connection(connection: str) -> SqliteStore | ServerStore:
    """`sqlite:///absolute/path`, or `postgresql|mysql://user:password@host[:port]/database` (percent-encoded parts).

    Raises Refused for anything else; the message never holds the password.
    """
    try:
        parts = urlsplit(connection)
        port = parts.port
    except ValueError as error:
        raise Refused(f"registry connection: {error}", field="registry") from None
    if parts.scheme == "sqlite" and not parts.netloc and parts.path.strip("/"):
        return SqliteStore("/" + connection.removeprefix("sqlite://").lstrip("/"))
    if parts.scheme in DEFAULT_PORTS and parts.hostname and parts.path.strip("/"):
        return ServerStore(
            kind="mysql" if parts.scheme == "mysql" else "postgresql",
            host=parts.hostname,
            port=port or DEFAULT_PORTS[parts.scheme],
            user=unquote(parts.username or ""),
            database=unquote(parts.path.strip("/")),
            password=unquote(parts.password or ""),
        )
    raise Refused(
        f"registry connection {parts.scheme}://… is not sqlite:///absolute/path,"
        " postgresql://user:password@host/database or mysql://user:password@host/database",
        field="registry",
    )
