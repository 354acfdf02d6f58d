"""Keeps the routes up to date: one long poll for all models; the last ones known are used while the manager is away."""

from __future__ import annotations

import json
import logging
import os
import random
import threading
from pathlib import Path
from typing import Any

from seatrial.client.manager_api import ManagerAPI, is_document
from seatrial.client.routes import Routes
from seatrial.errors import ManagerUnavailable, SeatrialError

log = logging.getLogger(__name__)

WAIT_S = 25.0
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)  # between tries while the manager is away; jittered, so that clients spread


class Discovery:
    """A thread that follows the manager. `routes` answers from memory and never waits, but for the first answer."""

    def __init__(self, api: ManagerAPI, cache_file: Path | None = None) -> None:
        self._api, self._cache_file = api, cache_file
        self._routes: Routes | None = None
        self._problem: SeatrialError | None = None
        self._known = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="seatrial-discovery", daemon=True)
        self._thread.start()

    def routes(self, timeout_s: float) -> Routes:
        """The newest routes known. Raises ManagerUnavailable when there are none within `timeout_s`."""
        with self._known:
            answered = self._known.wait_for(self._answered, timeout_s / 2)
            if not answered:  # a manager that hangs is as good as none: half of the time is left for the request
                self._use_cache()
                self._known.wait_for(self._answered, timeout_s / 2)
            if self._routes is not None:
                return self._routes
            raise self._problem or ManagerUnavailable(f"the Inference Manager at {self._api.url} was not heard yet")

    def close(self) -> None:
        """The thread ends with its present poll; it is a daemon, and nothing waits for it."""
        self._stop.set()

    def _answered(self) -> bool:
        return self._routes is not None or self._problem is not None

    def _run(self) -> None:
        etag, failures, wait_s = None, 0, 0.0
        while not self._stop.is_set():
            try:
                news = self._api.discovery(etag, wait_s)
            except SeatrialError as error:
                if self._stop.is_set():
                    return
                self._failed(error, first=failures == 0)
                pause = PAUSES_S[min(failures, len(PAUSES_S) - 1)]
                failures += 1
                self._stop.wait(pause * random.uniform(0.75, 1.25))
                continue
            failures, wait_s = 0, WAIT_S
            if news is not None:
                document, etag = news
                self._heard(document)
                self._remember(document)

    def _heard(self, document: dict[str, Any]) -> None:
        with self._known:
            self._routes, self._problem = Routes(document), None
            self._known.notify_all()

    def _failed(self, error: SeatrialError, *, first: bool) -> None:
        if first:
            log.warning("discovery: %s; the last endpoints known are used", error)
        with self._known:
            if self._routes is None and not self._use_cache():
                self._problem = error
            self._known.notify_all()

    def _use_cache(self) -> bool:
        """Take the routes of the cache file, if there are any. Called with `_known` held."""
        cached = self._recall()
        if cached is not None:
            self._routes, self._problem = Routes(cached), None
        return cached is not None

    def _remember(self, document: dict[str, Any]) -> None:
        if self._cache_file is None:
            return
        fresh = self._cache_file.with_name(f".{self._cache_file.name}.{os.getpid()}")
        try:
            fresh.write_text(json.dumps(document))
            fresh.replace(self._cache_file)
        except OSError as error:
            log.warning("discovery: the cache %s cannot be written: %s", self._cache_file, error)

    def _recall(self) -> dict[str, Any] | None:
        if self._cache_file is None:
            return None
        try:
            document = json.loads(self._cache_file.read_text())
        except (OSError, ValueError):
            return None
        return document if is_document(document) else None
