"""Bearer tokens: a file that names them, their roles and digests. The tokens themselves are kept nowhere."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from seatrial.errors import Conflict, NotFound, Refused, SeatrialError
from seatrial.storage.local import atomic_file

Role = Literal["client", "researcher", "operator"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From the least to the most: each may do what the ones before it may."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
OWN = "home"


class Token(BaseModel):
    """One token. `hint` is its last characters, by which its owner recognises it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    role: Role
    sha256: str
    hint: str
    created_ms: int
    revoked_ms: int | None = None

    def may(self, role: Role) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


_FILE = TypeAdapter(list[Token])


class TokenFile:
    """The tokens of a manager's home, in `tokens.json` (readable by its owner only). Safe for several processes."""

    def __init__(self, home: Path) -> None:
        self.path = home / "tokens.json"

    def create(self, name: str, role: str) -> tuple[Token, str]:
        """A new token, and the secret itself, which is never seen again. Conflict when a valid one has the name."""
        if not _NAME.fullmatch(name) or name == OWN:
            raise Refused(f"token name {name!r} does not match {_NAME.pattern}, or is {OWN!r}", field="name")
        if role not in ROLES:
            raise Refused(f"role {role!r} is not one of {', '.join(ROLES)}", field="role", value=role)
        secret = secrets.token_urlsafe(32)
        made = token_of(name, role, secret)
        with self._changing() as tokens:
            if any(token.name == name and token.revoked_ms is None for token in tokens):
                raise Conflict(f"a token {name!r} is there already: revoke it first, or take another name", name=name)
            tokens.append(made)
        return made, secret

    def revoke(self, name: str) -> Token:
        """From now on it opens nothing. A second call changes nothing. NotFound for a name that never was."""
        with self._changing() as tokens:
            for index in reversed(range(len(tokens))):
                if tokens[index].name == name:
                    if tokens[index].revoked_ms is None:
                        tokens[index] = tokens[index].model_copy(update={"revoked_ms": _now_ms()})
                    return tokens[index]
        known = ", ".join(token.name for token in self.read()) or "none yet"
        raise NotFound(f"no token {name!r}; known: {known}", name=name)

    def read(self) -> list[Token]:
        """All tokens, revoked ones too, oldest first."""
        try:
            return _FILE.validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return []
        except ValidationError as error:
            raise SeatrialError(f"{self.path} is damaged: {error.errors(include_url=False)[0]['msg']}") from None

    @contextmanager
    def _changing(self) -> Iterator[list[Token]]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with (self.path.parent / "tokens.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            tokens = self.read()
            before = list(tokens)
            yield tokens
            if tokens != before:
                with atomic_file(self.path, mode=0o600) as file:
                    file.write(_FILE.dump_json(tokens, indent=1))


class Tokens:
    """The tokens that open a running manager: those of the file, read again when it changes, and the home's own."""

    def __init__(self, file: TokenFile, home_token: str) -> None:
        self._file = file
        self._home = token_of(OWN, "operator", home_token)
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._valid: list[Token] = []

    def find(self, secret: str) -> Token | None:
        """The valid token with this secret. Takes as long for a wrong one as for a right one."""
        digest = _digest(secret)
        found = None
        for token in (self._home, *self._current()):
            if hmac.compare_digest(digest, token.sha256):
                found = token
        return found

    def _current(self) -> list[Token]:
        with self._lock:
            seen = _stamp(self._file.path)
            if seen != self._seen:
                self._valid = [token for token in self._file.read() if token.revoked_ms is None]
                self._seen = seen
            return self._valid


class FailedAttempts:
    """How often an address may fail: `burst` times at once, then once in `every_s` seconds. Bounded in memory."""

    def __init__(
        self,
        burst: int = 20,
        every_s: float = 3.0,
        addresses: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst, self._every_s, self._addresses, self._clock = burst, every_s, addresses, clock
        self._spent: dict[str, tuple[float, float]] = {}  # address: failures not yet forgiven, and when that was so
        self._lock = threading.Lock()

    def failed(self, address: str) -> float:
        """Note a failure. 0 when it was within the limit, else the seconds until the next one is."""
        now = self._clock()
        with self._lock:
            spent, at = self._spent.pop(address, (0.0, now))
            spent = max(0.0, spent - (now - at) / self._every_s)
            over = spent + 1 > self._burst
            self._spent[address] = (spent if over else spent + 1, now)
            if len(self._spent) > self._addresses:
                del self._spent[next(iter(self._spent))]  # the one that has been quiet for longest
            return (spent + 1 - self._burst) * self._every_s if over else 0.0


def token_of(name: str, role: str, secret: str) -> Token:
    return Token.model_validate(
        {"name": name, "role": role, "sha256": _digest(secret), "hint": secret[-4:], "created_ms": _now_ms()}
    )


def home_token(home: Path) -> str:
    """The operator token of a home folder; made on the first call, readable by its owner only."""
    path = home / "token"
    if not path.exists():
        with atomic_file(path, mode=0o600) as file:
            file.write(secrets.token_urlsafe(32).encode())
    return path.read_text().strip()


def keep_private(*paths: Path) -> None:
    """Let nobody but its owner read a file, whoever made it; one that is not there is no error."""
    for path in paths:
        if path.exists() and path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino


def _now_ms() -> int:
    return int(time.time() * 1000)
