"""Who may call: one bearer token, compared in constant time. The token itself is never kept in memory nor logged."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from fastapi import Request

from seatrial.errors import Forbidden
from seatrial.storage.local import atomic_write


class TokenCheck:
    """A FastAPI dependency. `token=None` means that the manager was started with --insecure-local."""

    def __init__(self, token: str | None) -> None:
        self._digest = None if token is None else hashlib.sha256(token.encode()).digest()

    def __call__(self, request: Request) -> None:
        if self._digest is None:
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise Forbidden("no bearer token: set SEATRIAL_TOKEN, or SEATRIAL_HOME to the manager's folder")
        if not hmac.compare_digest(hashlib.sha256(given.strip().encode()).digest(), self._digest):
            raise Forbidden("the bearer token is not this manager's")


def token_in(home: Path) -> str:
    """The token of a home folder; made on the first call, readable by its owner only."""
    path = home / "token"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        old = os.umask(0o077)
        try:
            atomic_write(path, secrets.token_urlsafe(32).encode())
        finally:
            os.umask(old)
    return path.read_text().strip()
