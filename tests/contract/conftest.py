"""A manager on a real registry, called over HTTP, without Inference Servers behind it; and a storage of each kind."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from seatrial.formats.check import check_upload
from seatrial.manager.app import build_app
from seatrial.manager.composition import InferenceManager
from seatrial.manager.tokens import TokenFile, Tokens
from seatrial.settings import Settings
from tests.models import write_upload
from tests.storages import Place, folder_place, hdfs_place


@dataclass
class Called:
    """The manager behind its API. `report` is what CheckFormat says of the upload of `tiny`@1."""

    app: FastAPI
    http: httpx.Client
    manager: InferenceManager
    home: Path
    upload: Path
    report: dict[str, Any]

    def headers(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secrets[role]}"}

    def __post_init__(self) -> None:
        self.secrets = {role: TokenFile(self.home).create(f"a-{role}", role)[1] for role in ("client", "researcher")}
        self.secrets["operator"] = "the home's own"


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        thread = threading.Thread(target=server.run, args=([taken],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="package")
def called(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Called]:
    """`tiny`@1 is registered and in Staging; nothing is deployed."""
    with calling(tmp_path_factory.mktemp("home")) as found:
        yield found


@contextmanager
def calling(home: Path, **environ: str) -> Iterator[Called]:
    """A manager with `tiny`@1 in Staging; `environ` are settings beside its home."""
    settings = Settings.read({"SEATRIAL_HOME": str(home), **environ})
    manager = InferenceManager.assemble(settings)
    app = build_app(manager, Tokens(TokenFile(home), "the home's own"))
    upload = write_upload(home / "uploads" / "first", description="twice the input", user="ann")
    report = check_upload(upload).model_dump(mode="json")
    with listening(app) as url, httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        found = Called(app, http, manager, home, upload, report)
        body = {"upload": str(upload), "report": report, "run": "test"}
        operator = found.headers("operator")
        assert http.post("/v1/models/tiny/versions", json=body, headers=operator).status_code == 201
        move = {"version": 1, "to": "Staging", "who": "a test"}
        assert http.post("/v1/models/tiny/stage-moves", json=move, headers=operator).status_code == 201
        yield found


def everything(called: Called) -> Any:
    """All that the registry holds."""
    registry = called.manager.registry
    return [
        (
            model,
            registry.versions(model.name),
            registry.ledger(model.name),
            [registry.evidence(version.model_id) for version in registry.versions(model.name)],
        )
        for model in registry.models()
    ]


@pytest.fixture(params=["folder", "hdfs"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty storage of each kind."""
    if request.param == "folder":
        return folder_place(tmp_path / "storage")
    return hdfs_place(request.getfixturevalue("cluster"), f"tests/{uuid.uuid4().hex}")
