"""A file on HDFS as a stream: read on from where it was cut off, while that passes."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Generator
from typing import Any

from seatrial.storage.webhdfs_answers import Passing
from seatrial.storage.webhdfs_http import HdfsHttp

Pieces = Generator[bytes, None, None]


class HdfsStream(io.RawIOBase):
    """The first `size` bytes of `path`; a file that has fewer is cut off. `pieces` begins to read at an offset."""

    def __init__(self, http: HdfsHttp, path: str, size: int, pieces: Callable[[int], Pieces]) -> None:
        super().__init__()
        self._http, self._path, self._size, self._begin = http, path, size, pieces
        self._at, self._rest = 0, b""
        self._coming: Pieces | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        wanted = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if wanted != self._at:
            self._stop()
            self._at = wanted
        return wanted

    def readinto(self, buffer: Any, /) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        if not self._rest:
            self._rest = self._http.persist(self._next)
        piece, self._rest = self._rest[:wanted], self._rest[wanted:]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        self._stop()
        super().close()

    def _next(self) -> bytes:
        try:
            if self._coming is None:
                self._coming = self._begin(self._at)
            piece = next(self._coming, b"")
            if not piece:
                raise Passing(f"{self._http.where(self._path)}: cut off after {self._at} of {self._size} bytes")
        except BaseException:
            self._stop()
            raise
        return piece

    def _stop(self) -> None:
        coming, self._coming, self._rest = self._coming, None, b""
        if coming is not None:
            coming.close()
