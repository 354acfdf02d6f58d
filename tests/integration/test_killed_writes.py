"""A process killed after any of its writes leaves nothing of the call, or all of it; the next call completes it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ml_metadata", reason="ml-metadata is in the manager's environment only")

from seatrial.errors import ManagerUnavailable, NoSuchModel
from seatrial.formats.check import check_upload
from seatrial.registry.mlmd_store import Registry
from seatrial.served_model import ServedModel
from seatrial.tensors import Signature, TensorSpec
from tests.managers import environ_of, managers
from tests.models import write_upload

SERVED = ServedModel(
    name="upload",
    version=1,
    format="onnx",
    main_file="model.onnx",
    files={"model.onnx": "a" * 64},
    signature=Signature((TensorSpec("x", "FP32", (-1, 4)),), (TensorSpec("y", "FP32", (-1, 4)),)),
)
MANIFEST: dict[str, Any] = {"user": "ann", "tags": {"team": "audio"}, "metrics": {"f1": 0.75}}

Act = Callable[[Registry, str], object]


def register(registry: Registry, model: str) -> None:
    registry.register(model, "d1", served=SERVED, manifest=MANIFEST, source="file:///up", run="r")


def register_second(registry: Registry, model: str) -> None:
    registry.register(model, "d2", served=SERVED, manifest=MANIFEST, source="file:///up", run="r")


def stage(registry: Registry, model: str) -> None:
    registry.move_stage(model, 1, "Staging", who="ann", run="r", why="first")


def promote_over_another(registry: Registry, model: str) -> None:
    registry.move_stage(model, 2, "Production", who="ann", run="r", why="better")


def add_evidence(registry: Registry, model: str) -> None:
    registry.add_evidence(
        registry.version(model, 1).model_id, f"Kind{model.title()}", "report", "r", {"verdict": "PASS"}
    )


def in_production_with_a_second_in_staging(registry: Registry, model: str) -> None:
    register(registry, model)
    register_second(registry, model)
    registry.move_stage(model, 1, "Staging")
    registry.move_stage(model, 1, "Production")
    registry.move_stage(model, 2, "Staging")


def replaced_evidence(registry: Registry, model: str) -> None:
    register(registry, model)
    registry.add_evidence(
        registry.version(model, 1).model_id, f"Kind{model.title()}", "report", "r", {"verdict": "UNDECIDED"}
    )


CASES: list[tuple[Act | None, Act]] = [
    (None, register),
    (register, register_second),
    (register, stage),
    (in_production_with_a_second_in_staging, promote_over_another),
    (register, add_evidence),
    (replaced_evidence, add_evidence),
]

CHILDREN = """
import os, signal, sys
from ml_metadata.metadata_store.metadata_store import MetadataStore
from seatrial.registry.mlmd_store import Registry
from tests.integration import test_killed_writes as acts

connection, before, act = sys.argv[1:]
last, writes = 0, 0

def counted(put):
    def call(*arguments, **named):
        answer = put(*arguments, **named)
        global writes
        writes += 1
        if writes == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    return call

def child():
    global last, writes
    registry, model = Registry(connection), f"model{at}"
    if before:
        getattr(acts, before)(registry, model)
    for name in dir(MetadataStore):
        if name.startswith("put_"):
            setattr(MetadataStore, name, counted(getattr(MetadataStore, name)))
    last = at
    getattr(acts, act)(registry, model)

at, status = 0, signal.SIGKILL
while status == signal.SIGKILL:
    at += 1
    pid = os.fork()
    if not pid:
        child()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    print(status, flush=True)
"""


@pytest.mark.parametrize(("before", "act"), CASES, ids=[f"{act.__name__}-{at}" for at, (_, act) in enumerate(CASES)])
def test_a_call_killed_after_any_write_is_done_or_not_done_and_can_be_repeated(
    connection: str, before: Act | None, act: Act
) -> None:
    killed = kill_after_each_write(connection, before, act)
    registry = Registry(connection)
    if before:
        before(registry, "whole")
    nothing = seen(registry, "whole")
    act(registry, "whole")
    everything = seen(registry, "whole")
    assert killed
    for model in killed:
        assert seen(Registry(connection), model) in (nothing, everything)
        act(registry, model)
        assert seen(Registry(connection), model) == everything


def kill_after_each_write(connection: str, before: Act | None, act: Act) -> list[str]:
    """The models on which `act` was killed: after its first write on the first, after its second on the second …"""
    done = subprocess.run(
        [sys.executable, "-c", CHILDREN, connection, before.__name__ if before else "", act.__name__],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    *killed, survived = map(int, done.stdout.split())
    assert survived == 0, done.stderr
    assert set(killed) == {signal.SIGKILL}, done.stderr
    return [f"model{at}" for at in range(1, len(killed) + 1)]


def seen(registry: Registry, model: str) -> list[Any]:
    """All that anybody can read about a model, but for ids, times and its own name."""
    found: list[Any] = []
    with suppress(NoSuchModel):
        found.append(registry.model(model).name)
        for version in registry.versions(model):
            assert registry.version(model, version.version) == registry.by_id(version.model_id) == version
            found.append(version.model_dump(mode="json", exclude={"model_id", "created_ms"}))
            found.append(
                [
                    e.model_dump(mode="json", exclude={"id", "model_id", "at_ms"})
                    for e in registry.evidence(version.model_id)
                ]
            )
        found.append([move.model_dump(mode="json", exclude={"at_ms"}) for move in registry.ledger(model)])
    return json.loads(json.dumps(found).replace(model, "M").replace(model.title(), "M"))  # type: ignore[no-any-return]


DIES = """
import os, signal
from seatrial.manager.__main__ import main
from seatrial.registry.mlmd_store import Registry

def die(*arguments, **named):
    os.kill(os.getpid(), signal.SIGKILL)

Registry.{method} = die
main()
"""


@pytest.mark.parametrize(("method", "versions"), [("register", 0), ("add_evidence", 1)])
def test_a_manager_killed_between_the_writes_of_a_registration_is_completed_by_the_same_call(
    tmp_path: Path, method: str, versions: int
) -> None:
    folder, environ = write_upload(tmp_path / "uploads" / "tiny"), environ_of(tmp_path)
    report = check_upload(folder).model_dump(mode="json")
    with managers(environ, program=("-c", DIES.format(method=method))) as [api]:
        with pytest.raises(ManagerUnavailable):
            api.register("tiny", upload=str(folder), report=report, run="r")
    assert list((tmp_path / "artifacts" / "trees").iterdir())
    with managers(environ) as [api]:
        assert [model["versions"] for model in api.models()] == [versions] * versions
        answer = api.register("tiny", upload=str(folder), report=report, run="r")
        assert (answer["created"], answer["version"]["version"]) == (not versions, 1)
        assert len(api.evidence(answer["version"]["model_id"], "CheckFormat")) == 1
        assert api.file(answer["version"]["model_id"], "model.onnx") == (folder / "model.onnx").read_bytes()
