"""A real PostgreSQL server for tests: the binaries of the pgserver package."""

from __future__ import annotations

import os
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

from tests.databases import PASSWORD, USER, DatabaseServer

NOBODY = "nobody"  # PostgreSQL refuses to run as root


class PostgresServer(DatabaseServer):
    scheme = "postgresql"
    stop_signal = signal.SIGINT
    user = NOBODY if os.geteuid() == 0 else None

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": f"{self._binaries}:{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": USER,
            "PGPASSWORD": PASSWORD,
        }

    def prepare(self) -> None:
        for part in ("pgserver", "pgserver.libs"):  # copied: root's home is closed to the server's user
            shutil.copytree(_packages() / part, self.folder / part)
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if self.user:
            shutil.chown(self.folder, self.user)
            shutil.chown(password, self.user)
        initdb = str(self._binaries / "initdb")
        self.run([initdb, "-D", self._data, "-U", USER, "-A", "scram-sha-256", "--pwfile", str(password), "-E", "UTF8"])

    def server_command(self) -> list[str]:
        listen = ["-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
        unsafe = ["-c", "fsync=off"]  # no test pulls the plug of a machine; with it, stopping takes half a minute
        return [str(self._binaries / "postgres"), "-D", self._data, *listen, *unsafe]

    def ready_command(self) -> list[str]:
        return [str(self._binaries / "pg_isready"), "-q", "-d", "postgres"]

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What psql answers: rows only, columns parted by |."""
        psql = str(self._binaries / "psql")
        return self.run([psql, "-X", "-At", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement])

    @property
    def _binaries(self) -> Path:
        return self.folder / "pgserver" / "pginstall" / "bin"

    @property
    def _data(self) -> str:
        return str(self.folder / "data")


def _packages() -> Path:
    found = find_spec("pgserver")  # importing it would warn about a missing XDG folder
    assert found is not None, "pgserver is in the manager's environment only"
    assert found.origin is not None
    return Path(found.origin).parent.parent
