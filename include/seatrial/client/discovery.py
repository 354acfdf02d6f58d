"""Follows the manager: one long poll for all models and all clients of a process; the last routes known are used while
the manager is away."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from seatrial.client import endpoints_cache
from seatrial.client.manager_api import ManagerAPI
from seatrial.client.news import Following, News
from seatrial.errors import SeatrialError

log = logging.getLogger(__name__)

Listener = Callable[[News], None]


class Discovery:
    """A thread that follows the manager. `news` is read from memory; nobody waits but who asks to."""

    def __init__(self, api: ManagerAPI, cache_file: Path | None = None) -> None:
        self._api, self._cache_file = api, cache_file
        self.following = Following()
        self._told = threading.Condition()
        self._listeners: list[Listener] = []
        self._stop = threading.Event()
        cached = None if cache_file is None else endpoints_cache.read(cache_file)
        if cached is not None:
            self.following.recalled(cached)
        self._thread = threading.Thread(target=self._run, name="seatrial-discovery", daemon=True)
        self._thread.start()

    @property
    def news(self) -> News:
        return self.following.news

    def wait(self, revision: int, timeout_s: float) -> None:
        """Until the news are others than those of `revision`."""
        with self._told:
            self._told.wait_for(lambda: self.news.revision != revision, timeout_s)

    def listen(self, listener: Listener) -> None:
        """Call it from the discovery thread with all news from now on; it must neither wait nor raise."""
        with self._told:
            self._listeners.append(listener)

    def unlisten(self, listener: Listener) -> None:
        with self._told:
            self._listeners.remove(listener)

    def close(self) -> None:
        """The thread ends with its present poll; it is a daemon, and nothing waits for it."""
        self._stop.set()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._stop.wait(self._turn())
        finally:
            self._api.close()  # a question that began while it was being closed has opened it again

    def _turn(self) -> float:
        """One question, told to who waits and kept; the pause until the next."""
        before = self.news.routes
        pause = self._ask()
        if not self._stop.is_set():
            self._tell()
            if self._cache_file is not None and self.news.routes is not before:
                endpoints_cache.write(self._cache_file, self.following.document)
        return pause

    def _ask(self) -> float:
        """One question; the pause until the next."""
        following, began = self.following, time.monotonic()
        try:
            found = self._api.discovery(following.etag, following.wait_s)
        except SeatrialError as error:
            pause = following.failed(error)
            if following.first_failure and not self._stop.is_set():
                until = "no model is known" if following.news.routes is None else "the endpoints known last are used"
                log.warning("discovery: %s; until it answers, %s", error, until)
            return pause
        return following.nothing_new(time.monotonic() - began) if found is None else following.heard(*found)

    def _tell(self) -> None:
        with self._told:
            self._told.notify_all()
            listeners = list(self._listeners)
        for listener in listeners:
            listener(self.news)


_Key = tuple[str, str | None, Path | None]
_lock = threading.Lock()
_running: dict[_Key, tuple[Discovery, ManagerAPI, int]] = {}


def shared(url: str, token: str | None, cache_file: Path | None) -> Discovery:
    """The one that all clients of this process share for a manager; each gives it back with `release`.

    A process that was forked from one with clients starts its own: threads do not come along.
    """
    key = (url, token, cache_file)
    with _lock:
        discovery, api, users = _running.get(key) or _started(url, token, cache_file)
        _running[key] = (discovery, api, users + 1)
        return discovery


def release(discovery: Discovery) -> None:
    """Give back what `shared` gave; the last one ends it. A second call for one `shared` takes it from another user."""
    with _lock:
        for key, (found, api, users) in list(_running.items()):
            if found is discovery:
                _running[key] = (found, api, users - 1)
                if users == 1:
                    del _running[key]
                    discovery.close()
                    api.close()


def _started(url: str, token: str | None, cache_file: Path | None) -> tuple[Discovery, ManagerAPI, int]:
    api = ManagerAPI(url, token=token)
    return Discovery(api, cache_file), api, 0


def _forked() -> None:
    global _lock
    _lock = threading.Lock()
    _running.clear()


os.register_at_fork(after_in_child=_forked)
