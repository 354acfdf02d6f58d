"""The storage port on HDFS, over its REST interface. Nothing else in Seatrial talks to HDFS."""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from seatrial.errors import Conflict, NotFound, Refused, SeatrialError, TryAgain, WrongBytes
from seatrial.storage.local import CHUNK, WRITING, digest_stream
from seatrial.storage.location import HdfsFolder
from seatrial.storage.port import Entry, Nowhere, check_move, checked
from seatrial.storage.webhdfs_answers import Answer, Passing, entry
from seatrial.storage.webhdfs_http import PATIENCE_S, HdfsHttp
from seatrial.storage.webhdfs_stream import HdfsStream, Pieces


class WebHdfs:
    """A `Storage`. Calls may come from many threads.

    A PUT that was cut off is a whole, shorter file on HDFS, and nothing tells it apart. So each file is written under
    a temporary name, read back, and renamed when its digest is right.
    """

    def __init__(
        self,
        folder: HdfsFolder,
        token_file: Path | None = None,
        authorities: Path | None = None,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._http = HdfsHttp(folder, token_file, authorities, patience_s)

    def write(self, path: str, source: BinaryIO, sha256: str) -> None:
        temporary = str(PurePosixPath(checked(path)).with_name(WRITING + secrets.token_hex(8)))
        try:
            self._http.persist(lambda: self._send(temporary, source, sha256))
            if not self._rename(temporary, path) and self.read(path, Nowhere()) != sha256:
                raise NotFound(f"{self._http.where(temporary)}: not there to be renamed")
        except BaseException as error:
            with suppress(SeatrialError, Passing):
                self._http.ask("DELETE", temporary, "DELETE")
            if isinstance(error, NotFound | OSError):  # the temporary file went away, or the source cannot be read
                raise TryAgain(f"{path} could not be written to HDFS: {error}", file=path) from error
            raise

    def open(self, path: str) -> BinaryIO:
        found = self.look(path)
        if found is None or found.is_folder:
            raise NotFound(f"{self._http.where(path)}: no such file", file=path)
        stream = HdfsStream(self._http, path, found.bytes, lambda offset: self._pieces(path, offset))
        return io.BufferedReader(stream, CHUNK)

    def read(self, path: str, into: BinaryIO) -> str:
        with self.open(path) as file:
            return digest_stream(file, into)

    def look(self, path: str) -> Entry | None:
        try:
            answer = self._call("GET", checked(path), "GETFILESTATUS")
        except NotFound:
            return None
        return entry({**answer["FileStatus"], "pathSuffix": PurePosixPath(path).name}, self._http.now_s())

    def touch(self, path: str) -> bool:
        if not self._http.knows_time:
            self.look(path)
        try:
            self._call("PUT", checked(path), "SETTIMES", modificationtime=int(self._http.now_s() * 1000))
        except NotFound:
            return False
        return True

    def entries(self, folder: str, most: int | None = None) -> list[Entry]:
        try:
            statuses = list(islice(self._statuses(checked(folder) if folder else ""), most))
        except NotFound:
            return []
        found = [entry(status, self._http.now_s()) for status in statuses]
        return [one for one in found if one.name]  # a file answers with itself, without a name

    def rename(self, source: str, target: str) -> bool:
        self._make_parent(checked(target))
        return self._rename(checked(source), target)

    def remove(self, path: str) -> bool:
        return bool(self._call("DELETE", checked(path), "DELETE")["boolean"])

    def rename_folder(self, source: str, target: str) -> bool:
        check_move(source, target)
        if not self._is_folder(source):
            return False
        self._make_parent(target)
        if self.look(target):  # HDFS says that in different words
            raise Conflict(f"{self._http.where(target)} is there already", file=target)
        return self._rename(source, target, "none")

    def remove_folder(self, path: str) -> bool:
        if not self._is_folder(path):
            return False
        return bool(self._call("DELETE", path, "DELETE", recursive="true")["boolean"])

    def _is_folder(self, path: str) -> bool:
        found = self.look(path)
        return found is not None and found.is_folder

    def _make_parent(self, path: str) -> None:
        parent = str(PurePosixPath(path).parent)
        try:
            self._call("PUT", "" if parent == "." else parent, "MKDIRS")
        except Conflict as error:
            raise Refused(f"{parent} is no folder: {error}", file=path) from error

    def _statuses(self, folder: str) -> Iterator[Mapping[str, Any]]:
        """By name, in pages of some hundreds (dfs.ls.limit)."""
        page: dict[str, str] = {}
        while True:
            listing = self._call("GET", folder, "LISTSTATUS_BATCH", **page)["DirectoryListing"]
            found = listing["partialListing"]["FileStatuses"]["FileStatus"]
            yield from found
            if not (found and listing["remainingEntries"]):
                return
            page = {"startafter": found[-1]["pathSuffix"]}

    def _send(self, temporary: str, source: BinaryIO, sha256: str) -> None:
        """Write the temporary file and read it back: the DataNode's 201 does not say what it got. Where the source
        fails, the request ends all the same: a DataNode that it was cut off from may make the file after its removal.
        """
        digest, unread = hashlib.sha256(), list[Exception]()

        def pieces() -> Iterator[bytes]:
            try:
                while piece := source.read(CHUNK):
                    digest.update(piece)
                    yield piece
            except (OSError, SeatrialError) as error:
                unread.append(error)

        source.seek(0)
        location = self._http.ask("PUT", temporary, "CREATE", overwrite="true", noredirect="true")["Location"]
        self._http.send(location, pieces(), temporary)
        if unread:
            raise unread[0]
        if digest.hexdigest() != sha256:
            raise WrongBytes(f"{temporary}: the bytes have SHA-256 {digest.hexdigest()}, not {sha256}")
        if self.read(temporary, Nowhere()) != sha256:
            raise Passing(f"{self._http.where(temporary)}: HDFS kept other bytes than were sent")

    def _pieces(self, path: str, offset: int) -> Pieces:
        location = self._http.ask("GET", path, "OPEN", offset=offset, noredirect="true")["Location"]
        return self._http.receive(location, path)

    def _rename(self, source: str, target: str, options: str = "overwrite") -> bool:
        """Without `renameoptions` the answer to an existing target would be a false with status 200, and what is moved
        to an existing folder would land in it."""
        destination = "/" + self._http.full(target)
        try:
            self._call("PUT", source, "RENAME", destination=destination, renameoptions=options)
        except NotFound:
            return False
        return True

    def _call(self, method: str, path: str, operation: str, **parameters: str | int) -> Answer:
        return self._http.persist(lambda: self._http.ask(method, path, operation, **parameters))
