"""Folders that a real MLflow wrote are uploads as they are, on a real manager and a real Inference Server.

`make test` makes the environment that MLflow runs in (`make .venv-mlflow/.ready` by itself).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from seatrial.client.manager_api import ManagerAPI
from seatrial.errors import Refused, UploadRefused
from seatrial.formats.check import check_upload
from seatrial.served_model import ServedModel
from seatrial.steps.check_format import check_format
from seatrial.steps.deploy import deploy_to_staging
from seatrial.steps.register import register
from seatrial.steps.requests import samples_of
from seatrial.steps.shadow_validate import shadow_validate
from seatrial.uploads.roots import open_roots
from seatrial.uploads.source import Upload
from tests.managers import environ_of, managers
from tests.mlflow_runs import SAVED_MODEL, run_mlflow
from tests.rollover import run_of
from tests.storages import bytes_below


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def uploads(home: Path) -> Path:
    uploads = home / "uploads"
    uploads.mkdir()
    run_mlflow("mlflow_folders.py", home, uploads, SAVED_MODEL)
    return uploads


@pytest.fixture(scope="module")
def manager(home: Path) -> Iterator[ManagerAPI]:
    with managers(environ_of(home)) as [api]:
        yield api


def upload_at(uploads: Path, path: str) -> Upload:
    return Upload.at(open_roots([uploads.as_uri()]), str(uploads / path))


def test_an_onnx_folder_is_checked_registered_and_its_example_replayed_and_nothing_in_it_is_changed(
    uploads: Path, manager: ManagerAPI
) -> None:
    said: list[str] = []
    folder, run = uploads / "tiny-net", run_of(manager, "mlflow", said.append)
    upload, before = upload_at(uploads, "tiny-net"), bytes_below(folder)
    report = check_format(run, upload)
    assert not [line for line in said if "is assumed" in line]
    assert any("signature.outputs.y: FP64[-1,4] is not what the model's file says" in line for line in said), said
    version = register(run, upload, report)
    kept = manager.version(version["model_id"])
    assert (kept["model"], kept["manifest"]["samples"]) == ("tiny-net", ["input_example.json"])
    assert kept["manifest"]["metrics"] == {"f1": 0.5}
    assert kept["manifest"]["tags"]["dataset"] == "maestro"
    assert len(kept["manifest"]["tags"]["mlflow.run_id"]) == 32
    [(_, inputs)] = samples_of(run, kept, ServedModel.model_validate(kept["served"]))
    assert inputs["audio"].tolist() == np.linspace(-1, 1, 4, dtype=np.float32).reshape(1, 4).tolist()
    deploy_to_staging(run, version["model_id"])
    found = shadow_validate(run, version["model_id"])
    assert found["verdict"] == "PASS", found
    assert bytes_below(folder) == before
    assert {path: manager.file(version["model_id"], path) for path in before} == before


def test_a_tensorflow_folder_is_checked_and_answered_by_a_server_and_its_default_objective_is_told(
    uploads: Path, manager: ManagerAPI
) -> None:
    said: list[str] = []
    run, upload = run_of(manager, "tensorflow", said.append), upload_at(uploads, "pitch/1")
    report = check_format(run, upload)
    assert report["served"]["format"] == "savedmodel"
    assert any("warning: MLmodel: metadata.seatrial.objective: 1000 ms at p99 is assumed" in line for line in said)
    assert register(run, upload, report)["model"] == "pitch"


@pytest.mark.parametrize(("number", "file"), [(1, "tf2model"), (2, "data/model"), (3, "tfmodel")])
def test_each_layout_of_the_tensorflow_flavor_is_found(uploads: Path, number: int, file: str) -> None:
    report = check_upload(uploads / "pitch" / str(number))
    assert (report.manifest.model_file, report.sample_names) == (file, ("input_example.json",))


@pytest.mark.parametrize(("name", "says"), [("silent", "has no input example"), ("table", "'dataframe' is no array")])
def test_a_folder_without_an_example_of_arrays_is_refused_with_what_to_log(uploads: Path, name: str, says: str) -> None:
    with pytest.raises(UploadRefused, match=says) as caught:
        check_upload(uploads / name)
    assert "input_example=" in str(caught.value)


def test_a_report_that_says_more_than_the_mlmodel_is_not_registered(uploads: Path, manager: ManagerAPI) -> None:
    upload, run = upload_at(uploads, "tiny-net"), run_of(manager, "untrue")
    report = check_upload(uploads / "tiny-net").model_dump(mode="json")
    report["manifest"]["metrics"] = {"f1": 1.0}
    with pytest.raises(Refused, match=r"report\.manifest\.metrics"):
        register(run, upload, report)
