"""Garbage collection through a real manager: what versions, evidence and deployments need stays."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("ml_metadata", reason="ml-metadata is in the manager's environment only")

from seatrial.cli import main
from seatrial.client.registry_api import RegistryAPI
from seatrial.hardware import HardwareOption
from seatrial.manager.composition import InferenceManager
from seatrial.manager.needs import needed_digests
from seatrial.registry.entities import ModelVersion
from seatrial.serving.spec import DeploymentSpec
from seatrial.storage.local import digest_file
from tests.running import SERVED, running_manager
from tests.storages import files_of


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[InferenceManager, RegistryAPI]]:
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path))
    with running_manager(tmp_path) as parts:
        yield parts


def put(manager: InferenceManager, name: str) -> tuple[str, dict[str, str]]:
    """An upload in the artifact store: its tree digest and files."""
    folder = manager.settings.home / "made" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("model.onnx", "sample.npz"):
        (folder / file).write_text(f"{file} of {name}")
    files = {file: digest_file(folder / file) for file in ("model.onnx", "sample.npz")}
    return manager.artifacts.put(files_of(folder), files), files


def registered(manager: InferenceManager, name: str) -> ModelVersion:
    tree, files = put(manager, name)
    served = SERVED.model_copy(update={"files": {"model.onnx": files["model.onnx"]}})
    return manager.registry.register("pitch", tree, served=served, manifest={"name": "pitch"})[0]


def age(manager: InferenceManager) -> None:
    then = time.time() - 7200
    for path in (manager.settings.home / "artifacts").rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def whole(manager: InferenceManager, version: ModelVersion) -> bool:
    files = manager.artifacts.files(version.tree_digest)
    return all(manager.artifacts.read(version.tree_digest, path) for path in files)


def test_only_what_nothing_needs_goes_and_a_dry_run_lists_it(
    parts: tuple[InferenceManager, RegistryAPI], capsys: pytest.CaptureFixture[str]
) -> None:
    manager, api = parts
    kept, deleted = registered(manager, "kept"), registered(manager, "deleted")
    never, _ = put(manager, "never registered")
    named, named_files = put(manager, "named by evidence")
    manager.registry.add_evidence(kept.model_id, "CheckFormat", "report", "r", {"baseline": f"sha256:{named}"})
    manager.registry.add_evidence(deleted.model_id, "CheckFormat", "report", "r", {"tree": deleted.tree_digest})
    api.delete("pitch", deleted.version, who="ann", why="wrong", force=False)
    assert api.collect_garbage(dry_run=False)["removed"] == []
    age(manager)
    main(["gc", "--dry-run"])
    told = capsys.readouterr().out
    assert all(digest in told for digest in (deleted.tree_digest, never))
    assert "6 files, " in told
    assert "would be removed" in told
    assert manager.artifacts.files(never)
    main(["gc", "--json"])
    found = json.loads(capsys.readouterr().out)
    gone = {one["name"] for one in found["removed"]}
    assert {deleted.tree_digest, never} <= gone
    assert len(gone) == 6
    assert not gone & {kept.tree_digest, named, *named_files.values()}
    assert whole(manager, kept)
    again = registered(manager, "deleted")
    assert (again.version, whole(manager, again)) == (3, True)


def test_a_deployment_needs_its_files_also_when_its_version_is_gone(
    parts: tuple[InferenceManager, RegistryAPI],
) -> None:
    manager, _ = parts
    version = registered(manager, "served")
    spec = DeploymentSpec(
        model_id=version.model_id, served=version.served, option=HardwareOption(name="cpu-1x1", cores=1, threads=1)
    )
    manager.deployments.want(spec)
    manager.registry.delete("pitch", 1, who="ann", why="raced with the deployment")
    assert version.served.files["model.onnx"] in needed_digests(manager)
    assert version.tree_digest not in needed_digests(manager)


def test_registrations_that_race_with_collections_lose_nothing(parts: tuple[InferenceManager, RegistryAPI]) -> None:
    manager, api = parts
    for at in range(12):
        put(manager, str(at))  # garbage of long ago, which is about to be registered after all
    age(manager)

    def work(at: int) -> ModelVersion | None:
        if at % 2:
            api.collect_garbage(dry_run=False)
            return None
        return registered(manager, str(at // 2))

    with ThreadPoolExecutor(6) as pool:
        versions = [version for version in pool.map(work, range(24)) if version is not None]
    age(manager)
    api.collect_garbage(dry_run=False)
    assert len(versions) == 12
    assert all(whole(manager, version) for version in versions)
