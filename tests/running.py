"""A real manager behind real HTTP, in this process: for tests of what it answers rather than of how it is started."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from seatrial.client.registry_api import RegistryAPI
from seatrial.manager.app import build_app
from seatrial.manager.composition import InferenceManager
from seatrial.registry.entities import ModelVersion
from seatrial.served_model import ServedModel
from seatrial.settings import Settings
from seatrial.tensors import Signature, TensorSpec
from seatrial.waiting import Deadline, wait_until

SERVED = ServedModel(
    name="upload",
    version=1,
    format="onnx",
    main_file="model.onnx",
    files={"model.onnx": "a" * 64},
    signature=Signature((TensorSpec("x", "FP32", (-1, 4)),), (TensorSpec("y", "FP32", (-1, 4)),)),
)


@contextmanager
def running_manager(home: Path, registry: str | None = None) -> Iterator[tuple[InferenceManager, RegistryAPI]]:
    """The manager of a home folder and its API, until the block ends; `registry` is another store than the home's."""
    environ = {"SEATRIAL_HOME": str(home), "SEATRIAL_STOP_SERVERS": "1"}
    manager = InferenceManager.assemble(
        Settings.read({**environ, "SEATRIAL_REGISTRY": registry} if registry else environ)
    )
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(build_app(manager, None), log_level="warning", lifespan="on", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    (home / "manager.url").write_text(url)
    try:
        wait_until(lambda: server.started, Deadline.after(60), "the manager listens")
        with RegistryAPI(url) as api:
            yield manager, api
    finally:
        manager.news.close()
        server.should_exit = True
        thread.join()
        listening.close()


def register(manager: InferenceManager, model: str, digest: str, **manifest: Any) -> ModelVersion:
    """A version with this manifest; `digest` is any text, made into one."""
    tree = digest.encode().hex().ljust(64, "0")[:64]
    return manager.registry.register(model, tree, served=SERVED, manifest={"name": model, **manifest})[0]


def promote(manager: InferenceManager, version: ModelVersion, **author: str) -> None:
    for stage in ("Staging", "Production"):
        manager.registry.move_stage(version.model, version.version, stage, **author)  # type: ignore[arg-type]
