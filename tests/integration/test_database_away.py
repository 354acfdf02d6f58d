"""A real manager whose database server is stopped under it: it says 503, lives on, and goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("ml_metadata", reason="the manager runs in its own environment only")

from seatrial.client.manager_api import ManagerAPI
from seatrial.errors import SeatrialError, TryAgain
from seatrial.formats.check import check_upload
from seatrial.settings import Settings
from seatrial.tensors import to_npz
from tests.managers import environ_of, managers
from tests.mariadb import MariaDBServer
from tests.models import tiny_sample, write_upload
from tests.postgres import PostgresServer

Server = PostgresServer | MariaDBServer
OPTION = {"name": "cpu-1x1", "cores": 1, "threads": 1}
MOVE = {"version": 1, "to": "Archived", "who": "ann", "run": "r", "why": "w"}
POLICY = {
    "model": "tiny",
    "version": 1,
    "model_id": 1,
    "environment": "local",
    "option": OPTION,
    "cell": "tiny@1/cpu-1x1",
    "lambda_max": 10.0,
    "mu": 12.0,
    "ratio": 0.5,
    "ratio_factors": {},
    "target_per_replica": 5.0,
    "min_replicas": 1,
    "max_replicas": 2,
    "scale_down_window_s": 60.0,
    "derived_at_ms": 0,
    "explanation": "",
}
ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/models", None),
    ("GET", "/models/tiny", None),
    ("GET", "/models/tiny/ledger", None),
    ("GET", "/models/tiny/rollback-target", None),
    ("POST", "/models/tiny/stage-moves", MOVE),
    ("POST", "/models/tiny/versions", "registration"),
    ("GET", "/models/tiny/versions/1", None),
    ("GET", "/versions/{id}", None),
    ("GET", "/versions/{id}/files/model.onnx", None),
    ("GET", "/versions/{id}/evidence", None),
    ("POST", "/versions/{id}/evidence", {"kind": "CheckFormat", "key": "k", "run": "r", "document": {}}),
    ("PUT", "/versions/{id}/deployment", {"option": OPTION, "replicas": 1}),
    ("GET", "/versions/{id}/deployment", None),
    ("GET", "/models/tiny/scaling-policy", None),
    ("PUT", "/models/tiny/scaling-policy", {"policy": POLICY, "run": "r"}),
    ("GET", "/models/tiny/captures", None),
    ("GET", "/models/tiny/captures/1", None),
    ("POST", "/models/tiny/captures", "capture"),
    ("PUT", "/models/tiny/captures/1/aside", None),
    ("DELETE", "/models/tiny/captures", None),
    ("GET", "/discovery", None),
]


@pytest.fixture(params=[PostgresServer, MariaDBServer])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of its own: this test stops it."""
    with request.param.running() as server:
        yield server


@pytest.fixture
def environ(server: Server, tmp_path: Path) -> dict[str, str]:
    return environ_of(tmp_path, SEATRIAL_REGISTRY=server.new_database())


def registration(folder: Path) -> dict[str, Any]:
    return {"upload": str(folder), "report": check_upload(folder).model_dump(mode="json"), "run": "r"}


def register(api: ManagerAPI, folder: Path) -> dict[str, Any]:
    return api.register("tiny", **registration(folder))


def answers(environ: dict[str, str], model_id: int, second: Path) -> Iterator[tuple[str, httpx.Response]]:
    settings = Settings.read(environ)
    with httpx.Client(
        base_url=settings.manager_url + "/v1", headers={"Authorization": f"Bearer {settings.token}"}
    ) as http:
        for method, path, body in ROUTES:
            path = path.format(id=model_id)
            if body == "capture":
                yield path, http.post(path, content=to_npz(tiny_sample()), headers={"Seatrial-Version": "1"})
            else:
                yield path, http.request(method, path, json=registration(second) if body == "registration" else body)


def test_every_route_that_needs_the_store_says_when_to_try_again_and_works_again_by_itself(
    server: Server, environ: dict[str, str], tmp_path: Path
) -> None:
    first, second = (write_upload(tmp_path / "uploads" / str(at), scale=float(at)) for at in (1, 2))
    with managers(environ) as [api]:
        model_id = register(api, first)["version"]["model_id"]
        api.move_stage("tiny", 1, "Staging", who="ann", run="r", why="w")
        before, pid = api.model("tiny"), api.health()["pid"]
        server.stop()
        for path, answer in answers(environ, model_id, second):
            assert answer.status_code == 503, f"{path}: {answer.text}"
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.json()["type"] == "urn:seatrial:try-again"
        assert api.health()["pid"] == pid
        assert api.deployments() == []
        server.start()
        assert api.model("tiny") == before
        assert api.evidence(model_id)[0]["run"] == "r"
        assert len(api.evidence(model_id)) == 1
        assert register(api, second)["version"]["version"] == 2
        assert api.move_stage("tiny", 1, "Archived", who="ann", run="r", why="w")["seq"] == 2
        assert api.health()["pid"] == pid


def test_a_write_is_the_first_to_notice_a_restart_and_is_done_once(
    server: Server, environ: dict[str, str], tmp_path: Path
) -> None:
    with managers(environ) as [api]:
        register(api, write_upload(tmp_path / "uploads" / "1"))
        for seq, stage in enumerate(("Staging", "Production", "Archived"), 1):
            server.stop()
            server.start()
            assert api.move_stage("tiny", 1, stage, who="ann", run="r", why="w")["seq"] == seq
        assert [move["to_stage"] for move in api.ledger("tiny")] == ["Staging", "Production", "Archived"]


def test_a_manager_may_be_started_while_its_store_is_away(
    server: Server, environ: dict[str, str], tmp_path: Path
) -> None:
    server.stop()
    with managers(environ) as [api]:
        with pytest.raises(TryAgain, match="the registry's store cannot be opened") as raised:
            api.models()
        assert "p@ss" not in str(raised.value)
        server.start()
        assert api.models() == []
        assert register(api, write_upload(tmp_path / "uploads" / "1"))["created"] is True


def test_a_wrong_password_is_not_told_to_callers(server: PostgresServer, environ: dict[str, str]) -> None:
    connection = environ["SEATRIAL_REGISTRY"].replace("w%23rd", "secret")
    with managers({**environ, "SEATRIAL_REGISTRY": connection}) as [api]:
        with pytest.raises(SeatrialError) as raised:
            api.models()
        assert "secret" not in str(raised.value)
