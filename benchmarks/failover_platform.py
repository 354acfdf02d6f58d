"""A deployment of a real manager, and what can happen to it.

The manager and its tritonservers are the real ones. The model is of four lines and waits as long as it is told to for
each request: a computing one would measure how few cores the machine has.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from seatrial.client.manager_api import ManagerAPI
from seatrial.errors import ManagerUnavailable
from seatrial.serving.processes import of_replicas
from seatrial.settings import Settings
from tests.managers import environ_of, managers
from tests.misbehaving import misbehaving_python
from tests.models import tiny_onnx, write_upload
from tests.served import OPTION, serve

MODEL = "tiny"
LOOK_S = 0.1
PORT = 8870


class Platform:
    """`ready` has the moment (monotonic) at which each replica was first seen ready, by its id; oldest first."""

    def __init__(self, api: ManagerAPI, home: Path, model_id: int) -> None:
        self.url, self.token = api.url, Settings.read(environ_of(home)).token or ""
        self._api, self._home, self._model_id = api, home, model_id
        self._manager = psutil.Process(api.health()["pid"])
        self.ready: dict[str, float] = {}
        self._look()

    def replicas(self) -> list[dict[str, Any]]:
        """Those that are ready, oldest first."""
        found = self._api.deployment(self._model_id)["replicas"]
        return [replica for replica in found if replica["state"] == "ready"]

    def want(self, replicas: int) -> None:
        self._api.want_deployment(self._model_id, option=OPTION, replicas=replicas)

    def signal(self, replica: dict[str, Any], number: int) -> None:
        """To all processes of it."""
        os.killpg(replica["pid"], number)

    def takes(self, replica: dict[str, Any], seconds: float) -> None:
        """Each request takes it so long from now on."""
        folder = self._home / "servers" / replica["id"]
        (folder / "takes_s.new").write_text(str(seconds))
        (folder / "takes_s.new").replace(folder / "takes_s")

    def kill_manager(self) -> None:
        self._manager.kill()
        self._manager.wait(60)

    @contextmanager
    def followed(self) -> Iterator[None]:
        """`ready` is kept as long as the manager answers."""
        over = threading.Event()
        thread = threading.Thread(target=self._follow, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _follow(self, over: threading.Event) -> None:
        with suppress(ManagerUnavailable):
            while not over.wait(LOOK_S):
                self._look()

    def _look(self) -> None:
        for replica in self.replicas():
            self.ready.setdefault(replica["id"], time.monotonic())


@contextmanager
def platform(replicas: int, takes_s: float) -> Iterator[Platform]:
    """The model in Production with so many replicas, ready. All servers are gone at the end, also those that a killed
    manager left."""
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as folder:
        home, python = Path(folder) / "home", misbehaving_python(Path(folder) / "venv")
        environ = environ_of(home)
        try:
            with managers(environ, port=PORT, python=python) as (api,):
                upload = write_upload(home / "uploads" / "one", model=False)
                tiny_onnx(upload / "model.onnx", metadata={"takes_s": str(takes_s)})
                yield Platform(api, home, serve(api, upload, replicas=replicas))
        finally:
            if any(of_replicas((home / "servers").resolve())):
                with managers(environ, port=PORT, python=python):
                    pass  # it finds them, and stops them when it ends
