"""`seatrial import-mlflow` on a real MLflow: a tracking directory, a database, a running server.

`make test` makes the environment that MLflow runs in (`make .venv-mlflow/.ready` by itself).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from seatrial.formats.check import check_upload
from seatrial.steps.check_format import check_format
from seatrial.steps.run import Run
from seatrial.waiting import Deadline, wait_until
from tests.commands import Done, Seatrial, document, seatrial_in
from tests.managers import environ_of, managers
from tests.mlflow_runs import MLFLOW, SAVED_MODEL, run_mlflow
from tests.ports import free_port
from tests.storages import bytes_below, upload_in


@pytest.fixture
def run(tmp_path: Path) -> Seatrial:
    environ = {**os.environ, "SEATRIAL_HOME": str(tmp_path / "home")}

    seatrial = seatrial_in(tmp_path, environ)
    return lambda *arguments, python=MLFLOW: seatrial("import-mlflow", *arguments, "--python", str(python))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("database")
    return _log(f"sqlite:///{folder / 'mlflow.db'}", folder)


def _log(address: str, folder: Path, script: str = "mlflow_models.py", *arguments: str | Path) -> str:
    run_mlflow(script, folder, address, *arguments)
    return address


@pytest.fixture
def server(database: str, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    command: list[str | Path] = [MLFLOW, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", database]
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=tmp_path)
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{address}/health", timeout=2).is_success
        except httpx.HTTPError:
            return False

    try:
        wait_until(answers, Deadline.after(120), "the MLflow server")
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def _versions(done: Done) -> dict[tuple[str, int], dict[str, Any]]:
    return {(each["source"], each["version"]): each for each in document(done)["versions"]}


def test_a_database_becomes_uploads_that_pass_the_check_and_a_second_call_changes_nothing(
    database: str, run: Seatrial, tmp_path: Path
) -> None:
    uploads = tmp_path / "home" / "uploads"
    found = _versions(run(database, "--latency-ms", "50", "--json"))
    assert "neither ONNX" in found["echo", 1]["skipped"]
    one, two = found["Tiny Net", 1], found["Tiny Net", 2]
    assert [(each["model"], each["stage"], each["missing"], each["sent"]) for each in (one, two)] == [
        ("tiny-net", "Production", [], True),
        ("tiny-net", "Staging", [], False),
    ]
    assert (uploads / "mlflow-tiny-net-v0001" / "_SUCCESS").exists()
    report = check_upload(Path(two["folder"]))
    assert report.manifest.metrics == {"f1": 0.75}
    assert report.manifest.hyper_parameters == {"layers": 4}
    assert (report.manifest.description, report.manifest.objective.latency_ms) == ("second", 50.0)
    assert {"team": "audio", "note": "retrained", "mlflow.version": "2"}.items() <= report.manifest.tags.items()
    before = bytes_below(uploads)
    again = run(database, "--latency-ms", "50", "--json")
    assert json.loads(again.stdout)["changed"] is False
    assert bytes_below(uploads) == before


def test_a_running_server_gives_the_same_and_a_dry_run_writes_nothing(
    server: str, run: Seatrial, tmp_path: Path
) -> None:
    planned = _versions(run(server, "--dry-run", "--json"))
    assert not (tmp_path / "home").exists()
    assert "objective" in planned["Tiny Net", 1]["missing"][0]
    assert {each["state"] for each in planned.values()} == {"planned", "skipped"}
    written = _versions(run(server, "--to", str(tmp_path / "to"), "--json"))
    assert {each["state"] for each in written.values()} == {"written", "skipped"}
    text = (tmp_path / "to" / "mlflow-tiny-net-v0001" / "model.yaml").read_text()
    assert text.startswith("# To fill in")
    assert "objective" not in text.partition("name:")[2]


def test_a_tracking_directory_is_read_as_it_is(run: Seatrial, tmp_path: Path) -> None:
    tracking = tmp_path / "mlruns"
    _log(str(tracking), tmp_path)
    before = bytes_below(tracking)
    done = run(str(tracking), "--to", str(tmp_path / "to"), "--latency-ms", "50", "--name", "Tiny Net=pitch")
    assert done.returncode == 0, done.stderr
    assert "Tiny Net → pitch" in done.stdout
    assert check_upload(tmp_path / "to" / "mlflow-pitch-v0001").manifest.name == "pitch"
    assert bytes_below(tracking) == before


def test_a_saved_model_in_each_of_mlflows_layouts_becomes_an_upload_that_a_server_answers(
    run: Seatrial, tmp_path: Path
) -> None:
    source = _log(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path, "mlflow_savedmodels.py", SAVED_MODEL)
    home = tmp_path / "home"
    found = _versions(run(source, "--to", str(home / "uploads"), "--latency-ms", "150", "--json"))
    assert [each["missing"] for each in found.values()] == [[]] * 3
    files = [check_upload(Path(each["folder"])).manifest.model_file for each in found.values()]
    assert files == ["tf2model", "data/model", "tfmodel"]
    with managers(environ_of(home)) as [api]:
        checked = check_format(
            Run(api, "a test", "ann", Deadline.after(180), print), upload_in(Path(found["Pitch", 1]["folder"]))
        )
    assert checked["served"]["format"] == "savedmodel"
    assert list(checked["sample_names"]) == ["samples/example.npz"]


def test_what_cannot_be_read_is_one_line_that_says_what_to_do(run: Seatrial, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, says in (
        (str(tmp_path / "empty"), "no folder models/"),
        (f"sqlite:///{tmp_path / 'none.db'}", "is not there"),
        ("postgres://x", "a directory, sqlite:///file or http://server"),
    ):
        done = run(source)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert says in done.stderr
    (tmp_path / "empty" / "models").mkdir()
    done = run(str(tmp_path / "empty"), python=Path(sys.executable))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install mlflow" in done.stderr
    assert not (tmp_path / "none.db").exists()


def test_a_server_that_is_away_is_told_as_such(run: Seatrial) -> None:
    done = run(f"http://127.0.0.1:{free_port()}")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
