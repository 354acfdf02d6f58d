"""A real PostgreSQL server for tests: the binaries of the pgserver package, on TCP, with passwords asked for."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from seatrial.waiting import Deadline, wait_until
from tests.ports import free_port

USER, PASSWORD = "seatrial", "p@ss/w#rd %"
NOBODY = "nobody"  # PostgreSQL refuses to run as root


class PostgresServer:
    """One server with its data in `folder`; `stop` and `start` keep the data and the port."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._user = folder, NOBODY if os.geteuid() == 0 else None
        self._binaries = folder / "pgserver" / "pginstall" / "bin"
        self._server: subprocess.Popen[bytes] | None = None
        self._count = itertools.count()
        self.port = free_port()
        for part in ("pgserver", "pgserver.libs"):  # copied: root's home is closed to the server's user
            shutil.copytree(_packages() / part, folder / part)
        password = folder / "password"
        password.write_text(PASSWORD)
        if self._user:
            shutil.chown(folder, self._user)
            shutil.chown(password, self._user)
        self._run(
            "initdb", "-D", self._data, "-U", USER, "-A", "scram-sha-256", "--pwfile", str(password), "-E", "UTF8"
        )

    @property
    def environ(self) -> dict[str, str]:
        """What PostgreSQL's own commands (psql, pg_dump …) need to reach the server, and to be found."""
        return {
            "PATH": f"{self._binaries}:{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": USER,
            "PGPASSWORD": PASSWORD,
        }

    def start(self) -> None:
        """Returns when the server takes connections."""
        command = [self._binaries / "postgres", "-D", self._data, "-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
        command += ["-c", "fsync=off"]  # no test pulls the plug of a machine; with it, stopping takes half a minute
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(command, user=self._user, stdout=log, stderr=log, cwd=self._folder)
        wait_until(self._ready, Deadline.after(60), "PostgreSQL takes connections")

    def stop(self) -> None:
        """Cut every connection and end the server, as an operator's restart does."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(60)
            self._server = None

    def new_database(self) -> str:
        """The connection string of a new, empty database."""
        name = f"registry_{next(self._count)}"
        self.sql(f"CREATE DATABASE {name}")
        return self.connection(name)

    def connection(self, database: str) -> str:
        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What psql answers: rows only, columns parted by |."""
        return self._run("psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement)

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _ready(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, (self._folder / "log").read_text()
        command = [self._binaries / "pg_isready", "-q", "-d", "postgres"]
        return subprocess.run(command, env=self.environ, check=False).returncode == 0

    def _run(self, binary: str, *arguments: str) -> str:
        done = subprocess.run(
            [self._binaries / binary, *arguments],
            user=self._user,
            env=self.environ,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server below the system's temporary folder; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="seatrial-postgres-") as folder:
        server = PostgresServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _packages() -> Path:
    found = find_spec("pgserver")  # importing it would warn about a missing XDG folder
    assert found is not None, "pgserver is in the manager's environment only"
    assert found.origin is not None
    return Path(found.origin).parent.parent
