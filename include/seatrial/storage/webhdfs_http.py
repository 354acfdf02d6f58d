"""HTTP with HDFS: questions to the NameNode, bytes to and from DataNodes, each asked again while a failure passes."""

from __future__ import annotations

import logging
import re
import ssl
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import httpx

from seatrial.errors import DeadlineExceeded, Refused, SeatrialError, TryAgain
from seatrial.storage.local import CHUNK
from seatrial.storage.location import HdfsFolder
from seatrial.storage.webhdfs_answers import Answer, Passing, clock_s, failure
from seatrial.waiting import Deadline, wait_until

PATIENCE_S = 10.0
"""How long one call asks again while HDFS restarts or is in safe mode. Callers of the manager wait 30 s."""

ASKING = httpx.Timeout(10.0, connect=5.0)
SENDING = httpx.Timeout(30.0, connect=5.0)
"""Seconds without a byte. A DataNode that was sent a file waits for the disks of all its replicas."""

T = TypeVar("T")


class HdfsHttp:
    """Calls may come from many threads. Paths are relative to the folder.

    `ask`, `send` and `receive` try once and raise Passing for what passes; `persist` is what tries again. `token_file`
    holds a delegation token and is read for each question, so that it can be renewed; without one the folder's user is
    named, which a cluster with Kerberos does not believe. `authorities` are the certificates to trust, in a file.
    """

    def __init__(
        self,
        folder: HdfsFolder,
        token_file: Path | None,
        authorities: Path | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._folder, self._token_file, self._patience_s = folder, token_file, patience_s
        self._turn = 0
        self._ahead_s: float | None = None
        nothing_kept = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self._http = httpx.Client(
            cookies=nothing_kept,
            headers={"Accept-Encoding": "identity"},
            limits=httpx.Limits(max_keepalive_connections=0),  # none is stale after a restart, none is left to close
            trust_env=False,  # a proxy is meant for the web, and would see the token
            verify=_trusted(authorities),
        )

    def ask(self, method: str, path: str, operation: str, **parameters: str | int) -> Answer:
        """The NameNode's answer. Names of parameters are lower case: Hadoop 3.5 ignores others without a word."""
        namenode = self._folder.namenodes[self._turn % len(self._folder.namenodes)]
        url = f"{self._folder.protocol}://{namenode}/webhdfs/v1/{quote(self.full(path))}"
        query = {"op": operation, **parameters, **self._who()}
        with self._translated(path):
            answer = self._http.request(method, url, params=query, timeout=ASKING)
        told_s = clock_s(next(iter(answer.headers.get_list("Date")), ""))
        if told_s is not None:
            self._ahead_s = told_s - time.time()
        self._good(answer, path)
        return Answer(answer.text, self.where(path))

    def send(self, location: str, pieces: Iterable[bytes], path: str) -> None:
        with self._translated(path):
            self._good(self._http.put(location, content=pieces, timeout=SENDING), path)

    def receive(self, location: str, path: str) -> Generator[bytes, None, None]:
        with self._translated(path), self._http.stream("GET", location, timeout=ASKING) as answer:
            if not answer.is_success:
                answer.read()
            self._good(answer, path)
            yield from answer.iter_raw(CHUNK)

    def persist(self, act: Callable[[], T]) -> T:
        """The answer of `act`, tried again while its failure is a passing one and patience lasts; then TryAgain."""
        failures: list[Passing] = []

        def once() -> tuple[T] | None:
            try:
                return (act(),)
            except Passing as error:
                failures.append(error)
                self._turn += 1  # another NameNode, if there is one
                return None

        try:
            return (once() or wait_until(once, Deadline.after(self._patience_s), "HDFS", first_s=0.05))[0]
        except DeadlineExceeded:
            raise TryAgain(str(failures[-1])) from failures[-1]

    def now_s(self) -> float:
        """The NameNode's clock, once it has answered: ages must not depend on which machine asks."""
        return time.time() + (self._ahead_s or 0.0)

    @property
    def knows_time(self) -> bool:
        return self._ahead_s is not None

    def full(self, path: str) -> str:
        """The path below HDFS's root, without the first slash."""
        return f"{self._folder.path}/{path}".rstrip("/")

    def where(self, path: str) -> str:
        return f"HDFS at {','.join(self._folder.namenodes)}: /{self.full(path)}"

    def _who(self) -> dict[str, str]:
        if self._token_file is None:
            return {"user.name": self._folder.user}
        try:
            return {"delegation": self._token_file.read_text().strip()}
        except OSError as error:
            raise SeatrialError(f"HDFS token file {self._token_file}: {error.strerror or error}") from error

    def _good(self, answer: httpx.Response, path: str) -> None:
        if not answer.is_success:
            raise failure(answer.status_code, answer.text, self.where(path))

    @contextmanager
    def _translated(self, path: str) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise Passing(f"{self.where(path)}: {str(error) or type(error).__name__}") from error


def _trusted(authorities: Path | None) -> ssl.SSLContext:
    """The certificates to check with: those of the file, else this machine's, or those in SSL_CERT_FILE."""
    try:
        return ssl.create_default_context(cafile=authorities)
    except OSError as error:
        said = f"HDFS's certificates cannot be checked with {authorities}: {error.strerror or error}"
        raise Refused(said, field="verify", value=str(authorities)) from error


class _WithoutTokens(logging.Filter):
    """httpx logs whole URLs, and WebHDFS takes a delegation token nowhere else."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = re.sub(r"(delegation=)[^&\s\"']+", r"\1…", record.getMessage()), ()
        return True


logging.getLogger("httpx").addFilter(_WithoutTokens())
