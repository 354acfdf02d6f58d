"""What the real database servers of the tests have in common. Each has a file of its own."""

from __future__ import annotations

import itertools
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import quote

from seatrial.errors import DeadlineExceeded
from seatrial.waiting import Deadline, wait_until
from tests.ports import free_port

USER, PASSWORD = "seatrial", "p@ss/w#rd %"


class DatabaseServer(ABC):
    """One server with its data in `folder`, on TCP, asking for a password; `stop` and `start` keep data and port."""

    scheme: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    user: str | None = None  # of the processes; None: as the tests

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self._count = itertools.count()
        self.prepare()

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """A running server below the system's temporary folder; nothing of it is left afterwards."""
        with tempfile.TemporaryDirectory(prefix=f"seatrial-{cls.scheme}-") as folder:
            server = cls(Path(folder))
            try:
                server.start()
                yield server
            finally:
                server.stop()

    @property
    @abstractmethod
    def environ(self) -> dict[str, str]:
        """What the database's own commands need to be found, and to reach the server where they heed it."""

    @abstractmethod
    def prepare(self) -> None:
        """Make empty data."""

    @abstractmethod
    def server_command(self) -> list[str]: ...

    @abstractmethod
    def ready_command(self) -> list[str]:
        """Succeeds when the server takes connections."""

    @abstractmethod
    def sql(self, statement: str) -> str:
        """What the database's own client answers: rows only."""

    def start(self) -> None:
        """Returns when the server takes connections."""
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                self.server_command(), user=self.user, env=self.environ, cwd=self.folder, stdout=log, stderr=log
            )
        try:
            wait_until(self._is_ready, Deadline.after(60), f"{self.scheme} takes connections")
        except DeadlineExceeded as error:
            raise AssertionError(self._run(self.ready_command()).stderr) from error

    def stop(self) -> None:
        """Cut every connection and end the server, as an operator's restart does."""
        if self._server is not None:
            self._server.send_signal(self.stop_signal)
            self._server.wait(60)
            self._server = None

    def new_database(self) -> str:
        """The connection string of a new, empty database."""
        name = f"registry_{next(self._count)}"
        self.sql(f"CREATE DATABASE {name}")
        return self.connection(name)

    def connection(self, database: str) -> str:
        return f"{self.scheme}://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def run(self, command: Sequence[str], stdin: str = "") -> str:
        """What one of the database's own commands says, which must succeed."""
        done = self._run(command, stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _is_ready(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, (self.folder / "log").read_text()
        return self._run(self.ready_command()).returncode == 0

    def _run(self, command: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            user=self.user,
            env=self.environ,
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
