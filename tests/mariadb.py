"""A real MariaDB server for tests, which speaks MySQL's protocol: this machine's, else that of Debian's packages."""

from __future__ import annotations

import os
import shutil
from functools import cached_property
from pathlib import Path

from tests.databases import PASSWORD, USER, DatabaseServer
from tests.debian import library_path, unpacked

SYSTEM = Path("/usr")
PACKAGES = ("mariadb-server", "mariadb-server-core", "mariadb-client", "mariadb-client-core", "mariadb-common")
SERVER_NEEDS = ("libmariadb3", "liburing2", "libaio1", "libnuma1")
CLIENT_NEEDS = ("libedit2", "libbsd0", "libmd0", "libncurses6", "libtinfo6")


class MariaDBServer(DatabaseServer):
    scheme = "mysql"

    @property
    def environ(self) -> dict[str, str]:
        unpacked_ones = {} if self._usr == SYSTEM else {"LD_LIBRARY_PATH": library_path(self._usr.parent)}
        return {"PATH": f"{self._usr / 'bin'}:{os.environ['PATH']}", **unpacked_ones}

    @property
    def client_options(self) -> Path:
        """Host, user and password for MariaDB's own commands."""
        return self.folder / "client.cnf"

    def prepare(self) -> None:
        (self.folder / "data").mkdir()
        self.client_options.write_text(
            f'[client]\nhost=127.0.0.1\nport={self.port}\nuser={USER}\npassword="{PASSWORD}"\n'
        )
        grants = f"CREATE USER {USER} IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO {USER};\n"
        (self.folder / "grants.sql").write_text(grants)
        share = self._usr / "share" / "mysql"
        tables = [(share / f"mysql_system_tables{part}.sql").read_text() for part in ("", "_data")]
        self.run([*self._command(), "--bootstrap"], "create database mysql;\nuse mysql;\n" + "".join(tables))

    def server_command(self) -> list[str]:
        listen = ["--bind-address=127.0.0.1", f"--port={self.port}", "--skip-name-resolve"]
        files = [f"--socket={self.folder / 'socket'}", f"--init-file={self.folder / 'grants.sql'}"]
        return [*self._command(), *listen, *files]

    def ready_command(self) -> list[str]:
        return ["mariadb", f"--defaults-file={self.client_options}", "-e", "SELECT 1"]

    def sql(self, statement: str) -> str:
        """What `mariadb` answers: rows only, columns parted by tabs."""
        return self.run(["mariadb", f"--defaults-file={self.client_options}", "-NB", "-e", statement])

    @cached_property
    def _usr(self) -> Path:
        """The folder that has sbin/mariadbd, bin/mariadb and share/mysql."""
        here = all(shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("mariadbd", "mariadb", "mariadb-dump"))
        return SYSTEM if here else unpacked(*PACKAGES, *SERVER_NEEDS, *CLIENT_NEEDS) / "usr"

    def _command(self) -> list[str]:
        """The server with nothing of this machine's configuration. As root it must be told that this is meant."""
        binary = self._usr / "sbin" / "mariadbd"
        messages = self._usr / "share" / "mysql"
        user = ["--user=root"] if os.geteuid() == 0 else []
        return [str(binary), "--no-defaults", *user, f"--basedir={self._usr}", f"--lc-messages-dir={messages}",
                f"--datadir={self.folder / 'data'}", "--innodb-flush-log-at-trx-commit=0"]  # fmt: skip
