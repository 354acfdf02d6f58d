"""The backup and restore that docs/operations.md describes, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.registry import archive
from seatrial.registry.mlmd_restore import everything
from seatrial.registry.mlmd_store import Registry
from seatrial.storage.artifacts import ArtifactStore
from seatrial.storage.folder import Folder
from seatrial.storage.local import digest_file
from tests.integration.conftest import STORES
from tests.integration.test_archive import fill
from tests.mariadb import MariaDBServer
from tests.postgres import PostgresServer
from tests.storages import files_of

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def block(name: str, document: Path) -> str:
    found = re.search(rf"<!-- tried: {name} -->\n```sh\n(.*?)```", document.read_text(), re.DOTALL)
    assert found, f"{document.name} has no block {name!r}"
    return found[1]


def run(name: str, environ: dict[str, str], document: Path = OPERATIONS) -> None:
    subprocess.run(["bash", "-euo", "pipefail", "-c", block(name, document)], env=environ, check=True)


@pytest.mark.parametrize("kind", STORES)
def test_a_restored_registry_answers_as_the_one_that_was_backed_up(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    old_home, new_home, backup = tmp_path / "old", tmp_path / "new", tmp_path / "backup"
    for folder in (old_home / "manager", backup):
        folder.mkdir(parents=True)
    environ = {**os.environ, "OLD_HOME": str(old_home), "NEW_HOME": str(new_home), "BACKUP": str(backup)}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    old, new = (f"sqlite://{home / 'manager' / 'registry.sqlite'}" for home in (old_home, new_home))
    if kind == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        old, new = server.new_database(), server.new_database()
        environ |= {**server.environ, "OLD_DATABASE": old, "NEW_DATABASE": new}
    elif kind == "mysql":
        mariadb: MariaDBServer = request.getfixturevalue("mariadb")
        old, new = mariadb.new_database(), mariadb.new_database()
        names = {"OLD_DATABASE": old.rpartition("/")[2], "NEW_DATABASE": new.rpartition("/")[2]}
        environ |= {**mariadb.environ, **names, "CLIENT": str(mariadb.client_options)}
    registry = Registry(old)
    fill(registry)
    upload = tmp_path / "upload"
    upload.mkdir()
    (upload / "model.onnx").write_bytes(b"weights")
    files = {"model.onnx": digest_file(upload / "model.onnx")}
    tree = ArtifactStore(Folder(old_home / "artifacts")).put(files_of(upload), files)

    before = list(archive.write(everything(registry)))
    run(f"{kind} backup", environ)
    registry.register("later", "f" * 64, served=registry.versions("pitch")[0].served, manifest={})
    run(f"{kind} restore", environ)

    restored = Registry(new)
    assert list(archive.write(everything(restored))) == before
    assert ArtifactStore(Folder(new_home / "artifacts")).read(tree, "model.onnx") == b"weights"
    version, made = restored.register("pitch", "e" * 64, served=registry.versions("pitch")[0].served, manifest={})
    assert (version.version, made) == (4, True)
