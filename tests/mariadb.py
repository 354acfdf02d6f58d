"""A real MariaDB server for tests, which speaks MySQL's protocol: this machine's, else that of Debian's packages."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from seatrial.waiting import Deadline, wait_until
from tests.debian import library_path, unpacked
from tests.ports import free_port

USER, PASSWORD = "seatrial", "p@ss/w#rd %"
SYSTEM = Path("/usr")
PACKAGES = ("mariadb-server", "mariadb-server-core", "mariadb-client", "mariadb-client-core", "mariadb-common")
LIBRARIES = ("libmariadb3", "liburing2", "libaio1", "libnuma1")


class MariaDBServer:
    """One server with its data in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._usr = folder, _installed()
        self._server: subprocess.Popen[bytes] | None = None
        self._count = itertools.count()
        self.port = free_port()
        self._data.mkdir()
        self.client_options = folder / "client.cnf"  # host, user and password for MariaDB's own commands
        self.client_options.write_text(
            f'[client]\nhost=127.0.0.1\nport={self.port}\nuser={USER}\npassword="{PASSWORD}"\n'
        )
        share = self._usr / "share" / "mysql"
        tables = [share / f"mysql_system_tables{part}.sql" for part in ("", "_data")]
        grants = folder / "grants.sql"
        grants.write_text(f"CREATE USER {USER} IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO {USER};\n")
        script = "create database mysql;\nuse mysql;\n" + "".join(file.read_text() for file in tables)
        subprocess.run(
            [*self._command, "--bootstrap"], env=self.environ, input=script, text=True, capture_output=True, check=True
        )

    @property
    def environ(self) -> dict[str, str]:
        """What MariaDB's own commands (mariadb, mariadb-dump) need to be found and to run."""
        unpacked_ones = {} if self._usr == SYSTEM else {"LD_LIBRARY_PATH": library_path(self._usr)}
        return {"PATH": f"{self._usr / 'bin'}:{os.environ['PATH']}", **unpacked_ones}

    def start(self) -> None:
        """Returns when the server takes connections."""
        command = [*self._command, "--bind-address=127.0.0.1", f"--port={self.port}", "--skip-name-resolve"]
        command += [f"--socket={self._folder / 'socket'}", f"--init-file={self._folder / 'grants.sql'}"]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)
        wait_until(self._ready, Deadline.after(60), "MariaDB takes connections")

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(60)
            self._server = None

    def new_database(self) -> str:
        """The connection string of a new, empty database."""
        name = f"registry_{next(self._count)}"
        self.sql(f"CREATE DATABASE {name}")
        return f"mysql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{name}"

    def sql(self, statement: str) -> str:
        """What `mariadb` answers: rows only, columns parted by tabs."""
        command = ["mariadb", f"--defaults-file={self.client_options}", "-NB", "-e", statement]
        done = subprocess.run(command, env=self.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _command(self) -> list[str]:
        """The server with nothing of this machine's configuration. As root it must be told that this is meant."""
        binary = self._usr / "sbin" / "mariadbd"
        messages = self._usr / "share" / "mysql"
        user = ["--user=root"] if os.geteuid() == 0 else []
        return [str(binary), "--no-defaults", *user, f"--basedir={self._usr}", f"--lc-messages-dir={messages}",
                f"--datadir={self._data}", "--innodb-flush-log-at-trx-commit=0"]  # fmt: skip

    def _ready(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, (self._folder / "log").read_text()
        command = ["mariadb", f"--defaults-file={self.client_options}", "-e", "SELECT 1"]
        return subprocess.run(command, env=self.environ, capture_output=True, check=False).returncode == 0


def _installed() -> Path:
    """The folder that has sbin/mariadbd, bin/mariadb and share/mysql."""
    here = all(shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("mariadbd", "mariadb", "mariadb-dump"))
    return SYSTEM if here else unpacked(*PACKAGES, *LIBRARIES) / "usr"


@contextmanager
def mariadb_server() -> Iterator[MariaDBServer]:
    """A running server below the system's temporary folder; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="seatrial-mariadb-") as folder:
        server = MariaDBServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
