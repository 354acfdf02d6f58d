"""What an auditor asks of a real manager: dossiers, and Production at a moment, also in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ml_metadata", reason="ml-metadata is in the manager's environment only")

from seatrial.cli import main
from seatrial.client.registry_api import RegistryAPI
from seatrial.errors import NoSuchModel, NoSuchVersion, Refused
from seatrial.manager.composition import InferenceManager
from tests.running import promote, register, running_manager

PART = {"name": "errors", "verdict": "PASS", "value": 0.001, "limit": 0.01, "samples": 350, "sentence": "0 differ"}
REPORT = {"verdict": "PASS", "sentence": "0 of 350 answers differ", "production": 1, "parts": [PART]}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("seatrial")


@pytest.fixture(scope="module")
def parts(home: Path) -> Iterator[tuple[InferenceManager, RegistryAPI]]:
    """pitch@1 in Production, then pitch@2 with a verdict of before and one document of after its promotion."""
    with running_manager(home) as (manager, api):
        first, second = (register(manager, "pitch", f"p{at}", user="ann", metrics={"f1": 0.5}) for at in (1, 2))
        promote(manager, first, who="ann", run="run 1", why="the first one")
        manager.registry.add_evidence(second.model_id, "ShadowValidate", "report", "run 2", REPORT)
        promote(manager, second, who="airflow", run="run 2", why="validated")
        last = manager.registry.ledger("pitch")[-1].at_ms
        while manager.registry.add_evidence(second.model_id, "Late", "x", "run 3", {}).at_ms <= last:
            pass
        yield manager, api


@pytest.fixture
def api(parts: tuple[InferenceManager, RegistryAPI]) -> RegistryAPI:
    return parts[1]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(list(arguments))
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def _home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_HOME", str(home))


def test_production_at_a_moment_names_the_entry_and_what_was_known_then(api: RegistryAPI) -> None:
    moves = api.ledger("pitch")
    for move in moves:
        held = api.production_at("pitch", str(move["at_ms"]), "local")
        assert held["production"] is None or held["production"]["began"]["at_ms"] <= move["at_ms"]
    now = api.production_at("pitch", str(moves[-1]["at_ms"]), "local")
    assert (now["production"]["version"], now["production"]["began"], now["staging"]) == (2, moves[-1], None)
    assert [found["kind"] for found in now["production"]["evidence"]] == ["ShadowValidate"]
    assert api.production_at("pitch", "2001-01-01", "local")["production"] is None
    assert api.production_at("pitch", str(moves[-1]["at_ms"]), "paris")["production"] is None


def test_production_at_a_moment_is_told_to_a_stranger(api: RegistryAPI, capsys: pytest.CaptureFixture[str]) -> None:
    told = shown(capsys, "ledger", "pitch", "--at", "2999-01-01T00:00:00+01:00")
    for part in (
        "pitch in local at 2999-01-01 00:00:00 UTC+01:00  (yet to come",
        "Production: pitch@2 (model id ",
        "put there by ledger entry 4, ",
        "Staging → Production, displacing @1, by airflow, run run 2: validated",
        "comparison with Production (ShadowValidate): PASS: 0 of 350 answers differ",
        "errors: PASS, 0.001 against a limit of 0.01 over 350 samples: 0 differ",
        "Staging: nothing",
    ):
        assert part in told
    assert "Late" not in told
    assert "Production: nothing" in shown(capsys, "ledger", "pitch", "--at", "2001-01-01T12:00")


def test_a_time_without_a_zone_is_of_this_machine_and_the_answer_says_so(
    api: RegistryAPI, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        found = json.loads(shown(capsys, "ledger", "pitch", "--at", "2026-11-24T14:05", "--json"))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (found["at"], found["at_ms"]) == ("2026-11-24 14:05:00 JST, UTC+09:00", 1795496700000)


def test_a_dossier_is_one_document_with_everything(
    parts: tuple[InferenceManager, RegistryAPI], capsys: pytest.CaptureFixture[str]
) -> None:
    manager, api = parts
    found: dict[str, Any] = json.loads(shown(capsys, "show", "pitch@2", "--json"))
    assert found == api.dossier(manager.registry.version("pitch", 2).model_id)
    assert found["schema"] == 1
    assert found["verdicts"][0]["parts"] == [PART]
    assert [move["seq"] for move in found["ledger"]] == [3, 4]
    assert found["files_kept"] is False
    assert found["files"] == {"model.onnx": "a" * 64}


def test_a_version_is_shown_to_a_stranger(api: RegistryAPI, capsys: pytest.CaptureFixture[str]) -> None:
    told = shown(capsys, "show", "pitch@1")
    for part in ("onnx  Archived", "by ann", "reported metrics: f1 = 0.5", "Nothing was found out", "displaced by @2"):
        assert part in told
    told = shown(capsys, "show", str(api.model_version("pitch", 2)["model_id"]))
    assert "PASS: 0 of 350" in told
    assert "Late: x" in told


def test_evidence_of_any_shape_can_be_shown(
    parts: tuple[InferenceManager, RegistryAPI], capsys: pytest.CaptureFixture[str]
) -> None:
    manager, _ = parts
    odd = register(manager, "odd", "odd")
    for kind in ("ShadowValidate", "ProfileHardware", "ChooseHardware"):
        manager.registry.add_evidence(odd.model_id, kind, "k", "r", {"verdict": "PASS", "parts": [1], "choice": 3})
    assert "load measurement (ProfileHardware): k" in shown(capsys, "show", "odd@1")


def test_wrong_questions_are_refused_by_name(api: RegistryAPI) -> None:
    with pytest.raises(Refused, match="'noon' is not a moment"):
        api.production_at("pitch", "noon", "local")
    with pytest.raises(NoSuchModel):
        api.production_at("pich", "2026-11-24", "local")
    with pytest.raises(NoSuchVersion):
        api.dossier(4711)


def test_two_versions_are_compared_by_name(api: RegistryAPI, capsys: pytest.CaptureFixture[str]) -> None:
    told = shown(capsys, "compare", "pitch@1", "pitch@2")
    assert "verdicts" in told
    assert "ShadowValidate.errors" in told
    assert "more facts are the same" in told
    found = json.loads(shown(capsys, "compare", "pitch@1", "pitch@2", "--json"))
    assert found["sections"]["verdicts"]["ShadowValidate"] == {"left": None, "right": "PASS"}
    assert "do not differ in any of" in shown(capsys, "compare", "pitch@2", "pitch@2")
