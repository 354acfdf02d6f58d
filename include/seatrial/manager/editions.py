"""The discovery document ready to be sent: made once after each change, however many clients ask for it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Response
from fastapi.concurrency import run_in_threadpool

from seatrial.manager.news import News

GATHER_S = 0.02
"""Seconds between news and the document: what belongs together, as a move and the old servers' end, is told at once."""


@dataclass(frozen=True)
class Edition:
    """The document's bytes, and their strong ETag: equal documents, equal tags, across restarts too."""

    revision: int
    body: bytes
    etag: str

    def answer(self, known: str | None) -> Response:
        """To who knows the edition with the tag `known`: 304 when that is this one."""
        headers = {"ETag": self.etag}
        if self.etag == known:
            return Response(status_code=304, headers=headers)
        return Response(self.body, media_type="application/json", headers=headers)


class Editions:
    """Belongs to the event loop; `make` is called in another thread."""

    def __init__(self, make: Callable[[], dict[str, Any]], news: News) -> None:
        self._make, self._news = make, news
        self._lock = asyncio.Lock()
        self._newest: Edition | None = None

    async def newest(self) -> Edition:
        """The edition that tells all that was news when this was called. Raises what `make` raises."""
        revision = self._news.revision
        found = self._known(revision)
        if found is None:
            async with self._lock:
                found = self._known(revision)
                if found is None:
                    found = self._newest = await self._print()
        return found

    async def other_than(self, etag: str | None, wait_s: float) -> Edition:
        """The newest edition, once its tag is another than `etag`; when `wait_s` is over, the newest as it is."""
        until = time.monotonic() + wait_s
        while True:
            found = await self.newest()
            left = until - time.monotonic()
            if found.etag != etag or left <= 0 or not await self._news.wait_past(found.revision, left):
                return found

    def _known(self, revision: int) -> Edition | None:
        found = self._newest
        return found if found is not None and found.revision >= revision else None

    async def _print(self) -> Edition:
        if self._newest is not None:
            await asyncio.sleep(GATHER_S)
        revision = self._news.revision  # before it is made: what changes meanwhile is told by the next one
        return await run_in_threadpool(edition, revision, self._make)


def edition(revision: int, make: Callable[[], dict[str, Any]]) -> Edition:
    body = json.dumps(make(), sort_keys=True, separators=(",", ":")).encode()
    return Edition(revision, body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
