"""Airflow counts as ready once it has answered everything that is asked of it; a real HTTP server plays its answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from quickstart.airflow_api import AirflowAPI
from quickstart.services import is_ready

HEALTHY = {name: {"status": "healthy"} for name in ("metadatabase", "scheduler", "triggerer", "dag_processor")}
ANSWERS = {
    "/auth/token": (201, {"access_token": "t"}),
    "/api/v2/monitor/health": (200, HEALTHY),
    "/api/v2/dags": (200, {"dags": [{"dag_id": "uploads"}]}),
    "/api/v2/pools": (201, {}),
}


@pytest.fixture
def answers() -> dict[str, tuple[int, Any]]:
    return dict(ANSWERS)


@pytest.fixture
def airflow(answers: dict[str, tuple[int, Any]]) -> Iterator[AirflowAPI]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, document = answers[self.path]
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 what http.server calls

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        api = AirflowAPI(f"http://127.0.0.1:{server.server_port}", "admin", "secret")
        yield api
        api.close()
        server.shutdown()


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    (tmp_path / "uploads.py").touch()
    return tmp_path


@pytest.mark.parametrize("path", ANSWERS)
def test_it_is_not_ready_while_any_answer_is_an_error_of_its_own(
    airflow: AirflowAPI, dags: Path, answers: dict[str, tuple[int, Any]], path: str
) -> None:
    answers[path] = (500, {"detail": "database is locked"})
    assert not is_ready(airflow, dags)
    answers[path] = ANSWERS[path]
    assert is_ready(airflow, dags)


def test_a_pool_that_is_there_stays_and_a_refusal_is_told(
    airflow: AirflowAPI, dags: Path, answers: dict[str, tuple[int, Any]]
) -> None:
    answers["/api/v2/pools"] = (409, {"detail": "there is one"})
    assert is_ready(airflow, dags)
    answers["/api/v2/pools"] = (403, {"detail": "no"})
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        is_ready(airflow, dags)


def test_it_is_not_ready_before_it_knows_each_dag(airflow: AirflowAPI, dags: Path) -> None:
    (dags / "reprofile.py").touch()
    assert not is_ready(airflow, dags)
