"""`seatrial shadow`, `replay` and `captures` about a version that answers otherwise, on a real manager and server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema_rs
import numpy as np
import pytest

pytest.importorskip("ml_metadata", reason="the manager runs in its own environment only")

from seatrial.client.manager_api import ManagerAPI
from seatrial.steps.deploy import deploy_to_staging
from seatrial.steps.shadow_validate import shadow_validate
from seatrial.tensors import from_npz, to_npz
from tests.commands import Seatrial, document
from tests.models import write_upload
from tests.rollover import COMPARISON, registered, run_of
from tests.served import serve


@pytest.fixture(scope="module")
def refused(manager: ManagerAPI, home: Path) -> dict[str, Any]:
    """tiny@2, which answers 3x where Production, tiny@1, answers 2x, after its comparison."""
    serve(manager, write_upload(home / "uploads" / "first"))
    for value in range(1, 6):
        manager.add_capture("tiny", 1, to_npz({"x": np.full((1, 4), value, np.float32)}))
    run = run_of(manager, "thrice")
    version = registered(home, run, scale=3.0, comparison=COMPARISON)
    deploy_to_staging(run, version["model_id"])
    assert shadow_validate(run, version["model_id"])["verdict"] == "FAIL"
    return version


def test_the_report_says_what_decided_and_how_to_see_it_again(seatrial: Seatrial, refused: dict[str, Any]) -> None:
    lines = seatrial("shadow", "tiny@2").stdout.splitlines()
    assert lines[0].startswith("tiny@2 against tiny@1: FAIL after 5 live and ")
    assert lines[1] == "The version is archived and its servers stop; nothing changes in Production."
    assert lines[2] == "compared as same-graph-fp32: its manifest says so"
    assert any(line.startswith("tensors") and "FAIL" in line and "answers differ" in line for line in lines)
    assert lines[-1].startswith("one of them again: seatrial replay tiny@2 --request ")


def test_the_report_is_as_its_schema_says(seatrial: Seatrial, refused: dict[str, Any]) -> None:
    schema, report = (document(seatrial(*words, "--json")) for words in (("report-schema",), ("shadow", "tiny@2")))
    validator = jsonschema_rs.validator_for(schema)
    validator.validate(report)
    assert not validator.is_valid({**report, "verdict": "MAYBE"})


def test_a_request_of_it_is_sent_again_though_its_version_is_archived(
    seatrial: Seatrial, refused: dict[str, Any], tmp_path: Path
) -> None:
    first = document(seatrial("shadow", "tiny@2", "--json"))["first_offending"][0]
    saved = tmp_path / "first.npz"
    done = seatrial("replay", "tiny@2", "--request", str(first["number"]), "--save", str(saved))
    assert done.returncode == 0, done.stderr
    assert f"request {first['request']}: tiny@2 beside tiny@1" in done.stdout
    assert "values" in done.stdout
    tensors = from_npz(saved.read_bytes())
    assert np.allclose(tensors["expected.y"], 2 * tensors["x"])
    assert np.allclose(tensors["got.y"], 3 * tensors["x"])
    assert seatrial("replay", "tiny@2", "--request", "1", "--save", str(saved)).returncode == 4, (
        "nothing is overwritten"
    )


def test_it_can_be_sent_again_from_a_file_after_the_captures_have_gone(
    seatrial: Seatrial, manager: ManagerAPI, refused: dict[str, Any], home: Path, tmp_path: Path
) -> None:
    report = document(seatrial("shadow", "tiny@2", "--json"))
    offending = next(one for one in report["first_offending"] if one["source"] == "capture")
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report))
    for path in (home / "manager" / "captures" / "tiny").glob("*.npz"):
        path.unlink()
    found = document(seatrial("replay", str(file), "--request", str(offending["number"]), "--json"))
    assert found["request"] == offending["request"]
    assert found["layers"][0]["flaw"] == "values"


def test_a_number_that_was_not_sent_and_a_version_without_report_are_not_found(
    seatrial: Seatrial, refused: dict[str, Any]
) -> None:
    done = seatrial("replay", "tiny@2", "--request", "99999")
    assert done.returncode == 3
    assert "request 99999: the report has 1 to " in done.stderr
    assert seatrial("shadow", "tiny@1").returncode == 3
    file = seatrial("replay", __file__, "--request", "1")
    assert file.returncode == 2
    assert "is no shadow report" in file.stderr


def test_the_page_says_the_verdict_and_shows_pictures(
    seatrial: Seatrial, refused: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    assert seatrial("shadow", "tiny@2", "--page", str(file)).returncode == 0
    page = file.read_text()
    assert '<span class="verdict FAIL">FAIL</span>' in page
    assert page.count("<svg") >= 3
    assert seatrial("shadow", "tiny@2", "--page", str(file)).returncode == 0
    assert file.read_text() == page, "the same report, the same page"


def test_a_dry_run_says_which_limits_would_apply_and_why(
    seatrial: Seatrial, refused: dict[str, Any], home: Path, tmp_path: Path
) -> None:
    folder = write_upload(tmp_path / "next", comparison={"outputs": {"y": {"kind": "label"}}})
    shown = seatrial("shadow", str(folder), "--dry-run").stdout
    assert shown.startswith("compared with @1 in Production, as same-graph-fp32: it shows no weights")
    assert "label" in shown
    shutil.rmtree(folder)
    assert "|b−a| ≤ 1e-05 + 0.001·|a|" in seatrial("shadow", "tiny@2", "--dry-run").stdout


def test_captures_are_listed_saved_and_removed(
    seatrial: Seatrial, manager: ManagerAPI, refused: dict[str, Any], tmp_path: Path
) -> None:
    manager.add_capture("tiny", 1, to_npz({"x": np.full((1, 4), 9, np.float32)}))
    newest = document(seatrial("captures", "tiny", "--limit", "1", "--save", str(tmp_path), "--json"))["captures"][0]
    assert from_npz((tmp_path / f"{newest['id']}.npz").read_bytes())["x"][0, 0] == 9
    assert newest["id"] in seatrial("captures", "tiny").stdout
    assert document(seatrial("captures", "tiny", "--remove", "--json"))["removed"] >= 1
    assert "no captured requests of tiny" in seatrial("captures", "tiny").stdout
