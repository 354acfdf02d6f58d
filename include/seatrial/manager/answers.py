"""Answers kept under the caller's Idempotency-Key: the same key again gets the same answer; nothing happens twice."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from fastapi import Request, Response

from seatrial.errors import Conflict, Refused
from seatrial.storage.local import atomic_write

HEADER = "Idempotency-Key"
KEEP_S = 24 * 3600.0
KEEP = 5000
KEY_LIMIT = 255
ANSWER_LIMIT = 2**20


class Answers:
    """One file an answer, so that they outlive the manager. Only successes are kept: an error may be tried again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    async def once(
        self, request: Request, caller: str, answer: Callable[[Request], Coroutine[Any, Any, Response]]
    ) -> Response:
        """What `answer` gives; for a key that was used before, what it gave then.

        Raises Refused for a key that came with another request, Conflict while the first one is being worked on.
        """
        key = request.headers.get(HEADER)
        if key is None:
            return await answer(request)
        if not 0 < len(key) <= KEY_LIMIT:
            raise Refused(f"{HEADER} of {len(key)} characters", field=HEADER, limit=KEY_LIMIT)
        name = hashlib.sha256(f"{caller}\n{key}".encode()).hexdigest()
        asked = hashlib.sha256(
            b"\n".join([request.method.encode(), str(request.url.path).encode(), request.url.query.encode()])
            + b"\n"
            + await request.body()
        ).hexdigest()
        with self._lock:
            if name in self._busy:
                raise Conflict(f"a request with this {HEADER} is being worked on: ask again when it is done")
            self._busy.add(name)
        try:
            known = self._read(name)
            if known is not None:
                if known["asked"] != asked:
                    raise Refused(f"this {HEADER} came with another request before: take a new one", field=HEADER)
                return Response(
                    base64.b64decode(known["body"]),
                    known["status"],
                    media_type=known["type"],
                    headers={"Idempotent-Replayed": "true"},
                )
            found = await answer(request)
            if (
                found.status_code < 300
                and isinstance(getattr(found, "body", None), bytes)
                and len(found.body) <= ANSWER_LIMIT
            ):
                self._keep(name, asked, found)
            return found
        finally:
            with self._lock:
                self._busy.discard(name)

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            known: dict[str, Any] = json.loads((self._folder / name).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return known if time.time() - known["at"] < KEEP_S else None

    def _keep(self, name: str, asked: str, found: Response) -> None:
        document = {
            "at": time.time(),
            "asked": asked,
            "status": found.status_code,
            "type": found.headers.get("content-type"),
            "body": base64.b64encode(bytes(found.body)).decode(),
        }
        atomic_write(self._folder / name, json.dumps(document).encode())
        kept = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in kept[: max(0, len(kept) - KEEP)]:
            path.unlink(missing_ok=True)
