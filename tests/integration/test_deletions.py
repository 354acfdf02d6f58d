"""Deleting versions through a real manager on a real store."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("ml_metadata", reason="ml-metadata is in the manager's environment only")

from seatrial.cli import main
from seatrial.client.registry_api import RegistryAPI
from seatrial.errors import Conflict, NoSuchVersion, NotFound, Refused, SeatrialError
from seatrial.hardware import HardwareOption
from seatrial.manager.composition import InferenceManager
from seatrial.registry import rules
from seatrial.serving.spec import DeploymentSpec
from tests.running import promote, register, running_manager

WHY = "trained on the wrong data"


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[InferenceManager, RegistryAPI]]:
    """pitch@1, @2 and @3 with evidence; @1 in Production."""
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path))
    with running_manager(tmp_path) as (manager, api):
        for at in (1, 2, 3):
            version = register(manager, "pitch", f"p{at}", user="ann", tags={"team": "audio"})
            manager.registry.add_evidence(version.model_id, "CheckFormat", "report", "r", {"n": at})
        promote(manager, manager.registry.version("pitch", 1))
        yield manager, api


def test_a_deleted_version_is_hidden_by_name_id_and_in_lists_but_its_dossier_stays(
    parts: tuple[InferenceManager, RegistryAPI], capsys: pytest.CaptureFixture[str]
) -> None:
    manager, api = parts
    before = manager.registry.version("pitch", 3)
    main(["delete", "pitch@3", "--why", WHY])
    assert "pitch@3 is deleted (ledger entry 3)" in capsys.readouterr().out
    for look_up in (lambda: api.model_version("pitch", 3), lambda: api.version(before.model_id)):
        with pytest.raises(NoSuchVersion, match=f"pitch@3 was deleted by .* on 2.*: {WHY}"):
            look_up()
    assert [version["version"] for version in api.model("pitch")["versions"]] == [1, 2]
    assert [row["version"] for row in api.list_versions(order="created")["versions"]] == [1, 2]
    assert api.list_models()["models"][0]["versions"] == 2
    dossier = api.dossier(before.model_id)
    assert dossier["evidence"][0]["document"] == {"n": 3}
    assert dossier["version"]["deleted"]["why"] == WHY
    assert dossier["version"]["tags"] == {"team": "audio"}
    main(["show", str(before.model_id)])
    assert f"DELETED by {dossier['version']['deleted']['who']}" in capsys.readouterr().out


def test_its_number_is_not_given_out_again_and_its_bytes_make_a_new_version(
    parts: tuple[InferenceManager, RegistryAPI],
) -> None:
    manager, api = parts
    first = api.delete("pitch", 3, who="ann", why=WHY, force=False)
    assert api.delete("pitch", 3, who="bob", why="again", force=False) == first
    again = register(manager, "pitch", "p3")
    assert again.version == 4
    assert register(manager, "pitch", "p3") == again


def test_production_is_only_deleted_by_force_with_a_reason_and_history_still_names_it(
    parts: tuple[InferenceManager, RegistryAPI],
) -> None:
    _, api = parts
    with pytest.raises(Conflict, match="was Production in local"):
        api.delete("pitch", 1, who="ann", why=WHY, force=False)
    with pytest.raises(Refused, match="needs a reason"):
        api.delete("pitch", 1, who="ann", why="", force=True)
    promoted_at = api.ledger("pitch")[-1]["at_ms"]
    ended = api.delete("pitch", 1, who="ann", why=WHY, force=True)
    assert (ended["from_stage"], ended["to_stage"], ended["who"], ended["why"]) == ("Production", "Deleted", "ann", WHY)
    assert api.model("pitch")["stages"]["local"]["production"] is None
    if promoted_at < ended["at_ms"]:
        assert api.production_at("pitch", str(promoted_at), "local")["production"]["ended"] == ended
    with pytest.raises(NoSuchVersion, match="was deleted"):
        api.move_stage("pitch", 1, "Production", who="bob", run="", why="")
    with pytest.raises(Refused, match="no version moves to stage 'Deleted'"):
        api.move_stage("pitch", 2, "Deleted", who="bob", run="", why="")


def test_a_deployed_version_is_not_deleted(parts: tuple[InferenceManager, RegistryAPI]) -> None:
    manager, api = parts
    version = manager.registry.version("pitch", 2)
    option = HardwareOption(name="cpu-1x1", cores=1, threads=1)
    manager.deployments.want(DeploymentSpec(model_id=version.model_id, served=version.served, option=option))
    with pytest.raises(Conflict, match=r"pitch@2 is deployed in local .*: take the deployment away first"):
        api.delete("pitch", 2, who="ann", why=WHY, force=True)
    assert api.model_version("pitch", 2)["deleted"] is None


def test_a_version_that_is_not_there_is_not_deleted(parts: tuple[InferenceManager, RegistryAPI]) -> None:
    for model, number in (("pitch", 9), ("pich", 1)):
        with pytest.raises(NotFound):
            parts[1].delete(model, number, who="ann", why=WHY, force=True)


def test_deletions_that_race_with_moves_leave_a_ledger_in_which_nothing_moves_after_its_end(
    parts: tuple[InferenceManager, RegistryAPI],
) -> None:
    registry = parts[0].registry

    def work(at: int) -> None:
        version = at % 3 + 1
        try:
            if at >= 9:
                registry.delete("pitch", version, force=True, who="ann", why=WHY)
            else:
                registry.move_stage("pitch", version, ("Staging", "Archived", "Production")[at // 3])  # type: ignore[arg-type]
        except SeatrialError:
            pass

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, [at for pair in zip(range(9), [9, 10, 11] * 3, strict=True) for at in pair]))
    ledger = registry.ledger("pitch")
    assert [move.seq for move in ledger] == list(range(1, len(ledger) + 1))
    for version in (1, 2, 3):
        gone = rules.deletion_of(ledger, version)
        assert gone is not None
        assert not [move for move in ledger[gone.seq :] if version in (move.version, move.displaced)]
        assert registry.any_version("pitch", version).deleted is not None
    assert registry.versions("pitch") == []
