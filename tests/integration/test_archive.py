"""A registry carried from one real store to another: the same ids, the same times, the same file."""

from __future__ import annotations

import gzip
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from ml_metadata.proto import metadata_store_pb2 as pb

pytest.importorskip("ml_metadata", reason="ml-metadata is in the manager's environment only")


from seatrial.cli import main
from seatrial.errors import Conflict
from seatrial.manager.composition import InferenceManager
from seatrial.registry import archive, rules
from seatrial.registry.entities import StageMove
from seatrial.registry.mlmd_overview import overviews
from seatrial.registry.mlmd_restore import everything, restore
from seatrial.registry.mlmd_store import Registry
from seatrial.registry.search import places_of
from tests.integration.conftest import STORES
from tests.running import SERVED, running_manager

KILLED = """
import os, sys
from seatrial.registry import archive
from seatrial.registry.mlmd_restore import restore
from seatrial.registry.mlmd_store import Registry

def entries(lines, left):
    for entry in archive.read(lines):
        if left == 0:
            os._exit(9)
        left -= 1
        yield entry

lines = open(sys.argv[2], "rb").readlines()
restore(Registry(sys.argv[1]), entries(lines, int(sys.argv[3])), "digest")
"""


def fill(registry: Registry) -> None:
    """Two models with everything: odd texts, replaced evidence, a rollback, two environments, deletions, a lost id."""
    for model in ("pitch", "bass"):
        for number in (1, 2, 3):
            manifest: dict[str, Any] = {
                "name": model,
                "user": "ann",
                "description": "größer\n'\"",
                "tags": {"z": "1", "a": "ü"},
                "metrics": {"f1": number / 3, "loss": 1e-300},
                "hyper_parameters": {"on": True, "layers": 3, "rate": 3.0, "kind": "adam"},
                "nested": {"b": [1, 2.5, None], "a": {}},
            }
            version, _ = registry.register(
                model, f"{model}{number}", served=SERVED, manifest=manifest, run=f"r{number}"
            )
            for key in ("x", "y/ü", "x"):
                registry.add_evidence(version.model_id, "CheckFormat", key, f"run/{number}", {"n": number, "k": [key]})
            registry.add_evidence(version.model_id, "ProfileHardware", "long" * 99, "r", {"mu": 1.5})
        for number in (1, 2):
            for stage in ("Staging", "Production"):
                registry.move_stage(model, number, stage, who="ann", why="better")  # type: ignore[arg-type]
        registry.move_stage(model, 1, "Production", who="bob", why="rollback")
        registry.move_stage(model, 2, "Staging", "paris")
        registry.delete(model, 3, who="ann", why="wrong data")
        type_id = registry.store.type_id("artifact", "Foreign", {})
        registry.store.put_new(artifacts=[pb.Artifact(type_id=type_id, name=f"lost {model} {at}") for at in range(3)])
    registry.delete("bass", 1, force=True, who="ann", why="very wrong data")


@pytest.fixture(params=STORES)
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """The connection of an empty store, another one at each call."""
    server = STORES[request.param]
    if server is not None:
        new_database: Callable[[], str] = request.getfixturevalue(server).new_database
        return new_database
    count = itertools.count()
    return lambda: f"sqlite://{tmp_path / f'{next(count)}.sqlite'}"


@pytest.fixture
def full(new_store: Callable[[], str]) -> Registry:
    registry = Registry(new_store())
    fill(registry)
    return registry


@pytest.fixture
def exported(full: Registry) -> list[bytes]:
    return list(archive.write(everything(full)))


def same(one: Registry, other: Registry) -> None:
    """All that can be asked is answered the same."""
    assert one.models() == other.models()
    assert one.ledgers() == other.ledgers()
    assert overviews(one, one.models()) == overviews(other, other.models())
    for model in one.models():
        assert one.versions(model.name) == other.versions(model.name)
        assert one.moves_of(one.versions(model.name)) == other.moves_of(one.versions(model.name))
        for number in (1, 2, 3):
            version = one.any_version(model.name, number)
            assert version == other.any_version(model.name, number) == other.any_by_id(version.model_id)
            assert one.evidence(version.model_id) == other.evidence(version.model_id)
            assert came_from(one, version.model_id) == came_from(other, version.model_id)


@pytest.mark.parametrize("environment", ["local", "paris", "nowhere"])
def test_an_overview_says_what_ledgers_and_versions_say(full: Registry, environment: str) -> None:
    for number in (4, 5, 6, 7):  # one ledger whose newest entries say nothing of `paris`
        full.register("pitch", f"later{number}", served=SERVED, manifest={})
        full.move_stage("pitch", number, "Archived")
    full.delete("pitch", 7, who="ann")
    full.register("new", "new1", served=SERVED, manifest={})
    for found in overviews(full, full.models(), environment):
        stages = rules.current(full.ledger(found.name), environment)
        assert (found.production, found.staging) == (stages.production, stages.staging), found.name
        assert found.versions == len(full.versions(found.name)), found.name
    assert [found.name for found in overviews(full, full.models()[1:])] == ["new", "pitch"]
    assert overviews(full, []) == []


def test_the_moves_of_a_version_say_of_it_what_whole_ledgers_say(full: Registry) -> None:
    every = [full.any_version(model, number) for model in ("bass", "pitch") for number in (1, 2, 3)]
    for version in every:
        ledger = full.ledger(version.model)
        assert places_of(full.moves_of([version]), version.version) == places_of(ledger, version.version)
        assert all(version.version in (move.version, move.displaced) for move in full.moves_of([version]))
    of_all = full.moves_of(every)
    assert of_all == [move for ledger in full.ledgers().values() for move in ledger]
    assert full.moves_of([]) == []


def came_from(registry: Registry, model_id: int) -> list[tuple[str, str]]:
    """What the execution that wrote a version read, as ml-metadata itself says."""
    call = registry.store.call
    wrote = [e.execution_id for e in call("get_events_by_artifact_ids", [model_id]) if e.type == pb.Event.OUTPUT]
    assert len(wrote) == 1
    read = [e.artifact_id for e in call("get_events_by_execution_ids", wrote) if e.type == pb.Event.INPUT]
    return [(found.type, found.uri) for found in call("get_artifacts_by_id", read)]


def test_export_import_export_is_the_same_file_and_every_question_has_the_same_answer(
    full: Registry, exported: list[bytes], new_store: Callable[[], str]
) -> None:
    copy = Registry(new_store())
    assert restore(copy, archive.read(exported), "d") == {"models": 2, "versions": 6, "evidence": 18, "moves": 15}
    assert list(archive.write(everything(copy))) == exported
    same(full, copy)


def test_a_registry_goes_on_after_an_import_as_the_first_one_would(
    exported: list[bytes], new_store: Callable[[], str]
) -> None:
    copy = Registry(new_store())
    restore(copy, archive.read(exported), "d")
    known = copy.versions("pitch")[1]
    assert copy.register("pitch", "pitch2", served=SERVED, manifest={}) == (known, False)
    again, created = copy.register("pitch", "pitch3", served=SERVED, manifest={})
    assert (again.version, created) == (4, True)
    assert copy.add_evidence(known.model_id, "CheckFormat", "x", "run/2", {}).id < again.model_id
    assert copy.move_stage("pitch", 4, "Staging").seq == len(copy.ledger("pitch"))


@pytest.mark.parametrize("after", [0, 1, 3, 20, 34, 40])
def test_an_import_that_was_killed_goes_on_where_it_stopped(
    full: Registry, exported: list[bytes], new_store: Callable[[], str], tmp_path: Path, after: int
) -> None:
    file = tmp_path / "export.jsonl"
    file.write_bytes(b"".join(exported))
    store = new_store()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, store, str(file), str(after)], env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert killed.returncode == 9
    copy = Registry(store)
    with pytest.raises(Conflict, match="an import of another file was cut off here"):
        restore(copy, archive.read(exported), "another digest")
    restore(copy, archive.read(exported), "digest")
    assert list(archive.write(everything(copy))) == exported
    same(full, copy)


def test_only_an_empty_registry_is_imported_into(
    full: Registry, exported: list[bytes], new_store: Callable[[], str]
) -> None:
    with pytest.raises(Conflict, match=r"not empty \(2 models\): an import needs an empty one"):
        restore(full, archive.read(exported), "d")
    copy = Registry(new_store())
    restore(copy, archive.read(exported), "d")
    with pytest.raises(Conflict, match="not empty"):
        restore(copy, archive.read(exported), "d")
    assert list(archive.write(everything(copy))) == exported


def test_a_writer_that_comes_between_is_noticed(exported: list[bytes], new_store: Callable[[], str]) -> None:
    copy = Registry(new_store())

    def disturbed() -> Iterator[archive.Entry]:
        for at, entry in enumerate(archive.read(exported)):
            if at == 8:
                copy.register("intruder", "d", served=SERVED, manifest={})
            yield entry

    with pytest.raises(Conflict, match=r"the store gave out id \d+ where \d+ was due: somebody else wrote meanwhile"):
        restore(copy, disturbed(), "d")


def test_what_is_registered_during_an_export_is_left_out_whole(full: Registry) -> None:
    lines = []
    for at, line in enumerate(archive.write(everything(full))):
        lines.append(line)
        if at == 1:
            late, _ = full.register("accordion", "late", served=SERVED, manifest={})
            full.add_evidence(late.model_id, "CheckFormat", "x", "r", {})
            full.move_stage("accordion", 1, "Staging")
            full.delete("pitch", 2, force=True, why="late")
    found = list(archive.read(lines))
    assert b"accordion" not in b"".join(lines)
    assert [entry for entry in found if isinstance(entry, StageMove) and entry.why == "late"] == []


@pytest.fixture
def managers(tmp_path: Path) -> Iterator[tuple[InferenceManager, Path, Path]]:
    """A full manager, and the homes of it and of an empty one; both run."""
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    with running_manager(tmp_path / "old") as (old, _), running_manager(tmp_path / "new"):
        fill(old.registry)
        yield old, tmp_path / "old", tmp_path / "new"


@pytest.mark.parametrize("name", ["registry.jsonl", "registry.jsonl.gz"])
def test_two_commands_carry_a_registry_from_one_manager_to_another(
    managers: tuple[InferenceManager, Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    _, old, fresh = managers
    first, second = tmp_path / name, tmp_path / f"again-{name}"
    monkeypatch.setenv("SEATRIAL_HOME", str(old))
    main(["export", str(first), "--json"])
    assert json.loads(capsys.readouterr().out)["versions"] == 6
    with pytest.raises(SystemExit) as ended:
        main(["export", str(first)])
    assert ended.value.code == 4
    with pytest.raises(SystemExit) as ended:
        main(["import", str(first)])
    assert (ended.value.code, "not empty" in capsys.readouterr().err) == (4, True)
    monkeypatch.setenv("SEATRIAL_HOME", str(fresh))
    main(["import", str(first)])
    assert "imported 2 models, 6 versions, 18 documents, 15 moves" in capsys.readouterr().out
    main(["export", str(second)])
    assert second.read_bytes() == first.read_bytes()


@pytest.mark.parametrize("packed", [False, True])
def test_a_cut_off_file_writes_nothing(
    managers: tuple[InferenceManager, Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    packed: bool,
) -> None:
    monkeypatch.setenv("SEATRIAL_HOME", str(managers[2]))
    whole = b"".join(archive.write(everything(managers[0].registry)))
    file = tmp_path / ("cut.jsonl.gz" if packed else "cut.jsonl")
    file.write_bytes(gzip.compress(whole)[:-20] if packed else whole[:-20])
    with pytest.raises(SystemExit) as ended:
        main(["import", str(file)])
    assert (ended.value.code, "cut off" in capsys.readouterr().err) == (2, True)
    main(["models"])
    assert "no model is registered yet" in capsys.readouterr().out


def test_an_export_that_stops_half_way_leaves_no_file(
    managers: tuple[InferenceManager, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, home, _ = managers
    monkeypatch.setenv("SEATRIAL_HOME", str(home))
    damaged = old.registry.versions("pitch")[0]
    artifact = old.registry.store.call("get_artifacts_by_id", [damaged.model_id])[0]
    artifact.properties["record"].proto_value.Pack(StringValue(value="{"))
    old.registry.store.call("put_artifacts", [artifact])
    with pytest.raises(SystemExit):
        main(["export", str(tmp_path / "half.jsonl")])
    assert not list(tmp_path.glob("*half*"))
    assert not list(tmp_path.glob(".writing-*"))
