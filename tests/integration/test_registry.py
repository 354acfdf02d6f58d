"""The registry on real ml-metadata stores (SQLite, PostgreSQL, MariaDB), with real processes that race each other."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

pytest.importorskip("ml_metadata", reason="ml-metadata is in the manager's environment only")

from ml_metadata import errors as mlmd_errors

from seatrial.errors import Conflict, NoSuchModel, NoSuchVersion, Refused, SeatrialError, TryAgain
from seatrial.registry import mlmd_connection, rules
from seatrial.registry.entities import ModelVersion, Stage
from seatrial.registry.mlmd_connection import Connection
from seatrial.registry.mlmd_store import Registry
from seatrial.registry.rules import Stages
from seatrial.served_model import ServedModel
from seatrial.tensors import Signature, TensorSpec

SERVED = ServedModel(
    name="upload",
    version=1,
    format="onnx",
    main_file="model.onnx",
    files={"model.onnx": "a" * 64},
    signature=Signature((TensorSpec("x", "FP32", (-1, 4)),), (TensorSpec("y", "FP32", (-1, 4)),)),
)
MANIFEST: dict[str, Any] = {
    "name": "pitch",
    "user": "ann",
    "metrics": {"f1": 0.75},
    "tags": {"team": "audio"},
    "hyper_parameters": {"layers": 4, "dropout": 0.1, "bias": True, "optimiser": "adam"},
}

RACER = """
import json, sys
from ml_metadata import errors as mlmd_errors

from seatrial.errors import Conflict
from seatrial.registry.mlmd_store import Registry
from seatrial.served_model import ServedModel
registry, me, served = Registry(sys.argv[1]), sys.argv[2], ServedModel.model_validate_json(sys.argv[3])
print("ready", flush=True)
job = json.loads(sys.stdin.readline())
done = []
if job["do"] == "types":
    done = [registry._store.type_id("execution", name, {}) for name in job["names"]]
elif job["do"] == "register":
    for digest in job["digests"]:
        version, created = registry.register("pitch", digest, served=served, manifest={})
        done.append([digest, version.version, created])
else:
    for version, to, expected in job["moves"]:
        try:
            expectation = {} if expected == "any" else {job.get("expect", "expect_production"): expected}
            done.append(registry.move_stage("pitch", version, to, who=me, **expectation).seq)
        except Conflict:
            done.append("conflict")
print(json.dumps(done))
"""


@pytest.fixture
def registry(connection: str) -> Registry:
    return Registry(connection)


@pytest.fixture
def pitch(registry: Registry) -> ModelVersion:
    return registry.register("pitch", "d1", served=SERVED, manifest=MANIFEST, source="file:///up", run="r1")[0]


def race(connection: str, *jobs: dict[str, Any]) -> Iterator[list[Any]]:
    """Each job in a process of its own, all let go at once when all have opened the store; their results."""
    with ExitStack() as stack:
        racers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", RACER, connection, f"racer {at}", SERVED.model_dump_json()],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env={"PYTHONPATH": ":".join(sys.path)},
                )
            )
            for at in range(len(jobs))
        ]
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer, job in zip(racers, jobs, strict=True):
            assert racer.stdin is not None
            racer.stdin.write(json.dumps(job) + "\n")
            racer.stdin.flush()
        for racer in racers:
            yield json.loads(racer.communicate()[0])


def put(registry: Registry, count: int) -> None:
    for at in range(1, count + 1):
        registry.register("pitch", f"d{at}", served=SERVED, manifest={})


def test_a_version_is_found_by_name_number_and_id_as_it_was_registered(registry: Registry, pitch: ModelVersion) -> None:
    assert registry.version("pitch", 1) == registry.by_id(pitch.model_id) == registry.versions("pitch")[0] == pitch
    assert pitch.served == SERVED.model_copy(update={"name": "pitch"})
    assert pitch.manifest == MANIFEST
    assert pitch.hyper_parameters == MANIFEST["hyper_parameters"]
    assert (pitch.user, pitch.source, pitch.run, pitch.uri) == ("ann", "file:///up", "r1", "sha256:d1")
    assert registry.model("pitch").created_ms <= pitch.created_ms


def test_the_same_digest_twice_is_the_same_version(registry: Registry, pitch: ModelVersion) -> None:
    assert registry.register("pitch", "d1", served=SERVED, manifest={"user": "bob"}) == (pitch, False)
    other, created = registry.register("pitch", "d2", served=SERVED, manifest={})
    assert (other.version, created) == (2, True)
    assert other.model_id != pitch.model_id


def test_the_same_digest_in_another_model_is_another_version(registry: Registry, pitch: ModelVersion) -> None:
    other, created = registry.register("chords", "d1", served=SERVED, manifest={})
    assert (other.model, other.version, created) == ("chords", 1, True)
    assert [model.name for model in registry.models()] == ["chords", "pitch"]


def test_another_registry_on_the_store_sees_everything(connection: str, pitch: ModelVersion) -> None:
    Registry(connection).move_stage("pitch", 1, "Staging")
    again = Registry(connection)
    assert again.versions("pitch") == [pitch]
    assert [move.to_stage for move in again.ledger("pitch")] == ["Staging"]


def test_what_is_not_there_is_answered_with_what_is(registry: Registry, pitch: ModelVersion) -> None:
    with pytest.raises(NoSuchModel, match="no model 'pich'; known: pitch"):
        registry.version("pich", 1)
    with pytest.raises(NoSuchModel):
        registry.ledger("pich")
    with pytest.raises(NoSuchVersion, match="no version 2 of 'pitch'; known: 1"):
        registry.move_stage("pitch", 2, "Staging")


def test_only_the_id_of_a_version_is_a_model_id(registry: Registry, pitch: ModelVersion) -> None:
    evidence = registry.add_evidence(pitch.model_id, "CheckFormat", "report", "r1", {})
    for stranger in (evidence.id, 4711):
        with pytest.raises(NoSuchVersion):
            registry.by_id(stranger)
        with pytest.raises(NoSuchVersion):
            registry.add_evidence(stranger, "CheckFormat", "report", "r1", {})


def test_a_refused_registration_leaves_nothing(registry: Registry) -> None:
    with pytest.raises(Refused, match="manifest cannot be kept as JSON"):
        registry.register("pitch", "d1", served=SERVED, manifest={"metrics": {"f1": float("nan")}})
    assert registry.models() == []


def test_moves_follow_the_rules_and_stay_in_the_ledger(registry: Registry) -> None:
    put(registry, 2)
    moves: list[tuple[int, Stage]] = [(1, "Staging"), (1, "Production"), (2, "Staging"), (2, "Production")]
    made = [registry.move_stage("pitch", v, to, who="ann", run="r", why="better") for v, to in moves]
    assert registry.ledger("pitch") == made
    assert (made[-1].displaced, made[-1].who, made[-1].run, made[-1].why) == (1, "ann", "r", "better")
    assert rules.current(made, "local") == Stages(production=2)
    assert rules.rollback_target(made) == 1
    with pytest.raises(Refused, match="pitch@2 is in Production"):
        registry.move_stage("pitch", 2, "Staging")


def test_a_repeated_move_returns_the_entry_of_the_first(registry: Registry, pitch: ModelVersion) -> None:
    first = registry.move_stage("pitch", 1, "Staging", who="ann")
    assert registry.move_stage("pitch", 1, "Staging", who="bob") == first
    assert registry.ledger("pitch") == [first]


def test_a_stale_expectation_is_a_conflict_and_moves_nothing(registry: Registry) -> None:
    put(registry, 3)
    for version, to in [(1, "Staging"), (1, "Production"), (2, "Staging"), (2, "Production"), (3, "Staging")]:
        registry.move_stage("pitch", version, to)  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="is version 2, not version 1"):
        registry.move_stage("pitch", 3, "Production", expect_production=1)
    with pytest.raises(Conflict, match="Staging in local is version 3, not empty"):
        registry.move_stage("pitch", 1, "Staging", expect_staging=None)
    assert len(registry.ledger("pitch")) == 5


def test_evidence_is_read_newest_first_and_by_step(registry: Registry, pitch: ModelVersion) -> None:
    put(registry, 2)
    for kind, key in [("CheckFormat", "report"), ("ProfileHardware", "cpu-1x1"), ("ProfileHardware", "cpu-2x2")]:
        registry.add_evidence(pitch.model_id, kind, key, "r1", {"option": key})
    registry.move_stage("pitch", 1, "Staging")
    assert [e.key for e in registry.evidence(pitch.model_id)] == ["cpu-2x2", "cpu-1x1", "report"]
    assert [e.document for e in registry.evidence(pitch.model_id, "CheckFormat")] == [{"option": "report"}]
    assert registry.evidence(registry.version("pitch", 2).model_id) == []


def test_evidence_of_the_same_step_run_and_key_is_replaced(registry: Registry, pitch: ModelVersion) -> None:
    first = registry.add_evidence(pitch.model_id, "Shadow", "verdict", "run/1", {"verdict": "UNDECIDED"})
    again = registry.add_evidence(pitch.model_id, "Shadow", "verdict", "run/1", {"verdict": "PASS", "n": [1, None]})
    registry.add_evidence(pitch.model_id, "Shadow", "verdict", "run/2", {})
    assert again.id == first.id
    assert registry.evidence(pitch.model_id)[1] == again


HOSTILE = ["\\", '\\; DROP TABLE "Type"; --', "E'\\'", "'); --", '"', "%s $1 ?", "é😀\n\t\x01", "x" * 300, "x\\" * 5000]


@pytest.mark.parametrize("text", HOSTILE, ids=[text[:12].encode("unicode_escape").decode() for text in HOSTILE])
def test_any_text_is_kept_as_it_is(registry: Registry, text: str) -> None:
    parameters = {"text": text, text[:200]: "named"}
    manifest = {"user": text, "description": text, "tags": {text[:200]: text}, "hyper_parameters": parameters}
    version, _ = registry.register("pitch", "d1", served=SERVED, manifest=manifest, source=text, run=text)
    assert registry.version("pitch", 1) == version
    assert (version.user, version.description, version.source, version.run) == (text, text, text, text)
    assert (version.tags, version.hyper_parameters, version.manifest) == (manifest["tags"], parameters, manifest)
    move = registry.move_stage("pitch", 1, "Staging", text, who=text, run=text, why=text)
    assert registry.ledger("pitch") == [move]
    evidence = registry.add_evidence(version.model_id, "CheckFormat", text, text, {text: [text]})
    assert registry.evidence(version.model_id) == [evidence]
    assert registry.add_evidence(version.model_id, "CheckFormat", text, text, {}).id == evidence.id


def test_numbers_are_kept_exactly(registry: Registry) -> None:
    metrics = {"third": 1 / 3, "small": 5e-324, "large": 1.7976931348623157e308, "digits": 0.1 + 0.2}
    parameters = {"seed": 2**63 - 1, "low": -(2**63), "rate": 1e-7, "one": 1, "one_float": 1.0, "on": True}
    manifest = {"metrics": metrics, "hyper_parameters": parameters}
    version, _ = registry.register("pitch", "d1", served=SERVED, manifest=manifest)
    back = registry.version("pitch", 1)
    assert (back.metrics, back.hyper_parameters) == (metrics, parameters)
    assert [type(value) for value in back.hyper_parameters.values()] == [type(v) for v in parameters.values()]
    evidence = registry.add_evidence(version.model_id, "ProfileHardware", "cpu-1x1", "r", {**metrics, **parameters})
    assert registry.evidence(version.model_id)[0].document == evidence.document == {**metrics, **parameters}


def test_times_are_milliseconds_since_1970(registry: Registry, pitch: ModelVersion) -> None:
    before = int(time.time() * 1000)
    move = registry.move_stage("pitch", 1, "Staging")
    evidence = registry.add_evidence(pitch.model_id, "CheckFormat", "report", "r1", {})
    assert before <= registry.ledger("pitch")[0].at_ms == move.at_ms <= registry.evidence(pitch.model_id)[0].at_ms
    assert evidence.at_ms <= int(time.time() * 1000)
    assert abs(registry.version("pitch", 1).created_ms - before) < 3_600_000


@pytest.mark.parametrize("name", ["\\", "\\ OR 1=1 --", "pitch\\", "'; --", "pitch@1", "P", "x" * 64, "a\0b", "\ud800"])
def test_a_name_that_no_model_can_have_is_an_unknown_model(registry: Registry, pitch: ModelVersion, name: str) -> None:
    for ask in (registry.model, registry.versions, registry.ledger, lambda name: registry.version(name, 1)):
        with pytest.raises(NoSuchModel):
            ask(name)


def test_text_that_a_store_would_change_is_refused_by_name(registry: Registry, pitch: ModelVersion) -> None:
    value = "a\0b"
    with pytest.raises(Refused, match="user: holds a NUL or half a surrogate pair"):
        registry.register("pitch", "d2", served=SERVED, manifest={"user": value})
    with pytest.raises(Refused, match="why: holds a NUL or half a surrogate pair"):
        registry.move_stage("pitch", 1, "Staging", why=value)
    with pytest.raises(Refused, match="run: holds a NUL or half a surrogate pair"):
        registry.add_evidence(pitch.model_id, "CheckFormat", "report", value, {})
    assert (len(registry.versions("pitch")), registry.ledger("pitch")) == (1, [])


def test_evidence_cannot_pose_as_a_stage_move(registry: Registry, pitch: ModelVersion) -> None:
    for kind in ("StageMove", ""):
        with pytest.raises(Refused, match="kind"):
            registry.add_evidence(pitch.model_id, kind, "k", "r", {})


def test_a_large_document_is_kept_whole(registry: Registry, pitch: ModelVersion) -> None:
    random = Random(1)  # what compresses well hides the limits of an index
    document = {"curve": [random.random() for _ in range(50_000)], "sentence": "größer\n" * 1000}
    assert len(json.dumps(document)) > 1_000_000
    registry.add_evidence(pitch.model_id, "ProfileHardware", "cpu-1x1", "r1", document)
    assert registry.evidence(pitch.model_id)[0].document == document


def test_threads_may_share_a_registry(registry: Registry, pitch: ModelVersion) -> None:
    def work(at: int) -> int:
        registry.add_evidence(pitch.model_id, "Shadow", f"key {at % 4}", "r1", {"at": at})
        return registry.register("pitch", f"digest {at % 5}", served=SERVED, manifest={})[0].version

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(work, range(40)))
    assert set(numbers) == {2, 3, 4, 5, 6}
    assert len(registry.evidence(pitch.model_id)) == 4


def test_processes_may_make_the_tables_of_an_empty_store_at_once(connection: str) -> None:
    results = race(connection, *({"do": "register", "digests": ["d"]} for _ in range(4)))
    assert sorted(created for ((_, _, created),) in results) == [False, False, False, True]


def test_processes_that_make_a_type_at_once_get_the_same_one(connection: str) -> None:
    """ml-metadata lets two types have one name; then the names of their things would not be unique."""
    names = [f"Kind{at}" for at in range(100)]
    one, other = race(connection, *({"do": "types", "names": names} for _ in range(2)))
    assert one == other
    assert len(set(one)) == len(names)


def test_processes_that_register_at_once_give_each_digest_one_number(connection: str) -> None:
    shared = [f"shared {at}" for at in range(8)]
    jobs = [{"do": "register", "digests": [*shared, f"own {me}"]} for me in range(2)]
    results = [entry for result in race(connection, *jobs) for entry in result]
    versions = Registry(connection).versions("pitch")
    assert [version.version for version in versions] == list(range(1, 11))
    assert {version.tree_digest: version.version for version in versions} == {d: n for d, n, _ in results}
    assert sum(created for *_, created in results) == 10


def test_processes_that_move_stages_at_once_leave_a_ledger_without_holes_that_keeps_the_rules(connection: str) -> None:
    registry = Registry(connection)
    put(registry, 2)
    registry.move_stage("pitch", 1, "Staging")
    registry.move_stage("pitch", 2, "Staging")
    own = [[[me, to, "any"] for _ in range(10) for to in ("Archived", "Production")] for me in (1, 2)]
    list(race(connection, *({"do": "move", "moves": moves} for moves in own)))
    ledger = registry.ledger("pitch")
    assert [move.seq for move in ledger] == list(range(1, len(ledger) + 1))
    for at, move in enumerate(ledger):
        before = rules.stage_of(ledger[:at], "local", move.version)
        assert move.from_stage == before
        assert move.to_stage in rules.ALLOWED[before]
        if move.to_stage == "Production":
            assert move.displaced == rules.current(ledger[:at], "local").production
    assert {move.who for move in ledger} == {"", "racer 0", "racer 1"}


def test_of_two_promotions_that_expect_the_same_production_one_wins_and_one_is_told(connection: str) -> None:
    registry = Registry(connection)
    put(registry, 3)
    registry.move_stage("pitch", 3, "Staging")
    registry.move_stage("pitch", 3, "Production")
    for version in (1, 2):
        registry.move_stage("pitch", version, "Archived")
    jobs = ({"do": "move", "moves": [[version, "Production", 3]]} for version in (1, 2))
    results = [result[0] for result in race(connection, *jobs)]
    assert sorted(map(str, results)) == ["5", "conflict"]
    assert registry.ledger("pitch")[-1].displaced == 3


@pytest.mark.parametrize("held", [None, 3])
def test_of_two_runs_that_expect_the_same_staging_one_wins_and_one_is_told(connection: str, held: int | None) -> None:
    registry = Registry(connection)
    put(registry, 3)
    if held:
        registry.move_stage("pitch", held, "Staging")
    jobs = ({"do": "move", "expect": "expect_staging", "moves": [[version, "Staging", held]]} for version in (1, 2))
    results = [result[0] for result in race(connection, *jobs)]
    assert sorted(map(str, results)) == [str(len(registry.ledger("pitch"))), "conflict"]
    assert registry.ledger("pitch")[-1].displaced == held
    assert len(registry.ledger("pitch")) == (2 if held else 1)


@pytest.mark.parametrize("code", range(1, 17))
def test_every_error_of_ml_metadata_becomes_one_of_ours(code: int) -> None:
    theirs = mlmd_errors.make_exception("it says no", code)
    with pytest.raises(SeatrialError, match="the registry's store: it says no") as caught:
        mlmd_connection.translated(_raising(theirs))
    patience = code in (mlmd_errors.ABORTED, mlmd_errors.UNAVAILABLE, mlmd_errors.DEADLINE_EXCEEDED)
    assert isinstance(caught.value, TryAgain) or not patience
    assert caught.value.__cause__ is theirs


def test_a_store_of_another_seatrial_is_refused(connection: str) -> None:
    Connection(connection).type_id("artifact", "ModelVersion", {"served": 3})
    with pytest.raises(Refused, match="type ModelVersion with other properties"):
        Registry(connection)


def test_no_call_hands_postgresql_text_that_it_would_run(connection: str) -> None:
    with pytest.raises(Refused, match="backslash"):
        Connection(connection).call("get_contexts_by_type", "\\; DROP TABLE x; --")


@pytest.mark.parametrize("text", [None, "this is text and not a database\n" * 100])
def test_a_store_that_cannot_be_opened_says_so(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "registry.sqlite"
    path.write_text(text) if text else path.mkdir()
    registry = Registry(f"sqlite:///{path}")
    with pytest.raises(TryAgain, match="the registry's store cannot be opened"):
        registry.models()


def _raising(error: Exception) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call
