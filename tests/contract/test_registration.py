"""What the manager verifies of a check report before it registers, and of a trial before it starts a server."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.contract.conftest import Called, everything

Report = dict[str, Any]
OTHER = "0" * 64
VERSIONS = "/v1/models/tiny/versions"
TRIALS = "/v1/trial-servers"


def _rename(report: Report) -> None:
    report["manifest"]["name"] = report["served"]["name"] = "other"


def _without(path: str) -> Callable[[Report], None]:
    def change(report: Report) -> None:
        del report["files"][path]
        report["tree_digest"] = _tree(report)

    return change


def _set(*path: str, to: Any) -> Callable[[Report], None]:
    def change(report: Report) -> None:
        at = report
        for name in path[:-1]:
            at = at[name]
        at[path[-1]] = to

    return change


def _other_model_file(report: Report) -> None:
    report["files"]["model.onnx"] = report["served"]["files"]["model.onnx"] = OTHER
    report["tree_digest"] = _tree(report)


def _tree(report: Report) -> str:
    from seatrial.storage.listings import tree_digest

    return tree_digest(report["files"])


UNTRUE: list[tuple[str, Callable[[Report], None], str]] = [
    ("the name is not the path's", _rename, "report.manifest.name"),
    ("another description", _set("manifest", "description", to="better"), "report.manifest.description"),
    ("another objective", _set("manifest", "objective", "latency_ms", to=9e3), "report.manifest.objective"),
    ("metrics that the upload does not claim", _set("manifest", "metrics", to={"f1": 1.0}), "report.manifest.metrics"),
    ("another name is served", _set("served", "name", to="other"), "report.served.name"),
    ("another number is served", _set("served", "version", to=7), "report.served.version"),
    ("another format is served", _set("served", "format", to="savedmodel"), "report.served.format"),
    ("another file is served", _set("served", "main_file", to="samples/a.npz"), "report.served.main_file"),
    ("a file that is not the upload's", _set("served", "files", "x", to=OTHER), "report.served.files.x"),
    (
        "other bytes than the upload's",
        _set("served", "files", "model.onnx", to=OTHER),
        "report.served.files.model.onnx",
    ),
    ("no model file", _set("served", "files", to={}), "report.served.files"),
    ("a layer too many", _set("served", "layers", "z", to="z"), "report.served.signature"),
    ("no signature", _set("served", "signature", to={"inputs": [], "outputs": []}), "report.served.signature"),
    ("other samples", _set("sample_names", to=[]), "report.sample_names"),
    ("another digest of all", _set("tree_digest", to=OTHER), "report.tree_digest"),
    ("no manifest among the files", _without("model.yaml"), "report.files"),
    ("a sample is missing", _without("samples/a.npz"), "report.files"),
]


@pytest.mark.parametrize(("change", "field"), [row[1:] for row in UNTRUE], ids=[row[0] for row in UNTRUE])
def test_a_report_that_does_not_agree_with_the_upload_registers_nothing(
    called: Called, change: Callable[[Report], None], field: str
) -> None:
    report, before = deepcopy(called.report), everything(called)
    change(report)
    body = {"upload": str(called.upload), "report": report, "run": ""}
    answer = called.http.post(VERSIONS, json=body, headers=called.headers("operator"))
    problem = answer.json()
    assert (answer.status_code, problem["field"]) == (422, field), problem
    assert {"value", "limit"} <= set(problem)
    assert everything(called) == before


def test_a_report_with_a_digest_that_a_file_does_not_have_registers_nothing(called: Called) -> None:
    report, before = deepcopy(called.report), everything(called)
    _other_model_file(report)
    body = {"upload": str(called.upload), "report": report, "run": ""}
    answer = called.http.post(VERSIONS, json=body, headers=called.headers("operator"))
    assert (answer.status_code, answer.json()["type"], answer.json()["file"]) == (
        422,
        "urn:seatrial:upload-refused",
        "model.onnx",
    )
    assert everything(called) == before


def test_the_true_report_again_is_the_version_that_is_there(called: Called) -> None:
    body = {"upload": str(called.upload), "report": called.report, "run": "test"}
    answer = called.http.post(VERSIONS, json=body, headers=called.headers("operator"))
    assert (answer.status_code, answer.json()["created"]) == (200, False)


def trial(called: Called, **wanted: Any) -> Any:
    body = {"served": called.report["served"], "option": {"name": "cpu-1x1"}, "purpose": "a test", **wanted}
    answer = called.http.post(TRIALS, json=body, headers=called.headers("operator"))
    assert not called.manager.backend.records()
    return answer


def test_a_trial_of_a_model_id_that_is_not_there_is_refused_at_once(called: Called) -> None:
    answer = trial(called, model_id=999_999)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:seatrial:no-such-version")


@pytest.mark.parametrize("files", [{"model.onnx": OTHER}, {"other.onnx": OTHER}])
def test_a_trial_of_a_version_with_files_of_another_one_is_refused_at_once(
    called: Called, files: dict[str, str]
) -> None:
    model_id = called.manager.registry.version("tiny", 1).model_id
    answer = trial(called, model_id=model_id, served={**called.report["served"], "files": files})
    assert (answer.status_code, answer.json()["file"]) == (404, next(iter(files)))


def test_a_trial_is_of_an_upload_or_of_a_version_and_not_of_both(called: Called) -> None:
    model_id = called.manager.registry.version("tiny", 1).model_id
    for wanted in ({}, {"model_id": model_id, "upload": str(called.upload)}):
        answer = trial(called, **wanted)
        assert (answer.status_code, answer.json()["field"]) == (422, "upload")


def test_a_trial_with_a_dtype_that_would_write_into_tritons_configuration_is_refused(called: Called) -> None:
    served = deepcopy(called.report["served"])
    served["signature"]["inputs"][0]["dtype"] = "FP32\n}\nparameters {"
    answer = trial(called, served=served, upload=str(called.upload))
    assert answer.status_code == 422
    assert "dtype" in answer.json()["detail"]
